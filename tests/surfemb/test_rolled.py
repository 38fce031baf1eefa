"""A crop that the networks are shown in several turns: what they say comes back to the pixel that it is about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from estimation_oracle import Oracle, Painted, lumpy_mesh, random_pose
from numpy import ndarray

from reconstruction.scene import Camera, Crop, Mesh
from surfemb.estimation.correspondences import sample_surface
from surfemb.estimation.rolled import query_rolled

CAMERA = Camera(320, 240, 400.0, 400.0, 159.5, 119.5)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return lumpy_mesh()


@pytest.fixture(scope="module")
def shown(mesh: Mesh) -> tuple[ndarray, Crop]:
    """A picture, and the crop around the object."""
    painted, pose = Painted(mesh), random_pose(np.random.default_rng(0), 0.5)
    return painted.picture(CAMERA, pose), CAMERA.crop_towards(painted.box(CAMERA, pose), 128, 1.3)


@pytest.mark.parametrize("rolls_deg", [(0.0, 30.0), (0.0, -20.0, 20.0)])
def test_each_pixel_keeps_its_mask_and_its_point(mesh: Mesh, shown: tuple[ndarray, Crop], rolls_deg: tuple[float, ...]) -> None:
    oracle = Oracle(mesh)
    surface = sample_surface(mesh, oracle, 2500)
    (mask, queries), (turned_mask, turned_queries) = (query_rolled(oracle, *shown, rolls) for rolls in ((0.0,), rolls_deg))
    assert np.abs(mask - turned_mask).mean() < 0.015
    assert turned_mask.sum() == pytest.approx(mask.sum(), rel=0.005)
    inside = mask > 0.9
    once, turned = (surface.points[(q[inside] @ surface.keys.T).argmax(1)] for q in (queries, turned_queries))
    off = (turned - once) / mesh.diameter
    assert np.quantile(np.linalg.norm(off, axis=1), 0.9) < 0.04
    assert np.abs(off.mean(0)).max() < 0.005


def test_corners_that_a_turn_does_not_show_are_told_by_the_others(mesh: Mesh, shown: tuple[ndarray, Crop]) -> None:
    class Certain(Oracle):
        def query(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.full(crops[:, 0].shape, 2.0), torch.full((*crops[:, 0].shape, 12), 3.0)

    mask, queries = query_rolled(Certain(mesh), *shown, (0.0, -20.0, 20.0))
    np.testing.assert_allclose(mask, 1 / (1 + np.exp(-2.0)), rtol=1e-4)
    np.testing.assert_allclose(queries, 3.0, rtol=1e-4)
