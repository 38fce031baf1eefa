"""Where an object's files are. By default in the data folder, which API and workers share; with SNAP6D_STORAGE_URL in a bucket, and
whoever needs them keeps copies in a folder of its own. Nobody outside asks which of the two it is. No torch here.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from reconstruction.workspace import Workspace
from workers.rows.parts import CAPTURE, IMAGES, Files, Parts
from workers.settings import Settings

Tell = Callable[[int, int], None]
"""Told about once a second how many files of how many have been moved. What it raises ends the move."""

Kind = Literal["objects", "estimators", "views"]
LEFTOVER_S = 86400.0
_log = logging.getLogger("snap6d")


def quietly(done: int, total: int) -> None:
    """A Tell that says nothing."""


class Storage(ABC):
    """Of all objects. Names of files are relative to the object's folder, with slashes."""

    @abstractmethod
    def admit(self, object_id: str, folder: Path) -> Parts:
        """Takes over the images in `folder`, on the file system of the uploads: a new object's. The rows to write in its transaction."""

    @abstractmethod
    def admit_file(self, object_id: str, name: str, path: Path) -> Files:
        """Takes over one file, replacing the one of that name. What to write with `change_part`."""

    @abstractmethod
    def lay_out(self, db: Connection, object_id: str, images: Mapping[str, str], documents: Mapping[str, str]) -> None:
        """Makes the capture anew, in the transaction `db`: name below capture/ -> name below images/, or -> text."""

    @abstractmethod
    def forget(self, db: Connection, object_id: str, stages: Collection[str]) -> None:
        """These stages will run again; until then their output stays to be looked at."""

    @abstractmethod
    def restore(self, object_id: str, parts: Collection[str] | None = None, tell: Tell = quietly) -> Path:
        """A local folder with these parts of the object (None: all) as they count now. Raises StorageError."""

    @abstractmethod
    def keep(self, object_id: str, parts: Sequence[str], label: str, tell: Tell = quietly) -> Parts:
        """Stores what the local folder holds of these parts, for all to have. They count once the rows are written."""

    @abstractmethod
    def clean(self, object_id: str, label: str) -> None:
        """Removes what uploads up to this label have left and no row counts."""

    @abstractmethod
    def listing(self, object_id: str, patterns: Sequence[str]) -> dict[str, int]:
        """Files that count and match: name -> bytes. Patterns as of Path.glob; sorted within each."""

    @abstractmethod
    def view(self, object_id: str, names: Sequence[str]) -> Path:
        """A local folder with the files of these names, as far as the object has them."""

    @abstractmethod
    def delete(self, object_id: str) -> None:
        """Every file of the object. Its rows are gone already."""

    @abstractmethod
    def lending(self, folder: Path) -> AbstractContextManager[Callable[[Path], str]]:
        """Within the block the function given makes a file of an upload's `folder` known to workers, by the name that it gives."""

    @abstractmethod
    def borrowed(self, name: str) -> AbstractContextManager[Path]:
        """The file that was lent under this name. Raises StorageError where it has been taken back."""

    @abstractmethod
    def is_lent(self, name: str) -> bool:
        """Whether it has not been taken back: somebody still waits for what is made of it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it can be reached and written."""

    @abstractmethod
    def sweep(self) -> None:
        """Removes what processes that died have left behind."""


class FolderStorage(Storage):
    """The data folder that all share: files are where they were made, so nothing is moved and no rows are needed."""

    def __init__(self, settings: Settings) -> None:
        self._data, self._objects, self._incoming = settings.data, settings.objects, settings.incoming
        self._objects.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)

    def admit(self, object_id: str, folder: Path) -> Parts:
        for path in [*folder.rglob("*"), folder]:
            sync(path)
        folder.rename(self._objects / object_id)
        sync(self._objects)
        return {}

    def admit_file(self, object_id: str, name: str, path: Path) -> Files:
        final = self._objects / object_id / name
        final.parent.mkdir(parents=True, exist_ok=True)
        sync(path)
        path.replace(final)
        for folder in (final.parent, self._objects / object_id, self._objects):
            sync(folder)
        return {}

    def lay_out(self, db: Connection, object_id: str, images: Mapping[str, str], documents: Mapping[str, str]) -> None:
        folder = self._objects / object_id
        final, kept, partial = folder / CAPTURE, folder / IMAGES, folder / f".{CAPTURE}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        for name in (*images, *documents):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
        for name, image in images.items():
            os.link(kept / image, partial / name)
        for name, text in documents.items():
            (partial / name).write_text(text)
        for path in [*partial.rglob("*"), partial]:
            sync(path)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        sync(folder)
        for replaced in {path.name for path in kept.iterdir()} - set(images.values()):
            (kept / replaced).unlink()

    def forget(self, db: Connection, object_id: str, stages: Collection[str]) -> None:
        for stage in stages:
            Workspace(self._objects / object_id).forget(stage)

    def restore(self, object_id: str, parts: Collection[str] | None = None, tell: Tell = quietly) -> Path:
        return self._objects / object_id

    def keep(self, object_id: str, parts: Sequence[str], label: str, tell: Tell = quietly) -> Parts:
        return {}

    def clean(self, object_id: str, label: str) -> None:
        pass

    def listing(self, object_id: str, patterns: Sequence[str]) -> dict[str, int]:
        folder = self._objects / object_id
        sizes = ((path, _size(path)) for pattern in patterns for path in sorted(folder.glob(pattern)) if not path.name.startswith("."))
        return {path.relative_to(folder).as_posix(): size for path, size in sizes if size is not None}

    def view(self, object_id: str, names: Sequence[str]) -> Path:
        return self._objects / object_id

    def delete(self, object_id: str) -> None:
        shutil.rmtree(self._objects / object_id, ignore_errors=True)

    @contextmanager
    def lending(self, folder: Path) -> Iterator[Callable[[Path], str]]:
        yield lambda path: path.relative_to(self._data).as_posix()

    @contextmanager
    def borrowed(self, name: str) -> Iterator[Path]:
        yield self._data / name

    def is_lent(self, name: str) -> bool:
        return (self._data / name).exists()

    def is_ready(self) -> bool:
        return os.access(self._objects, os.W_OK) and os.access(self._incoming, os.W_OK)

    def sweep(self) -> None:
        remove_leftovers(self._incoming)


def sweep_regularly(storage: Storage, stop: threading.Event, every_s: float = 300.0) -> None:
    """From a thread of its own, until `stop` is set."""

    def sweep() -> None:
        while True:
            try:
                storage.sweep()
            except Exception:  # the next one may find it there again
                _log.exception("sweep")
            if stop.wait(every_s):
                return

    threading.Thread(target=sweep, name="sweep", daemon=True).start()


def remove_leftovers(incoming: Path) -> None:
    """Uploads of processes that died; others may be receiving right now."""
    for leftover in incoming.iterdir():
        try:
            if leftover.stat().st_mtime < time.time() - LEFTOVER_S:
                shutil.rmtree(leftover, ignore_errors=True)
        except FileNotFoundError:
            pass


def _size(path: Path) -> int | None:
    """None where it is no file, or gone by now."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def sync(path: Path) -> None:
    """A file or a folder: what is accepted outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
