"""A camera on a tripod before a turning object, against exact truth; and cameras that moved, which must never be taken for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.capture import Capture
from reconstruction.errors import CaptureError
from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.scene import RigidTransform
from reconstruction.scene.images import read_mask, read_photo
from reconstruction.scene.transforms import fit_similarity
from reconstruction.sfm.colmap.turntable import Features, recognise_turntable
from reconstruction.sfm.stage import SfmConfig, estimate_cameras

REACH_PX = 1.4
SMALL = SfmConfig(feature_px=420, max_features=1600, threads=2)


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> GeneratedCapture:
    """14 photos from one place, 15 degrees apart, at 420 x 315; the board repeats its grid every quarter turn."""
    config = CaptureConfig(photos=14, held_out=0, width=420, height=315, turntable_heights=1, turn_deg=210)
    return render_capture(tmp_path_factory.mktemp("turntable"), config)


def find_features(image: np.ndarray, count: int = 1200) -> Features:
    keypoints, descriptors = cv2.SIFT_create(count).detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
    xy = np.array([k.pt for k in keypoints]).reshape(-1, 2)
    unit = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    return Features(xy, np.array([k.size for k in keypoints]), np.radians([k.angle for k in keypoints]), unit)


def test_what_stands_still_is_left_out_and_what_turns_stays(turning: GeneratedCapture) -> None:
    photos = [find_features(read_photo(p.path)) for p in turning.photos]
    found = recognise_turntable(photos, REACH_PX, seed=0)
    assert found is not None
    assert found.stations == [list(range(14))]
    kept_turning, kept_still = [], []
    for photo, features, moving in zip(turning.photos, photos, found.moving, strict=True):
        on_disc = _inside_disc(turning, photo.cam_from_board, features.xy, 0.23, 0.0)
        near_disc = _inside_disc(turning, photo.cam_from_board, features.xy, 0.27, 0.03)
        on_object = cv2.dilate(read_mask(photo.mask_path).astype(np.uint8), np.ones((9, 9)))[tuple(features.xy.astype(int).T[::-1])] > 0
        kept_turning.append(moving[on_disc].mean())
        kept_still.append(moving[~near_disc & ~on_object].mean())
    assert np.mean(kept_turning) > 0.93, "disc, tags and what stands in front of them"
    assert np.mean(kept_still) < 0.04


def _inside_disc(capture: GeneratedCapture, cam_from_board: RigidTransform, pixels: np.ndarray, radius: float, depth: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 60)
    rim = np.stack([0.168 + radius * np.cos(angle), 0.168 + radius * np.sin(angle), np.zeros(60)], 1)  # the sheet is 336 mm wide
    both = np.concatenate([rim, rim + (0, 0, depth)])
    outline = capture.lens.distort_pixels(capture.camera.project(cam_from_board.apply(both)), capture.camera)
    contour = cv2.convexHull(outline.astype(np.float32))
    return np.array([cv2.pointPolygonTest(contour, (float(x), float(y)), False) > 0 for x, y in pixels])


def test_cameras_are_found_relative_to_what_turns(turning: GeneratedCapture, tmp_path: Path) -> None:
    result = estimate_cameras([p.path for p in turning.photos], Capture(scale=turning.board()), SMALL, tmp_path)
    truth = {p.name: p.cam_from_board for p in turning.photos}
    assert result.quality["registered"] == 14
    assert (result.quality["turntable"], result.quality["cameras_from"]) == (True, "features")
    assert [w["code"] for w in result.quality["warnings"]] == ["turntable"]
    true = np.array([truth[v.name].inverse().translation for v in result.views])
    found = np.array([v.centre_world for v in result.views])
    errors = np.linalg.norm(fit_similarity(true, found).apply(found) - true, axis=1)
    assert np.median(errors) < 0.004, "metres, on an arc of 0.6 m radius"


def test_a_turning_thing_without_texture_is_named(turning: GeneratedCapture, tmp_path: Path) -> None:
    """A plain grey block turns where it hides the turntable: nothing on it could place a camera."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    still = read_photo(turning.photos[0].path)
    height, width = still.shape[:2]
    for k in range(9):
        block = cv2.boxPoints(((width / 2, height / 2), (0.9 * height, 0.3 * height), 20.0 * k)).astype(np.int32)
        photo = cv2.GaussianBlur(cv2.fillConvexPoly(still.copy(), block, (130, 130, 130)), (0, 0), 1.0)
        noisy = np.clip(photo + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{k}.png"), cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR))
    with pytest.raises(CaptureError, match=r"the camera stood still.*lay a printed tag board"):
        estimate_cameras(sorted(folder.iterdir()), Capture(), replace(SMALL, max_features=500, upsample=False), tmp_path / "scratch")


def test_a_walk_round_the_object_is_no_turntable(generated_capture: GeneratedCapture) -> None:
    photos = [read_photo(p.path) for p in generated_capture.photos]
    assert recognise_turntable([find_features(p) for p in photos], REACH_PX, seed=0) is None
    rng = np.random.default_rng(0)
    bursts = [np.clip(p + rng.normal(0, 3, p.shape), 0, 255).astype(np.uint8) for p in photos[::2] for _ in range(3)]
    assert recognise_turntable([find_features(p, 400) for p in bursts], REACH_PX, seed=0) is None, "three photos from each place"


def test_an_object_on_plain_white_is_no_turntable(generated_capture: GeneratedCapture) -> None:
    """Nothing but the object has features: they all move, whoever turned."""
    masked = [np.where(read_mask(p.mask_path)[..., None], read_photo(p.path), np.uint8(255)) for p in generated_capture.photos]
    assert recognise_turntable([find_features(p) for p in masked], REACH_PX, seed=0) is None
    assert recognise_turntable([find_features(p) for p in masked[:3]], REACH_PX, seed=0) is None
