"""Poses of the same outline: which of them it is, the colours say where the two would differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from estimation_oracle import DARKEST, Oracle, Painted, random_pose

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from reconstruction.scene.transforms import rotation_error_deg
from surfemb.estimation.config import EstimatorConfig
from surfemb.estimation.correspondences import Evidence, sample_surface
from surfemb.estimation.estimator import PoseEstimator
from surfemb.estimation.rolled import observe
from surfemb.estimation.twins import TwinConfig, find_twins, sureness, verdict
from surfemb.judging.find_symmetry import find_symmetry
from surfemb.judging.metrics import add_error

CAMERA = Camera(480, 360, 600, 600, 240, 180)
TURN = RigidTransform.from_rotvec(np.array([0, 0, np.pi]), np.zeros(3))


def bottle() -> Mesh:
    """Plain, with another label on either side: half a turn leaves its shape as it is."""
    ball = trimesh.creation.icosphere(4)
    d = np.asarray(ball.vertices)
    vertices = 0.05 * d * (1 + 0.4 * d[:, 2:]) * (1.0, 0.6, 1.5)
    colours = np.tile((210, 170, 30), (len(d), 1))
    labelled = (np.abs(d[:, 2]) < 0.5) & (np.abs(d[:, 1]) > 0.5)
    colours[labelled & (d[:, 1] > 0)] = (170, 40, 40)
    colours[labelled & (d[:, 1] < 0)] = (90, 130, 190)
    return Mesh(vertices, np.asarray(ball.faces, np.int32), colours.astype(np.uint8))


def evidence_of(mesh: Mesh, pose: RigidTransform) -> Evidence:
    painted, oracle = Painted(mesh), Oracle(mesh)
    crop = CAMERA.crop_towards(painted.box(CAMERA, pose), 128, 1.3)
    return observe(oracle, sample_surface(mesh, oracle, 300), painted.picture(CAMERA, pose), crop)


def photo(mesh: Mesh, pose: RigidTransform, rng: np.random.Generator) -> np.ndarray:
    """In a warmer and dimmer light, which leaves one side in the dark."""
    raster = make_rasterizer(mesh).render(CAMERA, pose)
    assert mesh.colors is not None
    drawn = np.where(raster.mask[..., None], raster.interpolate(mesh.colors.astype(np.float32)), 128.0)
    lit = drawn * (0.9, 0.8, 0.7) * np.linspace(0.4, 1.1, 480)[:, None] + rng.normal(0, 3, drawn.shape)
    return lit.clip(0, 255).astype(np.uint8)


def test_a_sliver_of_a_label_is_enough_in_any_light() -> None:
    mesh, asked = bottle(), TwinConfig()
    rasterizer, told = make_rasterizer(mesh), 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pose = random_pose(rng, 0.6, 0.05)
        image, evidence = photo(mesh, pose, rng), evidence_of(mesh, pose)
        right = verdict(rasterizer, image, evidence, pose, pose @ TURN, asked)
        wrong = verdict(rasterizer, image, evidence, pose @ TURN, pose, asked)
        assert right >= 0 >= wrong
        assert right == pytest.approx(-wrong, abs=0.1), "whichever is asked about first"
        told += right > asked.clear
    assert told >= 10, "from above and from below no label shows"


def test_what_looks_the_same_is_no_reason_to_turn() -> None:
    mesh = bottle()
    plain = replace(mesh, colors=np.full_like(mesh.vertices, 120).astype(np.uint8))
    pose = random_pose(np.random.default_rng(0), 0.6, 0.05)
    image = photo(plain, pose, np.random.default_rng(0))
    assert verdict(make_rasterizer(plain), image, evidence_of(mesh, pose), pose @ TURN, pose, TwinConfig()) == 0
    colourless = make_rasterizer(replace(mesh, colors=None))
    assert verdict(colourless, image, evidence_of(mesh, pose), pose @ TURN, pose, TwinConfig()) == 0


def test_twins_are_turns_of_the_shape_and_not_of_the_colours() -> None:
    mesh = bottle()
    found = find_symmetry(mesh)
    twins = find_twins(found.exact, found.shape)
    assert min(rotation_error_deg(twin.rotation, TURN.rotation) for twin in twins) < 3
    found = find_symmetry(replace(mesh, colors=None))
    assert find_twins(found.exact, found.shape) == ()


class Blind(Oracle):
    """Takes the two sides of an object for the same."""

    def key(self, points: torch.Tensor) -> torch.Tensor:
        turned = points * torch.tensor([-1.0, -1.0, 1.0], dtype=points.dtype)
        return super().key(torch.where(points[..., 1:2] < 0, turned, points))


def test_what_the_networks_take_for_the_same_is_told_by_its_colours() -> None:
    mesh = bottle()
    lower, upper = mesh.bounds
    painted = replace(mesh, colors=(DARKEST + (255 - DARKEST) * (mesh.vertices - lower) / (upper - lower)).astype(np.uint8))
    model, config = Blind(painted), EstimatorConfig(surface_points=1200, min_score=0.0, rival_margin=1e-6)
    known = PoseEstimator(model, painted, config, twins=(TURN,))
    other = PoseEstimator(model, painted, replace(config, finish=replace(config.finish, twins=None)))
    wrong = {known: 0, other: 0}
    for seed in range(6):
        pose = random_pose(np.random.default_rng(seed), 0.6, 0.05)
        image, box = Painted(painted).picture(CAMERA, pose), Painted(painted).box(CAMERA, pose)
        for estimator in wrong:
            (found,) = estimator.estimate(image, CAMERA, [box]).poses
            wrong[estimator] += add_error(found.cam_from_obj, pose, painted.vertices) > 0.1 * painted.diameter
    assert wrong[known] == 0
    assert wrong[other] > 0, "else nothing is shown here"


def test_of_twins_that_nothing_tells_apart_none_is_sure() -> None:
    mesh = bottle()
    lower, upper = mesh.bounds
    rising = DARKEST + (255 - DARKEST) * (mesh.vertices[:, 2:] - lower[2]) / (upper - lower)[2]
    alike = replace(mesh, colors=np.repeat(rising, 3, axis=1).astype(np.uint8))  # on both sides
    pose = random_pose(np.random.default_rng(0), 0.6, 0.05)
    image, box = Painted(alike).picture(CAMERA, pose), Painted(alike).box(CAMERA, pose)
    config = EstimatorConfig(surface_points=1200, min_score=0.0)
    (alone,) = PoseEstimator(Oracle(alike), alike, config).estimate(image, CAMERA, [box]).poses
    (among,) = PoseEstimator(Oracle(alike), alike, config, twins=(TURN,)).estimate(image, CAMERA, [box]).poses
    assert among.score == pytest.approx(alone.score / 2)


def test_colours_that_tell_leave_a_pose_as_sure_as_it_was() -> None:
    asked = TwinConfig()
    assert sureness([-0.9], asked) > 0.999
    assert sureness([-0.9, -0.8, -0.95], asked) > 0.99
    assert sureness([-0.9, 0.0], asked) == pytest.approx(0.5, abs=0.01)
    assert sureness([0.0, 0.0, 0.0], asked) == 0.25
    against = np.linspace(-1, 0, 9)
    assert (np.diff([sureness([v], asked) for v in against]) < 0).all()
