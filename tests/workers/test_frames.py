"""An image and its camera -> an undistorted frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reconstruction.errors import ImageError, InputError
from reconstruction.scene import Camera, Lens
from reconstruction.scene.images import write_depth
from workers.estimates.frames import load_frame

K = (600.0, 610.0, 319.5, 239.5)
DISTORTION = (-0.25, 0.08, 0.001, -0.002, 0.01)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)).save(path)
    return path


def test_four_and_nine_numbers_are_the_same_camera(image: Path) -> None:
    nine = (K[0], 0, K[2], 0, K[1], K[3], 0, 0, 1)
    assert load_frame(image, K).camera == load_frame(image, nine).camera == Camera(640, 480, *K)


def test_a_box_follows_its_object_through_the_lens(image: Path) -> None:
    lens, camera = Lens(*DISTORTION), Camera(640, 480, *K)
    outline = np.array([[x, y] for x in np.linspace(40, 200, 30) for y in np.linspace(30, 150, 30)])
    seen = lens.distort_pixels(outline, camera)
    box = (*seen.min(0), *seen.max(0))
    frame = load_frame(image, K, DISTORTION, [box])
    assert frame.boxes is not None
    x0, y0, x1, y1 = frame.boxes[0]
    assert x0 <= 40.5
    assert y0 <= 30.5
    assert x1 >= 199.5
    assert y1 >= 149.5
    assert (x1 - x0) * (y1 - y0) < 1.35 * 160 * 120
    assert not np.array_equal(frame.image, load_frame(image, K).image)


def test_depth_is_metres_and_registered(image: Path, tmp_path: Path) -> None:
    write_depth(tmp_path / "d.png", np.full((480, 640), 0.75, np.float32))
    depth = load_frame(image, K, depth_path=tmp_path / "d.png").depth
    assert depth is not None
    assert depth[240, 320] == pytest.approx(0.75)
    write_depth(tmp_path / "small.png", np.full((48, 64), 0.75, np.float32))
    with pytest.raises(ImageError, match="64x48"):
        load_frame(image, K, depth_path=tmp_path / "small.png")


@pytest.mark.parametrize(
    "wrong",
    [
        {"intrinsics": (600.0, 600.0, 320.0)},
        {"intrinsics": (600, 5, 320, 0, 600, 240, 0, 0, 1)},
        {"intrinsics": (-600.0, 600.0, 320.0, 240.0)},
        {"intrinsics": K, "distortion": (0.1, 0.2)},
        {"intrinsics": K, "boxes": [(700.0, 10.0, 800.0, 50.0)]},
        {"intrinsics": K, "boxes": [(10.0, 10.0, 10.0, 50.0)]},
        {"intrinsics": K, "boxes": [(10.0, 10.0, float("nan"), 50.0)]},
    ],
)
def test_what_does_not_fit_the_image_is_said(image: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        load_frame(image, **wrong)  # type: ignore[arg-type]
    assert caught.value.try_next


@pytest.mark.parametrize("distortion", [(), DISTORTION])
def test_a_mask_comes_back_to_the_image_as_sent(image: Path, distortion: tuple[float, ...]) -> None:
    frame = load_frame(image, K, distortion)
    rows, columns = np.indices((480, 640))
    sent = ((columns - 90) / 60) ** 2 + ((rows - 380) / 70) ** 2 < 1  # near a corner, where the lens bends most
    straight = frame.lens.undistort(sent.astype(np.uint8), frame.camera, nearest=True).astype(bool)
    back = frame.as_sent(straight)
    assert (back & sent).sum() / (back | sent).sum() > 0.98
    assert not frame.as_sent(np.zeros_like(sent)).any()
    if distortion:
        assert (straight & sent).sum() / (straight | sent).sum() < 0.8
