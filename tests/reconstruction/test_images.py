"""Files from anywhere: every readable photo becomes upright RGB, everything else a clear error."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reconstruction.errors import ImageError
from reconstruction.scene.images import exif_focal_px, list_photos, read_depth, read_mask, read_photo, write_depth, write_mask, write_photo

RAMP = np.linspace(0, 255, 40 * 30, dtype=np.uint8).reshape(30, 40)


def test_rgb_is_kept(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    write_photo(tmp_path / "a.png", photo)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), photo)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), RAMP.astype(np.uint16) * 257)
    photo = read_photo(tmp_path / "a.png")
    assert photo.shape == (30, 40, 3)
    assert np.abs(photo[..., 0].astype(int) - RAMP).max() <= 1


def test_16_bit_colour_is_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.repeat(RAMP[..., None], 3, 2).astype(np.uint16) * 257)
    assert np.abs(read_photo(tmp_path / "a.png").astype(int) - RAMP[..., None]).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK"])
def test_any_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(RAMP).convert("RGB").convert(mode).save(path)
    photo = read_photo(path)
    assert photo.shape == (30, 40, 3)
    assert photo.dtype == np.uint8
    assert photo[-3:].mean() > photo[:3].mean() + 100


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    marked = Image.fromarray(np.zeros((30, 40, 3), np.uint8))
    marked.paste((255, 255, 255), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    marked.save(tmp_path / "a.jpg", exif=exif, quality=95)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.shape == ((40, 30, 3) if orientation in (6, 8) else (30, 40, 3))
    assert photo[corner].mean() > 200


def test_exif_focal_length_in_pixels(tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (360, 240)), Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    image.save(tmp_path / "a.jpg", exif=exif)
    image.save(tmp_path / "b.jpg")
    assert exif_focal_px(tmp_path / "a.jpg") == pytest.approx(260, rel=0.01)
    assert exif_focal_px(tmp_path / "b.jpg") is None


@pytest.mark.parametrize("content", [b"", b"GIF89a-not-allowed", b"\x89PNG\r\n\x1a\n broken", b"\xff\xd8\xff\xe0 short"])
def test_corrupt_photo_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.png") as caught:
        read_photo(path)
    assert caught.value.code == "bad-image"


def test_truncated_photo_is_refused(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    write_photo(tmp_path / "whole.jpg", photo)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:5000])
    with pytest.raises(ImageError, match=r"cut\.jpg"):
        read_photo(tmp_path / "cut.jpg")


def test_decompression_bomb_is_refused_unread(tmp_path: Path) -> None:
    Image.new("1", (13_000, 13_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(ImageError, match=r"13000x13000|bomb"):
        read_photo(tmp_path / "bomb.png")


def test_tiny_photo_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "dot.png")
    with pytest.raises(ImageError, match="4x4"):
        read_photo(tmp_path / "dot.png")


def test_photos_are_listed_by_name_and_twins_refused(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in list_photos(tmp_path)] == ["a.png", "b.JPG"]
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ImageError, match="two photos are called a"):
        list_photos(tmp_path)


def test_no_folder_and_empty_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a folder"):
        list_photos(tmp_path / "missing")
    with pytest.raises(ImageError, match="no photos"):
        list_photos(tmp_path)


def test_masks_in_all_usual_forms(tmp_path: Path) -> None:
    mask = RAMP > 100
    write_mask(tmp_path / "white.png", mask)
    cv2.imwrite(str(tmp_path / "ones.png"), mask.astype(np.uint8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([np.full((30, 40, 3), 200, np.uint8), mask.astype(np.uint8) * 255]))
    cv2.imwrite(str(tmp_path / "deep.png"), mask.astype(np.uint16) * 65535)
    for name in ("white", "ones", "alpha", "deep"):
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png"), mask, err_msg=name)


def test_depth_is_metres_with_zero_for_none(tmp_path: Path) -> None:
    depth = np.full((30, 40), 0.75, np.float32)
    depth[0] = 0
    write_depth(tmp_path / "a.png", depth)
    np.testing.assert_allclose(read_depth(tmp_path / "a.png"), depth, atol=5e-4)
    depth[1] = np.nan
    np.save(tmp_path / "a.npy", depth)
    assert (read_depth(tmp_path / "a.npy")[:2] == 0).all()


def test_8_bit_depth_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), RAMP)
    with pytest.raises(ImageError, match="8 bits"):
        read_depth(tmp_path / "a.png")
