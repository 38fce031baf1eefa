"""Cameras from a printed board alone, against the exact cameras of a rendered capture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.capture import Capture, SingleTag, TagBoard
from reconstruction.errors import CaptureError, InputError
from reconstruction.formats import Optics
from reconstruction.generated import GeneratedCapture
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.scene.transforms import rotation_error_deg
from reconstruction.sfm.board.cameras import cameras_from_board
from reconstruction.sfm.cameras import start_cameras
from reconstruction.sfm.inspection import Look
from reconstruction.sfm.photos import Photo
from reconstruction.sfm.stage import SfmConfig, SfmResult, estimate_cameras

FEW_FEATURES = SfmConfig(feature_px=480, max_features=60, upsample=False, threads=2)
"""As from an object and a table without texture: too few to place the photos by."""


@pytest.fixture(scope="module")
def fallen_back(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> SfmResult:
    photos = [p.path for p in generated_capture.photos]
    return estimate_cameras(photos, Capture(scale=generated_capture.board()), FEW_FEATURES, tmp_path_factory.mktemp("board"))


def test_the_board_gives_metric_cameras_where_features_fail(generated_capture: GeneratedCapture, fallen_back: SfmResult) -> None:
    truth = {p.name: p.cam_from_board for p in generated_capture.photos}
    assert len(fallen_back.views) == 24
    off = [1000 * np.linalg.norm(v.centre_world - truth[v.name].inverse().translation) for v in fallen_back.views]
    turned = [rotation_error_deg(v.cam_from_world.rotation, truth[v.name].rotation) for v in fallen_back.views]
    assert np.median(off) < 1, "millimetres in the board's own frame, nothing aligned"
    assert max(off) < 2
    assert np.median(turned) < 0.25, "the principal point is told to a pixel here"
    lens, camera = fallen_back.lenses[fallen_back.views[0].name], generated_capture.camera
    assert lens.camera.fx == pytest.approx(camera.fx, rel=0.004)
    assert lens.camera.cx == pytest.approx(camera.cx, abs=1)


def test_falling_back_is_said(fallen_back: SfmResult) -> None:
    quality = fallen_back.quality
    assert quality["cameras_from"] == "board"
    assert quality["board"]["error_px"] < 0.5
    (warning,) = quality["warnings"]
    assert (warning["code"], warning["photo"]) == ("cameras-from-board", None)
    assert "of 24 photos" in warning["message"]


def test_the_tags_corners_are_points_on_the_table(fallen_back: SfmResult) -> None:
    points = fallen_back.points
    assert (np.abs(points.xyz[:, 2]) < 1e-9).sum() >= 4 * 40, "of the 48 tags; z = 0 is the board"
    for index, view in enumerate(fallen_back.views):
        pixels = view.project(points.xyz[points.seen_by(index)])
        assert view.camera.contains(pixels).mean() > 0.95, "corners at the photo's edge leave the undistorted view"


def test_photos_that_show_too_little_of_the_board_are_left_out(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    board = generated_capture.board()
    photos = []
    for k, p in enumerate(generated_capture.photos[:9]):
        image = read_photo(p.path)
        if k == 4:
            image = cv2.GaussianBlur(image, (0, 0), 12)
        write_photo(tmp_path / p.path.name, image)
        photos.append(_photo(tmp_path / p.path.name))
    found = cameras_from_board(photos, *start_cameras(photos, Capture(), 480, 0.75), board)
    assert [k for k, pose in enumerate(found.cam_from_board) if pose is None] == [4]
    wrong = {tag: (np.array(c) + (30.0 * (tag % 5 == 0), 0, 0)).tolist() for tag, c in board.corners_mm.items()}
    strayed = cameras_from_board(photos, *start_cameras(photos, Capture(), 480, 0.75), replace(board, corners_mm=wrong))
    for pose, other in zip(found.cam_from_board, strayed.cam_from_board, strict=True):
        if pose is not None and other is not None:
            assert np.linalg.norm(pose.inverse().translation - other.inverse().translation) < 0.002, "tags printed elsewhere are left out"
    assert sum(p is not None for p in strayed.cam_from_board) >= 7


def test_a_layout_may_list_corners_from_any_corner_either_way_round(generated_capture: GeneratedCapture) -> None:
    board = generated_capture.board()
    turned = TagBoard(board.family, {tag: [c[2], c[1], c[0], c[3]] for tag, c in board.corners_mm.items()})
    photos = [_photo(p.path) for p in generated_capture.photos[:6]]
    found = cameras_from_board(photos, *start_cameras(photos, Capture(), 480, 0.75), turned)
    truth = generated_capture.photos[0].cam_from_board
    pose = found.cam_from_board[0]
    assert pose is not None
    assert np.linalg.norm(pose.inverse().translation - truth.inverse().translation) < 0.005


def test_no_board_no_cameras(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    photos = [p.path for p in generated_capture.photos[:9]]
    other = TagBoard("tag25h9", generated_capture.board().corners_mm)
    config = replace(FEW_FEATURES, cameras_from="board")
    with pytest.raises(CaptureError, match=r"places no camera: 0 of 9 photos"):
        estimate_cameras(photos, Capture(scale=other), config, tmp_path / "a")
    with pytest.raises(InputError, match="layout"):
        estimate_cameras(photos, Capture(scale=SingleTag("tag36h11", 0.05)), config, tmp_path / "b")
    with pytest.raises(CaptureError, match=r"of 9 photos registered"):
        estimate_cameras(photos, Capture(scale=other), replace(FEW_FEATURES, cameras_from="features"), tmp_path / "c")


def _photo(path: Path) -> Photo:
    height, width = read_photo(path).shape[:2]
    return Photo(path, width, height, np.zeros((24, 32, 3), np.float32), Look(None, 0.0, 0.0), Optics())
