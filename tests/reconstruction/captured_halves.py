"""Captures of a known mesh without SfM: true cameras, true masks, the object's own frame as it lies on the table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from reconstruction.generated import GeneratedCapture
from reconstruction.hull import carve_hull
from reconstruction.joining.half import Half
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, Similarity, View
from reconstruction.scene.images import write_mask, write_photo
from reconstruction.scene.transforms import look_at


@dataclass(frozen=True)
class TrueHalf:
    half: Half
    from_truth: Similarity


def lying(views: list[View], mesh: Mesh, turn: np.ndarray, resolution: int = 64) -> TrueHalf:
    """Views of the truth frame as a capture has them: z up from the table, and a hull that ends there."""
    frame = Similarity(1.0, turn)
    turned = [view.in_frame(frame) for view in views]
    vertices = frame.apply(mesh.vertices)
    lower, upper = vertices.min(0) - 0.006, vertices.max(0) + 0.006
    lower[2] = vertices[:, 2].min()
    return TrueHalf(Half(turned, carve_hull(turned, [view.mask() for view in turned], lower, upper, resolution)), frame)


def photographed(capture: GeneratedCapture, folder: Path) -> TrueHalf:
    """A rendered capture: its photos undistorted."""
    up = np.diag([1.0, -1.0, -1.0]) @ capture.board_from_obj.rotation  # the board's z points into the table
    return lying(capture.undistorted_views(folder / "scale"), capture.mesh, up)


def outlined(mesh: Mesh, turn: np.ndarray, folder: Path, count: int = 20) -> TrueHalf:
    """Plain grey photos: only the outlines tell anything."""
    folder.mkdir(parents=True, exist_ok=True)
    camera, rasterizer, up = Camera(240, 180, 260, 260, 119.5, 89.5), make_rasterizer(mesh), turn.T @ [0, 0, 1]
    write_photo(folder / "grey.png", np.full((180, 240, 3), 128, np.uint8))
    views = []
    for k in range(count):
        azimuth, elevation = 2.399 * k, np.radians(12 + 55 * k / count)
        eye = 2.6 * mesh.diameter * np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        view = View(f"{k:02d}", camera, look_at(turn.T @ eye, np.zeros(3), up), folder / "grey.png", folder / f"{k:02d}.png")
        write_mask(folder / f"{k:02d}.png", rasterizer.render(camera, view.cam_from_world).mask)
        views.append(view)
    return lying(views, mesh, turn)


def turned(*degrees: float) -> np.ndarray:
    return Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()


def in_units(half: Half, units: float, metric: bool) -> Half:
    """The same capture in a frame whose unit is `units` times smaller."""
    change = Similarity(units)
    hull = replace(half.hull, origin=half.hull.origin * units, spacing=half.hull.spacing * units, _cache={})
    return Half([view.in_frame(change) for view in half.views], hull, metric)
