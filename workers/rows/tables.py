"""The tables, and the engine that treats SQLite and PostgreSQL alike. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError

from reconstruction.errors import StorageError
from workers.pipeline import CPU

METADATA = MetaData()

WRITE_WITHIN_S = 10
"""What is written is written in milliseconds. One that takes longer has been frozen; the others wait no longer for it."""
LOG_PAGES = 200
"""Of 4 KiB in SQLite's log before it starts over. With its own 1000 the beats alone fill a disk that has little left."""

ENDED = ("succeeded", "failed", "canceled")
HELD = ("running", "canceling")
"""Statuses of jobs that are over, and of those that a worker has."""

OBJECTS = Table(
    "objects",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),  # draft, onboarding, ready, failed
    Column("options", JSON, nullable=False),  # as the caller gave them: what the next onboarding goes by
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("objects_by_tenant", "tenant", "created_at"),
)

IMAGES = Table(
    "images",
    METADATA,
    Column("object_id", String, ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String, primary_key=True),  # photos, masks, depth, video
    Column("name", String, primary_key=True),  # without its ending
    Column("file", String, nullable=False),  # as it is kept
    Column("bytes", BigInteger, nullable=False),  # as it is kept
    Column("sha256", String, nullable=False),  # as it is kept
    Column("sent_sha256", String, nullable=False),  # as it came: places are removed from what is kept
    Column("created_at", Float, nullable=False),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String, primary_key=True),
    Column("object_id", String, ForeignKey("objects.id", ondelete="CASCADE"), nullable=False),
    Column("tenant", String, nullable=False),
    Column("profile", String, nullable=False),
    Column("overrides", JSON, nullable=False),
    Column("status", String, nullable=False),  # queued, running, canceling, succeeded, failed, canceled
    Column("queue", String, nullable=False, default=CPU, server_default=CPU),  # of its next stage: cpu, gpu
    Column("progress", Float, nullable=False, default=0.0),
    Column("stage", JSON),  # the running stage: name, index, count, step, steps, message, eta_s
    Column("estimate", JSON),  # seconds that it was expected to take when it was made: workers.rows.forecast.Forecast
    Column("error", JSON),
    Column("round", Integer, nullable=False, default=1),  # counts resumes: each gives a stage its attempts anew
    Column("token", Integer, nullable=False, default=0),  # counts claims: a writer with an older one is refused
    Column("worker", String),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("not_before", Float),  # of a queued job that waits for space on the disk
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("updated_at", Float, nullable=False),
    Index("jobs_by_status", "status", "lease_until"),
    Index("jobs_by_object", "object_id"),
    Index("jobs_by_tenant", "tenant", "created_at"),
)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("status", String, nullable=False),  # running, succeeded, skipped, failed, abandoned (worker died), interrupted (worker left)
    Column("seconds", Float),
    Column("quality", JSON),
    Column("error", JSON),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
)

USAGE = Table(
    "usage",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("tenant", String, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", Float, nullable=False),
)
"""Computing that was done for a tenant: it stays when jobs and objects are deleted."""

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False, unique=True),  # of a random secret, which a plain hash hides well enough
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

ANSWERS = Table(
    "answers",
    METADATA,
    Column("tenant", String, primary_key=True),
    Column("key", String, primary_key=True),  # the caller's Idempotency-Key
    Column("request", String, nullable=False),  # digest of method, path and body
    Column("document", JSON),  # what was answered; null while it is being worked out
    Column("until", Float, nullable=False),  # a process that works on it longer than this has died
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("id", String, primary_key=True),
    Column("queue", String, nullable=False),
    Column("seen_at", Float, nullable=False),
)


def new_id(kind: str) -> str:
    """`obj_...`, `job_...`: random, so that knowing one tells nothing about others."""
    return f"{kind}_{secrets.token_hex(8)}"


class Database:
    """`read()` and `write()` transactions. A write takes SQLite's lock at its start, so it never fails half-way for want of it."""

    def __init__(self, url: str) -> None:
        """Opens the database; makes its tables, or brings them up to date. Raises StorageError where it can't be reached, or is newer."""
        from workers.rows.migrations import bring_up_to_date  # which imports the tables

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
