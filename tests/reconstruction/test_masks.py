"""Masks of the rendered capture against its exact ones; photos that can't be trusted are dropped with the reason."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from posed_capture import region_of, sparse_points

from reconstruction.backends import load_backend
from reconstruction.errors import BackendMissing, ImageError, MaskError
from reconstruction.generated import GeneratedCapture
from reconstruction.hull import Hull
from reconstruction.locate.framed import region_under_box
from reconstruction.locate.region import Region
from reconstruction.locate.support import SupportPlane
from reconstruction.masks import MASKERS
from reconstruction.masks.given import read_given_masks
from reconstruction.masks.rounds import settled
from reconstruction.masks.stage import MASKS, Agreement, MaskConfig, make_masker, segment_object
from reconstruction.masks.verdicts import Verdict, judge, require_enough
from reconstruction.scene import Camera, Lens, RigidTransform, View
from reconstruction.scene.images import read_mask, write_mask
from reconstruction.scene.transforms import look_at
from reconstruction.scene.view import load_views, save_views
from reconstruction.sfm.lenses import PhotoLens, save_lenses
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace

CONFIG = MaskConfig(hull_resolution=64, crop_px=224)


@pytest.fixture(scope="module")
def workspace(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What sfm and locate would have left: undistorted photos, cameras, points, the region."""
    space = Workspace(tmp_path_factory.mktemp("object"))
    views = generated_capture.undistorted_views(space.root / "sfm")
    points = sparse_points(generated_capture, views)
    save_views(space.sfm_views, [replace(view, mask_path=None) for view in views])
    points.save(space.sfm_points)
    lens = PhotoLens(generated_capture.camera, generated_capture.lens)
    save_lenses(space.sfm_lens, {view.name: lens for view in views})
    space.region.parent.mkdir()
    space.region.write_text(json.dumps(region_of(generated_capture, points).to_json()))
    (space.root / "capture").mkdir()
    return space


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_masks_of_the_capture_match_the_exact_ones(workspace: Workspace, posed_views: list[View]) -> None:
    result = run_stage(MASKS, CONFIG, workspace)
    truth = {view.name: view.mask() for view in posed_views}
    used = load_views(workspace.masked_views)
    ious = [overlap(view.mask(), truth[view.name]) for view in used]  # type: ignore[arg-type]
    assert len(used) >= 0.9 * len(posed_views)
    assert np.mean(ious) >= 0.93
    assert result.quality["used"] == len(used)
    assert result.quality["used"] + result.quality["dropped"] == len(posed_views)
    verdicts = json.loads((workspace.root / "masks" / "verdicts.json").read_text())
    assert [v["photo"] for v in verdicts] == [view.name for view in posed_views]
    assert {v["photo"] for v in verdicts if v["used"]} == {view.name for view in used}
    assert sorted(path.stem for path in (workspace.root / "masks" / "overlays").iterdir()) == sorted(view.name for view in posed_views)


def test_parts_without_points_of_their_own_are_found(workspace: Workspace, posed_views: list[View], tmp_path: Path) -> None:
    """Spout, handle and knob have no points: their hull starts at half of the object."""
    sparse = Workspace(tmp_path / "sparse")
    shutil.copytree(workspace.root, sparse.root)
    region, points = Region.from_json(json.loads(sparse.region.read_text())), SparsePoints.load(sparse.sfm_points)
    middle, size = np.median(region.points, axis=0), np.ptp(region.points, axis=0)
    body = replace(region, points=region.points[(np.abs(region.points - middle) < 0.25 * size).all(1)])
    sparse.region.write_text(json.dumps(body.to_json()))
    removed = {tuple(p) for p in region.points} - {tuple(p) for p in body.points}
    kept = np.array([tuple(p) not in removed for p in points.xyz])
    seen = kept[points.point_index]
    number = np.cumsum(kept) - 1
    replace(
        points,
        xyz=points.xyz[kept],
        rgb=points.rgb[kept],
        view_index=points.view_index[seen],
        point_index=number[points.point_index[seen]].astype(np.int32),
    ).save(sparse.sfm_points)
    run_stage(MASKS, CONFIG, sparse)
    truth = {view.name: view.mask() for view in posed_views}
    ious = [overlap(view.mask(), truth[view.name]) for view in load_views(sparse.masked_views)]  # type: ignore[arg-type]
    assert len(ious) >= 0.9 * len(posed_views)
    assert np.mean(ious) > 0.9


