"""Faces without texture: photos can't tell a bump on them from none, so there is to be none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reconstruction.encodings import HashGridConfig
from reconstruction.hull import Hull
from reconstruction.scene import Camera, View
from reconstruction.scene.images import write_mask, write_photo
from reconstruction.scene.transforms import look_at
from reconstruction.sdf.field import FieldConfig
from reconstruction.sdf.frame import cube_around
from reconstruction.sdf.labels import HIDDEN, OBJECT, OUTSIDE
from reconstruction.sdf.model import SurfaceModel
from reconstruction.sdf.plain import find_plain
from reconstruction.sdf.rays import Window, open_window
from reconstruction.sdf.stage import SurfaceConfig, _trainer
from reconstruction.sdf.train import TrainingConfig

SIDE, LUMP, WIDTH = 0.080, 0.003, 0.012  # metres: a cube, and a lump in the middle of its face x = SIDE / 2


def test_what_is_plain() -> None:
    """A plain face, a striped one beside it, nothing around, and something that stands in front of the stripes."""
    photo = np.full((60, 100, 3), 128, np.uint8)
    photo[:, 50:] = np.where(np.arange(50) % 6 < 3, 40, 200)[None, :, None]
    labels = np.full((60, 100), OUTSIDE, np.uint8)
    labels[10:50, 10:90] = OBJECT
    labels[30:50, 70:90] = HIDDEN
    plain = find_plain(torch.from_numpy(photo), torch.from_numpy(labels)).numpy()
    assert plain[13:47, 13:44].min() > 0.99
    assert plain[12:28, 52:88].max() < 0.05
    assert plain[33:47, 75:87].min() == 1
    outside = np.pad(labels[2:-2, 2:-2] == OUTSIDE, 2, constant_values=True)
    assert plain[outside].max() == 0
    assert plain[10:12, 10:90].max() == 0, "close to the outline nothing is plain"


@pytest.fixture(scope="module")
def lumpy() -> Hull:
    """The cube with the lump, in voxels of 1 mm."""
    axis = np.arange(-60, 61) * 0.001
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    cube = np.maximum.reduce([abs(x), abs(y), abs(z)]) <= SIDE / 2
    radius = ((WIDTH / 2) ** 2 + LUMP**2) / (2 * LUMP)
    lump = (x - (SIDE / 2 + LUMP - radius)) ** 2 + y**2 + z**2 <= radius**2
    return Hull(cube | (lump & (x > 0)), np.full(3, axis[0]), 0.001)


@pytest.fixture(scope="module")
def windows(lumpy: Hull, tmp_path_factory: pytest.TempPathFactory) -> list[Window]:
    """Twelve noisy photos of a grey thing on white, from before the face, where no outline shows the lump."""
    folder, rng = tmp_path_factory.mktemp("grey"), np.random.default_rng(0)
    camera, windows = Camera(120, 120, 220, 220, 59.5, 59.5), []
    for k in range(12):
        angle = 2 * np.pi * k / 12
        pose = look_at(np.array([0.3, 0.12 * np.cos(angle), 0.12 * np.sin(angle)]), np.zeros(3), np.array([0.0, 0, 1]))
        view = View(f"{k:02d}", camera, pose, folder / f"{k:02d}.png", folder / f"{k:02d}_mask.png")
        mask = lumpy.silhouette(view)
        write_mask(folder / f"{k:02d}_mask.png", mask)
        write_photo(
            folder / f"{k:02d}.png", np.where(mask[..., None], rng.normal(120, 4, (120, 120, 3)), 250).clip(0, 255).astype(np.uint8)
        )
        window = open_window(view, lumpy, 120)
        assert window is not None
        windows.append(window)
    return windows


def lump_left(hull: Hull, windows: list[Window], flat_weight: float) -> float:
    """How far the middle of the face stands out over what surrounds it after training, metres."""
    training = TrainingConfig(steps=250, rays=512, samples=14, refresh_every=50, flat_weight=flat_weight)
    grids = FieldConfig(HashGridConfig(6, 8, 96, 14), HashGridConfig(6, 12, 256, 15), base_cells=64, hidden=32)
    trainer = _trainer(windows, hull, cube_around(hull), replace(SurfaceConfig(), training=training, field=grids))
    for _ in range(training.steps):
        trainer.run_step()
    model = SurfaceModel(trainer.surface.requires_grad_(False), cube_around(hull))
    depth = np.linspace(0.030, 0.055, 251)
    stroke = np.linspace(-0.002, 0.002, 5)
    face = [(y, z) for y in stroke for z in stroke]
    ring = [(0.020 * np.cos(a), 0.020 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 24)]
    surface = [depth[np.argmax(model.sdf(np.column_stack([depth, np.tile(at, (251, 1))])) > 0)] for at in face + ring]
    return float(np.median(surface[: len(face)]) - np.median(surface[len(face) :]))


def test_a_lump_that_no_photo_shows_is_ironed_out(lumpy: Hull, windows: list[Window]) -> None:
    kept, ironed = (lump_left(lumpy, windows, weight) for weight in (0.0, TrainingConfig().flat_weight))
    assert ironed < 0.8 * kept
