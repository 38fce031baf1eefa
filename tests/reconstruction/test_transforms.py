"""Properties of the pose maths, over random transforms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reconstruction.scene import RigidTransform, Similarity
from reconstruction.scene.transforms import fit_similarity, look_at, nearest_rotation, rotation_error_deg

numbers = st.floats(-5, 5, allow_nan=False)
vectors = arrays(float, 3, elements=numbers)
clouds = arrays(float, (6, 3), elements=numbers)
rigid_transforms = st.builds(RigidTransform.from_rotvec, arrays(float, 3, elements=st.floats(-3, 3)), vectors)
similarities = st.builds(Similarity.from_rigid, rigid_transforms, st.floats(0.05, 20))
transforms = st.one_of(rigid_transforms, similarities)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 0.1)


@given(transforms, clouds)
def test_inverse_undoes(a_from_b: RigidTransform | Similarity, points: np.ndarray) -> None:
    np.testing.assert_allclose(a_from_b.inverse().apply(a_from_b.apply(points)), points, atol=1e-9)


@given(rigid_transforms, rigid_transforms, rigid_transforms, clouds)
def test_rigid_composition_is_associative_and_is_application(
    a_from_b: RigidTransform, b_from_c: RigidTransform, c_from_d: RigidTransform, points: np.ndarray
) -> None:
    left, right = (a_from_b @ b_from_c) @ c_from_d, a_from_b @ (b_from_c @ c_from_d)
    np.testing.assert_allclose(left.matrix, right.matrix, atol=1e-9)
    np.testing.assert_allclose(left.apply(points), a_from_b.apply(b_from_c.apply(c_from_d.apply(points))), atol=1e-9)


@given(similarities, similarities, similarities, clouds)
def test_similarity_composition_is_associative_and_is_application(
    a_from_b: Similarity, b_from_c: Similarity, c_from_d: Similarity, points: np.ndarray
) -> None:
    size = a_from_b.scale * b_from_c.scale * c_from_d.scale + a_from_b.scale * b_from_c.scale + a_from_b.scale + 1
    left, right = (a_from_b @ b_from_c) @ c_from_d, a_from_b @ (b_from_c @ c_from_d)
    np.testing.assert_allclose(left.apply(points), right.apply(points), atol=1e-10 * size * 10)
    np.testing.assert_allclose(left.apply(points), a_from_b.apply(b_from_c.apply(c_from_d.apply(points))), atol=1e-10 * size * 10)


@given(similarities, rigid_transforms, clouds)
def test_a_camera_posed_in_another_frame_sees_the_same(a_from_b: Similarity, cam_from_b: RigidTransform, points_b: np.ndarray) -> None:
    """The camera frame takes a's units, so the points are scaled and every pixel stays."""
    seen = a_from_b.camera_pose(cam_from_b).apply(a_from_b.apply(points_b))
    np.testing.assert_allclose(seen, a_from_b.scale * cam_from_b.apply(points_b), atol=1e-8 * max(1, a_from_b.scale))


@given(transforms)
def test_json_keeps_everything(a_from_b: RigidTransform | Similarity) -> None:
    back = type(a_from_b).from_json(json.loads(json.dumps(a_from_b.to_json())))
    np.testing.assert_allclose(back.rotation, a_from_b.rotation, atol=1e-12)
    np.testing.assert_allclose(back.translation, a_from_b.translation)


def test_rounded_json_still_gives_a_rotation() -> None:
    doc = RigidTransform.from_rotvec(np.array([0.3, -0.2, 0.9]), np.zeros(3)).to_json()
    doc["R"] = [round(v, 3) for v in doc["R"]]
    rotation = RigidTransform.from_json(doc).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


@given(similarities, clouds)
def test_similarity_is_recovered_from_matched_points(a_from_b: Similarity, jitter: np.ndarray) -> None:
    points_b = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9], [9, 9, 0], [0, 9, 9]]) + 0.5 * jitter
    found = fit_similarity(a_from_b.apply(points_b), points_b)
    assert found.scale == pytest.approx(a_from_b.scale, rel=1e-8)
    assert rotation_error_deg(found.rotation, a_from_b.rotation) < 1e-4


def test_points_on_a_line_or_too_few_give_no_similarity() -> None:
    line = np.outer(np.arange(5.0), [1, 2, 3])
    with pytest.raises(ValueError, match="line"):
        fit_similarity(line, line)
    with pytest.raises(ValueError, match="three"):
        fit_similarity(line[:2], line[:2])


def test_similarity_refuses_a_scale_that_is_not_positive() -> None:
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="positive"):
            Similarity(scale)


@given(st.floats(0, 180), directions)
def test_rotation_error_is_the_angle(angle_deg: float, axis: np.ndarray) -> None:
    turned = RigidTransform.from_rotvec(np.radians(angle_deg) * axis / np.linalg.norm(axis), np.zeros(3))
    assert rotation_error_deg(turned.rotation, np.eye(3)) == pytest.approx(angle_deg, abs=1e-5)


def test_look_at_puts_the_target_in_the_middle_and_up_upwards() -> None:
    eye, target = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3])
    cam_from_world = look_at(eye, target, np.array([0, 0, 1.0]))
    np.testing.assert_allclose(cam_from_world.inverse().translation, eye, atol=1e-12)
    np.testing.assert_allclose(cam_from_world.apply(target), [0, 0, np.linalg.norm(eye - target)], atol=1e-12)
    assert cam_from_world.apply(target + [0, 0, 0.1])[1] < 0, "image y points down"


def test_nearest_rotation_never_mirrors() -> None:
    assert np.linalg.det(nearest_rotation(np.diag([1.0, 1.0, -1.0]))) == pytest.approx(1)


def test_transforms_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        RigidTransform().rotation[0, 0] = 2
