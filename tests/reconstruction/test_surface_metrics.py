"""Metrics against shapes whose distances are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from reconstruction.metrics import compare_surfaces, mask_iou, point_to_surface, psnr, reprojection_errors
from reconstruction.scene import Camera, Mesh, RigidTransform, View


def _ball(radius: float, subdivisions: int = 4) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int32))


def _square() -> Mesh:
    return Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float), np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def test_iou_counts_pixels() -> None:
    left, top = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    left[:, :2], top[:2] = True, True
    assert mask_iou(left, top) == pytest.approx(4 / 12)
    assert mask_iou(left, left) == 1
    assert mask_iou(left, ~left) == 0
    assert mask_iou(left & ~left, left & ~left) == 1


def test_distance_to_face_edge_and_corner() -> None:
    points = np.array([[0.3, 0.6, 0.25], [0.5, -0.5, 0.0], [1.3, 1.4, 0.0], [0.4, 0.4, 0.0]])
    np.testing.assert_allclose(point_to_surface(points, _square())[0], [0.25, 0.5, 0.5, 0.0], atol=1e-9)


def test_a_mesh_has_no_distance_to_itself() -> None:
    distance = compare_surfaces(_ball(0.1), _ball(0.1))
    assert distance.chamfer_over_diameter < 1e-5
    assert distance.f_score == 1


def test_a_ball_that_is_one_percent_too_big() -> None:
    truth, mesh = _ball(0.1), _ball(0.101)
    distance = compare_surfaces(mesh, truth, threshold_over_diameter=0.004)
    assert distance.chamfer == pytest.approx(0.001, rel=0.05)
    assert distance.chamfer_over_diameter == pytest.approx(0.005, rel=0.05)
    assert distance.f_score == 0
    assert compare_surfaces(mesh, truth, threshold_over_diameter=0.006).f_score > 0.999
    assert distance.normal_deg < 2


def test_a_turned_face_shows_in_the_normals() -> None:
    turned = _square().transformed(RigidTransform.from_rotvec(np.array([0, 0, np.pi]), np.zeros(3)))
    upside_down = _square().transformed(RigidTransform.from_rotvec(np.array([np.pi, 0, 0]), np.zeros(3)))
    assert compare_surfaces(turned, _square()).normal_deg < 0.01
    assert compare_surfaces(upside_down, _square()).normal_deg > 179


def test_a_missing_bottom_costs_nothing_when_left_out() -> None:
    truth = _ball(0.1)
    keep = truth.vertices[truth.faces].mean(1)[:, 2] > -0.05
    open_ball = Mesh(truth.vertices, truth.faces[keep])
    assert compare_surfaces(open_ball, truth).completeness > 0.002
    assert compare_surfaces(open_ball, truth, above_z=-0.045).completeness < 1e-4
    assert compare_surfaces(open_ball, truth, seen=lambda points: points[:, 2] > -0.045).completeness < 1e-4


def test_psnr_of_a_known_error() -> None:
    truth = np.full((4, 4, 3), 0.5)
    image = truth + 0.1
    assert psnr(image, truth) == pytest.approx(20.0)
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    image[0, 0] = 0.51
    assert psnr(image, truth, mask) == pytest.approx(40.0)
    assert psnr(truth, truth) == float("inf")


def test_reprojection_is_measured_in_pixels() -> None:
    view = View("a", Camera(640, 480, 500, 500, 320, 240), RigidTransform(translation=np.array([0, 0, 1.0])), Path("a.png"))
    points = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, -2]], float)
    errors = reprojection_errors(view, points, np.array([[320, 240], [373, 244], [0, 0]], float))
    np.testing.assert_allclose(errors[:2], [0, 5])
    assert np.isnan(errors[2])
