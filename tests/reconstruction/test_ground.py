"""Masks that take a strip of the table in: the photos that see the table there give it away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.generated import GeneratedCapture
from reconstruction.hull import Hull, carve_hull
from reconstruction.masks.ground import find_doubtful
from reconstruction.scene import RigidTransform, Similarity, View
from reconstruction.scene.images import read_doubtful, read_mask, write_mask
from reconstruction.sdf.labels import DOUBTFUL, OBJECT
from reconstruction.sdf.rays import open_window


@pytest.fixture(scope="module")
def standing(posed_views: list[View], generated_capture: GeneratedCapture) -> list[View]:
    """The object's views with z = 0 on the table."""
    up = RigidTransform(np.eye(3), np.array([0.0, 0.0, -generated_capture.mesh.bounds[0][2]]))
    return [view.in_frame(Similarity.from_rigid(up)) for view in posed_views]


@pytest.fixture(scope="module")
def hull(standing: list[View], generated_capture: GeneratedCapture) -> Hull:
    lower, upper = generated_capture.mesh.bounds
    floor = np.array([0.0, 0.0, lower[2]])
    return carve_hull(standing, [view.mask() for view in standing], lower - floor - 0.01, upper - floor + 0.01, 64)


def exact(views: list[View]) -> list[np.ndarray]:
    return [np.asarray(view.mask()) for view in views]


def test_a_strip_of_the_table_is_doubtful_and_the_object_is_not(standing: list[View], hull: Hull) -> None:
    true = exact(standing)
    wide = [cv2.dilate(mask.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0 for mask in true]
    masks = [wide[i] if i % 2 else true[i] for i in range(len(true))]
    doubtful = find_doubtful(standing, masks, hull)
    beside = [((wide[i] & ~true[i]).sum(), (doubtful[i] & ~true[i]).sum()) for i in range(1, len(true), 2)]
    of_object = [((doubtful[i] & true[i]).sum() / true[i].sum()) for i in range(len(true))]
    assert np.sum(beside, axis=0)[1] > 0.4 * np.sum(beside, axis=0)[0]  # few photos see what it overhangs; none compares the wall
    assert np.mean(of_object) < 0.01
    assert max(of_object) < 0.05


def test_what_few_photos_see_past_is_not_known(standing: list[View], hull: Hull) -> None:
    few = standing[:4]
    assert not any(doubtful.any() for doubtful in find_doubtful(few, exact(few), hull))


def test_the_doubtful_part_of_a_mask_has_no_say_in_the_surface(standing: list[View], hull: Hull, tmp_path: Path) -> None:
    view, mask = standing[0], exact(standing)[0]
    rim = mask & ~(cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    write_mask(tmp_path / "mask.png", mask, rim)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask)
    np.testing.assert_array_equal(read_doubtful(tmp_path / "mask.png"), rim)
    window = open_window(replace(view, mask_path=tmp_path / "mask.png"), hull, 10_000)
    assert window is not None
    assert (window.labels == DOUBTFUL).sum() == rim.sum()
    assert (window.labels == OBJECT).sum() == (mask & ~rim).sum()
