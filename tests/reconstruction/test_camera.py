"""Cameras: the pixel convention, crops, lenses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconstruction.errors import InputError
from reconstruction.scene import Camera, Lens

CAMERA = Camera(640, 480, 520, 525, 322, 236)
inside_x, inside_y = st.floats(0, 639), st.floats(0, 479)


@given(inside_x, inside_y, st.floats(0.05, 50))
def test_project_undoes_unproject(x: float, y: float, depth: float) -> None:
    pixel = np.array([[x, y]])
    point = CAMERA.unproject(pixel, np.array([depth]))
    assert point[0, 2] == pytest.approx(depth)
    np.testing.assert_allclose(CAMERA.project(point), pixel, atol=1e-8)


def test_nothing_behind_the_camera_has_a_pixel() -> None:
    pixels = CAMERA.project(np.array([[0, 0, -1.0], [0, 0, 0], [0, 0, 1]]))
    assert np.isnan(pixels[:2]).all()
    assert CAMERA.contains(pixels).tolist() == [False, False, True]


def test_rays_go_through_pixel_centres() -> None:
    rays = CAMERA.rays()
    assert rays.shape == (480, 640, 3)
    np.testing.assert_allclose(CAMERA.project(rays[17, 31]), [31, 17], atol=1e-9)


def test_colmap_counts_from_the_corner_of_the_first_pixel() -> None:
    assert (Camera.from_colmap(640, 480, 500, 500, 320, 240).cx, Camera.from_colmap(640, 480, 500, 500, 320, 240).cy) == (319.5, 239.5)


def test_resizing_moves_pixels_as_area_interpolation_does() -> None:
    """A block of 4 x 4 pixels becomes one pixel: its middle must land on that pixel's centre."""
    small = CAMERA.resized(160, 120)
    middle_of_block = np.array([[4 * 10 + 1.5, 4 * 7 + 1.5]])
    point = CAMERA.unproject(middle_of_block, np.array([2.0]))
    np.testing.assert_allclose(small.project(point), [[10, 7]], atol=1e-9)


def test_window_moves_pixels() -> None:
    point = CAMERA.unproject(np.array([[100.0, 90.0]]), np.array([1.0]))
    np.testing.assert_allclose(CAMERA.cropped(60, 50, 200, 100).project(point), [[40, 40]], atol=1e-9)


@given(inside_x, inside_y, st.floats(8, 200), st.floats(8, 200), st.floats(-180, 180), st.floats(1, 2), st.floats(0, 1), st.floats(0, 1))
def test_crop_homography_agrees_with_crop_camera(
    x: float, y: float, width: float, height: float, roll_deg: float, padding: float, u: float, v: float
) -> None:
    crop = CAMERA.crop_towards((x, y, x + width, y + height), 128, padding, roll_deg)
    source = np.array([x + u * width, y + v * height])
    by_homography = crop.homography @ [*source, 1]
    ray = CAMERA.unproject(source[None], np.array([1.7]))
    by_camera = crop.camera.project(crop.crop_from_cam.apply(ray))[0]
    np.testing.assert_allclose(by_homography[:2] / by_homography[2], by_camera, atol=1e-6)


@given(inside_x, inside_y, st.floats(8, 200), st.floats(8, 200))
def test_crop_looks_at_the_middle_of_the_box(x: float, y: float, width: float, height: float) -> None:
    crop = CAMERA.crop_towards((x, y, x + width, y + height), 128)
    middle = CAMERA.unproject(np.array([[x + width / 2, y + height / 2]]), np.array([1.0]))
    np.testing.assert_allclose(crop.camera.project(crop.crop_from_cam.apply(middle)), [[63.5, 63.5]], atol=1e-6)
    rotation = crop.crop_from_cam.rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


def test_warped_pixels_land_where_the_crop_camera_says() -> None:
    image = np.zeros((480, 640), np.uint8)
    cv2.circle(image, (400, 150), 6, 255, -1)
    crop = CAMERA.crop_towards((330, 100, 450, 220), 200, roll_deg=25)
    warped = crop.warp(image)
    rows, columns = np.nonzero(warped > 127)
    wanted = crop.camera.project(crop.crop_from_cam.apply(CAMERA.unproject(np.array([[400.0, 150.0]]), np.ones(1))))[0]
    np.testing.assert_allclose([columns.mean(), rows.mean()], wanted, atol=0.3)


def test_much_smaller_crops_do_not_alias() -> None:
    rng = np.random.default_rng(0)
    checker = rng.integers(0, 2, (480, 640)).astype(np.uint8) * 255
    assert CAMERA.crop_towards((0, 0, 639, 479), 48).warp(checker)[14:34, 10:38].std() < 25


@pytest.mark.parametrize("box", [(10, 10, 10, 50), (50, 10, 10, 50), (0, 0, float("nan"), 9)])
def test_a_box_without_area_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="no area"):
        CAMERA.crop_towards(box, 64)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.diag([-500.0, 500, 1]), "not positive"),
        (np.array([[4.2, 0, 320], [0, 4.2, 240], [0, 0, 1]]), "don't fit"),
        (np.array([[500, 0, 2000], [0, 500, 240], [0, 0, 1.0]]), "principal point"),
        (np.full((3, 3), np.nan), "not positive"),
    ],
)
def test_a_wrong_camera_matrix_is_refused_with_a_hint(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Camera.from_matrix(matrix, 640, 480)
    assert caught.value.code == "bad-input"


@given(st.floats(-0.15, 0.15), st.floats(-0.05, 0.05), st.floats(-0.002, 0.002), inside_x, inside_y)
def test_lens_distort_and_undistort_agree(k1: float, k2: float, p1: float, x: float, y: float) -> None:
    lens = Lens(k1, k2, p1, 0.001)
    pixels = np.array([[x, y]])
    again = lens.undistort_pixels(lens.distort_pixels(pixels, CAMERA), CAMERA)
    assume(CAMERA.contains(lens.distort_pixels(pixels, CAMERA)).all())
    np.testing.assert_allclose(again, pixels, atol=0.05)


def test_undistorted_image_shows_points_where_the_pinhole_projects_them() -> None:
    lens, pinhole = Lens(-0.2, 0.05), np.array([[560.0, 420.0]])
    image = np.zeros((480, 640), np.uint8)
    cv2.circle(image, tuple(lens.distort_pixels(pinhole, CAMERA)[0].round().astype(int).tolist()), 5, 255, -1)
    rows, columns = np.nonzero(lens.undistort(image, CAMERA) > 127)
    np.testing.assert_allclose([columns.mean(), rows.mean()], pinhole[0], atol=1.0)
