"""What a caller says of the capture -> the JSON of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict

from snap6d.errors import BadInput

PathOrJson = str | PathLike[str] | Mapping[str, Any]
Pixel = tuple[float, float]


class Options(TypedDict, total=False):
    """All optional. At most one of box and point, at most one of board, tags, depth_unit_m and known_length (the scale).

    In `objects.change`, None takes back what was said before.
    """

    name: str | None
    profile: str | None
    """preview, standard or full."""
    box: tuple[str, Sequence[float]] | None
    """A photo, and x0, y0, x1, y1 of the object's box in it: pixels of the upright photo."""
    point: tuple[str, Sequence[float]] | None
    """A photo, and x, y of a point on the object."""
    board: PathOrJson | None
    """Layout of a printed tag board: tag id -> its four corners in mm. A file, or its content."""
    tags: tuple[str, float] | None
    """Loose tags: their family, such as tag36h11, and the length of a side in metres."""
    depth_unit_m: float | None
    """The scale comes from the depth frames: their integers times this are metres."""
    known_length: float | tuple[str, Pixel, Pixel, float] | None
    """The object's height above the table in metres, or a photo, two pixels in it and the metres between these points."""
    cameras: PathOrJson | None
    """Known intrinsics: width, height, fx, fy, cx, cy in pixels[, lens][, poses]. A file, or its content."""
    shared_camera: bool | None
    """False: zoom or lens differ from photo to photo."""


def as_json(options: Options) -> dict[str, Any]:
    """Raises BadInput for what can't be read."""
    document: dict[str, Any] = {}
    for name, value in options.items():
        write = _WRITERS.get(name, lambda given: given)
        try:
            document["depth" if name == "depth_unit_m" else name] = None if value is None else write(value)
        except (TypeError, ValueError, IndexError) as error:
            raise BadInput(f"{name} can't be read ({error})", try_next="see snap6d.options.Options", type="bad-input") from error
    return document


def numbers(values: Any) -> list[float]:
    """Flat, row by row: of a tuple, of nested ones, of an array."""
    try:
        return [number for value in values for number in numbers(value)]
    except TypeError:
        return [float(values)]


def _photo_and(name: str, count: int) -> Callable[[Any], dict[str, Any]]:
    def write(value: Any) -> dict[str, Any]:
        photo, given = value
        pixels = numbers(given)
        if len(pixels) != count:
            raise ValueError(f"{count} numbers are needed")
        return {"photo": str(photo), name: pixels}

    return write


def _tags(value: tuple[str, float]) -> dict[str, Any]:
    family, side_m = value
    return {"family": family, "side_m": float(side_m)}


def _length(value: Any) -> dict[str, Any]:
    if not isinstance(value, Sequence):
        return {"length_m": float(value)}
    photo, a_px, b_px, length_m = value
    return {"photo": photo, "a_px": numbers(a_px), "b_px": numbers(b_px), "length_m": float(length_m)}


def _document(value: PathOrJson) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    try:
        return json.loads(Path(value).read_text())
    except OSError as error:
        raise BadInput(f"{value} can't be read ({error.strerror})", try_next="check the path", type="bad-input") from error


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "box": _photo_and("box", 4),
    "point": _photo_and("point", 2),
    "board": _document,
    "tags": _tags,
    "depth_unit_m": lambda unit_m: {"unit_m": float(unit_m)},
    "known_length": _length,
    "cameras": _document,
}
