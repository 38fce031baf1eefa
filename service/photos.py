"""Uploaded images: cleaned by a process of their own, given safe names; zips opened with care."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from reconstruction.errors import ImageError, InputError
from service.decoders import decoders
from service.errors import TooLarge
from service.settings import ServiceSettings
from service.uploads import Upload

MAX_ZIP_RATIO = 200  # photos hardly compress: what shrinks this much is no photo
MAX_ZIP_READ = 1 << 20  # the directory of a zip is read in one piece, and takes 20 times its size in memory


def safe_stem(filename: str) -> str:
    """The name by which the photo is known from here on: no folders, no ending, letters, digits, dot, dash, underscore."""
    stem = PurePosixPath(filename.replace("\\", "/")).stem
    stem = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", stem)).lstrip(".")
    return stem.encode()[:120].decode(errors="ignore") or "photo"


def keep_image(upload: Upload, folder: Path, settings: ServiceSettings, stem: str = "") -> Path:
    """Has the image decoded and cleaned of places, moves it to `folder` under a safe name. HEIC and AVIF become JPEGs.

    Raises ImageError, TooLarge, UnsupportedMedia, StorageError.
    """
    ending = decoders(settings).clean(upload.path, upload.filename or "the image")
    final = folder / f"{stem or safe_stem(upload.filename)}{ending}"
    if any(folder.glob(f"{_escaped(final.stem)}.*")):
        raise ImageError(f"two images are called {final.stem}", try_next="rename one: an image is known by its name without the ending")
    upload.path.rename(final)
    return final


def small_jpeg(path: Path, folder: Path, px: int, settings: ServiceSettings) -> bytes:
    """A kept image, upright, its longest side at most `px`. `folder`: room for it on its way. Raises ImageError."""
    out = folder / "small.jpg"
    decoders(settings).shrink(path, px, out)
    return out.read_bytes()


def unzipped(upload: Upload, settings: ServiceSettings) -> Iterator[Upload]:
    """The zip's photos, one after another, under names of our own. Raises InputError, TooLarge."""
    try:
        with _ZipBytes(upload.path) as content, zipfile.ZipFile(content) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_clutter(m.filename)]
            _check_members(members, upload.path.stat().st_size, settings)
            for number, member in enumerate(members):
                path = upload.path.with_name(f"{upload.path.name}-{number:05}")
                yield Upload("photos", member.filename, path, _extract(archive, member, path, settings.max_file_bytes))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise InputError("the zip points at places outside itself", try_next="zip the photos again") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise InputError(f"the zip can't be opened ({error})", try_next="zip the photos again, without a password") from error


class _ZipBytes(io.FileIO):
    """A zip's file that gives no more at once than the directory of a capture takes. Raises TooLarge."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_ZIP_READ:
            raise TooLarge("the zip's list of files is too long", try_next="zip the photos alone")
        return super().read(-1 if size is None else size) or b""


def _check_members(members: list[zipfile.ZipInfo], zip_bytes: int, settings: ServiceSettings) -> None:
    if len(members) > settings.max_photos:
        raise TooLarge(f"the zip holds {len(members)} files", try_next=f"send at most {settings.max_photos} photos")
    if sum(m.file_size for m in members) > settings.max_upload_bytes:
        raise TooLarge("the zip's contents are too large", try_next="send fewer or smaller photos")
    if sum(m.compress_size for m in members) > zip_bytes:
        raise InputError("files of the zip overlap", try_next="zip the photos again")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others are unpacked in one go, however much comes out
            raise InputError(f"{member.filename} is packed in a rare way", try_next="zip the photos with the usual compression (deflate)")
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
    path = PurePosixPath(name.replace("\\", "/"))
    return any(p != ".." and p.startswith((".", "__MACOSX")) for p in path.parts) or path.name in ("Thumbs.db", "desktop.ini")


def _escaped(stem: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", stem)
