import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from reconstruction.scene import Camera, RigidTransform
from surfemb.judging.metrics import add_error, adds_error, mspd_error, mssd_error, recall
from surfemb.judging.reliability import reliability

SQUARE = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
QUARTER_TURN = RigidTransform.from_rotvec(np.array([0, 0, np.pi / 2]), np.zeros(3))
FAR = RigidTransform(np.eye(3), np.array([0, 0, 10.0]))
CAMERA = Camera(640, 480, 500, 500, 320, 240)


def test_a_shift_moves_every_point_by_itself() -> None:
    shifted = RigidTransform(np.eye(3), np.array([0.3, 0.4, 10.0]))
    assert_allclose(add_error(shifted, FAR, SQUARE), 0.5)
    assert_allclose(mssd_error(shifted, FAR, SQUARE), 0.5)
    assert_allclose(mspd_error(shifted, FAR, SQUARE, CAMERA), 25.0)  # 0.5 at depth 10 with f = 500


def test_a_quarter_turn_of_a_square_is_no_error_where_symmetry_is_known() -> None:
    turned = FAR @ QUARTER_TURN
    assert_allclose(add_error(turned, FAR, SQUARE), 2**0.5)
    assert adds_error(turned, FAR, SQUARE) < 1e-12
    symmetries = [RigidTransform(), QUARTER_TURN]
    assert_allclose(mssd_error(turned, FAR, SQUARE), 2**0.5)
    assert mssd_error(turned, FAR, SQUARE, symmetries) < 1e-12
    assert mspd_error(turned, FAR, SQUARE, CAMERA, symmetries) < 1e-9


def test_mssd_is_the_worst_point_and_add_the_mean() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0]])
    turned = RigidTransform.from_rotvec(np.array([0, 0, np.pi]), np.zeros(3))
    assert_allclose(add_error(turned, RigidTransform(), points), 1.0)
    assert_allclose(mssd_error(turned, RigidTransform(), points), 2.0)


def test_behind_the_camera_is_infinitely_wrong() -> None:
    behind = RigidTransform(np.eye(3), np.array([0, 0, -10.0]))
    assert mspd_error(behind, FAR, SQUARE, CAMERA) == np.inf


def test_recall_counts_missing_answers() -> None:
    assert recall([0.01, 0.05, np.inf, 0.2], 0.1) == 0.5
    assert recall([], 0.1) == 0.0


vectors = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(np.array)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, vectors, vectors)
def test_errors_are_ordered_and_independent_of_the_camera_frame(
    turn_a: np.ndarray, a: np.ndarray, turn_b: np.ndarray, b: np.ndarray
) -> None:
    points = np.random.default_rng(0).normal(size=(30, 3))
    estimate, truth = RigidTransform.from_rotvec(turn_a, a), RigidTransform.from_rotvec(turn_b, b)
    add = add_error(estimate, truth, points)
    assert adds_error(estimate, truth, points) <= add + 1e-9
    assert add <= mssd_error(estimate, truth, points) + 1e-9
    moved = RigidTransform.from_rotvec(b, turn_a)
    assert add_error(moved @ estimate, moved @ truth, points) == pytest.approx(add, abs=1e-9)
    assert add_error(truth, estimate, points) == pytest.approx(add, abs=1e-9)


def test_reliability_counts_every_answer_once() -> None:
    scored = [(0.1, False), (0.3, False), (0.3, True), (0.9, True), (0.95, True), (1.0, True), (1.0, False)]
    bins = {row.low: row for row in reliability(scored)}
    assert sum(row.answers for row in bins.values()) == len(scored)
    assert (bins[0.2].answers, bins[0.2].right) == (2, 0.5)
    assert (bins[0.9].answers, bins[0.9].right, bins[0.9].score) == (4, 0.75, pytest.approx(0.9625))
    assert bins[0.6].right is None, "no answers there"
