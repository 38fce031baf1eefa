"""Local copies of files that are in a bucket: compared, moved many at a time, given up when they take too much room. No torch here."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from workers.files.storage import Tell

AT_ONCE = 16
UNUSED_S = 3600.0
Item = TypeVar("Item")
Moved = TypeVar("Moved")


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def frozen(path: Path) -> Iterator[Path]:
    """The file as it is now. Of a log, which may grow while it is read, and of what a stage shows and replaces, a copy."""
    if path.suffix != ".log" and path.parent.parent.name != "live":
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(path.read_bytes())
        copy.flush()
        yield Path(copy.name)


def move_all(move: Callable[[Item], Moved], items: Sequence[Item], tell: Tell) -> list[Moved]:
    """What `move` gives for each, in their order. What it raises, or `tell` does, ends those that have not begun."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(move, item) for item in items]
        pending = set(futures)
        try:
            while pending:
                done, pending = wait(pending, timeout=1.0, return_when=FIRST_EXCEPTION)
                tell(len(futures) - len(pending), len(futures))
                for future in done:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def matches(name: str, pattern: str) -> bool:
    """As Path.glob does: `*` stays within a folder, `**/` is any number of them."""
    pieces = {"**/": "(?:.*/)?", "*": "[^/]*"}
    words = re.split(r"(\*\*/|\*)", pattern)
    return re.fullmatch("".join(pieces.get(word) or re.escape(word) for word in words), name) is not None


@contextmanager
def only_writer(folder: Path, tell: Tell) -> Iterator[None]:
    """The lock that a stage holds while it works in the folder (workers/stage_process.py)."""
    with (folder / ".lock").open("w") as lock:
        while not _locked(lock.fileno()):
            tell(0, 0)
            time.sleep(0.2)
        yield


def trim(local: Path, is_there: Callable[[Collection[str]], Collection[str]], most_bytes: int) -> None:
    """Removes the copies of objects that are gone, then those unused for longest until the rest takes `most_bytes`."""
    copies = {folder.name: folder for folder in local.iterdir() if folder.is_dir()}
    there = is_there(copies)
    for name in set(copies) - set(there):
        _remove_unlocked(copies[name])
    kept = sorted((copies[name] for name in there), key=_used_at)
    sizes = [_size(folder) for folder in kept]
    excess = sum(sizes) - most_bytes
    for folder, size in zip(kept, sizes, strict=True):
        if excess <= 0 or _used_at(folder) > time.time() - UNUSED_S:
            return
        _remove_unlocked(folder)
        excess -= size


def use(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    os.utime(folder)  # the copies unused for longest are given up first


def has_gone_on(part: Path, since: float) -> bool:
    """Checkpoints here that are newer than those stored: this machine went on after that, and crashed."""
    return part.name.startswith(".") and any(path.stat().st_mtime > since for path in part.rglob("*") if path.is_file())


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # stages and downloads come and go
            total += path.lstat().st_size
    return total


def _used_at(folder: Path) -> float:
    return folder.stat().st_mtime


def _remove_unlocked(folder: Path) -> None:
    lock = folder / ".lock"
    if not lock.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return
    with lock.open("w") as file:
        if _locked(file.fileno()):
            shutil.rmtree(folder, ignore_errors=True)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
