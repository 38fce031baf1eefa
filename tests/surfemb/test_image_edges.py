"""The outline on the image's own edges: it tells how far a plain thing is, and says nothing where the object is not seen to end."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from estimation_oracle import Oracle, Painted, lumpy_mesh, random_pose

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from surfemb.estimation.correspondences import Evidence, Surface, sample_surface
from surfemb.estimation.finish import lay_on_edges
from surfemb.estimation.image_edges import EdgeConfig, fit_outline
from surfemb.estimation.increments import increment
from surfemb.estimation.refine import RefineConfig, refine_pose
from surfemb.estimation.rolled import observe
from surfemb.estimation.scoring import Likeness
from surfemb.estimation.solve import Solution, judge
from surfemb.judging.metrics import add_error

CAMERA = Camera(480, 360, 600, 600, 240, 180)
PLAIN = (150, 120, 40)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return lumpy_mesh()


@pytest.fixture(scope="module")
def surface(mesh: Mesh) -> Surface:
    return sample_surface(mesh, Oracle(mesh), 300)


def photo(mesh: Mesh, pose: RigidTransform, hidden: float = 0.0) -> np.ndarray:
    """A plain thing on a table of blots, half as bright on one side, blurred and noisy; a part hidden by a plate of its own colour."""
    rng = np.random.default_rng(0)
    shown = make_rasterizer(mesh).render(CAMERA, pose).mask
    image = cv2.resize(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8), (480, 360), interpolation=cv2.INTER_CUBIC)
    image[shown] = PLAIN
    if hidden:
        image[:, : int(np.quantile(np.nonzero(shown)[1], hidden))] = PLAIN
    lit = cv2.GaussianBlur(image, (0, 0), 0.7) * np.linspace(0.55, 1.1, 480)[:, None] + rng.normal(0, 4, image.shape)
    return lit.clip(0, 255).astype(np.uint8)


def evidence_of(mesh: Mesh, surface: Surface, pose: RigidTransform, hidden: float = 0.0) -> Evidence:
    painted = Painted(mesh)
    crop = CAMERA.crop_towards(painted.box(CAMERA, pose), 128, 1.3)
    return observe(Oracle(mesh), surface, painted.picture(CAMERA, pose, hidden), crop)


def too_far(mesh: Mesh, truth: RigidTransform, rng: np.random.Generator) -> RigidTransform:
    """As networks of another world leave it: a degree off, half a pixel aside, and an eighth of its diameter too far."""
    return increment(truth, np.concatenate([rng.normal(0, 0.015, 3), rng.normal(0, 0.004, 2) * mesh.diameter, [0.12 * mesh.diameter]]))


def fitted(
    mesh: Mesh, surface: Surface, start: RigidTransform, image: np.ndarray, evidence: Evidence, config: EdgeConfig = EdgeConfig()
) -> RigidTransform:
    rasterizer, crop = make_rasterizer(mesh), evidence.crop
    sure = refine_pose(rasterizer, evidence, surface, crop.crop_from_cam @ start, RefineConfig(steps=1)).information
    information = sure / 5  # networks that are right about where the object is are surer of it than these, which are wrong
    box = Painted(mesh).box(CAMERA, start)
    return fit_outline(rasterizer, image, evidence, surface, box, start, information, config)[0]


@pytest.mark.parametrize("hidden", [0.0, 0.4])
def test_the_outline_tells_how_far_a_plain_thing_is(mesh: Mesh, surface: Surface, hidden: float) -> None:
    errors = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = random_pose(rng, 5 * mesh.diameter, 0.05)
        start = too_far(mesh, truth, rng)
        pose = fitted(mesh, surface, start, photo(mesh, truth, hidden), evidence_of(mesh, surface, truth, hidden))
        errors.append([add_error(p, truth, mesh.vertices) / mesh.diameter for p in (start, pose)])
    before, after = np.median(errors, axis=0)
    assert before > 0.11
    assert after < (0.25 if hidden == 0 else 0.4) * before


def test_the_images_border_is_no_edge_of_the_object(mesh: Mesh, surface: Surface) -> None:
    upright = random_pose(np.random.default_rng(2), 5 * mesh.diameter, 0.0)
    left = CAMERA.unproject(np.array([2.0, 180.0]), np.array(upright.translation[2]))
    truth = RigidTransform(upright.rotation, left)
    assert Painted(mesh).box(CAMERA, truth)[0] < -20
    pose = fitted(mesh, surface, truth, photo(mesh, truth), evidence_of(mesh, surface, truth))
    assert add_error(pose, truth, mesh.vertices) < 0.02 * mesh.diameter


def test_a_pose_stays_where_the_object_is_nowhere_seen_to_end(mesh: Mesh, surface: Surface) -> None:
    truth = random_pose(np.random.default_rng(3), 5 * mesh.diameter, 0.05)
    evidence = evidence_of(mesh, surface, truth)
    nowhere = replace(evidence, mask=np.ones_like(evidence.mask))
    pose = fitted(mesh, surface, truth, photo(mesh, truth), nowhere)
    np.testing.assert_allclose(pose.matrix, truth.matrix, atol=1e-12)


@pytest.mark.parametrize(("likeness", "moves"), [(None, True), (0.3, True), (0.8, False)])
def test_what_a_well_laid_print_says_stands(mesh: Mesh, surface: Surface, likeness: float | None, moves: bool) -> None:
    rng, rasterizer = np.random.default_rng(4), make_rasterizer(mesh)
    truth = random_pose(rng, 5 * mesh.diameter, 0.05)
    evidence, start = evidence_of(mesh, surface, truth), too_far(mesh, truth, rng)
    fit = replace(judge(evidence, surface, rasterizer, start), likeness=Likeness(likeness))
    given = Solution(start, fit, np.eye(6), evidence)
    laid = lay_on_edges(given, photo(mesh, truth), surface, rasterizer, EdgeConfig())
    assert (laid is not given) == moves
    assert laid.fit.likeness == fit.likeness
    if moves:
        assert laid.fit.iou > fit.iou
