"""What is done to an uploaded image before it is kept: decoded once, cleaned of places. Runs in a process of its own.

`service.decoders` is the other side. Nothing here is for the API itself to call: what bytes do to a decoder is their sender's choice.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from reconstruction.errors import ImageError, PipelineError, StorageError
from reconstruction.formats import FORMATS, MAX_SIDE, is_heif, optics_only, save_as_jpeg
from service.errors import TooLarge, UnsupportedMedia

ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif", "AVIF": ".jpg", "HEIF": ".jpg"}
GPS_TAG = 0x8825
_MARKER = re.compile(rb"\xff[\x01-\xfe]")  # FF 00 is a pixel's FF, FF FF a fill byte
_END = b"\xff\xd9"
_WITHOUT_SIZE = {0x01, *range(0xD0, 0xD9)}
_NOTES = {*range(0xE1, 0xF0), 0xFE}  # APP1 to APP15 and comments
_KEPT_NOTES = (b"ICC_PROFILE\0", b"Adobe\0")  # what the colours mean
_TEXTS = ("exif", "xmp", "xml:com.adobe.xmp", "photoshop", "comment")
_SAVING: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True, "method": 0, "quality": 20}, "PNG": {"compress_level": 1}}  # quick


def clean_image(path: Path, name: str, max_pixels: int) -> str:
    """Decodes the file and removes where it was taken, in place; HEIC and AVIF become JPEGs. Gives the ending that it deserves.

    Raises ImageError, TooLarge, UnsupportedMedia by the image's name, StorageError.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return ENDINGS[_clean(path, name, max_pixels)]
    except PipelineError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise TooLarge(f"{name} has too many pixels", try_next=_smaller(max_pixels)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"{name} could not be stored: the disk is full", try_next="free some space on the server") from error
        if error.errno == errno.EFBIG:
            raise TooLarge(f"{name} grows too large when it is written again", try_next="save it as JPEG or PNG") from error
        raise _damaged(path, name, error) from error
    except Exception as error:  # decoders raise whatever they like on broken bytes
        raise _damaged(path, name, error) from error


def _clean(path: Path, name: str, max_pixels: int) -> str:
    if is_heif(path):
        _convert_heif(path, name)
        return "HEIF"
    kind = _decode(path, name, max_pixels)
    if kind in ("JPEG", "MPO"):
        _blank_places_in_jpeg(path)
    elif kind == "AVIF":
        save_as_jpeg(path, path)
    else:
        _save_without_places(path, kind)
    return kind


def _decode(path: Path, name: str, max_pixels: int) -> str:
    """Every pixel, once. Gives Pillow's name of the format."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > max_pixels or max(image.size) > MAX_SIDE:
                raise TooLarge(f"{name} has {image.width}x{image.height} pixels", try_next=_smaller(max_pixels))
            image.load()
            return str(image.format)
    except Image.UnidentifiedImageError as error:
        advice = "send JPEG, HEIC, PNG, WebP, AVIF, BMP or TIFF"
        raise UnsupportedMedia(f"{name} is not an image that is read here", try_next=advice) from error


def _convert_heif(path: Path, name: str) -> None:
    from reconstruction.heif import decode  # libheif dies on some damaged files: loaded by the first process that needs it

    try:
        content = decode(path)
    except ImageError as error:
        raise ImageError(f"{name} is damaged ({error.what})", try_next=error.try_next) from error
    path.write_bytes(content)


def _smaller(max_pixels: int) -> str:
    return f"keep images under {max_pixels // 1_000_000} Mpx, no side over {MAX_SIDE}"


def _damaged(path: Path, name: str, error: Exception) -> ImageError:
    reason = str(error).replace(str(path), name)[:200]  # where it lies is nobody's business
    return ImageError(f"{name} is damaged ({reason})", try_next="save it again as JPEG or PNG, and send it again")


def _blank_places_in_jpeg(path: Path) -> None:
    """EXIF is replaced by one without GPS, other notes by zeros, all in place: nothing is moved, no pixel re-encoded.

    What follows the picture (a second one, a motion photo's film) has notes of its own, and is cut off.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        position = 2
        while (found := _MARKER.search(content, position)) and found.group() != _END:
            position = found.end()
            if found.group()[1] in _WITHOUT_SIZE:
                continue
            size = int.from_bytes(content[position : position + 2])
            start, end = position + 2, min(position + size, len(content))
            if found.group()[1] in _NOTES and not content[start:end].startswith(_KEPT_NOTES):
                content[start:end] = _without_place(content[start:end]).ljust(end - start, b"\0")
            position += max(size, 2)
        picture_end = found.end() if found else len(content)
    os.truncate(path, picture_end)


def _without_place(segment: bytes) -> bytes:
    """The EXIF segment with orientation and optics only; nothing of any other. Never longer than it was."""
    if not segment.startswith(b"Exif\0\0"):
        return b""
    exif = Image.Exif()
    try:
        exif.load(segment)
        kept = optics_only(exif).tobytes()
    except Exception:  # a maker's own dialect: no EXIF is better than a place in it
        return b""
    return kept if len(kept) <= len(segment) else b""


def _save_without_places(path: Path, kind: str) -> None:
    """Formats that are rare among photos are written again, without loss, where they carry anything but one picture's pixels."""
    with Image.open(path, formats=(kind,)) as image:
        noted = any(key.lower() in _TEXTS for key in image.info) or getattr(image, "text", {})
        if not noted and not image.getexif().get_ifd(GPS_TAG) and not getattr(image, "is_animated", False):
            return
        image.load()
        exif = image.getexif()  # after loading: that turns a TIFF upright and drops the tag that asks for it
        image.info = {}
        clean = path.with_name(path.name + "-clean")
        with clean.open("wb") as file:
            image.save(file, kind, exif=optics_only(exif).tobytes(), **_SAVING.get(kind, {}))
    clean.rename(path)
