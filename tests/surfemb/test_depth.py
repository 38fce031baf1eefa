"""Depth: wrong distances are put right, occluders and noise are borne, nonsense is refused."""

from dataclasses import replace

import numpy as np
import pytest
from estimation_oracle import Oracle, Painted, lumpy_mesh, random_pose

from reconstruction.errors import InputError
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from surfemb.estimation.correspondences import sample_surface
from surfemb.estimation.depth import DepthConfig, DepthWindow, check_depth, refine_depth, sensor_noise
from surfemb.estimation.finish import lay_on_depth
from surfemb.estimation.increments import increment
from surfemb.estimation.rolled import observe
from surfemb.estimation.scoring import Likeness
from surfemb.estimation.solve import Solution, judge
from surfemb.judging.metrics import add_error

CAMERA = Camera(320, 240, 400, 400, 160, 120)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return lumpy_mesh(0.15)


def depth_map(mesh: Mesh, pose: RigidTransform, rng: np.random.Generator, hidden: float = 0.0) -> np.ndarray:
    """The object before a wall, a nearer thing in front of a share of it, sensor noise and holes."""
    object_depth = make_rasterizer(mesh).render(CAMERA, pose).depth
    depth = np.where(object_depth > 0, object_depth, 1.5).astype(float)
    if hidden > 0:
        columns = np.nonzero(object_depth)[1]
        depth[:, : int(np.quantile(columns, hidden))] = 0.6 * pose.translation[2]
    depth += rng.normal(size=depth.shape) * sensor_noise(depth)
    depth[rng.random(depth.shape) < 0.1] = 0
    return depth.astype(np.float32)


def refined(mesh: Mesh, rough: RigidTransform, depth: np.ndarray) -> RigidTransform:
    window = DepthWindow.around(CAMERA, depth, Painted(mesh).box(CAMERA, rough), 96)
    return refine_depth(make_rasterizer(mesh), window, rough, mesh.diameter, np.zeros((6, 6)), DepthConfig())[0]


@pytest.mark.parametrize("hidden", [0.0, 0.4])
def test_depth_fixes_the_distance_and_the_turn(mesh: Mesh, hidden: float) -> None:
    after = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = random_pose(rng, 4.5 * mesh.diameter, offset=0.05)
        depth = depth_map(mesh, truth, rng, hidden)
        rough = RigidTransform(truth.rotation, truth.translation * rng.uniform(0.95, 1.05))  # along the ray: looks the same
        rough = increment(rough, np.append(rng.normal(0, 0.04, 3), np.zeros(3)))
        after.append(add_error(refined(mesh, rough, depth), truth, mesh.vertices) / mesh.diameter)
    assert np.median(after) < 0.01


def test_a_pose_that_is_nearly_right_gets_exact_beside_what_stands_close_before_it(mesh: Mesh) -> None:
    before, after = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = random_pose(rng, 4.5 * mesh.diameter, offset=0.05)
        clear = depth_map(mesh, truth, rng)
        left = np.arange(CAMERA.width) < np.quantile(np.nonzero(make_rasterizer(mesh).render(CAMERA, truth).mask)[1], 0.5)
        depth = np.where(left & (clear > 0), truth.translation[2] - 0.6 * mesh.diameter, clear).astype(np.float32)
        rough = increment(truth, np.append(rng.normal(0, 0.004, 3), rng.normal(0, 0.004 * mesh.diameter, 3)))
        before.append(add_error(rough, truth, mesh.vertices) / mesh.diameter)
        after.append(add_error(refined(mesh, rough, depth), truth, mesh.vertices) / mesh.diameter)
    assert max(after) < 0.005
    assert np.median(after) < np.median(before) / 1.5


def laid(
    mesh: Mesh, rough: RigidTransform, truth: RigidTransform, depth: np.ndarray, likeness: float, hidden: float = 0.0
) -> tuple[RigidTransform, float]:
    """The pose after depth, where the print is as like, and what the map was divided by."""
    oracle, painted, rasterizer = Oracle(mesh), Painted(mesh), make_rasterizer(mesh)
    surface = sample_surface(mesh, oracle, 300)
    crop = CAMERA.crop_towards(painted.box(CAMERA, truth), 128, 1.3)
    evidence = observe(oracle, surface, painted.picture(CAMERA, truth, hidden), crop)
    fit = replace(judge(evidence, surface, rasterizer, rough), likeness=Likeness(likeness))
    found, factor = lay_on_depth(Solution(rough, fit, np.eye(6), evidence), depth, surface, rasterizer, DepthConfig())
    return found.cam_from_obj, factor


