"""The image formats that are read, and how a file of any of them is opened. Knows Pillow only, so the API may use it too."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from reconstruction.errors import ImageError

SLOW_SUFFIXES = (".heic", ".heif", ".hif", ".avif")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", *SLOW_SUFFIXES)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")  # a phone's MPO opens as JPEG; Pillow knows no opener by that name
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".3gp", ".avi", ".mkv", ".webm")
MAX_PIXELS = 64_000_000  # a 48 Mpx phone photo passes; a decompression bomb does not
MAX_SIDE = 32_000  # what OpenCV undistorts; JPEG ends at twice that
PHOTO_TAGS = 0x8769
_DEVICE_TAGS = (0x010F, 0x0110, 0x0112)  # make, model, orientation
_OPTICS_TAGS = (0x829A, 0x829D, 0x8827, 0x920A, 0xA404, 0xA405, 0xA20E, 0xA20F, 0xA210)  # exposure, aperture, focal length, zoom
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1")
_SAVE_AGAIN = "save it again as JPEG or PNG"

Image.MAX_IMAGE_PIXELS = None  # our own cap is checked before any pixel is decoded


@dataclass(frozen=True)
class Optics:
    """What a photo's EXIF says of the lens that took it; None where it does not say. Focal lengths in mm."""

    device: str = ""
    focal_mm: float | None = None
    focal_35mm: float | None = None
    zoom: float | None = None

    def focal_px(self, width: int, height: int) -> float | None:
        """In pixels of a photo of this size; None where the 35 mm equivalent is not known."""
        diagonal_mm = 43.27  # of a 36 x 24 mm frame
        return None if self.focal_35mm is None else self.focal_35mm * math.hypot(width, height) / diagonal_mm


@contextmanager
def opened(path: Path, what: str = "an image") -> Iterator[Image.Image]:
    """The image with nothing decoded yet. Raises ImageError, by name, where it can't be opened or used inside the block."""
    try:
        with Image.open(io.BytesIO(_decoded_heif(path, path.stat().st_mtime_ns)) if is_heif(path) else path, formats=FORMATS) as image:
            yield image
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever they like on broken bytes: struct.error, KeyError, MemoryError ...
        raise ImageError(f"{path.name} can't be read as {what} ({error})", try_next=_SAVE_AGAIN) from error


def check_size(path: Path, width: int, height: int) -> None:
    """Raises ImageError for more pixels than any photo has, and for fewer."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{path.name} has {width}x{height} pixels", try_next=f"keep photos under {MAX_PIXELS // 1_000_000} Mpx, no side over {MAX_SIDE}"
        )
    if min(width, height) < 8:
        raise ImageError(f"{path.name} has only {width}x{height} pixels", try_next="give a real photo")


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height as the photo is to be seen, from its header alone. Raises ImageError."""
    with opened(path) as image:
        check_size(path, *image.size)
        turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else image.size


def read_optics(path: Path) -> Optics:
    """From EXIF; all None where there is none that can be read."""
    try:
        with opened(path) as image:
            exif = image.getexif()
            photo = exif.get_ifd(PHOTO_TAGS)
            device = " ".join(str(exif.get(tag, "")).strip("\0 ") for tag in _DEVICE_TAGS[:2]).strip()
            focal, focal_35mm, zoom = (_positive(photo.get(tag)) for tag in (0x920A, 0xA405, 0xA404))
    except ImageError:
        return Optics()
    return Optics(device, focal, focal_35mm, zoom)


def optics_only(exif: Image.Exif) -> Image.Exif:
    """Make, model, orientation; exposure, aperture, focal length. No place, no time, no owner."""
    kept = Image.Exif()
    for tag in _DEVICE_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    optics = {tag: value for tag, value in exif.get_ifd(PHOTO_TAGS).items() if tag in _OPTICS_TAGS}
    if optics:  # an empty directory would be written too, and a short EXIF grow
        kept.get_ifd(PHOTO_TAGS).update(optics)
    return kept


def is_video(path: Path) -> bool:
    """By its first bytes: MP4 and MOV, AVI, Matroska and WebM. False where there is no such file."""
    head = _head(path)
    if head[4:8] == b"ftyp":
        return head[8:12] not in (*_HEIF_BRANDS, *_AVIF_BRANDS)
    return head[4:8] in (b"moov", b"mdat", b"wide") or (head[:4], head[8:12]) == (b"RIFF", b"AVI ") or head[:4] == b"\x1aE\xdf\xa3"


def is_heif(path: Path) -> bool:
    """By its first bytes: HEIC or HEIF, though perhaps a damaged one. AVIF shares the container, not the decoder."""
    head = _head(path)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(40)
    except OSError:
        return b""


def save_as_jpeg(source: Path, target: Path) -> None:
    """The photo upright as a JPEG of quality 95, with its optics and nothing else. Raises ImageError where it can't be read."""
    if is_heif(source):
        target.write_bytes(_decoded_heif(source, source.stat().st_mtime_ns))
        return
    with opened(source) as image:
        check_size(source, *image.size)
        content = to_jpeg(image)
    target.write_bytes(content)


def to_jpeg(image: Image.Image) -> bytes:
    """The picture upright, quality 95, with its optics and nothing else."""
    upright = ImageOps.exif_transpose(image)
    exif = optics_only(upright.getexif())
    pixels = upright.convert("RGB")
    pixels.info = {}
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=95, exif=exif.tobytes())
    return out.getvalue()


@lru_cache(maxsize=2)
def _decoded_heif(path: Path, changed_ns: int) -> bytes:
    """As a JPEG, by a process of its own (`reconstruction.heif`). Kept, as a photo's size and optics are asked for too."""
    command = [sys.executable, "-m", "reconstruction.heif", str(path.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, cwd=Path(__file__).parents[1], check=False)
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"{path.name} takes too long to decode", try_next=_SAVE_AGAIN) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] if done.returncode > 0 else []
        reason = said[0] if said else "its decoder dies"
        raise ImageError(f"{path.name} can't be read as an image ({reason})", try_next=_SAVE_AGAIN)
    return done.stdout


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None
