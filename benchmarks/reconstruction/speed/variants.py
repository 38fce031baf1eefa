"""Steps and seconds to a given accuracy, with and without the start from the hull and the samples near the surface."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from benchmarks.reconstruction.speed.scene import Scene
from reconstruction.metrics import compare_surfaces
from reconstruction.scene import Mesh
from reconstruction.sdf import train
from reconstruction.sdf.field import SurfaceField
from reconstruction.sdf.frame import grid_nodes
from reconstruction.sdf.model import SurfaceModel
from reconstruction.sdf.pool import RayPool
from reconstruction.sdf.sampling import _through_cube
from reconstruction.sdf.train import Trainer

RADIUS = 0.42  # of the sphere to start from: the object's longest side fills 0.84 of the cube
CELLS = 96


def measure_variants(scene: Scene, marks: Sequence[int], told: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Chamfer over the diameter and seconds of training at each of `marks` steps; the schedule ends at the last of them."""
    config = replace(scene.config, training=replace(scene.config.training, steps=marks[-1]))
    scene = replace(scene, config=config)
    report: dict[str, Any] = {}
    for start in ("hull", "sphere"):
        for samples in ("band", "uniform"):
            name = f"{start} start, {samples} samples"
            report[name] = []
            with uniform_samples() if samples == "uniform" else nullcontext():
                for row in _train(scene.trainer() if start == "hull" else sphere_trainer(scene), scene, marks):
                    report[name].append(row)
                    told(f"{name}: {row}")
    return report


def _train(trainer: Trainer, scene: Scene, marks: Sequence[int]) -> Iterator[dict[str, float]]:
    seconds = 0.0
    for mark in marks:
        started = time.perf_counter()
        while trainer.step < mark:
            trainer.run_step()
        seconds += time.perf_counter() - started
        yield {"steps": mark, "seconds": round(seconds, 1), "chamfer_over_diameter": chamfer(trainer.surface, scene)}


def chamfer(surface: SurfaceField, scene: Scene) -> float:
    """Over the diameter, above the table as in the reconstruction benchmark; 1 where there is no surface. Nothing of the hull cuts it."""
    model = SurfaceModel(surface, scene.unit_from_obj)
    grid = model.sdf(model.unit_from_obj.inverse().apply(grid_nodes(CELLS).astype(np.float64))).reshape((CELLS + 1,) * 3)
    if grid.min() >= 0 or grid.max() <= 0:
        return 1.0
    vertices, faces, _, _ = marching_cubes(grid, 0.0, spacing=(1 / CELLS,) * 3)
    mesh = Mesh(model.unit_from_obj.inverse().apply(vertices.astype(np.float64)), faces.astype(np.int32)).largest_component()
    bottom = scene.truth.bounds[0][2] + 0.02 * scene.truth.diameter
    return compare_surfaces(mesh, scene.truth, above_z=bottom, samples=5000).chamfer_over_diameter


def sphere_trainer(scene: Scene) -> Trainer:
    """Knows nothing of the hull but the cube: every pixel of the windows is drawn, nothing is kept where no photo looks."""
    config = scene.config
    torch.manual_seed(config.training.seed)
    surface = SurfaceField(config.field, config.encoding)
    side = config.field.base_cells + 1
    nodes = torch.from_numpy(grid_nodes(config.field.base_cells))
    surface.set_base(((nodes - 0.5).norm(dim=1) - RADIUS).reshape(side, side, side))
    everywhere = torch.zeros(side, side, side)
    pool = RayPool.fill(scene.windows, scene.unit_from_obj, everywhere, reach=1.0)
    return Trainer(surface, pool, config.training, torch.zeros(0, 3))


@contextmanager
def uniform_samples() -> Iterator[None]:
    """Samples spread evenly over each ray's way through the cube."""

    def place(origins: Tensor, directions: Tensor, distances: Tensor, half_width: Tensor, jitter: Tensor) -> tuple[Tensor, Tensor]:
        enter, leave = _through_cube(origins, directions)
        share = (torch.arange(jitter.shape[1]) + jitter) / jitter.shape[1]
        return enter[:, None] + (leave - enter)[:, None] * share, leave > enter

    with patch.object(train, "place_samples", place):
        yield
