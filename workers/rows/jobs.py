"""Jobs, as the API and the command line see them. A row is the truth; a message on the broker only says "look at this row".
No torch here. What workers do with the same rows is in workers/rows/claims.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from reconstruction.capture_warnings import CaptureWarning, collect_warnings
from workers.failures import Conflict, NotFound
from workers.pipeline import CPU
from workers.rows.attempts import StageRow, stage_rows
from workers.rows.database import Database
from workers.rows.events import tell_status
from workers.rows.forecast import Size, forecast_from, time_left
from workers.rows.objects import ImageRow, insert_images, insert_object, refuse_while_busy, set_object_state
from workers.rows.tables import ENDED, HELD, JOBS, WORKERS, new_id
from workers.webhooks.announcing import announce


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
    estimate: dict[str, Any] | None
    """What it was expected to take when it was made."""
    eta_s: float | None
    """Seconds of work left, waiting in the queue not included; None where nothing can be said, or it is over."""
    warnings: list[CaptureWarning]
    """Of all its stages: what a better capture would change."""


Prepare = Callable[[Connection], None]
"""Called in the new job's transaction, while no worker can begin with it."""

OnCreated = Callable[[Connection, JobRow], None]
"""Called with the new job before its transaction ends."""


class JobStore:
    """The jobs of one tenant, or, for whoever has the data folder itself, of all. `stages`: the pipeline's, in order.

    A worker that was silent for `live_within_s` is taken to be gone.
    """

    def __init__(self, database: Database, stages: tuple[str, ...], tenant: str | None, live_within_s: float = 10.0) -> None:
        self._db, self._stages, self._tenant, self._live_within_s = database, stages, tenant, live_within_s

    def onboard(
        self,
        object_id: str,
        name: str,
        profile: str,
        options: dict[str, Any] | None = None,
        images: list[ImageRow] | None = None,
        prepare: Prepare | None = None,
        size: Size = Size(0),
        on_created: OnCreated | None = None,
    ) -> JobRow:
        """A new object with its images and the job that onboards it, in one transaction. `size`: for the forecast."""
        assert self._tenant is not None, "an object belongs to somebody"
        with self._db.write() as db:
            insert_object(db, self._tenant, object_id, name, "onboarding", options or {})
            insert_images(db, object_id, images or [])
            if prepare:
                prepare(db)
            return self._begin(db, object_id, profile, size, on_created)

    def train(self, object_id: str, profile: str, prepare: Prepare, size: Size = Size(0), on_created: OnCreated | None = None) -> JobRow:
        """A job for an object that is there. Raises Conflict while another job is at work on it."""
        with self._db.write() as db:
            refuse_while_busy(db, object_id)
            prepare(db)
            set_object_state(db, object_id, "onboarding")
            return self._begin(db, object_id, profile, size, on_created)

    def forecast(self, profile: str, size: Size) -> dict[str, Any] | None:
        """What a job would be expected to take; None where nothing can be said."""
        with self._db.read() as db:
            return forecast_from(db, self._stages, profile, size)

    def all(self, object_id: str | None = None, limit: int = 200, before: str | None = None) -> list[JobRow]:
        """Newest first; `before`: those older than this job."""
        query = select(JOBS).where(*self._mine()).order_by(JOBS.c.created_at.desc(), JOBS.c.id).limit(limit)
        if object_id is not None:
            query = query.where(JOBS.c.object_id == object_id)
        if before is not None:
            query = query.where(JOBS.c.created_at < self.get(before).created_at)
        with self._db.read() as db:
            return [self._job(db, row) for row in db.execute(query).all()]

    def get(self, job_id: str) -> JobRow:
        """Raises NotFound."""
        with self._db.read() as db:
            return self._get(db, job_id)

    def cancel(self, job_id: str) -> JobRow:
        """A queued job ends at once, a running one within seconds. Raises Conflict where it is over already."""
        job = self.get(job_id)
        now = time.time()
        with self._db.write() as db:
            if db.execute(update(JOBS).where(_where(job_id, "queued")).values(status="canceled", finished_at=now, updated_at=now)).rowcount:
                set_object_state(db, job.object_id, "draft")
                announce(db, job_id)
            elif not db.execute(update(JOBS).where(_where(job_id, *HELD)).values(status="canceling", updated_at=now)).rowcount:
                raise Conflict(f"job {job_id} is over already ({job.status})", try_next="nothing is left to cancel")
            tell_status(db, job_id)
        return self.get(job_id)

    def resume(self, job_id: str) -> JobRow:
        """Queues a failed or canceled job again; finished stages are kept. Raises Conflict in any other state, or beside another job."""
        job = self.get(job_id)
        cleared = {"error": None, "not_before": None, "stage": None, "finished_at": None}
        values: dict[str, Any] = {"status": "queued", "queue": CPU, "round": JOBS.c.round + 1, "updated_at": time.time(), **cleared}
        with self._db.write() as db:
            refuse_while_busy(db, job.object_id)
            if not db.execute(update(JOBS).where(_where(job_id, "failed", "canceled")).values(**values)).rowcount:
                raise Conflict(f"job {job_id} is {job.status}", try_next="only a failed or canceled job can be resumed")
            set_object_state(db, job.object_id, "onboarding")
            tell_status(db, job_id)
        return self.get(job_id)

    def _begin(self, db: Connection, object_id: str, profile: str, size: Size, on_created: OnCreated | None) -> JobRow:
        job_id, now = new_id("job"), time.time()
        values: dict[str, Any] = {"id": job_id, "object_id": object_id, "tenant": self._tenant, "profile": profile, "overrides": {}}
        values |= {"estimate": forecast_from(db, self._stages, profile, size), "status": "queued"}
        db.execute(insert(JOBS).values(**values, created_at=now, updated_at=now))
        tell_status(db, job_id)
        job = self._get(db, job_id)
        if on_created:
            on_created(db, job)
        return job

    def _mine(self) -> tuple[Any, ...]:
        return () if self._tenant is None else (JOBS.c.tenant == self._tenant,)

    def _get(self, db: Connection, job_id: str) -> JobRow:
        row = db.execute(select(JOBS).where(JOBS.c.id == job_id, *self._mine())).first()
        if row is None:
            raise NotFound(f"there is no job {job_id!r}", try_next="GET /v1/jobs lists those there are")
        return self._job(db, row)

    def _job(self, db: Connection, row: Any) -> JobRow:
        stages = stage_rows(db, row.id, self._stages)
        position = None
        if row.status == "queued":
            before = JOBS.c.created_at < row.created_at
            position = db.execute(select(func.count()).where(JOBS.c.status == "queued", JOBS.c.queue == row.queue, before)).scalar_one()
        shared = {name: getattr(row, name) for name in JobRow.__dataclass_fields__ if name in JOBS.c}
        warnings = collect_warnings(stage.quality for stage in stages)
        waiting_for = self._waiting_for(db, row)
        eta_s = _eta_s(row, stages)
        return JobRow(**shared, stages=stages, queue_position=position, waiting_for=waiting_for, eta_s=eta_s, warnings=warnings)

    def _waiting_for(self, db: Connection, row: Any) -> str | None:
        """Nobody works on it, and nobody is there who could."""
        now = time.time()
        if row.status in ENDED or (row.status in HELD and row.lease_until > now):
            return None
        served = select(WORKERS.c.id).where(WORKERS.c.queue == row.queue, WORKERS.c.seen_at > now - self._live_within_s)
        if db.execute(served.limit(1)).first():
            return None
        return f"a worker for the queue {row.queue!r}: none is running (python -m workers {row.queue} starts one)"


def _eta_s(row: Any, stages: tuple[StageRow, ...]) -> float | None:
    if row.finished_at is not None or row.estimate is None:
        return None
    finished = {stage.name: stage.seconds or 0.0 for stage in stages if stage.status in ("succeeded", "skipped")}
    return time_left(row.estimate["stages"], finished, row.stage)


def _where(job_id: str, *statuses: str) -> Any:
    return and_(JOBS.c.id == job_id, JOBS.c.status.in_(statuses))