def test_what_points_at_the_camera_of_the_photo_with_the_box_is_found(workspace: Workspace, generated_capture: GeneratedCapture) -> None:
    """Without points of its own the object's region is guessed from one box. Seen along its spout, a fifth of the jug lies outside."""
    views, points, jug = load_views(workspace.sfm_views), SparsePoints.load(workspace.sfm_points), generated_capture.mesh.vertices
    view, table = views[18], SupportPlane(np.array([0.0, 0.0, 1.0]), float(jug[:, 2].min()), "tags")
    (x0, y0), (x1, y1) = view.project(jug).min(0), view.project(jug).max(0)
    region = region_under_box(views, view, (x0, y0, x1, y1), table, np.zeros((0, 3)))
    local = region.region_from_world.apply(jug)
    assert ((local > region.lower - 0.001) & (local < region.upper)).all(1).mean() < 0.85
    agreement = segment_object(views, region, points, make_masker(CONFIG), CONFIG)
    lower, upper = agreement.hull.bounds()
    np.testing.assert_allclose(upper - lower, np.ptp(local, axis=0), atol=0.01)


def test_a_photo_with_a_wrong_pose_is_dropped_and_the_others_stay(workspace: Workspace) -> None:
    views, points = load_views(workspace.sfm_views), SparsePoints.load(workspace.sfm_points)
    region = Region.from_json(json.loads(workspace.region.read_text()))
    turned = RigidTransform.from_rotvec(np.array([0.0, np.radians(12), 0.0]), np.zeros(3))
    views[5] = replace(views[5], cam_from_world=turned @ views[5].cam_from_world)
    agreement: Agreement = segment_object(views, region, points, make_masker(CONFIG), CONFIG)
    assert not agreement.verdicts[5].used
    assert agreement.verdicts[5].reason.startswith("mask disagrees")
    assert sum(v.used for v in agreement.verdicts) >= len(views) - 3


