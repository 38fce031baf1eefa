"""What people type on the command line -> typed values. Every parser raises InputError that shows the right form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconstruction.capture import Box, GivenCameras, KnownLength, Prompt, ScaleSource, SingleTag, require_camera_source
from reconstruction.errors import InputError


def numbers(text: str, count: int | tuple[int, ...], example: str) -> tuple[float, ...]:
    """Comma-separated numbers, as many as `count` allows."""
    allowed = (count,) if isinstance(count, int) else count
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in allowed:
        raise InputError(f"{text!r} can't be read", try_next=f"write it like {example}")
    return values


def box(text: str) -> Box:
    x0, y0, x1, y1 = numbers(text, 4, "812,330,1204,901 (x0,y0,x1,y1 in pixels)")
    if not (x1 > x0 and y1 > y0):
        raise InputError(f"the box {text} has no area", try_next="give x0,y0,x1,y1 with x0 < x1 and y0 < y1")
    return (x0, y0, x1, y1)


def prompt(box_text: str | None, point_text: str | None) -> Prompt | None:
    """`PHOTO:x0,y0,x1,y1` or `PHOTO:x,y`."""
    if box_text and point_text:
        raise InputError("both --box and --point were given", try_next="give one of them")
    if box_text:
        photo, _, rest = box_text.rpartition(":")
        return Prompt(photo, box=box(rest)) if photo else _no_photo(box_text, "IMG_0042:812,330,1204,901")
    if point_text:
        photo, _, rest = point_text.rpartition(":")
        x, y = numbers(rest, 2, "IMG_0042:1010,640 (x,y in pixels)")
        return Prompt(photo, point=(x, y)) if photo else _no_photo(point_text, "IMG_0042:1010,640")
    return None


def _no_photo(text: str, example: str) -> Prompt:
    raise InputError(f"{text!r} names no photo", try_next=f"write PHOTO:numbers, like {example}")


def tags(text: str) -> SingleTag:
    """`tag36h11:50mm`, also cm and m."""
    family, _, size = text.partition(":")
    if family not in ("tag36h11", "tag25h9", "tag16h5"):
        raise InputError(f"there is no tag family {family!r} here", try_next="use tag36h11, tag25h9 or tag16h5, like tag36h11:50mm")
    return SingleTag(family, length(size, "tag36h11:50mm"))


def known_length(text: str) -> KnownLength:
    """`height:0.191m`, or `PHOTO:x0,y0:x1,y1:0.05m`."""
    example = "height:0.191m or IMG_0042:300,410:520,415:0.05m"
    if text.startswith("height:"):
        return KnownLength(length(text.removeprefix("height:"), example))
    parts = text.rsplit(":", 3)
    if len(parts) != 4:
        raise InputError(f"{text!r} can't be read", try_next=f"write {example}")
    (ax, ay), (bx, by) = numbers(parts[1], 2, example), numbers(parts[2], 2, example)
    return KnownLength(length(parts[3], example), parts[0], (ax, ay), (bx, by))


def length(text: str, example: str) -> float:
    """Metres; a unit is asked for, since a bare 50 has been everything before."""
    for unit, metres in (("mm", 1e-3), ("cm", 1e-2), ("m", 1.0)):
        if text.endswith(unit):
            try:
                value = float(text.removesuffix(unit)) * metres
            except ValueError:
                break
            if 0 < value < float("inf"):
                return value
    raise InputError(f"{text!r} is not a length", try_next=f"give a number with mm, cm or m, like {example}")


def scale(board: Path | None, tags_text: str | None, known: str | None) -> ScaleSource | None:
    """At most one of them. Depth frames are the fourth source; they come with their folder."""
    if board:
        from reconstruction.tags import load_board

        return load_board(board)
    if tags_text:
        return tags(tags_text)
    return known_length(known) if known else None


def cameras(path: Path) -> GivenCameras:
    """{"width", "height", "fx", "fy", "cx", "cy"[, "lens": [k1, k2, p1, p2, k3]][, "poses": {photo: {"R", "t"}}]}."""
    document = read_json(path)
    try:
        return GivenCameras(**{**document, "lens": tuple(document.get("lens", (0.0,) * 5))})
    except TypeError as error:
        raise InputError(f"{path.name} does not describe cameras ({error})", try_next=str(cameras.__doc__)) from error


def boxes_file(path: Path) -> dict[str, Box]:
    """{"stem": [x0, y0, x1, y1], ...}."""
    document = read_json(path)
    if not all(isinstance(b, list) and len(b) == 4 and all(isinstance(v, int | float) for v in b) for b in document.values()):
        raise InputError(f"{path.name} does not hold boxes", try_next='write {"stem": [x0, y0, x1, y1], ...}')
    return {Path(name).stem if "." in name else name: (b[0], b[1], b[2], b[3]) for name, b in document.items()}


def read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})", try_next="check the path") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error})", try_next="correct it") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no JSON object", try_next="it must start with {")
    return document


def changes(cameras_from: str, sam_checkpoint: Path | None) -> dict[str, dict[str, Any]]:
    """What the profile's configs are told besides, by stage. Raises InputError where there is no such source of cameras."""
    require_camera_source(cameras_from)
    told: dict[str, dict[str, Any]] = {}
    if cameras_from != "auto":
        told["sfm"] = {"cameras_from": cameras_from}
    if sam_checkpoint:
        told["masks"] = {"masker": "sam", "sam_checkpoint": str(sam_checkpoint.resolve())}
    return told
