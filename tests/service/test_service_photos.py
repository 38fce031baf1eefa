"""What of an uploaded image is kept: the picture and its lens, never the place where it was taken."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from uploads_made import LATITUDE, photo

from reconstruction.errors import ImageError
from service.photos import keep_image
from service.settings import ServiceSettings
from service.uploads import Upload

PHONE = Path(__file__).parents[1] / "phone.heic"


def keep(content: bytes, name: str, tmp_path: Path) -> Path:
    (tmp_path / "00000").write_bytes(content)
    folder = tmp_path / "kept"
    folder.mkdir(exist_ok=True)
    return keep_image(Upload("photos", name, tmp_path / "00000"), folder, ServiceSettings(data=tmp_path))


def two_pictures() -> bytes:
    """As phones write portraits: a second picture behind the first, with a place of its own."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: LATITUDE})
    first, second = (Image.open(io.BytesIO(photo(n))) for n in (1, 2))
    first.save(out, "MPO", save_all=True, append_images=[second], exif=exif.tobytes())
    return out.getvalue()


def test_a_heic_becomes_an_upright_jpeg_without_its_place(tmp_path: Path) -> None:
    kept = keep(PHONE.read_bytes(), "IMG_0042.HEIC", tmp_path)
    assert kept.name == "IMG_0042.jpg"
    with Image.open(kept) as image:
        assert (image.format, image.size) == ("JPEG", (96, 128))
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif().get_ifd(0x8769)[0xA405] == 26
        assert dict(image.getexif().get_ifd(0x8825)) == {}


@pytest.mark.parametrize("trailer", [b"", b"\0\0\0\x18ftypmp42 a motion photo's film, taken at +47.3-008.5/"])
def test_what_follows_the_picture_is_cut_off(tmp_path: Path, trailer: bytes) -> None:
    plain = photo(3, gps=True, focal_mm=28)
    kept = keep(plain + trailer, "a.jpg", tmp_path)
    assert len(kept.read_bytes()) == len(plain)
    with Image.open(kept) as image, Image.open(io.BytesIO(plain)) as before:
        assert dict(image.getexif().get_ifd(0x8825)) == {}
        assert image.getexif().get_ifd(0x8769)[0xA405] == 28
        assert image.tobytes() == before.tobytes()


def test_a_second_picture_and_its_place_are_cut_off(tmp_path: Path) -> None:
    content = two_pictures()
    kept = keep(content, "a.jpg", tmp_path).read_bytes()
    assert len(kept) < 0.7 * len(content)
    with Image.open(io.BytesIO(kept)) as image:
        assert image.format == "JPEG"
        assert dict(image.getexif().get_ifd(0x8825)) == {}
        with Image.open(io.BytesIO(content)) as before:
            assert image.tobytes() == before.tobytes()


def test_a_damaged_heic_is_refused_under_the_name_it_came_with(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"IMG_7\.HEIC is damaged"):
        keep(PHONE.read_bytes()[:-200], "IMG_7.HEIC", tmp_path)
    assert not list((tmp_path / "kept").iterdir())
