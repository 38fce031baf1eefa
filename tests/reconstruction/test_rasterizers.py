"""What each pixel sees, against equations; every rasterizer that is installed, and a clear error for one that is not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import trimesh

from reconstruction.errors import BackendMissing
from reconstruction.generated.shapes import jug
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


@pytest.mark.parametrize("name", [name for name in RASTERIZERS if INSTALLED[name]])
def test_faces_in_front_hide_those_behind(name: str) -> None:
    """A jug with a handle and a spout, against every ray cut with every triangle (Moeller and Trumbore, 1997)."""
    mesh = jug(0.008)
    camera = Camera(48, 36, 60.0, 58.0, 23.2, 17.9)
    turn = trimesh.transformations.random_rotation_matrix(np.array([0.6, 0.1, 0.8]))[:3, :3]
    cam_from_obj = RigidTransform(turn, np.array([0.005, -0.01, 0.28]))
    raster = make_rasterizer(mesh, name).render(camera, cam_from_obj)

    a, b, c = (cam_from_obj.apply(mesh.vertices)[mesh.faces[:, k]] for k in range(3))
    rays = camera.rays().reshape(-1, 3)
    nearest, seen = np.full(len(rays), np.inf), np.full(len(rays), -1)
    corner, depth_scale = np.zeros((len(rays), 3)), np.cross(b - a, c - a)
    for face in range(len(mesh.faces)):
        p, q = b[face] - a[face], c[face] - a[face]
        across = np.cross(rays, q)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = across @ -a[face] / (across @ p)
            v = rays @ np.cross(-a[face], p) / (across @ p)
            depth = -np.dot(a[face], -depth_scale[face]) / (rays @ depth_scale[face])
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0) & (depth < nearest)
        nearest[hit], seen[hit], corner[hit] = depth[hit], face, np.stack([1 - u - v, u, v], 1)[hit]
    mask = np.isfinite(nearest).reshape(36, 48)
    assert mask.mean() > 0.15
    assert (raster.mask != mask).mean() < 0.005
    both = raster.mask & mask
    same = both & (raster.face == seen.reshape(36, 48))
    assert same.sum() > 0.98 * both.sum(), "only pixels on an edge may see the neighbour"
    np.testing.assert_allclose(raster.depth[same], nearest.reshape(36, 48)[same], rtol=1e-5)
    np.testing.assert_allclose(raster.barycentric[same], corner.reshape(36, 48, 3)[same], atol=2e-3)
