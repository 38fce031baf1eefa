"""What happens to jobs, row by row: written in the transaction of the change that it tells of, read by those who follow a job.

Of a job's progress only the latest is kept: it is a state, not a happening. So a job has a few rows for each attempt at a
stage, however long it runs, and they go with the job. No torch here.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, ForeignKey, Index, Integer, String, Table, delete, func, insert, select

from workers.failures import error_to_json
from workers.logs import request_id
from workers.pipeline import StageEvent
from workers.publish import finite
from workers.rows.database import Database
from workers.rows.tables import ATTEMPTS, JOBS, METADATA

PROGRESS = "stage.progress"

EVENTS = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("object_id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),  # job.queued, .running, .canceling, .ended; stage.started, .progress, .succeeded, ...
    Column("data", JSON, nullable=False),
    Index("events_by_job", "job_id", "id"),
    sqlite_autoincrement=True,  # an id is never given twice, whatever is deleted: listeners go on after the last they know
)


@dataclass(frozen=True)
class EventRow:
    id: int
    kind: str
    at: float
    data: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Events in order. `complete`: the job is over or gone, and nothing comes after these."""

    events: list[EventRow]
    complete: bool


def tell_status(db: Connection, job_id: str) -> str | None:
    """The job's status as its row has it now; gives the id of the request behind it.

    To be called after the row was written: its lock puts ids in the order of commits.
    """
    row = db.execute(select(JOBS).where(JOBS.c.id == job_id)).one()
    kind = "job.ended" if row.finished_at is not None else f"job.{row.status}"
    asked_by = request_id() or _asked_by(db, job_id)
    data = {"status": row.status, "progress": row.progress, "error": row.error, "request_id": asked_by}
    if kind != "job.canceling" or _last_status(db, job_id) != kind:  # else it was asked for again
        _tell(db, row.id, row.object_id, kind, data)
    return asked_by


def _last_status(db: Connection, job_id: str) -> str | None:
    told = select(EVENTS.c.kind).where(EVENTS.c.job_id == job_id, EVENTS.c.kind.startswith("job."))
    return db.execute(told.order_by(EVENTS.c.id.desc()).limit(1)).scalar()


def _asked_by(db: Connection, job_id: str) -> str | None:
    """Id of the request that queued the job: the wake-up that told it may have been lost, the row was not."""
    queued = select(EVENTS.c.data).where(EVENTS.c.job_id == job_id, EVENTS.c.kind == "job.queued")
    data: dict[str, Any] = db.execute(queued.order_by(EVENTS.c.id.desc()).limit(1)).scalar() or {}
    return data.get("request_id")


def tell_stage(db: Connection, job_id: str, object_id: str, event: StageEvent) -> int:
    """What happened to a stage; gives the number of its attempt. To be called after the rows of job and attempt were written."""
    tried = select(func.count()).where(ATTEMPTS.c.job_id == job_id, ATTEMPTS.c.stage == event.stage)
    attempt: int = db.execute(tried).scalar_one()
    data: dict[str, Any] = {"stage": event.stage, "index": event.index, "count": event.count, "attempt": attempt}
    data["progress"] = event.progress
    if event.kind == "progress":
        db.execute(delete(EVENTS).where(EVENTS.c.job_id == job_id, EVENTS.c.kind == PROGRESS))
        data |= {"step": event.step, "steps": event.steps, "message": event.message, "eta_s": event.eta_s}
    else:
        data |= {"seconds": event.seconds, "quality": finite(event.quality), "error": event.error and error_to_json(event.error)}
    _tell(db, job_id, object_id, f"stage.{event.kind}", data)
    return attempt


def _tell(db: Connection, job_id: str, object_id: str, kind: str, data: dict[str, Any]) -> None:
    db.execute(insert(EVENTS).values(job_id=job_id, object_id=object_id, at=time.time(), kind=kind, data=data))


class EventStore:
    """The listeners' side. Whether a caller may see a job is asked of the JobStore before."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def after(self, job_id: str, last: int, limit: int = 500) -> Page:
        """The job's events with ids above `last`, at most `limit` of them."""
        with self._db.read() as db:
            job = db.execute(select(JOBS.c.finished_at).where(JOBS.c.id == job_id)).first()
            query = select(EVENTS).where(EVENTS.c.job_id == job_id, EVENTS.c.id > last).order_by(EVENTS.c.id).limit(limit)
            events = [EventRow(row.id, row.kind, row.at, row.data) for row in db.execute(query)]
        return Page(events, len(events) < limit and (job is None or job.finished_at is not None))

    def latest(self, job_ids: Collection[str]) -> dict[str, int]:
        """The id of each job's latest event; a job that is gone is missing."""
        query = select(EVENTS.c.job_id, func.max(EVENTS.c.id)).where(EVENTS.c.job_id.in_(job_ids)).group_by(EVENTS.c.job_id)
        with self._db.read() as db:
            return {row[0]: row[1] for row in db.execute(query)}
