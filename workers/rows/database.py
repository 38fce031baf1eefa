"""The engine that treats SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError

from reconstruction.errors import StorageError
from workers.rows.migrations import bring_up_to_date

WRITE_WITHIN_S = 10
"""What is written is written in milliseconds. One that takes longer has been frozen; the others wait no longer for it."""
LOG_PAGES = 200
"""Of 4 KiB in SQLite's log before it starts over. With its own 1000 the beats alone fill a disk that has little left."""


class Database:
    """`read()` and `write()` transactions. A write takes SQLite's lock at its start, so it never fails half-way for want of it."""

    def __init__(self, url: str) -> None:
        """Opens the database; makes its tables, or brings them up to date. Raises StorageError where it can't be reached, or is newer."""
        if make_url(url).get_backend_name() == "sqlite":
            self._reader = _sqlite(url)
        else:
            self._reader = _server(url)
        self._writer = self._reader.execution_options(begin="BEGIN IMMEDIATE")  # heard by _sqlite alone
        try:
            with self.write() as db:
                bring_up_to_date(db)
        except DBAPIError as error:
            raise StorageError(
                f"the database can't be opened ({error.orig})", try_next="check SNAP6D_DATABASE_URL or SNAP6D_DATA"
            ) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self._reader.dispose()


def _with_driver(url: str) -> URL:
    """The driver that comes with us, where the URL names none."""
    named = make_url(url)
    return named.set(drivername="postgresql+pg8000") if named.drivername in ("postgresql", "postgres") else named


def is_unreachable(error: BaseException) -> bool:
    """Whether the database was not there, or another held it for too long: the same may do better in a moment."""
    if not isinstance(error, DBAPIError):
        return False
    busy = str(getattr(error.orig, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return busy or error.connection_invalidated or isinstance(error, InterfaceError)


def _server(url: str) -> Engine:
    engine = create_engine(_with_driver(url), pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # A process that was frozen in the middle of a write must not hold its rows until it wakes; SQLite has no such means.
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {1000 * WRITE_WITHIN_S}")
        connection.commit()

    return engine


def _sqlite(url: str) -> Engine:
    Path(make_url(url).database or ".").parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions by rules of its own
        for pragma in (
            f"busy_timeout={1000 * WRITE_WITHIN_S}",
            "journal_mode=WAL",
            f"wal_autocheckpoint={LOG_PAGES}",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine
