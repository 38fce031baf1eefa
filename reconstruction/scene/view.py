"""A view: one photo with its camera, its pose and, once known, the object's mask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.scene.camera import Camera
from reconstruction.scene.images import read_depth, read_doubtful, read_mask, read_photo
from reconstruction.scene.transforms import RigidTransform, Similarity


@dataclass(frozen=True)
class View:
    """An undistorted photo. Pixels stay on disk until asked for, so a hundred views cost nothing to hold.

    `cam_from_world`: the world is the SfM frame (arbitrary units) before `scale`, the object frame (metres) after it.
    """

    name: str
    camera: Camera
    cam_from_world: RigidTransform
    photo_path: Path
    mask_path: Path | None = None
    depth_path: Path | None = None

    def photo(self) -> UInt8[ndarray, "h w 3"]:
        return read_photo(self.photo_path)

    def mask(self) -> Bool[ndarray, "h w"] | None:
        return None if self.mask_path is None else read_mask(self.mask_path)

    def doubtful(self) -> Bool[ndarray, "h w"] | None:
        """The part of the mask that may be something else."""
        return None if self.mask_path is None else read_doubtful(self.mask_path)

    def depth(self) -> Float[ndarray, "h w"] | None:
        """Metres, 0 = none."""
        return None if self.depth_path is None else read_depth(self.depth_path)

    @property
    def centre_world(self) -> Float[ndarray, "3"]:
        return self.cam_from_world.inverse().translation

    def project(self, points_world: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 2"]:
        """Pixels of world points; NaN behind the camera."""
        return self.camera.project(self.cam_from_world.apply(points_world))

    def in_frame(self, new_from_world: Similarity) -> View:
        """The same view with its pose given in another world frame."""
        return replace(self, cam_from_world=new_from_world.camera_pose(self.cam_from_world))


def save_views(path: Path, views: Iterable[View]) -> None:
    """JSON. Files are written relative to the object's folder (the parent of the stage folder), so that it can be moved."""
    root = path.parent.parent
    relative: Callable[[Path | None], str | None] = lambda p: None if p is None else _stage_relative(p, root)  # noqa: E731
    rows = [
        {
            "name": view.name,
            "camera": view.camera.to_json(),
            "cam_from_world": view.cam_from_world.to_json(),
            "photo": relative(view.photo_path),
            "mask": relative(view.mask_path),
            "depth": relative(view.depth_path),
        }
        for view in views
    ]
    path.write_text(json.dumps(rows, indent=1))


def load_views(path: Path) -> list[View]:
    root = path.parent.parent
    absolute: Callable[[str | None], Path | None] = lambda p: None if p is None else root / p  # noqa: E731
    return [
        View(
            row["name"],
            Camera.from_json(row["camera"]),
            RigidTransform.from_json(row["cam_from_world"]),
            root / row["photo"],
            absolute(row["mask"]),
            absolute(row["depth"]),
        )
        for row in json.loads(path.read_text())
    ]


def _stage_relative(path: Path, root: Path) -> str:
    """A stage writes into `.NAME.partial`, renamed to NAME when it is done: record the final name."""
    parts = list(path.resolve().relative_to(root.resolve()).parts)
    if parts[0].startswith(".") and parts[0].endswith(".partial"):
        parts[0] = parts[0][1 : -len(".partial")]
    return "/".join(parts)
