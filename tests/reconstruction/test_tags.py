"""Printed tags against the exact corners of the rendered board."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.capture import TagBoard
from reconstruction.corners import refine_corners
from reconstruction.errors import InputError, ScaleError
from reconstruction.generated import GeneratedCapture
from reconstruction.scene import RigidTransform, Similarity, View
from reconstruction.scene.transforms import rotation_error_deg
from reconstruction.tags import FAMILIES, Tags, find_tags, fit_board, load_board, metres_per_unit

# A frame like that of SfM: turned, moved, in a unit of 0.37 m.
SFM_FROM_OBJ = Similarity.from_rigid(RigidTransform.from_rotvec(np.array([0.4, -1.0, 2.0]), np.array([3.0, -1.0, 0.5])), 1 / 0.37)


@pytest.fixture(scope="module")
def sfm_views(posed_views: list[View]) -> list[View]:
    return [view.in_frame(SFM_FROM_OBJ) for view in posed_views]


@pytest.fixture(scope="module")
def tags(sfm_views: list[View]) -> Tags:
    return find_tags(sfm_views, "tag36h11")


def test_corners_are_where_the_board_has_them(tags: Tags, generated_capture: GeneratedCapture) -> None:
    sfm_from_board = SFM_FROM_OBJ @ Similarity.from_rigid(generated_capture.board_from_obj.inverse())
    board = generated_capture.board()
    assert set(tags.corners) <= set(board.corners_mm)
    assert len(tags.corners) >= 0.7 * len(board.corners_mm)
    errors = [
        0.37 * np.linalg.norm(found - sfm_from_board.apply(np.array(board.corners_mm[t]) / 1000)) for t, found in tags.corners.items()
    ]
    assert np.median(errors) < 0.0007, "metres, all four corners of a tag together"
    assert tags.residual_px < 0.5


def test_a_board_gives_scale_and_place(tags: Tags, generated_capture: GeneratedCapture) -> None:
    fit = fit_board(tags, generated_capture.board())
    board_from_obj = fit.board_from_world @ SFM_FROM_OBJ
    assert fit.board_from_world.scale == pytest.approx(0.37, rel=0.003)
    assert rotation_error_deg(board_from_obj.rotation, generated_capture.board_from_obj.rotation) < 0.2
    np.testing.assert_allclose(board_from_obj.translation, generated_capture.board_from_obj.translation, atol=0.001)
    assert fit.rel_std < 0.003


def test_the_side_of_the_tags_gives_the_scale(tags: Tags, generated_capture: GeneratedCapture) -> None:
    corners = np.array(next(iter(generated_capture.board().corners_mm.values())))
    scale, rel_std = metres_per_unit(tags, float(np.linalg.norm(corners[1] - corners[0])) / 1000)
    assert scale == pytest.approx(0.37, rel=0.01)
    assert 0.004 < rel_std < 0.02


@pytest.mark.parametrize("order", [[2, 3, 0, 1], [0, 3, 2, 1]])
def test_layouts_may_list_corners_in_another_order(tags: Tags, generated_capture: GeneratedCapture, order: list[int]) -> None:
    board = generated_capture.board()
    turned = replace(board, corners_mm={tag: [corners[k] for k in order] for tag, corners in board.corners_mm.items()})
    expected, found = fit_board(tags, board), fit_board(tags, turned)
    assert found.board_from_world.scale == pytest.approx(expected.board_from_world.scale, rel=1e-9)


def test_a_tag_that_was_moved_is_left_out(tags: Tags, generated_capture: GeneratedCapture) -> None:
    stray = next(iter(tags.corners))
    moved = replace(tags, corners={**tags.corners, stray: tags.corners[stray] + 0.2})
    fit = fit_board(moved, generated_capture.board())
    assert stray not in fit.agreeing
    assert fit.board_from_world.scale == pytest.approx(0.37, rel=0.003)


def test_tags_that_disagree_with_the_layout_are_named(tags: Tags, generated_capture: GeneratedCapture) -> None:
    board = generated_capture.board()
    assert fit_board(tags, board).warnings() == []
    a, b, c = list(tags.corners)[2:5]
    swapped = {**board.corners_mm, a: board.corners_mm[b], b: board.corners_mm[a]}
    swapped[c] = (np.array(board.corners_mm[c]) + (0, 12, 0)).tolist()
    fit = fit_board(tags, TagBoard("tag36h11", swapped))
    assert set(fit.stray_m) == {a, b, c}
    assert fit.stray_m[c] == pytest.approx(0.012, abs=0.002)
    assert fit.board_from_world.scale == pytest.approx(0.37, rel=0.003)
    (warning,) = fit.warnings()
    assert (warning["code"], warning["photo"]) == ("board-disagrees", None)
    assert f"3 of {len(tags.corners)} tags" in warning["message"]
    assert f"{c} (12 mm)" in warning["message"]


def test_tags_printed_smaller_than_the_layout_says_are_told(tags: Tags, generated_capture: GeneratedCapture) -> None:
    """Places as they are, but squares of 45 mm where 42 mm were printed."""
    wrong = {}
    for tag, corners in generated_capture.board().corners_mm.items():
        middle = np.mean(corners, axis=0)
        wrong[tag] = (middle + 45 / 42 * (np.array(corners) - middle)).tolist()
    fit = fit_board(tags, TagBoard("tag36h11", wrong))
    assert fit.board_from_world.scale == pytest.approx(0.37, rel=0.01), "the places say it"
    (warning,) = fit.warnings()
    assert re.search("have 9[34] % of the size", warning["message"])


def test_a_layout_whose_tags_are_numbered_in_another_order_is_refused(tags: Tags, generated_capture: GeneratedCapture) -> None:
    board = generated_capture.board()
    ids, places = list(board.corners_mm), list(board.corners_mm.values())
    mixed = [places[i] for i in np.random.default_rng(0).permutation(len(places))]
    with pytest.raises(ScaleError, match=r"only \d of \d+ tags lie where the board layout says; \d+, \d+.* do not.*ids, places"):
        fit_board(tags, TagBoard("tag36h11", dict(zip(ids, mixed, strict=True))))


def test_another_board_is_an_error_that_names_the_tags(tags: Tags, generated_capture: GeneratedCapture) -> None:
    board = generated_capture.board()
    with pytest.raises(ScaleError, match="none of the board's"):
        fit_board(tags, TagBoard("tag36h11", {500 + k: v for k, v in board.corners_mm.items()}))
    with pytest.raises(ScaleError, match="no tags are in the photos"):
        fit_board(Tags({}, 0.0), board)
    rng = np.random.default_rng(0)
    scattered = {k: (np.array(v) + rng.uniform(-300, 300, 3)).tolist() for k, v in board.corners_mm.items()}
    with pytest.raises(ScaleError, match=r"of \d+ tags lie where the board layout says"):
        fit_board(tags, TagBoard("tag36h11", scattered))
    with pytest.raises(ScaleError, match="no tag is in the photos"):
        metres_per_unit(Tags({}, 0.0), 0.05)


def test_tags_survive_the_disk(tags: Tags, tmp_path: Path) -> None:
    tags.save(tmp_path / "tags.json")
    loaded = Tags.load(tmp_path / "tags.json")
    assert loaded.residual_px == tags.residual_px
    for tag, corners in tags.corners.items():
        np.testing.assert_array_equal(loaded.corners[tag], corners)


def test_reading_a_layout(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"tag_size_mm": 50, "num_x": 8, "7": [[0, 0, 0], [50, 0, 0], [50, 50, 0], [0, 50, 0]]}))
    board = load_board(path)
    assert (board.family, list(board.corners_mm)) == ("tag36h11", [7])
    flat, crossed = "[[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]", "[[0, 0], [9, 9], [9, 0], [0, 9]]"
    nan = "[[0, 0], [NaN, 0], [9, 9], [0, 9]]"
    for broken in ("[]", '{"tag_size_mm": 50}', '{"1": [[0, 0]]}', "no json", *(f'{{"7": {c}}}' for c in (flat, crossed, nan))):
        path.write_text(broken)
        with pytest.raises(InputError):
            load_board(path)


def test_an_unknown_family_names_the_known_ones(posed_views: list[View]) -> None:
    with pytest.raises(InputError, match="tag36h11"):
        find_tags(posed_views, "tag99")


@pytest.mark.parametrize("family", ["tag36h11", "aruco4x4_50"])
def test_edges_give_corners_to_a_tenth_of_a_pixel(family: str) -> None:
    dictionary = cv2.aruco.getPredefinedDictionary(FAMILIES[family])
    marker = np.pad(cv2.aruco.generateImageMarker(dictionary, 3, 640), 160, constant_values=255)
    true = np.array([[40.3, 52.1], [88.9, 45.7], [95.2, 93.3], [36.4, 99.6]])
    square = np.array([[159.5, 159.5], [799.5, 159.5], [799.5, 799.5], [159.5, 799.5]])
    scale = 8  # drawn large, then averaged: every pixel is the light of its area
    homography = cv2.getPerspectiveTransform(square.astype(np.float32), ((true + 0.5) * scale - 0.5).astype(np.float32))
    large = cv2.warpPerspective(marker.astype(np.float32) / 255, homography, (140 * scale, 140 * scale), borderValue=1.0)
    light = cv2.GaussianBlur(cv2.resize(large, (140, 140), interpolation=cv2.INTER_AREA), (0, 0), 0.9)
    grey = (255 * (0.05 + 0.8 * light) ** (1 / 2.2)).round().astype(np.uint8)
    rough = true + np.random.default_rng(1).uniform(-0.7, 0.7, true.shape)
    assert np.linalg.norm(refine_corners(grey, rough) - true, axis=1).max() < 0.12
