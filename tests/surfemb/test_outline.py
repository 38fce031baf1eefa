"""The outline of a pose against the edge of the mask: it holds the distance where points on the surface are told roughly."""

import numpy as np
import pytest
import trimesh
from estimation_oracle import lumpy_mesh
from test_pnp import seen

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Mesh, RigidTransform
from reconstruction.scene.edges import Edges
from surfemb.estimation.contour import Contour
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.estimation.increments import increment
from surfemb.estimation.outline import OutlineOffsets, outline_offsets
from surfemb.estimation.refine import RefineConfig, refine_pose
from surfemb.judging.metrics import add_error

REACH_PX = 4.0


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return lumpy_mesh()


def offsets(evidence: Evidence, surface: Surface, pose: RigidTransform) -> OutlineOffsets:
    raster = make_rasterizer(surface.mesh).render(evidence.camera, pose)
    contour = Contour.of(surface.edges, raster, evidence.camera, pose)
    return outline_offsets(contour, evidence.fine_mask, evidence.known, REACH_PX)


def farther(pose: RigidTransform, factor: float) -> RigidTransform:
    return RigidTransform(pose.rotation, pose.translation * factor)


def test_each_edge_has_its_two_faces() -> None:
    box = trimesh.creation.box()
    closed = Edges.of(Mesh(np.asarray(box.vertices), np.asarray(box.faces, np.int32)))
    opened = Edges.of(Mesh(np.asarray(box.vertices), np.asarray(box.faces[1:], np.int32)))
    assert (len(closed.ends), len(opened.ends)) == (18, 18)
    for edge, pair in zip(closed.ends, closed.faces, strict=True):
        assert all(set(edge) <= set(box.faces[face]) for face in pair)
    assert (opened.faces == 11).sum() == 3, "the hole's rim"


def test_the_true_outline_lies_on_the_masks_edge_all_around(mesh: Mesh) -> None:
    evidence, surface, truth = seen(mesh, outliers=0.0)
    found = offsets(evidence, surface, truth)
    assert np.quantile(np.abs(found.offsets), 0.95) < 1
    assert abs(np.average(found.offsets, weights=found.contour.length)) < 0.2
    rows, columns = np.nonzero(evidence.mask > 0.5)
    assert found.contour.length.sum() > 1.5 * (np.ptp(rows) + np.ptp(columns)), "a round outline is three quarters as long as its box's"


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_offsets_say_how_far_a_pose_is_off_across_its_outline(mesh: Mesh, factor: float) -> None:
    evidence, surface, truth = seen(mesh, outliers=0.0)
    found, pose = offsets(evidence, surface, farther(truth, factor)), farther(truth, factor)
    moved = evidence.camera.project(truth.apply(found.contour.points)) - evidence.camera.project(pose.apply(found.contour.points))
    across = (moved * found.contour.normals).sum(1)
    assert np.sign(np.mean(across)) == np.sign(factor - 1)
    assert np.average(found.offsets - across, weights=found.contour.length) == pytest.approx(0, abs=0.2)


def test_an_edge_that_crosses_the_outline_is_something_in_front(mesh: Mesh) -> None:
    """Half of the object is hidden behind a straight edge: what is still said of the outline is right for nearly all of it."""
    for seed in range(4):
        evidence, surface, truth = seen(mesh, outliers=0.0, hidden=0.5, seed=seed)
        whole, found = offsets(*seen(mesh, 0.0, seed=seed)), offsets(evidence, surface, truth)
        assert 0.25 * whole.contour.length.sum() < found.contour.length.sum() < 0.8 * whole.contour.length.sum()
        assert found.contour.length[np.abs(found.offsets) > 1].sum() < 0.1 * found.contour.length.sum()


def test_the_outline_holds_the_pose_where_points_are_seen_roughly(mesh: Mesh) -> None:
    """Points 5 % of the diameter off, and a start 10 % of it too far: less than half as far off as without the outline."""
    rasterizer, after = make_rasterizer(mesh), {0.0: [], RefineConfig().outline_share: []}  # type: dict[float, list[float]]
    for seed in range(12):
        evidence, surface, truth = seen(mesh, 0.1, 0.0, seed, noise=0.05)
        start = farther(truth, 1 + 0.1 * mesh.diameter / truth.translation[2])
        for share, errors in after.items():
            refined = refine_pose(rasterizer, evidence, surface, increment(start, np.full(6, 0.001)), RefineConfig(outline_share=share))
            errors.append(add_error(refined.crop_from_obj, truth, mesh.vertices) / mesh.diameter)
    without, with_outline = (float(np.median(errors)) for errors in after.values())
    assert with_outline < 0.02
    assert with_outline < without / 2
