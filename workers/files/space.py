"""Is there room on the disk? What a full one, a storage or a database that is gone does to jobs, and what is said of it. No torch here."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from reconstruction.errors import PipelineError, StorageError
from workers.failures import StorageUnreachable
from workers.rows.database import is_unreachable

FULL = (errno.ENOSPC, errno.EDQUOT)
LEFT_WHEN_FULL = 1 << 20  # what a full disk has left: the last file that did not fit was larger than the gap
_DATABASE_FULL = ("database or disk is full", "no space left on device", "disk i/o error")
"""SQLite's words and PostgreSQL's; SQLite says the last one where its log can't grow."""


def check_space(folder: Path, free_bytes: int) -> None:
    """Raises StorageError where the disk of `folder` has less left than `free_bytes`."""
    free = shutil.disk_usage(folder).free
    if free < free_bytes:
        raise StorageError(f"the disk is full ({free >> 20} MiB are left)", try_next="free some space on the server; nothing is lost")


def is_full(error: BaseException) -> bool:
    """Whether it says that there is no room, for a file or for a row."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return isinstance(error, DBAPIError) and any(words in str(error.orig).lower() for words in _DATABASE_FULL)


def is_exhausted(folder: Path) -> bool:
    """Whether its disk is full: what a library failed with then, that rarely says why it could not write, came of that."""
    return shutil.disk_usage(folder).free < LEFT_WHEN_FULL


def waits(error: BaseException) -> bool:
    """Whether it is not the job's fault, and over one day."""
    return (
        is_full(error)
        or is_unreachable(error)
        or (isinstance(error, PipelineError) and error.code in (StorageError.code, StorageUnreachable.code))
    )


def waiting(error: BaseException) -> StorageError:
    """What a job says that waits for room, for its storage or for the database."""
    if isinstance(error, StorageUnreachable):
        return StorageUnreachable(error.what, try_next=f"{error.try_next}: the job waits for it, and goes on by itself")
    if is_unreachable(error) and not is_full(error):
        advice = "look at the database: the job waits for it, and goes on by itself"
        return StorageUnreachable("the database can't be reached, or another holds it", try_next=advice)
    what = error.what if isinstance(error, PipelineError) else "the disk is full"
    return StorageError(what, try_next="free some space on the server: the job waits for it, and goes on by itself")
