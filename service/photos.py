"""Uploaded images: checked by decoding them, cleaned of places, given safe names; zips opened with care."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PIL import Image

from reconstruction.errors import ImageError, InputError
from reconstruction.formats import FORMATS, is_heif, optics_only, save_as_jpeg
from service.problems import TooLarge, UnsupportedMedia
from service.settings import ServiceSettings
from service.uploads import Upload

ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif", "AVIF": ".jpg"}
MAX_ZIP_RATIO = 200  # photos hardly compress: what shrinks this much is no photo
GPS_TAG = 0x8825
_MARKER = re.compile(rb"\xff[\x01-\xfe]")  # FF 00 is a pixel's FF, FF FF a fill byte
_END = b"\xff\xd9"
_WITHOUT_SIZE = {0x01, *range(0xD0, 0xD9)}
_NOTES = {*range(0xE1, 0xF0), 0xFE}  # APP1 to APP15 and comments
_KEPT_NOTES = (b"ICC_PROFILE\0", b"Adobe\0")  # what the colours mean


def safe_stem(filename: str) -> str:
    """The name by which the photo is known from here on: no folders, no ending, letters, digits, dot, dash, underscore."""
    stem = PurePosixPath(filename.replace("\\", "/")).stem
    stem = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", stem)).lstrip(".")
    return stem.encode()[:120].decode(errors="ignore") or "photo"


def check_image(path: Path, name: str, max_pixels: int) -> str:
    """Decodes the file; gives Pillow's name of its format. Raises ImageError, TooLarge, UnsupportedMedia."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                advice = f"keep images under {max_pixels // 1_000_000} Mpx"
                raise TooLarge(f"{name} has {image.width}x{image.height} pixels", try_next=advice)
            image.load()
            return str(image.format)
    except TooLarge:
        raise
    except Image.UnidentifiedImageError as error:
        advice = "send JPEG, HEIC, PNG, WebP, AVIF, BMP or TIFF"
        raise UnsupportedMedia(f"{name} is not an image that is read here", try_next=advice) from error
    except Exception as error:  # decoders raise whatever they like on broken bytes
        raise ImageError(f"{name} is damaged ({error})", try_next="save it again as JPEG or PNG, and send it again") from error


def keep_image(upload: Upload, folder: Path, settings: ServiceSettings, stem: str = "") -> Path:
    """Checks the image, removes where it was taken, moves it to `folder` under a safe name. HEIC and AVIF become JPEGs."""
    name = upload.filename or "the image"
    if is_heif(upload.path):
        _convert(upload.path, name)
    kind = check_image(upload.path, name, settings.max_pixels)
    if kind in ("JPEG", "MPO"):
        _blank_places_in_jpeg(upload.path)
    elif kind == "AVIF":
        _convert(upload.path, name)
    else:
        _save_without_places(upload.path, kind)
    final = folder / f"{stem or safe_stem(upload.filename)}{ENDINGS[kind]}"
    if any(folder.glob(f"{_escaped(final.stem)}.*")):
        raise ImageError(f"two images are called {final.stem}", try_next="rename one: an image is known by its name without the ending")
    upload.path.rename(final)
    return final


def _convert(path: Path, name: str) -> None:
    try:
        save_as_jpeg(path, path)
    except ImageError as error:
        raise ImageError(f"{name} is damaged ({error.what})", try_next=error.try_next) from error


def unzipped(upload: Upload, settings: ServiceSettings) -> Iterator[Upload]:
    """The zip's photos, one after another, under names of our own. Raises InputError, TooLarge."""
    try:
        with zipfile.ZipFile(upload.path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_clutter(m.filename)]
            _check_members(members, settings)
            for number, member in enumerate(members):
                path = upload.path.with_name(f"{upload.path.name}-{number:05}")
                yield Upload("photos", member.filename, path, _extract(archive, member, path, settings.max_file_bytes))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise InputError(f"the zip can't be opened ({error})", try_next="zip the photos again, without a password") from error


def _check_members(members: list[zipfile.ZipInfo], settings: ServiceSettings) -> None:
    if len(members) > settings.max_photos:
        raise TooLarge(f"the zip holds {len(members)} files", try_next=f"send at most {settings.max_photos} photos")
    if sum(m.file_size for m in members) > settings.max_upload_bytes:
        raise TooLarge("the zip's contents are too large", try_next="send fewer or smaller photos")
    for member in members:
        if member.external_attr >> 28 == 0xA:
            raise InputError(f"the zip holds a link ({member.filename})", try_next="zip the photos themselves")
        if Path(member.filename).suffix.lower() in (".zip", ".tar", ".gz", ".7z", ".rar"):
            raise InputError(f"the zip holds another archive ({member.filename})", try_next="zip the photos themselves")
        if member.file_size > MAX_ZIP_RATIO * max(member.compress_size, 1024):
            raise InputError(f"{member.filename} is compressed as no photo ever is", try_next="zip the photos as the camera wrote them")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, max_bytes: int) -> str:
    """The SHA-256 of what was in it. What the directory says of a size is a claim: the bytes are counted."""
    left, hasher = max_bytes, hashlib.sha256()
    with archive.open(member) as source, path.open("wb") as target:
        while chunk := source.read(1 << 18):
            left -= len(chunk)
            if left < 0:
                raise TooLarge(f"{member.filename} is too large", try_next=f"keep each photo under {max_bytes >> 20} MiB")
            hasher.update(chunk)
            target.write(chunk)
    return hasher.hexdigest()


def _is_clutter(name: str) -> bool:
    """What file managers put beside photos."""
    parts = PurePosixPath(name).parts
    return any(p != ".." and p.startswith((".", "__MACOSX")) for p in parts) or parts[-1] in ("Thumbs.db", "desktop.ini")


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
    """Formats that are rare among photos are written again, without loss, where they carry anything but pixels."""
    with Image.open(path, formats=(kind,)) as image:
        extra = {key for key in image.info if key.lower() in ("exif", "xmp", "xml:com.adobe.xmp", "photoshop", "comment")} or getattr(
            image, "text", {}
        )
        if not extra and not image.getexif().get_ifd(GPS_TAG):
            return
        image.load()
        exif = image.getexif()  # after loading: that turns a TIFF upright and drops the tag that asks for it
        image.info = {}
        clean = path.with_name(path.name + "-clean")
        options = {"lossless": True} if kind == "WEBP" else {}
        with clean.open("wb") as file:
            image.save(file, kind, exif=optics_only(exif).tobytes(), **options)
    clean.rename(path)


def _escaped(stem: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", stem)