@pytest.mark.parametrize("hidden", [0.0, 0.4])
def test_a_camera_that_is_off_everywhere_does_not_move_what_a_print_holds(mesh: Mesh, hidden: float) -> None:
    """The map has all of it 3 % too far: where the print is well laid its distance stays, and the turn is still put right."""
    before, after = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth = random_pose(rng, 4.5 * mesh.diameter, offset=0.05)
        depth = 1.03 * depth_map(mesh, truth, rng, hidden)
        rough = increment(truth, np.append(rng.normal(0, 0.03, 3), rng.normal(0, 0.002 * mesh.diameter, 3)))
        held, loose = (laid(mesh, rough, truth, depth, likeness, hidden) for likeness in (0.8, 0.3))
        assert held[1] == pytest.approx(1.03, abs=0.004)
        assert loose[1] == 1, "nothing says better how far away it is"
        assert np.linalg.norm(loose[0].translation) > 1.02 * np.linalg.norm(truth.translation)
        before.append(add_error(rough, truth, mesh.vertices) / mesh.diameter)
        after.append(add_error(held[0], truth, mesh.vertices) / mesh.diameter)
    assert max(after) < 0.01
    assert np.median(after) < np.median(before) / 1.5


def test_a_map_that_is_right_is_believed_to_the_millimetre(mesh: Mesh) -> None:
    """A print may be off by half a percent of the distance; the map, off by less than that, says better."""
    rng = np.random.default_rng(0)
    truth = random_pose(rng, 4.5 * mesh.diameter, offset=0.05)
    rough = RigidTransform(truth.rotation, 1.005 * truth.translation)
    found, factor = laid(mesh, rough, truth, depth_map(mesh, truth, rng), 0.8)
    assert factor == 1
    assert add_error(found, truth, mesh.vertices) < 0.005 * mesh.diameter


def test_the_table_behind_is_not_taken_for_the_object(mesh: Mesh) -> None:
    """An object too dark to be measured: the map has the plane behind it everywhere, at no factor its shape."""
    truth = random_pose(np.random.default_rng(0), 4.5 * mesh.diameter, offset=0.05)
    behind = np.full((240, 320), truth.translation[2] + 0.6 * mesh.diameter, np.float32)
    window = DepthWindow.around(CAMERA, behind, Painted(mesh).box(CAMERA, truth), 96)
    kept, factor = window.put_right(make_rasterizer(mesh), truth, np.ones_like(window.depth), 0.02 * mesh.diameter, 0.0075)
    assert kept is window
    assert factor == 1


def test_depth_of_something_else_does_not_move_the_pose(mesh: Mesh) -> None:
    truth = random_pose(np.random.default_rng(0), 4 * mesh.diameter, offset=0.0)
    assert add_error(refined(mesh, truth, np.zeros((240, 320), np.float32)), truth, mesh.vertices) == 0


def test_the_windows_pixels_are_pixels_of_the_map() -> None:
    depth = np.random.default_rng(0).uniform(0.5, 1, (240, 320)).astype(np.float32)
    window = DepthWindow.around(CAMERA, depth, (40.2, 30.7, 241.3, 180.1), 64)
    assert max(window.depth.shape) <= 64
    point = CAMERA.unproject(np.array([[40.0 + 4 * 7, 30.0 + 4 * 5]]), np.array([0.8]))
    np.testing.assert_allclose(window.camera.project(point), [[7, 5]], atol=1e-9)
    assert window.depth[5, 7] == depth[50, 68]


def test_seeing_through_the_object_counts_against_a_pose(mesh: Mesh) -> None:
    truth = RigidTransform(np.eye(3), np.array([0, 0, 0.7]))
    depth = depth_map(mesh, truth, np.random.default_rng(0))
    window = DepthWindow.around(CAMERA, depth, (60, 20, 260, 220), 96)
    rasterizer = make_rasterizer(mesh)
    at_truth, in_front, behind = (
        window.agreement(rasterizer, RigidTransform(np.eye(3), np.array([0, 0, z])), 0.003).total for z in (0.7, 0.55, 0.85)
    )
    assert at_truth > 0.75
    assert in_front < behind < at_truth  # behind the surface may be hidden; before it, light passed


@pytest.mark.parametrize(
    "depth", [np.ones((100, 100)), np.full((240, 320), 800.0), np.full((240, 320), 0.0007), np.full((240, 320), 800, np.uint16)]
)
def test_another_size_or_other_units_are_refused(depth: np.ndarray) -> None:
    with pytest.raises(InputError, match="depth"):
        check_depth(depth, CAMERA)


def test_missing_depth_is_none() -> None:
    depth = np.full((240, 320), np.nan)
    depth[0, 0] = 0.7
    clean = check_depth(depth, CAMERA)
    assert clean.sum() == pytest.approx(0.7)
