"""Objects and their jobs, as the API and the command line see them. A row is the truth; a message on the broker only says
"look at this row". No torch here. What workers do with the same rows is in workers/claims.py.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from reconstruction.capture_warnings import CaptureWarning, collect_warnings
from reconstruction.errors import PipelineError
from workers.parts import Parts, write_parts
from workers.pipeline import CPU
from workers.tables import ATTEMPTS, JOBS, OBJECTS, WORKERS, Database

ENDED = ("succeeded", "failed", "canceled")
HELD = ("running", "canceling")


class NotFound(PipelineError):
    code = "not-found"


class Conflict(PipelineError):
    """The row is not in a state in which that can be done."""

    code = "conflict"


@dataclass(frozen=True)
class ObjectRow:
    id: str
    name: str
    state: str
    photos: int
    created_at: float
    updated_at: float
    job_id: str | None
    """Its latest job."""
    warnings: list[CaptureWarning]
    """Of that job."""


@dataclass(frozen=True)
class StageRow:
    """A stage of a job. `status` is pending, running, succeeded, skipped or failed."""

    name: str
    status: str
    attempts: int
    seconds: float | None
    quality: dict[str, Any]


@dataclass(frozen=True)
class JobRow:
    id: str
    object_id: str
    profile: str
    status: str
    progress: float
    stage: dict[str, Any] | None
    stages: tuple[StageRow, ...]
    queue_position: int | None
    queue: str
    """Of its next stage: cpu or gpu."""
    waiting_for: str | None
    """What has to come before anybody works on it."""
    error: dict[str, Any] | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    warnings: list[CaptureWarning]
    """Of all its stages: what a better capture would change."""


class JobStore:
    """`stages` are the names of the pipeline's stages, in order. A worker silent for `silent_s` is taken to be gone."""

    def __init__(self, database: Database, stages: tuple[str, ...], silent_s: float = 10.0) -> None:
        self._db, self._stages, self._silent_s = database, stages, silent_s

    # objects

    def create(
        self, object_id: str, name: str, photos: int, profile: str, overrides: dict[str, Any] | None = None, parts: Parts | None = None
    ) -> JobRow:
        """A new object, its files (`Storage.admit`) and the job that onboards it, in one transaction."""
        now = time.time()
        job_id = new_id("job")
        with self._db.write() as db:
            db.execute(insert(OBJECTS).values(id=object_id, name=name, state="onboarding", photos=photos, created_at=now, updated_at=now))
            write_parts(db, object_id, parts or {})
            values = {"id": job_id, "object_id": object_id, "profile": profile, "overrides": overrides or {}}
            db.execute(insert(JOBS).values(**values, status="queued", created_at=now, updated_at=now))
        return self.job(job_id)

    def objects(self) -> list[ObjectRow]:
        """Newest first."""
        with self._db.read() as db:
            return [self._object(db, row) for row in db.execute(_objects_query().order_by(OBJECTS.c.created_at.desc())).all()]

    def object(self, object_id: str) -> ObjectRow:
        with self._db.read() as db:
            row = db.execute(_objects_query().where(OBJECTS.c.id == object_id)).first()
            if row is None:
                raise NotFound(f"there is no object {object_id!r}", try_next="GET /v1/objects lists those there are")
            return self._object(db, row)

    def delete(self, object_id: str) -> None:
        """Raises Conflict while a job of it is not over."""
        self.object(object_id)
        with self._db.write() as db:
            jobs = db.execute(select(JOBS.c.id, JOBS.c.status).where(JOBS.c.object_id == object_id).with_for_update())
            job_id = next((job.id for job in jobs if job.status not in ENDED), None)
            if job_id is not None:
                raise Conflict(f"job {job_id} is still working on this object", try_next=f"POST /v1/jobs/{job_id}/cancel first")
            db.execute(delete(OBJECTS).where(OBJECTS.c.id == object_id))

    # jobs, as everybody sees them

    def jobs(self, object_id: str | None = None, limit: int = 200) -> list[JobRow]:
        """Newest first."""
        with self._db.read() as db:
            query = select(JOBS).order_by(JOBS.c.created_at.desc()).limit(limit)
            rows = db.execute(query if object_id is None else query.where(JOBS.c.object_id == object_id)).all()
            return [self._job(db, row) for row in rows]

    def job(self, job_id: str) -> JobRow:
        with self._db.read() as db:
            row = db.execute(select(JOBS).where(JOBS.c.id == job_id)).first()
            if row is None:
                raise NotFound(f"there is no job {job_id!r}", try_next="GET /v1/jobs lists those there are")
            return self._job(db, row)

    def cancel(self, job_id: str) -> JobRow:
        """A queued job ends at once, a running one within seconds. Raises Conflict where it is over already."""
        job = self.job(job_id)
        now = time.time()
        with self._db.write() as db:
            if db.execute(update(JOBS).where(_where(job_id, "queued")).values(status="canceled", finished_at=now, updated_at=now)).rowcount:
                set_object_state(db, job.object_id, "draft")
            elif not db.execute(update(JOBS).where(_where(job_id, *HELD)).values(status="canceling", updated_at=now)).rowcount:
                raise Conflict(f"job {job_id} is over already ({job.status})", try_next="nothing is left to cancel")
        return self.job(job_id)

    def resume(self, job_id: str) -> JobRow:
        """Queues a failed or canceled job again; finished stages are kept. Raises Conflict in any other state."""
        job = self.job(job_id)
        values = {
            "status": "queued",
            "queue": CPU,
            "error": None,
            "stage": None,
            "finished_at": None,
            "round": JOBS.c.round + 1,
            "updated_at": time.time(),
        }
        with self._db.write() as db:
            if not db.execute(update(JOBS).where(_where(job_id, "failed", "canceled")).values(**values)).rowcount:
                raise Conflict(f"job {job_id} is {job.status}", try_next="only a failed or canceled job can be resumed")
            set_object_state(db, job.object_id, "onboarding")
        return self.job(job_id)

    # workers

    def live_workers(self, within_s: float) -> dict[str, str]:
        """Workers that gave a sign of life in the last `within_s` seconds, each with its queue."""
        with self._db.read() as db:
            rows = db.execute(select(WORKERS.c.id, WORKERS.c.queue).where(WORKERS.c.seen_at > time.time() - within_s))
            return {row.id: row.queue for row in rows}

    def _object(self, db: Connection, row: Any) -> ObjectRow:
        return ObjectRow(**row._mapping, warnings=collect_warnings(stage.quality for stage in self._stage_rows(db, row.job_id)))

    def _stage_rows(self, db: Connection, job_id: str | None) -> tuple[StageRow, ...]:
        attempts = db.execute(select(ATTEMPTS).where(ATTEMPTS.c.job_id == job_id).order_by(ATTEMPTS.c.id)).all()
        return tuple(_stage(name, attempts) for name in self._stages)

    def _job(self, db: Connection, row: Any) -> JobRow:
        stages = self._stage_rows(db, row.id)
        position = None
        if row.status == "queued":
            before = JOBS.c.created_at < row.created_at
            position = db.execute(select(func.count()).where(JOBS.c.status == "queued", JOBS.c.queue == row.queue, before)).scalar_one()
        shared = {name: getattr(row, name) for name in JobRow.__dataclass_fields__ if name in JOBS.c}
        warnings = collect_warnings(stage.quality for stage in stages)
        return JobRow(**shared, stages=stages, queue_position=position, waiting_for=self._waiting_for(db, row), warnings=warnings)

    def _waiting_for(self, db: Connection, row: Any) -> str | None:
        """Nobody works on it, and nobody is there who could."""
        now = time.time()
        if row.status in ENDED or (row.status in HELD and row.lease_until > now):
            return None
        served = select(WORKERS.c.id).where(WORKERS.c.queue == row.queue, WORKERS.c.seen_at > now - self._silent_s)
        if db.execute(served.limit(1)).first():
            return None
        return f"a worker for the queue {row.queue!r}: none is running (python -m workers.tasks {row.queue} starts one)"


def new_id(kind: str) -> str:
    """`obj_...`, `job_...`: random, so that knowing one tells nothing about others."""
    return f"{kind}_{secrets.token_hex(8)}"


def _stage(name: str, attempts: Any) -> StageRow:
    mine = [a for a in attempts if a.stage == name]
    if not mine:
        return StageRow(name, "pending", 0, None, {})
    last = mine[-1]
    status = last.status if last.status in ("running", "succeeded", "skipped", "failed") else "pending"
    return StageRow(name, status, len(mine), last.seconds, last.quality or {})


def _objects_query() -> Any:
    latest = select(JOBS.c.id).where(JOBS.c.object_id == OBJECTS.c.id).order_by(JOBS.c.created_at.desc()).limit(1).scalar_subquery()
    return select(OBJECTS, latest.label("job_id"))


def _where(job_id: str, *statuses: str) -> Any:
    return and_(JOBS.c.id == job_id, JOBS.c.status.in_(statuses))


def set_object_state(db: Connection, object_id: str, state: str) -> None:
    db.execute(update(OBJECTS).where(OBJECTS.c.id == object_id).values(state=state, updated_at=time.time()))
