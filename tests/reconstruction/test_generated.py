"""The generated capture is only worth something if its truth is exact: tags, masks, depth and poses are checked on the pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from reconstruction.generated import CaptureConfig, GeneratedCapture, load_or_render, render_capture
from reconstruction.generated.scene import LensCamera
from reconstruction.metrics import mask_iou
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import View
from reconstruction.scene.images import read_depth, read_mask, read_photo


def _tag_errors(capture: GeneratedCapture) -> np.ndarray:
    """Detected minus projected corners, (tags, 4, 2) pixels, over all photos."""
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11), parameters)
    board, errors = capture.board(), []
    for photo in capture.photos:
        linear = (read_photo(photo.path)[..., 1] / 255.0) ** 2.2  # a gamma curve makes black squares look smaller
        corners, ids, _ = detector.detectMarkers((linear * 255).astype(np.uint8))
        for quad, tag in zip(corners, ids.ravel() if ids is not None else [], strict=True):
            points_board = np.array(board.corners_mm[int(tag)]) / 1000
            ideal = capture.camera.project(photo.cam_from_board.apply(points_board))
            errors.append(quad[0] - capture.lens.distort_pixels(ideal, capture.camera))
    return np.array(errors)


def test_tags_are_found_where_truth_projects_them(generated_capture: GeneratedCapture) -> None:
    errors = _tag_errors(generated_capture)
    assert len(errors) > 4 * len(generated_capture.photos)
    centres = np.linalg.norm(errors.mean(1), axis=-1)
    assert np.abs(errors.mean((0, 1))).max() < 0.03, "no shift: half a pixel lost somewhere would show here"
    assert np.median(centres) < 0.2, "a tag's centre is where it should be, so the camera, the lens and the board agree"
    assert np.median(np.linalg.norm(errors, axis=-1)) < 0.6, "corners too, in this order, within the detector's own bias"


def test_masks_are_the_projected_mesh(generated_capture: GeneratedCapture) -> None:
    camera = LensCamera.behind(generated_capture.camera, generated_capture.lens)
    rasterizer = make_rasterizer(generated_capture.mesh)
    for photo in generated_capture.photos + generated_capture.held_out:
        mask, outline = read_mask(photo.mask_path), rasterizer.render(camera, photo.cam_from_obj).mask
        assert not (mask & ~outline).sum() > 3, "nothing outside the outline"
        assert mask.sum() / outline.sum() == pytest.approx(photo.visible, abs=0.01)
    assert np.mean([p.visible for p in generated_capture.photos]) > 0.9
    assert min(p.visible for p in generated_capture.held_out) < 0.93, "some held-out photos are partly hidden"


def test_undistorted_views_agree_with_a_pinhole_render(generated_capture: GeneratedCapture, posed_views: list[View]) -> None:
    rasterizer = make_rasterizer(generated_capture.mesh)
    whole = {p.name for p in generated_capture.photos if p.visible > 0.999}
    ious = [mask_iou(v.mask(), rasterizer.render(v.camera, v.cam_from_world).mask) for v in posed_views if v.name in whole]
    assert len(ious) >= 10
    assert min(ious) > 0.97


def test_depth_is_metric(generated_capture: GeneratedCapture) -> None:
    camera = LensCamera.behind(generated_capture.camera, generated_capture.lens)
    photo = generated_capture.photos[0]
    depth = read_depth(generated_capture.depth_dir / f"{photo.name}.png")
    truth = make_rasterizer(generated_capture.mesh).render(camera, photo.cam_from_obj).depth
    seen = read_mask(photo.mask_path) & (depth > 0)
    assert np.median(np.abs(depth - truth)[seen]) < 0.003


def test_board_and_object_poses_are_consistent(generated_capture: GeneratedCapture) -> None:
    for photo in generated_capture.photos:
        through_board = photo.cam_from_board @ generated_capture.board_from_obj
        np.testing.assert_allclose(through_board.matrix, photo.cam_from_obj.matrix, atol=1e-9)
        assert photo.cam_from_board.inverse().translation[2] < 0, "the board's z points into the table, away from the camera"


def test_object_is_watertight_concave_and_asymmetric(generated_capture: GeneratedCapture) -> None:
    mesh = generated_capture.mesh
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert solid.is_watertight
    assert solid.volume > 0, "faces look outwards"
    assert solid.volume < 0.8 * solid.convex_hull.volume
    assert 0.15 < mesh.extents.max() < 0.22
    np.testing.assert_allclose(mesh.bounds[0] + mesh.bounds[1], 0, atol=1e-6)
    spread = np.linalg.svd(mesh.vertices - mesh.vertices.mean(0), compute_uv=False)
    assert (spread[:-1] / spread[1:] > 1.05).all(), "no two principal axes alike"


def test_same_seed_same_pixels(tmp_path: Path) -> None:
    small = CaptureConfig(photos=1, held_out=1, width=96, height=72, workers=1)
    first, second = (render_capture(tmp_path / name, small) for name in "ab")
    assert first.photos[0].path.read_bytes() == second.photos[0].path.read_bytes()
    assert first.held_out[0].path.read_bytes() == second.held_out[0].path.read_bytes()


def test_a_capture_that_is_there_is_not_rendered_again(tmp_path: Path) -> None:
    small = CaptureConfig(photos=1, held_out=0, width=96, height=72, workers=1)
    photo = load_or_render(tmp_path, replace(small, depth=True)).photos[0].path
    photo.write_bytes(b"as it was")
    assert load_or_render(tmp_path, small).photos[0].path.read_bytes() == b"as it was", "depth besides does no harm"
    assert load_or_render(tmp_path, replace(small, seed=8)).photos[0].path.read_bytes() != b"as it was"
    photo.write_bytes(b"as it was")
    (tmp_path / "truth" / "board_from_obj.json").unlink()
    assert load_or_render(tmp_path, replace(small, seed=8)).photos[0].path.read_bytes() != b"as it was", "stopped before it was whole"


def test_a_held_out_photo_hides_as_much_as_it_is_told_to(tmp_path: Path) -> None:
    config = CaptureConfig(photos=0, held_out=2, width=160, height=120, workers=1, depth=True, visible=((0.4, 0.6), (0.93, 1.1)))
    half, whole = render_capture(tmp_path, config).held_out
    assert half.visible == pytest.approx(0.5, abs=0.13)
    assert whole.visible > 0.9
    seen = read_depth(tmp_path / "heldout_depth" / f"{half.name}.png")
    assert (seen > 0).mean() > 0.9, "the sensor sees what stands before it too"
