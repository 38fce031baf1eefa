"""What each pixel sees, against a sphere's equation; every rasterizer that is installed, and a clear error for one that is not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import trimesh

from reconstruction.errors import BackendMissing
from reconstruction.rasterizers import RASTERIZERS, make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform

RADIUS = 0.05
CAMERA = Camera(160, 120, 180.0, 175.0, 71.3, 64.8)
INSTALLED = {"cpu": True, "pytorch3d": importlib.util.find_spec("pytorch3d") is not None}


@pytest.fixture(scope="module")
def sphere() -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=RADIUS)
    return Mesh(np.asarray(ball.vertices), np.asarray(ball.faces))


@pytest.mark.parametrize("name", RASTERIZERS)
def test_every_pixel_sees_the_point_its_ray_meets(name: str, sphere: Mesh) -> None:
    if not INSTALLED[name]:
        with pytest.raises(BackendMissing, match="pytorch3d"):
            make_rasterizer(sphere, name)
        return
    cam_from_obj = RigidTransform(
        trimesh.transformations.random_rotation_matrix(np.array([0.2, 0.7, 0.4]))[:3, :3], np.array([0.03, -0.02, 0.3])
    )
    raster = make_rasterizer(sphere, name).render(CAMERA, cam_from_obj)

    # |s ray - centre| = radius has a root where the ray meets the sphere; the nearer one is seen.
    rays, centre = CAMERA.rays(), cam_from_obj.translation
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - RADIUS**2
    root = b**2 - a * c
    depth = (b - np.sqrt(np.maximum(root, 0))) / a
    assert (raster.mask != (root > 0)).sum() < 0.02 * (root > 0).sum()  # the outline of a mesh lies inside that of its sphere
    inner = raster.mask & (root > 0.1 * root.max())
    assert np.abs(raster.depth - depth)[inner].max() < 0.002 * RADIUS
    points = cam_from_obj.apply(raster.coordinates()[inner])
    assert np.abs(CAMERA.project(points) - np.argwhere(inner)[:, ::-1]).max() < 0.01
    assert (raster.depth[~raster.mask] == 0).all()
