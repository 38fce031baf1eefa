"""An uploaded video: known by its content, cleaned of places, kept for the worker that picks its frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reconstruction.errors import InputError
from service.errors import TooLarge
from service.photos import safe_stem
from service.settings import MIB, ServiceSettings
from service.uploads import Upload

_OPENED = (b"moov", b"trak")  # in this order, from the outside
_MAX_BOXES = 100_000  # a camera writes some dozens, a stream in fragments some thousands
_NOTES = (b"udta", b"meta", b"uuid")  # where, by what and by whom it was filmed


def keep_video(upload: Upload, folder: Path, settings: ServiceSettings) -> Path:
    """Removes where the video was taken, moves it to `folder` under a safe name. Whether it can be played is the worker's question.

    Raises TooLarge, InputError. Positions inside the stream, which action cameras record as a track of their own, remain.
    """
    size = upload.path.stat().st_size
    if size > settings.max_video_bytes:
        raise TooLarge(f"{upload.filename} is too large", try_next=f"keep a video under {settings.max_video_bytes // MIB} MiB")
    with upload.path.open("r+b") as file:
        is_iso = file.read(4) not in (b"RIFF", b"\x1aE\xdf\xa3")
        if is_iso:
            _blank_notes(file, 0, size, upload.filename, iter(range(_MAX_BOXES)))
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{safe_stem(upload.filename)}.{'mp4' if is_iso else 'video'}"
    upload.path.rename(final)
    return final


def _blank_notes(file: IO[bytes], position: int, end: int, name: str, boxes: Iterator[int], opened: int = 0) -> None:
    """Boxes of notes become free space, in place, so that nothing else moves. Raises InputError for a maze of boxes."""
    for _ in boxes:
        if position + 8 > end:
            return
        file.seek(position)
        head = file.read(16)
        size, kind, header = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1:
            size, header = int.from_bytes(head[8:16]), 16
        stop = min(position + size, end) if size else end
        if stop < position + header:
            return
        if opened < len(_OPENED) and kind == _OPENED[opened]:
            _blank_notes(file, position + header, stop, name, boxes, opened + 1)
        elif kind in _NOTES:
            file.seek(position + 4)
            file.write(b"free")
            _zero(file, position + header, stop)
        position = stop
    raise InputError(f"{name} is not laid out as a camera does", try_next="save it again as MP4, or send photos")


def _zero(file: IO[bytes], start: int, stop: int) -> None:
    file.seek(start)
    while start < stop:
        start += file.write(bytes(min(stop - start, MIB)))
