"""What the user gives: photos, a hint where the object is, a source of scale. Written once, read by the stages."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Prompt:
    """Where the object is in one photo, in pixels of that upright photo as uploaded. Exactly one of the two is given."""

    photo: str
    box: Box | None = None
    point: tuple[float, float] | None = None


@dataclass(frozen=True)
class TagBoard:
    """A printed board: tag id -> its four corners in mm, in the detector's corner order, all in one frame."""

    family: str
    corners_mm: dict[int, list[list[float]]]


@dataclass(frozen=True)
class SingleTag:
    """One or more loose tags of one known side length."""

    family: str
    side_m: float


@dataclass(frozen=True)
class DepthFrames:
    """`capture/depth/STEM.png` beside photos, registered to them; integers times `unit_m` are metres."""

    unit_m: float = 0.001


@dataclass(frozen=True)
class KnownLength:
    """A length on the object: its height above the table, or the distance between two pixels of one photo."""

    length_m: float
    photo: str | None = None
    a_px: tuple[float, float] | None = None
    b_px: tuple[float, float] | None = None


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


@dataclass(frozen=True)
class Capture:
    """The request beside the photos. `scale` None means unknown: the result is then in arbitrary units and says so."""

    name: str = "object"
    prompt: Prompt | None = None
    scale: ScaleSource | None = None
    cameras: GivenCameras | None = None
    shared_camera: bool = True

    def save(self, path: Path) -> None:
        doc = asdict(self)
        if self.scale is not None:
            doc["scale"] = {next(k for k, v in _SOURCES.items() if isinstance(self.scale, v)): asdict(self.scale)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(doc, indent=1))

    @classmethod
    def load(cls, path: Path) -> Capture:
        doc: dict[str, Any] = json.loads(path.read_text())
        return cls(
            doc["name"],
            None if doc["prompt"] is None else _prompt(doc["prompt"]),
            None if doc["scale"] is None else _scale(doc["scale"]),
            None if doc["cameras"] is None else GivenCameras(**{**doc["cameras"], "lens": tuple(doc["cameras"]["lens"])}),
            doc["shared_camera"],
        )


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
