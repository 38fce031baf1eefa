"""Which files are to be sent, and what the service will call them."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from snap6d.errors import BadInput

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif")
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".3gp", ".avi", ".mkv", ".webm")
CHUNK = 1 << 18

PathLikeStr = str | PathLike[str]
Photos = PathLikeStr | Iterable[PathLikeStr]
"""A folder of photos, a video, or a list of paths."""


@dataclass(frozen=True)
class File:
    """A file as it is on its way: `kind` is photos, masks, depth or video, `sha256` hexadecimal, of its bytes."""

    path: Path
    kind: str
    sha256: str

    @property
    def name(self) -> str:
        """As the service keeps it, without the ending. Where that is another name after all, the file is sent once more."""
        stem = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", self.path.stem)).lstrip(".")
        return stem.encode()[:120].decode(errors="ignore") or "photo"

    @property
    def content_digest(self) -> str:
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def find_photos(photos: Photos) -> list[File]:
    """Raises BadInput where there are none, or two would have one name."""
    if isinstance(photos, str | PathLike):
        path = Path(photos)
        paths = _images_in(path, "photos") if path.is_dir() else [path]
    else:
        paths = [Path(path) for path in photos]
    found = [_read(path, "video" if path.suffix.lower() in VIDEO_SUFFIXES else "photos") for path in paths]
    if not found:
        raise BadInput(f"{photos} holds no photos", try_next=f"put {', '.join(PHOTO_SUFFIXES)} files there", type="bad-input")
    names = [file.name for file in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        advice = "rename one: a photo is known by its name without the ending"
        raise BadInput(f"two photos are called {twice}", try_next=advice, type="bad-input")
    return found


def find_companions(folder: PathLikeStr | None, kind: str, photos: list[File]) -> list[File]:
    """Masks or depth frames that are called like a photo. Raises BadInput where none is."""
    if folder is None:
        return []
    names = {file.name for file in photos}
    files = [_read(path, kind) for path in _images_in(Path(folder), kind)]
    found = [file for file in files if file.name in names]
    if not found:
        advice = f"call each like its photo, such as {min(names)}.png"
        raise BadInput(f"none of the {kind} in {folder} is called like a photo", try_next=advice, type="bad-input")
    return found


def _images_in(folder: Path, what: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith("."))
    except OSError as error:
        advice = f"name the folder that holds the {what}"
        raise BadInput(f"{folder} can't be read ({error.strerror})", try_next=advice, type="bad-input") from error


def _read(path: Path, kind: str) -> File:
    try:
        with path.open("rb") as file:
            return File(path, kind, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror})", try_next="check the path", type="bad-input") from error
