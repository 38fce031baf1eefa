"""Render and compare: a rough pose becomes exact by the object's print, whatever the light, and a wrong one does not look alike."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from estimation_oracle import Oracle, Painted, lumpy_mesh, random_pose

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from surfemb.estimation.appearance import Aligned, AppearanceConfig, align, compare
from surfemb.estimation.correspondences import Evidence, sample_surface
from surfemb.estimation.increments import increment
from surfemb.estimation.rolled import observe
from surfemb.judging.metrics import add_error

CAMERA = Camera(480, 360, 600, 600, 240, 180)
HELD = 1e-3 * np.eye(6)  # networks that say next to nothing


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    """With a print of blots about a tenth of the object's size."""
    plain = lumpy_mesh(subdivisions=5)
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(12, 3)) * 2 * np.pi / (0.18 * plain.diameter)
    print_ = np.sin(plain.vertices @ waves.T + rng.uniform(0, 6, 12)).sum(1) > 0
    return replace(plain, colors=np.where(print_[:, None], (200, 180, 90), (60, 90, 120)).astype(np.uint8))


def photo(mesh: Mesh, pose: RigidTransform, rng: np.random.Generator) -> np.ndarray:
    """Half as bright on one side, noisy, on a table of other blots."""
    raster = make_rasterizer(mesh).render(CAMERA, pose)
    behind = cv2.resize(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8), (480, 360))
    image = np.where(raster.mask[..., None], raster.interpolate(mesh.colors.astype(float)), behind)  # type: ignore[union-attr]
    lit = image * np.linspace(0.55, 1.1, 480)[:, None] + rng.normal(0, 4, image.shape)
    return lit.clip(0, 255).astype(np.uint8)


def evidence_of(mesh: Mesh, pose: RigidTransform, hidden: float) -> Evidence:
    """What perfect networks would say about where the object shows."""
    painted, oracle = Painted(mesh), Oracle(mesh)
    crop = CAMERA.crop_towards(painted.box(CAMERA, pose), 128, 1.3)
    return observe(oracle, sample_surface(mesh, oracle, 300), painted.picture(CAMERA, pose, hidden), crop)


def rough(mesh: Mesh, truth: RigidTransform, rng: np.random.Generator) -> RigidTransform:
    """As the networks leave it: two degrees, a pixel aside, three percent of the diameter too far."""
    return increment(truth, np.concatenate([rng.normal(0, 0.02, 3), rng.normal(0, 0.008, 2) * mesh.diameter, [0.04 * mesh.diameter]]))


def aligned(mesh: Mesh, start: RigidTransform, image: np.ndarray, evidence: Evidence) -> list[Aligned]:
    return align(make_rasterizer(mesh), image, evidence, start, HELD, AppearanceConfig())


@pytest.mark.parametrize("hidden", [0.0, 0.4])
def test_a_rough_pose_becomes_exact_in_other_light_and_behind_things(mesh: Mesh, hidden: float) -> None:
    before, after = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = random_pose(rng, 4.5 * mesh.diameter, 0.05)
        start, image = rough(mesh, truth, rng), photo(mesh, truth, rng)
        if hidden:
            columns = np.nonzero(make_rasterizer(mesh).render(CAMERA, truth).mask)[1]
            image[:, : int(np.quantile(columns, hidden))] = photo(mesh, RigidTransform(truth.rotation, -truth.translation), rng)[:, :1]
        first, best = aligned(mesh, start, image, evidence_of(mesh, truth, hidden))
        assert best.likeness.total > first.likeness.total
        before.append(add_error(first.cam_from_obj, truth, mesh.vertices) / mesh.diameter)
        after.append(add_error(best.cam_from_obj, truth, mesh.vertices) / mesh.diameter)
    assert np.median(before) > 0.03
    assert np.median(after) < (0.005 if hidden == 0 else 0.01)


def test_the_print_tells_a_right_pose_from_a_wrong_one(mesh: Mesh) -> None:
    rng = np.random.default_rng(1)
    truth = random_pose(rng, 4.5 * mesh.diameter, 0.05)
    turned = RigidTransform(truth.rotation @ RigidTransform.from_rotvec(np.array([0, 0, np.pi]), np.zeros(3)).rotation, truth.translation)
    image, evidence = photo(mesh, truth, rng), evidence_of(mesh, truth, 0.0)
    right, wrong = (max(a.likeness.print or 0.0 for a in aligned(mesh, pose, image, evidence)) for pose in (truth, turned))
    assert right > 0.8
    assert wrong < 0.4


def test_a_plain_object_has_no_print_to_lay(mesh: Mesh) -> None:
    truth = random_pose(np.random.default_rng(2), 4.5 * mesh.diameter, 0.05)
    evidence, image = evidence_of(mesh, truth, 0.0), photo(mesh, truth, np.random.default_rng(2))
    grey = replace(mesh, colors=np.full_like(mesh.colors, 120))
    (only,) = aligned(grey, truth, image, evidence)
    assert only.cam_from_obj is truth
    assert only.likeness.print is None
    assert only.likeness.colour is not None
    assert aligned(replace(mesh, colors=None), truth, image, evidence) == []


def test_what_the_networks_hold_fast_stays(mesh: Mesh) -> None:
    rng = np.random.default_rng(3)
    truth = random_pose(rng, 4.5 * mesh.diameter, 0.05)
    start, image = rough(mesh, truth, rng), photo(mesh, truth, rng)
    tried = align(make_rasterizer(mesh), image, evidence_of(mesh, truth, 0.0), start, 1e12 * np.eye(6), AppearanceConfig())
    np.testing.assert_allclose(tried[-1].cam_from_obj.matrix, start.matrix, atol=1e-4)


def test_colours_tell_two_sides_of_one_shape_apart_in_any_light(mesh: Mesh) -> None:
    """Red on one side, green on the other; the image is darker, of another white balance, and noisy."""
    sides = replace(mesh, colors=np.where(mesh.vertices[:, :1] > 0, (200, 60, 50), (40, 150, 70)).astype(np.uint8))
    rng = np.random.default_rng(4)
    truth = random_pose(rng, 4.5 * mesh.diameter, 0.05)
    image = (photo(sides, truth, rng) * (0.9, 0.8, 0.75)).astype(np.uint8)
    evidence = evidence_of(mesh, truth, 0.0)
    turned = RigidTransform(truth.rotation @ np.diag([-1.0, -1.0, 1.0]), truth.translation)
    right, wrong = (compare(make_rasterizer(sides), image, evidence, pose, AppearanceConfig()) for pose in (truth, turned))
    assert right is not None
    assert wrong is not None
    assert right.colour is not None
    assert wrong.colour is not None
    assert right.colour > 0.6
    assert wrong.colour < 0.2
