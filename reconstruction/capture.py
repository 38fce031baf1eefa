"""What the user gives: photos, a hint where the object is, a source of scale. Written once, read by the stages."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import dist
from numbers import Real
from pathlib import Path
from typing import Any

from reconstruction.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Prompt:
    """Where the object is in one photo, in pixels of that upright photo as uploaded. Exactly one of the two is given."""

    photo: str
    box: Box | None = None
    point: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _require((self.box is None) != (self.point is None), "a prompt is one box or one point", "give one of them")
        given, count = (self.box, 4) if self.box is not None else (self.point, 2)
        _require(_numbers(given, count), f"the prompt in {self.photo} is not {count} finite numbers", "give x0,y0,x1,y1 or x,y in pixels")


@dataclass(frozen=True)
class TagBoard:
    """A printed board: tag id -> its four corners in mm, in the detector's corner order, all in one frame."""

    family: str
    corners_mm: dict[int, list[list[float]]]

    def __post_init__(self) -> None:
        for tag, corners in self.corners_mm.items():
            whole = len(corners) == 4 and all(_numbers(corner, 3) for corner in corners)
            sides = [dist(corners[k], corners[k - 1]) for k in range(4)] if whole else [0.0]
            _require(
                0 < max(sides) < 1.1 * min(sides), f"tag {tag} of the board layout is no square", "list its four corners in mm, going round"
            )


@dataclass(frozen=True)
class SingleTag:
    """One or more loose tags of one known side length."""

    family: str
    side_m: float

    def __post_init__(self) -> None:
        _require(_positive(self.side_m), f"{self.side_m} m is no side of a tag", "measure the printed tag's black square")


@dataclass(frozen=True)
class DepthFrames:
    """`capture/depth/STEM.png` beside photos, registered to them; integers times `unit_m` are metres."""

    unit_m: float = 0.001

    def __post_init__(self) -> None:
        _require(_positive(self.unit_m), f"{self.unit_m} m is no unit of depth", "give 0.001 for millimetres")


@dataclass(frozen=True)
class KnownLength:
    """A length on the object: its height above the table, or the distance between two pixels of one photo."""

    length_m: float
    photo: str | None = None
    a_px: tuple[float, float] | None = None
    b_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _require(_positive(self.length_m), f"{self.length_m} m is no length", "give a length above zero")
        ends = self.photo is None or (_numbers(self.a_px, 2) and _numbers(self.b_px, 2))
        _require(ends, f"the length in {self.photo} lacks an end", "give two pixels of that photo")


ScaleSource = TagBoard | SingleTag | DepthFrames | KnownLength
_SOURCES = {"board": TagBoard, "tags": SingleTag, "depth": DepthFrames, "known_length": KnownLength}


@dataclass(frozen=True)
class GivenCameras:
    """Cameras known beforehand. lens: k1, k2, p1, p2, k3. poses: photo stem -> cam_from_world JSON, empty where unknown."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    lens: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    poses: dict[str, dict[str, list[float]]] | None = None

    def __post_init__(self) -> None:
        sizes = all(_positive(v) for v in (self.width, self.height, self.fx, self.fy))
        _require(
            sizes and _numbers((self.cx, self.cy), 2),
            "the given camera is not one of finite numbers",
            "give its size and fx, fy, cx, cy in pixels",
        )
        _require(_numbers(self.lens, 5), "the given lens is not five finite numbers", "give k1, k2, p1, p2, k3")
        _require(isinstance(self.poses, dict | None), "the given poses name no photos", 'give {photo: {"R": [9 numbers], "t": [3]}}')
        for photo, pose in (self.poses or {}).items():
            right = isinstance(pose, dict) and _numbers(pose.get("R"), 9) and _numbers(pose.get("t"), 3)
            _require(right, f"the given pose of {photo} can't be read", 'give {"R": [9 numbers, row by row], "t": [3 numbers]}')


@dataclass(frozen=True)
class Capture:
    """The request beside the photos. `scale` None means unknown: the result is then in arbitrary units and says so."""

    name: str = "object"
    prompt: Prompt | None = None
    scale: ScaleSource | None = None
    cameras: GivenCameras | None = None
    shared_camera: bool = True

    @property
    def named_photos(self) -> set[str]:
        """Stems of the photos that the request itself speaks of."""
        named = [self.prompt.photo] if self.prompt else []
        if isinstance(self.scale, KnownLength) and self.scale.photo:
            named.append(self.scale.photo)
        poses = (self.cameras.poses or {}) if self.cameras else {}
        return {*named, *(Path(name).stem for name in named), *poses}

    def to_json(self) -> str:
        doc = asdict(self)
        if self.scale is not None:
            doc["scale"] = {next(k for k, v in _SOURCES.items() if isinstance(self.scale, v)): asdict(self.scale)}
        return json.dumps(doc, indent=1)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json())

    @classmethod
    def load(cls, path: Path) -> Capture:
        """Raises InputError where the file is not one that `save` wrote."""
        try:
            doc: dict[str, Any] = json.loads(path.read_text())
            return cls(
                doc["name"],
                None if doc["prompt"] is None else _prompt(doc["prompt"]),
                None if doc["scale"] is None else _scale(doc["scale"]),
                None if doc["cameras"] is None else GivenCameras(**{**doc["cameras"], "lens": tuple(doc["cameras"]["lens"])}),
                doc["shared_camera"],
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path.name} is not a capture's ({error})", try_next="onboard the photos again, into another folder"
            ) from error


def require_camera_source(cameras_from: str) -> None:
    """Raises InputError where cameras can't come from there."""
    _require(cameras_from in ("auto", "features", "board"), f"cameras can't come from {cameras_from!r}", "choose auto, features or board")


def _require(right: bool, what: str, try_next: str) -> None:
    if not right:
        raise InputError(what, try_next=try_next)


def _numbers(values: Any, count: int) -> bool:
    return isinstance(values, list | tuple) and len(values) == count and all(_is_number(v) for v in values)


def _positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_number(value: Any) -> bool:
    """Finite, and of a size that pixels and millimetres may have: JSON has integers that no float holds."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    number: Any = value
    return bool(abs(number) < 1e12)


def _prompt(doc: dict[str, Any]) -> Prompt:
    return Prompt(doc["photo"], doc["box"] and tuple(doc["box"]), doc["point"] and tuple(doc["point"]))


def _scale(doc: dict[str, Any]) -> ScaleSource:
    ((kind, values),) = doc.items()
    if kind == "board":
        values = {**values, "corners_mm": {int(k): v for k, v in values["corners_mm"].items()}}
    if kind == "known_length":
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    source: ScaleSource = _SOURCES[kind](**values)
    return source
