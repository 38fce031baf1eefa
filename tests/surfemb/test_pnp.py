"""Hypotheses and their coarse score, on a network that is right as often as it is told to be."""

import numpy as np
import pytest
import torch
from estimation_oracle import Oracle, Painted, lumpy_mesh, random_pose

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from surfemb.estimation.correspondences import Evidence, Surface, sample_surface, thin
from surfemb.estimation.pnp import HypothesisConfig, PoseBatch, propose, sampled_poses
from surfemb.estimation.rolled import observe
from surfemb.estimation.scoring import coarse_scores, distinct, fit_pose
from surfemb.judging.metrics import add_error

CAMERA = Camera(320, 240, 400, 400, 160, 120)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return lumpy_mesh()


def seen(mesh: Mesh, outliers: float, hidden: float = 0.0, seed: int = 0, noise: float = 0.0) -> tuple[Evidence, Surface, RigidTransform]:
    """The evidence of one picture, and the true crop_from_obj."""
    oracle, painted = Oracle(mesh, outliers, noise), Painted(mesh)
    surface = sample_surface(mesh, oracle, 1500)
    pose = random_pose(np.random.default_rng(seed), 5 * mesh.diameter)
    crop = CAMERA.crop_towards(painted.box(CAMERA, pose), 128, 1.3)
    evidence = observe(oracle, surface, painted.picture(CAMERA, pose, hidden), crop)
    return evidence, surface, crop.crop_from_cam @ pose


def errors(poses: PoseBatch, truth: RigidTransform, mesh: Mesh) -> np.ndarray:
    return np.array([add_error(poses[i], truth, mesh.vertices) for i in range(len(poses))]) / mesh.diameter


def test_surface_points_leave_no_holes_and_no_clumps(mesh: Mesh) -> None:
    surface = sample_surface(mesh, Oracle(mesh), 800)
    spacing = surface.tree.query(surface.points, k=2)[0][:, 1]
    hole = surface.tree.query(mesh.sample(4000, 1)[0])[0].max()
    assert spacing.min() > 0.4 * spacing.max()
    assert hole < 1.6 * spacing.mean()


def test_every_pixel_has_a_distribution_that_peaks_at_the_truth(mesh: Mesh) -> None:
    evidence, surface, truth = seen(mesh, outliers=0.0)
    np.testing.assert_allclose(np.exp(evidence.log_probability).sum(1), 1, rtol=1e-3)
    projected = evidence.camera.project(truth.apply(surface.points[evidence.likeliest]))
    assert np.median(np.linalg.norm(projected - evidence.pixels, axis=1)) < 1.0


def test_a_thinned_camera_has_every_other_pixel() -> None:
    points = np.random.default_rng(0).normal(size=(10, 3)) + (0, 0, 5)
    np.testing.assert_allclose(2 * thin(CAMERA, 2).project(points), CAMERA.project(points))


@pytest.mark.parametrize(("outliers", "hidden"), [(0.0, 0.0), (0.6, 0.0), (0.6, 0.5)])
def test_a_good_hypothesis_is_among_the_best_scored(mesh: Mesh, outliers: float, hidden: float) -> None:
    evidence, surface, truth = seen(mesh, outliers, hidden)
    poses = propose(evidence, surface, HypothesisConfig())
    best = distinct(poses, coarse_scores(poses, evidence, surface), 6, mesh.diameter)
    assert errors(poses, truth, mesh)[best].min() < 0.1


def test_sampling_alone_finds_the_pose_among_outliers(mesh: Mesh) -> None:
    evidence, surface, truth = seen(mesh, outliers=0.3)
    usable = np.arange(len(evidence.rows))
    poses = sampled_poses(evidence, usable, surface, HypothesisConfig(), seed=3)
    assert errors(poses, truth, mesh).min() < 0.1


def test_the_same_seed_gives_the_same_hypotheses(mesh: Mesh) -> None:
    evidence, surface, _ = seen(mesh, outliers=0.5)
    first, again, other = (propose(evidence, surface, HypothesisConfig(), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.rotations, again.rotations)
    assert not np.array_equal(first.rotations, other.rotations)


def test_the_truth_scores_above_poses_beside_it(mesh: Mesh) -> None:
    """A pose must not gain by being too small, too large or beside the object."""
    evidence, surface, truth = seen(mesh, outliers=0.3)
    steps = [np.zeros(3), *(s * mesh.diameter * e for s in (-0.15, 0.15) for e in np.eye(3)[:2]), *((0, 0, s) for s in (-0.1, 0.15))]
    poses = PoseBatch.of(RigidTransform(truth.rotation, truth.translation + step) for step in steps)
    assert coarse_scores(poses, evidence, surface).argmax() == 0


def test_points_that_are_seen_roughly_call_too_near_as_bad_as_too_far(mesh: Mesh) -> None:
    """4 % of the distance each way. Were pixels outliers that a pose leaves uncovered, too far would cost more than twice as much."""
    rasterizer, losses = make_rasterizer(mesh), []
    for seed in range(8):
        evidence, surface, truth = seen(mesh, 0.2, 0.0, seed, noise=0.05)
        at = [RigidTransform(truth.rotation, truth.translation * share) for share in (1, 0.96, 1.04)]
        right, near, far = (fit_pose(rasterizer.render(evidence.camera, pose), evidence, surface).correspondence for pose in at)
        losses.append((right - near, right - far))
    near, far = np.mean(losses, 0)
    assert near > 0.01
    assert 0.6 < far / near < 1.6


def test_nothing_that_looks_like_the_object_gives_no_hypotheses(mesh: Mesh) -> None:
    oracle = Oracle(mesh)
    surface = sample_surface(mesh, oracle, 300)
    crop = CAMERA.crop_towards((10, 10, 100, 100), 128)
    evidence = observe(oracle, surface, np.zeros((240, 320, 3), np.uint8), crop)
    assert len(propose(evidence, surface, HypothesisConfig())) == 0


def test_distinct_poses_are_told_apart(mesh: Mesh) -> None:
    near = RigidTransform.from_rotvec(np.array([0.02, 0, 0]), np.array([0, 0, 0.5]))
    far = RigidTransform.from_rotvec(np.array([1.0, 0, 0]), np.array([0, 0, 0.5]))
    poses = PoseBatch.of([RigidTransform(np.eye(3), np.array([0, 0, 0.5])), near, far])
    assert distinct(poses, np.array([3.0, 2.0, 1.0]), 3, mesh.diameter).tolist() == [0, 2]


def test_keys_of_one_point_agree_most_with_themselves(mesh: Mesh) -> None:
    keys = Oracle(mesh).key(torch.from_numpy(mesh.vertices[:200].astype(np.float32)))
    assert ((keys @ keys.T).argmax(1) == torch.arange(200)).all()
