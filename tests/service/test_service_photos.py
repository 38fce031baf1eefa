"""What of an uploaded image is kept: the picture and its lens, never the place where it was taken."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from uploads_made import LATITUDE, photo

from reconstruction.errors import ImageError
from service.photos import keep_image
from service.settings import ServiceSettings
from service.uploads import Upload
from service.videos import keep_video

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


def film(path: Path) -> bytes:
    """A second of video with notes as a phone adds them: a place in the film's own box and in a track's."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    content = path.read_bytes()
    moov = content.index(b"moov") - 4
    assert content.index(b"mdat") < moov, "the pixels come first, so that their offsets stay right"
    note = box(b"udta", box(b"\xa9xyz", b"+47.3758-008.5422/")) + box(b"meta", b"com.apple.quicktime.location.ISO6709 +47.3758")
    film_box = content[moov + 8 :]
    track = film_box.index(b"trak") - 4
    size = int.from_bytes(film_box[track : track + 4])
    film_box = film_box[:track] + box(b"trak", film_box[track + 8 : track + size] + note) + film_box[track + size :]
    return content[:moov] + box(b"moov", film_box + note)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def test_a_video_keeps_its_pictures_and_loses_its_place(tmp_path: Path) -> None:
    (tmp_path / "00000").write_bytes(content := film(tmp_path / "made.mp4"))
    assert content.count(b"+47.3758") == 4
    kept = keep_video(Upload("photos", "../my walk.MOV", tmp_path / "00000"), tmp_path / "video", ServiceSettings(data=tmp_path))
    assert kept == tmp_path / "video" / "my_walk.mp4"
    assert b"47.3758" not in kept.read_bytes()
    assert kept.stat().st_size == len(content)
    shown = cv2.VideoCapture(str(kept))
    assert [round(float(shown.read()[1].mean()) / 20) for _ in range(10)] == list(range(10))


@pytest.mark.parametrize(
    "content", [box(b"moov", b"\0\0\0\1trak") * 3, b"\0\0\0\0moov" * 50, struct.pack(">I4sQ", 1, b"moov", 2**60) + b"\0" * 40]
)
def test_boxes_that_lie_about_their_size_do_no_harm(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "00000").write_bytes(content)
    kept = keep_video(Upload("photos", "a.mp4", tmp_path / "00000"), tmp_path / "video", ServiceSettings(data=tmp_path))
    assert kept.stat().st_size == len(content)
