"""Files from anywhere: every readable photo becomes upright RGB, everything else a clear error."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reconstruction.errors import ImageError
from reconstruction.formats import read_optics, save_as_jpeg, upright_size
from reconstruction.scene.images import exif_focal_px, list_photos, read_depth, read_mask, read_photo, write_depth, write_mask, write_photo

# As an iPhone writes it: HEVC lying on its side, irot and EXIF orientation 6, 26 mm, a place. Of coloured quarters drawn here.
PHONE = Path(__file__).parents[1] / "phone.heic"
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


def test_a_phones_heic_is_upright_once_and_its_focal_length_read(tmp_path: Path) -> None:
    for path in (PHONE, tmp_path / "phone.jpg"):
        if path != PHONE:
            save_as_jpeg(PHONE, path)
        photo = read_photo(path)
        assert photo.shape == (128, 96, 3), "irot and EXIF both say that it lies on its side: it is turned once"
        quarters = [photo[y : y + 64, x : x + 48].mean((0, 1)) for y in (0, 64) for x in (0, 48)]
        np.testing.assert_allclose(quarters, [(220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)], atol=14)
        assert upright_size(path) == (96, 128)
        assert exif_focal_px(path) == pytest.approx(26 * 160 / 43.27, rel=1e-6)
        assert read_optics(path).device == "Snap6D Rendered"


def test_a_heic_that_kills_its_decoder_is_refused(tmp_path: Path) -> None:
    """One byte of the name of an item: the decoder of the pinned version crashes on it, which must not take us along."""
    path = tmp_path / "IMG_7.heic"
    path.write_bytes(PHONE.read_bytes().replace(b"Exif", b"E\xffif", 1))
    with pytest.raises(ImageError, match=r"IMG_7\.heic can't be read as an image \(its decoder dies\)"):
        read_photo(path)


def test_avif_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(read_photo(PHONE))).save(tmp_path / "a.avif", exif=exif)
    assert np.abs(read_photo(tmp_path / "a.avif").astype(int) - read_photo(PHONE)).mean() < 4


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_no_larger_than_needed(tmp_path: Path, orientation: int) -> None:
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), (1600, 1200), interpolation=cv2.INTER_CUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(wide).save(tmp_path / "a.jpg", exif=exif, quality=92)
    whole, half = read_photo(tmp_path / "a.jpg"), read_photo(tmp_path / "a.jpg", at_least_px=640)
    assert half.shape == ((800, 600, 3) if orientation == 6 else (600, 800, 3))
    reduced = cv2.resize(whole, half.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(half.astype(int) - reduced).mean() < 1.0, "as good as decoding it whole"
    assert read_photo(tmp_path / "a.jpg", at_least_px=801).shape == whole.shape
    Image.fromarray(wide[:1199]).save(tmp_path / "odd.jpg")
    assert read_photo(tmp_path / "odd.jpg", at_least_px=640).shape == (1199, 1600, 3), "1199 has no half"


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
