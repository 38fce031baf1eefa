"""Uploaded images: checked by decoding them, cleaned of places, given safe names; zips opened with care."""

from __future__ import annotations

import re
import struct
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PIL import Image

from reconstruction.errors import ImageError, InputError
from service.problems import TooLarge, UnsupportedMedia
from service.settings import ServiceSettings
from service.uploads import Upload

FORMATS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}
OPENED = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # a phone's MPO opens as JPEG
MAX_ZIP_RATIO = 200  # photos hardly compress: what shrinks this much is no photo
GPS_TAG, PHOTO_TAGS = 0x8825, 0x8769
Image.MAX_IMAGE_PIXELS = None  # our own cap is checked before any pixel is decoded


def safe_stem(filename: str) -> str:
    """The name by which the photo is known from here on: no folders, no ending, letters, digits, dot, dash, underscore."""
    stem = PurePosixPath(filename.replace("\\", "/")).stem
    stem = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", stem)).lstrip(".")
    return stem.encode()[:120].decode(errors="ignore") or "photo"


def check_image(path: Path, name: str, max_pixels: int) -> str:
    """Decodes the file; gives Pillow's name of its format. Raises ImageError, TooLarge, UnsupportedMedia."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=OPENED) as image:
                if image.width * image.height > max_pixels:
                    advice = f"keep images under {max_pixels // 1_000_000} Mpx"
                    raise TooLarge(f"{name} has {image.width}x{image.height} pixels", try_next=advice)
                image.load()
                return str(image.format)
    except Image.UnidentifiedImageError as error:
        raise UnsupportedMedia(f"{name} is not an image that is read here", try_next="send JPEG, PNG, WebP, BMP or TIFF") from error
    except (OSError, ValueError, SyntaxError, struct.error, MemoryError, IndexError, KeyError) as error:
        raise ImageError(f"{name} is damaged ({error})", try_next="save it again as JPEG or PNG, and send it again") from error


def keep_image(upload: Upload, folder: Path, settings: ServiceSettings, stem: str = "") -> Path:
    """Checks the image, removes where it was taken, moves it to `folder` under a safe name."""
    kind = check_image(upload.path, upload.filename or "the image", settings.max_pixels)
    if kind in ("JPEG", "MPO"):
        _blank_places_in_jpeg(upload.path)
    else:
        _save_without_places(upload.path, kind)
    final = folder / f"{stem or safe_stem(upload.filename)}{FORMATS[kind]}"
    if any(folder.glob(f"{_escaped(final.stem)}.*")):
        raise ImageError(f"two images are called {final.stem}", try_next="rename one: an image is known by its name without the ending")
    upload.path.rename(final)
    return final


def unzipped(upload: Upload, settings: ServiceSettings) -> Iterator[Upload]:
    """The zip's photos, one after another, under names of our own. Raises InputError, TooLarge."""
    try:
        with zipfile.ZipFile(upload.path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_clutter(m.filename)]
            _check_members(members, settings)
            for number, member in enumerate(members):
                path = upload.path.with_name(f"{upload.path.name}-{number:05}")
                _extract(archive, member, path, settings.max_file_bytes)
                yield Upload("photos", member.filename, path)
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


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, max_bytes: int) -> None:
    """What the directory says of a size is a claim: the bytes are counted."""
    left = max_bytes
    with archive.open(member) as source, path.open("wb") as target:
        while chunk := source.read(1 << 18):
            left -= len(chunk)
            if left < 0:
                raise TooLarge(f"{member.filename} is too large", try_next=f"keep each photo under {max_bytes >> 20} MiB")
            target.write(chunk)


def _is_clutter(name: str) -> bool:
    """What file managers put beside photos."""
    parts = PurePosixPath(name).parts
    return any(p != ".." and p.startswith((".", "__MACOSX")) for p in parts) or parts[-1] in ("Thumbs.db", "desktop.ini")


def _blank_places_in_jpeg(path: Path) -> None:
    """EXIF is replaced by one without GPS, XMP and IPTC by zeros, all in place: nothing is moved, no pixel re-encoded."""
    with path.open("r+b") as file:
        position = 2
        while True:
            file.seek(position)
            header = file.read(4)
            if len(header) < 4 or header[0] != 0xFF or header[1] == 0xDA:
                break
            if header[1] == 0xFF:  # fill byte
                position += 1
                continue
            size = int.from_bytes(header[2:]) - 2
            if header[1] in (0xE1, 0xED):
                body = file.read(size)
                file.seek(position + 4)
                file.write(_without_place(body).ljust(len(body), b"\0"))
            position += 4 + size


def _without_place(segment: bytes) -> bytes:
    """The EXIF segment with orientation and optics only; nothing of any other. Never longer than it was."""
    if not segment.startswith(b"Exif\0\0"):
        return b""
    exif = Image.Exif()
    try:
        exif.load(segment)
        kept = _optics(exif).tobytes()
    except Exception:  # a maker's own dialect: no EXIF is better than a place in it
        return b""
    return kept if len(kept) <= len(segment) else b""


def _optics(exif: Image.Exif) -> Image.Exif:
    """Make, model, orientation; exposure, aperture, focal length."""
    kept = Image.Exif()
    for tag in (0x010F, 0x0110, 0x0112):
        if tag in exif:
            kept[tag] = exif[tag]
    wanted = (0x829A, 0x829D, 0x8827, 0x920A, 0xA405, 0xA20E, 0xA20F, 0xA210)
    kept.get_ifd(PHOTO_TAGS).update({tag: value for tag, value in exif.get_ifd(PHOTO_TAGS).items() if tag in wanted})
    return kept


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
            image.save(file, kind, exif=_optics(exif).tobytes(), **options)
    clean.rename(path)


def _escaped(stem: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", stem)