def test_the_users_masks_are_taken_as_they_are(workspace: Workspace, generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    own = Workspace(tmp_path)
    for name in ("sfm", "locate"):
        shutil.copytree(workspace.root / name, own.root / name)
    own.given_masks.mkdir(parents=True)
    for photo in generated_capture.photos:
        (own.given_masks / f"{photo.name}.png").write_bytes(photo.mask_path.read_bytes())
    views = load_views(workspace.sfm_views)
    exact = generated_capture.undistorted_views(tmp_path / "exact")
    masks = read_given_masks(views, own.given_masks, own.sfm_lens)
    assert min(overlap(mask, view.mask()) for mask, view in zip(masks, exact, strict=True)) > 0.97  # type: ignore[arg-type]
    result = run_stage(MASKS, replace(CONFIG, masker="sam"), own)  # never asked for: the user's masks come first
    assert result.quality["used"] == len(views)


def lens_file(folder: Path) -> tuple[View, Path]:
    camera = Camera(64, 48, 60, 60, 31.5, 23.5)
    save_lenses(folder / "lens.json", {"a": PhotoLens(camera.resized(128, 96), Lens())})
    return View("a", camera, RigidTransform(), folder / "a.png"), folder / "lens.json"


def test_a_given_mask_may_have_the_photos_size_or_the_views(tmp_path: Path) -> None:
    view, lenses = lens_file(tmp_path)
    (tmp_path / "masks").mkdir()
    for width, height in ((128, 96), (64, 48)):
        mask = np.zeros((height, width), bool)
        mask[:, : width // 2] = True
        write_mask(tmp_path / "masks" / "a.png", mask)
        (read,) = read_given_masks([view], tmp_path / "masks", lenses)
        np.testing.assert_array_equal(read, np.arange(64)[None].repeat(48, 0) < 32)


def test_a_given_mask_of_another_size_is_named(tmp_path: Path) -> None:
    view, lenses = lens_file(tmp_path)
    (tmp_path / "masks").mkdir()
    write_mask(tmp_path / "masks" / "a.png", np.ones((10, 10), bool))
    with pytest.raises(ImageError, match=r"a\.png has 10x10 pixels, its photo 128x96"):
        read_given_masks([view], tmp_path / "masks", lenses)


@pytest.mark.parametrize(("name", "width", "height"), [("a.png", 32, 24), ("a.png", 256, 192), ("a.jpg", 128, 96), ("a.tif", 128, 96)])
def test_a_given_mask_may_be_of_a_copy_of_the_photo(tmp_path: Path, name: str, width: int, height: int) -> None:
    view, lenses = lens_file(tmp_path)
    (tmp_path / "masks").mkdir()
    write_mask(tmp_path / "masks" / name, np.arange(width)[None].repeat(height, 0) < width // 2)
    (read,) = read_given_masks([view], tmp_path / "masks", lenses)
    np.testing.assert_array_equal(read, np.arange(64)[None].repeat(48, 0) < 32)


@pytest.mark.parametrize(("width", "height", "said"), [(96, 128, "on its side"), (12, 9, "too coarse"), (128, 128, "128x96")])
def test_a_given_mask_that_cannot_be_meant_is_refused(tmp_path: Path, width: int, height: int, said: str) -> None:
    view, lenses = lens_file(tmp_path)
    (tmp_path / "masks").mkdir()
    write_mask(tmp_path / "masks" / "a.png", np.ones((height, width), bool))
    with pytest.raises(ImageError, match=said):
        read_given_masks([view], tmp_path / "masks", lenses)


def test_given_masks_named_like_no_photo_are_an_error(tmp_path: Path) -> None:
    view, lenses = lens_file(tmp_path)
    (tmp_path / "masks").mkdir()
    write_mask(tmp_path / "masks" / "b.png", np.ones((48, 64), bool))
    with pytest.raises(MaskError, match="named like a photo"):
        read_given_masks([view], tmp_path / "masks", lenses)


@pytest.fixture(scope="module")
def ball() -> Hull:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 3, indexing="ij"), -1)
    return Hull(np.linalg.norm(grid, axis=-1) < 0.6, np.full(3, -1.0), 0.05)


def looking(target: tuple[float, float, float]) -> View:
    pose = look_at(np.array([0.0, -5, 0]), np.array(target), np.array([0.0, 0, 1]))
    return View("a", Camera(200, 200, 300, 300, 99.5, 99.5), pose, Path("unused"))


def test_verdicts_say_why(ball: Hull) -> None:
    ahead = looking((0, 0, 0))
    silhouette = ball.silhouette(ahead)
    assert judge(ahead, silhouette, ball) == Verdict("a", True, "used", 1.0, 0.0, 1.0)
    assert judge(ahead, np.zeros_like(silhouette), ball).reason == "no mask found"
    assert judge(ahead, np.ones_like(silhouette), ball).reason.startswith("mask disagrees: IoU 0.1")
    half = silhouette & (np.arange(200) < 95)
    assert judge(ahead, half, ball).reason.startswith("hidden: 5")
    assert judge(looking((0, 5, 0)), silhouette, ball).used
    aside = looking((1.9, 0, 0))
    assert judge(aside, ball.silhouette(aside), ball).reason.startswith("object cut off")
    away = looking((0, -10, 0))
    assert judge(away, silhouette, ball).reason == "not in view"


def test_a_smaller_bite_is_an_occlusion_and_forgiven(ball: Hull) -> None:
    ahead = looking((0, 0, 0))
    mask = ball.silhouette(ahead) & (np.arange(200)[:, None] < 115)
    verdict = judge(ahead, mask, ball)
    assert verdict.used
    assert verdict.hidden > 0.05


def test_a_thin_rim_that_one_photo_lacks_is_given_back_and_a_bite_is_not() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 101)] * 3, indexing="ij"), -1)
    fine = Hull(np.abs(grid).max(-1) < 0.6, np.full(3, -1.0), 0.02)
    view = looking((0, 0, 0))
    whole = fine.silhouette(view)
    rows = np.arange(200)[:, None] - np.flatnonzero(whole.any(1))[0]
    without_rim, bitten = whole & (rows >= 4), whole & (rows >= 30)
    restored = settled(view, without_rim, fine)
    assert (restored & ~without_rim).sum() > 0.5 * (whole & ~without_rim).sum()
    assert not (restored & ~whole).any()
    assert (settled(view, bitten, fine) ^ bitten).sum() < 0.02 * whole.sum()
    assert not settled(view, np.zeros_like(whole), fine).any()
    beside = whole | ((np.abs(rows - 20) < 8) & np.roll(whole, 8, axis=1))  # a dark tag beside the object, taken in
    assert (settled(view, beside, fine) & ~whole).sum() < 0.3 * (beside & ~whole).sum()


def test_too_few_usable_masks_are_an_error_that_counts_the_reasons() -> None:
    good, bad = Verdict("a", True, "used", 0.95, 0, 1), Verdict("b", False, "mask disagrees: IoU 0.30", 0.3, 0, 1)
    require_enough([good] * 8 + [bad] * 8)
    with pytest.raises(MaskError, match=r"only 7 of 7"):
        require_enough([good] * 7)
    with pytest.raises(MaskError, match=r"only 9 of 20 .*11 mask disagrees"):
        require_enough([good] * 9 + [bad] * 11)


def test_sam_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reconstruction.masks.sam", None)
    with pytest.raises(BackendMissing, match="pip install segment-anything"):
        load_backend("masker", MASKERS, "sam")


def test_written_masks_are_read_back_exactly(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((20, 30)) < 0.5
    write_mask(tmp_path / "m.png", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), mask)
