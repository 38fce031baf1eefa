"""From a reconstruction in arbitrary units to metres in the object's frame, by every source of scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from reconstructed_capture import Reconstructed

from reconstruction.capture import Capture, DepthFrames, KnownLength, ScaleSource, SingleTag
from reconstruction.errors import ImageError, ScaleError
from reconstruction.hull import Hull
from reconstruction.locate.stage import LOCATE, LocateConfig
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scale.depth import scale_from_depth
from reconstruction.scale.source import ScaleConfig
from reconstruction.scale.stage import SCALE, object_frame
from reconstruction.scene import RigidTransform, Similarity
from reconstruction.scene.images import read_depth, read_mask, write_depth, write_mask
from reconstruction.scene.transforms import fit_similarity, rotation_error_deg
from reconstruction.scene.view import load_views, save_views
from reconstruction.sfm.lenses import load_lenses
from reconstruction.stage import StageResult, run_stage
from reconstruction.workspace import Workspace

SMALL = ScaleConfig(hull_resolution=64)


@pytest.fixture(scope="module")
def masked(reconstructed: Reconstructed, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """capture, sfm, locate, and the true masks in place of those the pipeline would find."""
    workspace = reconstructed.copy(tmp_path_factory.mktemp("masked") / "object")
    run_stage(LOCATE, LocateConfig(), workspace)
    lenses = load_lenses(workspace.sfm_lens)
    truth = {p.name: p for p in reconstructed.truth.photos if p.visible > 0.98}
    folder = workspace.root / "masks"
    folder.mkdir()
    views = []
    for view in load_views(workspace.sfm_views):
        if view.name in truth:
            pixels = read_mask(truth[view.name].mask_path).astype(np.uint8)
            write_mask(folder / f"{view.name}.png", lenses[view.name].lens.undistort(pixels, view.camera, nearest=True) > 0)
            views.append(type(view)(view.name, view.camera, view.cam_from_world, view.photo_path, folder / f"{view.name}.png"))
    save_views(workspace.masked_views, views)
    (folder / "manifest.json").write_text(json.dumps({"digest": "true masks"}))
    return workspace


def _scaled(masked: Workspace, folder: Path, source: ScaleSource | None) -> tuple[Workspace, StageResult]:
    shutil.copytree(masked.root, folder)
    workspace = Workspace(folder)
    Capture(prompt=Capture.load(workspace.capture).prompt, scale=source).save(workspace.capture)
    if isinstance(source, SingleTag) or source is None:
        run_stage(LOCATE, LocateConfig(), workspace)
    return workspace, run_stage(SCALE, SMALL, workspace)


def _true_scale(workspace: Workspace, reconstructed: Reconstructed) -> float:
    """Metres per SfM unit."""
    truth = {p.name: p.cam_from_obj.inverse().translation for p in reconstructed.truth.photos}
    views = load_views(workspace.sfm_views)
    return fit_similarity(np.stack([truth[v.name] for v in views]), np.stack([v.centre_world for v in views])).scale


def _scale_error(workspace: Workspace, reconstructed: Reconstructed) -> float:
    found = Similarity.from_json(json.loads(workspace.scale.read_text())["obj_from_sfm"]).scale
    return abs(found / _true_scale(workspace, reconstructed) - 1)


def test_a_board_gives_metres_and_the_place_on_the_board(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    workspace, result = _scaled(masked, tmp_path / "object", reconstructed.truth.board())
    assert (result.quality["source"], result.quality["units"]) == ("board", "m")
    assert _scale_error(workspace, reconstructed) < 0.004
    truth = reconstructed.truth.board_from_obj
    found = RigidTransform.from_json(json.loads(workspace.board_from_obj.read_text()))
    turn = truth.rotation.T @ found.rotation
    assert np.degrees(np.arccos(turn[2, 2])) < 0.3, "z is up"
    vertices = (found.inverse() @ truth).apply(reconstructed.truth.mesh.vertices)
    lower, upper = vertices.min(0), vertices.max(0)
    np.testing.assert_allclose((lower + upper) / 2, 0, atol=0.004, err_msg="the origin is the middle of the object's box")
    np.testing.assert_allclose(result.quality["hull_extents"], upper - lower, atol=0.008)
    assert np.prod((upper - lower)[:2]) < 1.02 * np.prod(reconstructed.truth.mesh.extents[:2]), "the box is turned to fit"


def test_views_and_hull_are_in_the_object_frame(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    workspace, _ = _scaled(masked, tmp_path / "object", reconstructed.truth.board())
    found = RigidTransform.from_json(json.loads(workspace.board_from_obj.read_text()))
    obj_from_truth = found.inverse() @ reconstructed.truth.board_from_obj
    truth = {p.name: p.cam_from_obj for p in reconstructed.truth.photos}
    for view in load_views(workspace.views):
        expected = truth[view.name] @ obj_from_truth.inverse()
        assert rotation_error_deg(view.cam_from_world.rotation, expected.rotation) < 0.4
        assert np.linalg.norm(view.centre_world - expected.inverse().translation) < 0.004
        assert view.mask() is not None
    hull = Hull.load(workspace.hull)
    lower, upper = hull.bounds()
    np.testing.assert_allclose((lower + upper) / 2, 0, atol=2 * hull.spacing)
    surface = obj_from_truth.apply(reconstructed.truth.mesh.vertices)
    index = np.rint((surface - hull.origin) / hull.spacing).astype(int)
    outside = ((index < 0) | (index >= hull.inside.shape)).any(1)
    distance = hull.signed_distance()[tuple(index.clip(0, np.array(hull.inside.shape) - 1).T)]
    assert (outside | (distance > 3 * hull.spacing)).mean() < 0.05, "the true surface lies in the hull"


def test_loose_tags_of_one_size(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    corners = np.array(next(iter(reconstructed.truth.board().corners_mm.values())))
    side_m = float(np.linalg.norm(corners[1] - corners[0])) / 1000
    workspace, result = _scaled(masked, tmp_path / "object", SingleTag("tag36h11", side_m))
    assert result.quality["source"] == "tags"
    assert _scale_error(workspace, reconstructed) < 0.012
    assert not workspace.board_from_obj.exists()


def test_depth_frames(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    shutil.copytree(masked.root, tmp_path / "with_depth")
    shutil.copytree(reconstructed.truth.depth_dir, tmp_path / "with_depth" / "capture" / "depth")
    source = Workspace(tmp_path / "with_depth")
    workspace, result = _scaled(source, tmp_path / "object", DepthFrames())
    assert result.quality["source"] == "depth"
    assert _scale_error(workspace, reconstructed) < 0.006
    assert 0 < result.quality["rel_std"] < 0.01
    path = next(source.given_depth.glob("*.png"))
    write_depth(path, read_depth(path)[::2, ::2])
    with pytest.raises(ImageError, match="240x180, its photo 480x360"):
        _scaled(source, tmp_path / "half", DepthFrames())
    shutil.rmtree(source.given_depth)
    with pytest.raises(ScaleError, match="no photo has a depth frame"):
        _scaled(source, tmp_path / "none", DepthFrames())


def test_a_known_height(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    height = float(reconstructed.truth.mesh.extents[2])
    workspace, result = _scaled(masked, tmp_path / "object", KnownLength(height))
    assert result.quality["source"] == "known_length"
    assert _scale_error(workspace, reconstructed) < 0.01


def test_two_pixels_a_known_length_apart(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    truth = reconstructed.truth
    photo = next(p for p in truth.photos if p.visible > 0.999)
    vertices, normals = truth.mesh.vertices, truth.mesh.vertex_normals
    to_eye = photo.cam_from_obj.inverse().translation - vertices
    depth = make_rasterizer(truth.mesh).render(truth.camera, photo.cam_from_obj).depth
    pixels, z = truth.camera.project(photo.cam_from_obj.apply(vertices)), photo.cam_from_obj.apply(vertices)[:, 2]
    column, row = pixels.round().astype(int).clip(0, (truth.camera.width - 1, truth.camera.height - 1)).T
    facing = (to_eye * normals).sum(1) > 0.8 * np.linalg.norm(to_eye, axis=1)
    seen = np.flatnonzero(facing & (np.abs(depth[row, column] - z) < 0.002))
    first, last = seen[vertices[seen, 2].argmin()], seen[vertices[seen, 2].argmax()]
    a, b = truth.lens.distort_pixels(pixels[[first, last]], truth.camera)
    known = KnownLength(float(np.linalg.norm(vertices[first] - vertices[last])), photo.path.name, tuple(a), tuple(b))
    workspace, _ = _scaled(masked, tmp_path / "object", known)
    assert _scale_error(workspace, reconstructed) < 0.015
    with pytest.raises(ScaleError, match="misses the object"):
        _scaled(masked, tmp_path / "beside", KnownLength(0.1, photo.path.name, (2.0, 2.0), tuple(b)))


def test_an_unknown_size_says_so(masked: Workspace, tmp_path: Path) -> None:
    workspace, _ = _scaled(masked, tmp_path / "object", None)
    doc = json.loads(workspace.scale.read_text())
    assert (doc["source"], doc["units"], doc["rel_std"]) == ("unknown", "object", None)
    assert Hull.load(workspace.hull).mesh().diameter == pytest.approx(1.0, rel=0.03)
    assert not workspace.board_from_obj.exists()


def test_a_scale_that_depth_disagrees_on() -> None:
    rng = np.random.default_rng(0)
    ratios = np.concatenate([rng.normal(0.37, 0.001, 300), rng.uniform(0.1, 2, 200)])
    scale = scale_from_depth(ratios, ScaleConfig())
    assert scale.metres_per_unit == pytest.approx(0.37, rel=0.001)
    with pytest.raises(ScaleError, match="agree on no scale"):
        scale_from_depth(rng.uniform(0.1, 2, 300), ScaleConfig())
    with pytest.raises(ScaleError, match="10 measurements"):
        scale_from_depth(np.full(10, 0.4), ScaleConfig())


def test_the_frame_turns_with_the_footprint() -> None:
    inside = np.zeros((80, 80, 30), bool)
    x, y = np.meshgrid(np.arange(80) - 39.5, np.arange(80) - 39.5, indexing="ij")
    angle = np.radians(20)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    inside[(np.abs(u) < 30) & (np.abs(v) < 12), 5:25] = True
    hull = Hull(inside, np.array([1.0, 2.0, 0.0]), 0.1)
    obj_from_sfm = object_frame(hull, RigidTransform(), 2.0)
    vertices = obj_from_sfm.apply(hull.mesh().vertices)
    np.testing.assert_allclose(vertices.min(0), -vertices.max(0), atol=1e-9)
    np.testing.assert_allclose(np.ptp(vertices, axis=0), np.array([6.0, 2.4, 2.0]) * 2, atol=0.4)


def test_a_board_that_is_not_in_the_photos(masked: Workspace, reconstructed: Reconstructed, tmp_path: Path) -> None:
    board = reconstructed.truth.board()
    other = type(board)(board.family, {400 + tag: corners for tag, corners in board.corners_mm.items()})
    with pytest.raises(ScaleError, match="none of the board's"):
        _scaled(masked, tmp_path / "object", other)
