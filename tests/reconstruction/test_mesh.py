"""Meshes: files, sizes, normals, sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from reconstruction.errors import InputError
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform


def _block(extents: tuple[float, float, float] = (0.1, 0.2, 0.3), subdivide: int = 2) -> Mesh:
    solid = trimesh.creation.box(extents)
    for _ in range(subdivide):
        solid = solid.subdivide()
    colors = np.random.default_rng(0).integers(0, 255, (len(solid.vertices), 3), dtype=np.uint8)
    return Mesh(np.asarray(solid.vertices), np.asarray(solid.faces, np.int32), colors)


def test_diameter_is_the_longest_distance() -> None:
    assert _block().diameter == pytest.approx(np.sqrt(0.01 + 0.04 + 0.09))
    flat = Mesh(np.array([[0, 0, 0], [3, 0, 0], [0, 4.0, 0]]), np.array([[0, 1, 2]], np.int32))
    assert flat.diameter == pytest.approx(5)


def test_ply_keeps_shape_and_colours(tmp_path: Path) -> None:
    mesh = _block()
    mesh.save(tmp_path / "a.ply")
    back = Mesh.load(tmp_path / "a.ply")
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-7)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    np.testing.assert_array_equal(back.colors, mesh.colors)


def test_glb_is_y_up(tmp_path: Path) -> None:
    _block().save(tmp_path / "a.glb")
    np.testing.assert_allclose(trimesh.load(tmp_path / "a.glb", force="mesh").extents, [0.1, 0.3, 0.2], atol=1e-6)


def test_normals_look_outwards() -> None:
    mesh = _block()
    centres = mesh.vertices[mesh.faces].mean(1)
    assert (np.einsum("ni,ni->n", mesh.face_normals, centres) > 0).all()
    assert (np.einsum("ni,ni->n", mesh.vertex_normals, mesh.vertices) > 0).all()


def test_samples_lie_on_their_face_and_spread_by_area() -> None:
    mesh = _block((0.1, 0.1, 0.4))
    points, face = mesh.sample(20_000, seed=3)
    offset = np.einsum("ni,ni->n", points - mesh.vertices[mesh.faces[face, 0]], mesh.face_normals[face])
    np.testing.assert_allclose(offset, 0, atol=1e-12)
    on_ends = np.isclose(np.abs(points[:, 2]), 0.2).mean()
    assert on_ends == pytest.approx(2 * 0.01 / (2 * 0.01 + 4 * 0.04), abs=0.01)
    np.testing.assert_array_equal(points, mesh.sample(20_000, seed=3)[0])


def test_largest_component_drops_floaters() -> None:
    big, floater = _block(), _block((0.02, 0.02, 0.02))
    vertices = np.concatenate([floater.vertices + 1, big.vertices])
    faces = np.concatenate([floater.faces, big.faces + len(floater.vertices)]).astype(np.int32)
    kept = Mesh(vertices, faces).largest_component()
    np.testing.assert_allclose(kept.extents, big.extents)
    assert len(kept.faces) == len(big.faces)


@pytest.mark.parametrize("content", [b"not a mesh", b"", b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n"])
def test_a_file_that_is_no_mesh_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.ply"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.ply"):
        Mesh.load(path)


def test_raster_coordinates_project_back_to_their_pixel() -> None:
    mesh, camera = _block(), Camera(96, 72, 90, 90, 47, 36)
    cam_from_obj = RigidTransform.from_rotvec(np.array([0.4, 0.8, -0.3]), np.array([0.01, -0.02, 0.6]))
    raster = make_rasterizer(mesh).render(camera, cam_from_obj)
    rows, columns = np.nonzero(raster.mask)
    assert len(rows) > 300
    points_cam = cam_from_obj.apply(raster.coordinates()[rows, columns].astype(float))
    np.testing.assert_allclose(camera.project(points_cam), np.stack([columns, rows], -1), atol=0.01)
    np.testing.assert_allclose(points_cam[:, 2], raster.depth[rows, columns], atol=1e-5)
    assert not raster.coordinates()[~raster.mask].any()
