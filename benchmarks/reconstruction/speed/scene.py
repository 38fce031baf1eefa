"""A photographed object with true cameras and true masks: what the surface training gets where nothing before it failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reconstruction.subjects import list_subjects
from reconstruction.generated import CaptureConfig, load_or_render
from reconstruction.hull import Hull, carve_hull
from reconstruction.scene import Mesh, Similarity
from reconstruction.sdf.frame import cube_around
from reconstruction.sdf.hollows import open_hollows
from reconstruction.sdf.rays import Window
from reconstruction.sdf.stage import SurfaceConfig, _trainer, _windows
from reconstruction.sdf.train import Trainer


@dataclass(frozen=True, eq=False)
class Scene:
    """windows: to train on. hull: from the true masks; `start` is the same with its hollows opened by stereo."""

    truth: Mesh
    windows: list[Window]
    hull: Hull
    start: Hull
    config: SurfaceConfig

    @property
    def unit_from_obj(self) -> Similarity:
        return cube_around(self.hull)

    def trainer(self) -> Trainer:
        return _trainer(self.windows, self.start, self.unit_from_obj, self.config)


def photograph(folder: Path, name: str, config: SurfaceConfig, photos: int = 40, width: int = 480) -> Scene:
    """Renders `photos` (six of them from above) unless they are in `folder`."""
    root = folder / f"{name}-{photos}-{width}"
    wanted = CaptureConfig(photos=photos, from_above=6, held_out=0, width=width, height=round(0.75 * width))
    capture = load_or_render(root, wanted, make_obj=list_subjects(None)[name])
    views = capture.undistorted_views(root / "posed" / "scale")
    lower, upper = capture.mesh.bounds
    room = 0.08 * (upper - lower).max() * np.array([1, 1, 0.5])
    hull = carve_hull(views, [view.mask() for view in views], lower - room, upper + room)
    windows, _ = _windows(views, hull, config)
    return Scene(capture.mesh, windows, hull, open_hollows(hull, windows, config.stereo), config)
