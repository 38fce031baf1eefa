"""What workers do with jobs: claim one, keep it, write down what happens, give it back. No torch here.

A worker claims a job for `lease_s` seconds and keeps the lease by beating. Whoever claims gets a higher token; every write of
a worker is refused once a newer token exists, so a worker that slept past its lease can't disturb its successor.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, func, insert, literal, or_, select, update

from reconstruction.errors import PipelineError, StorageError
from workers.failures import StageCrashed, error_to_json
from workers.pipeline import CPU, Recipe, StageEvent
from workers.publish import finite
from workers.rows.database import Database
from workers.rows.events import tell_stage, tell_status
from workers.rows.objects import set_object_state
from workers.rows.parts import Parts, label_at, write_parts
from workers.rows.tables import ATTEMPTS, HELD, JOBS, USAGE
from workers.webhooks.announcing import announce

OBJECT_STATE = {"succeeded": "ready", "failed": "failed", "canceled": "draft"}


class LeaseLost(PipelineError):
    """Another worker has taken over, or the job is gone: stop, and write nothing more."""

    code = "lease-lost"
    retryable = True


@dataclass(frozen=True)
class Claim:
    """The right to work on a job, as long as nobody holds a higher token."""

    job_id: str
    object_id: str
    recipe: Recipe
    token: int
    round: int
    created_at: float
    """Of the job."""
    done: frozenset[str]
    """Stages that have succeeded in this round, or were skipped."""
    request_id: str | None = None
    """Of the request that queued it, for the log."""

    @property
    def label(self) -> str:
        """Of the files that are stored under this claim."""
        return label_at(self.created_at, self.token)


class ClaimStore:
    """The workers' side of the job rows."""

    def __init__(self, database: Database, pipeline: str, lease_s: float = 30.0, max_attempts: int = 3) -> None:
        self._db, self._pipeline = database, pipeline
        self._lease_s, self._max_attempts = lease_s, max_attempts

    def due(self, queue: str = CPU) -> list[str]:
        """Jobs of the queue that nobody works on: queued, or held by a worker that stopped beating. Oldest first."""
        with self._db.read() as db:
            return list(db.execute(select(JOBS.c.id).where(_due(time.time(), queue)).order_by(JOBS.c.created_at)).scalars())

    def claim(self, job_id: str, worker: str, queue: str = CPU) -> Claim | None:
        """Takes the job for one lease; None where someone else has it, it is over or of another queue. Doubled messages end here."""
        now = time.time()
        with self._db.write() as db:
            row = db.execute(select(JOBS).where(JOBS.c.id == job_id, _due(now, queue)).with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            values = {"status": "canceling" if row.status == "canceling" else "running", "token": row.token + 1, "worker": worker}
            values |= {"error": None, "not_before": None}
            times = {"lease_until": now + self._lease_s, "started_at": row.started_at or now, "updated_at": now}
            db.execute(update(JOBS).where(JOBS.c.id == job_id).values(**values, **times))
            _close_attempts(db, job_id, "abandoned")
            asked_by = tell_status(db, job_id)
            done = _done(db, job_id, row.round)
        recipe = Recipe(row.profile, row.overrides, self._pipeline)
        return Claim(job_id, row.object_id, recipe, row.token + 1, row.round, row.created_at, done, asked_by)

    def beat(self, claim: Claim) -> bool:
        """Keeps the lease. True where the job is to be canceled. Raises LeaseLost."""
        with self._db.write() as db:
            self._update(db, claim, lease_until=time.time() + self._lease_s)
            return db.execute(select(JOBS.c.status).where(JOBS.c.id == claim.job_id)).scalar() == "canceling"

    def record(self, claim: Claim, event: StageEvent, parts: Parts | None = None) -> int:
        """Writes down what happened to a stage, and which files count from now on: both or neither. Gives the number of its attempt.

        Raises LeaseLost, and StageCrashed when it has had all its attempts.
        """
        stage = {"name": event.stage, "index": event.index, "count": event.count, "step": event.step, "steps": event.steps}
        stage |= {"message": event.message, "eta_s": event.eta_s}
        with self._db.write() as db:
            self._update(db, claim, stage=stage, progress=event.progress, updated_at=time.time())
            write_parts(db, claim.object_id, parts or {})
            if event.kind == "started":
                self._begin_attempt(db, claim, event.stage)
            elif event.kind != "progress":
                error = event.error and error_to_json(event.error)
                status = "interrupted" if event.error and event.error.code == StorageError.code else event.kind  # not the stage's fault
                _close_attempts(db, claim.job_id, status, seconds=event.seconds, quality=finite(event.quality), error=error)
            return tell_stage(db, claim.job_id, claim.object_id, event)

    def record_parts(self, claim: Claim, parts: Parts) -> None:
        """Which files count from now on. Raises LeaseLost."""
        with self._db.write() as db:
            self._update(db, claim, updated_at=time.time())
            write_parts(db, claim.object_id, parts)

    def finish(self, claim: Claim, status: str, error: PipelineError | None = None) -> None:
        """Ends the job as succeeded, failed or canceled; the object with it. Raises LeaseLost."""
        now = time.time()
        document = error and error_to_json(error)
        with self._db.write() as db:
            progress = {"progress": 1.0, "stage": None} if status == "succeeded" else {}
            self._update(db, claim, status=status, error=document, finished_at=now, updated_at=now, lease_until=0.0, **progress)
            _close_attempts(db, claim.job_id, "interrupted")
            set_object_state(db, claim.object_id, OBJECT_STATE[status])
            tell_status(db, claim.job_id)
            announce(db, claim.job_id)

    def release(self, claim: Claim, queue: str | None = None) -> None:
        """Gives the job back for another worker, of this queue, at once and without counting an attempt. Raises LeaseLost."""
        with self._db.write() as db:
            back = case((JOBS.c.status == "canceling", "canceling"), else_="queued")
            self._update(db, claim, status=back, queue=queue or JOBS.c.queue, lease_until=0.0, worker=None)
            _close_attempts(db, claim.job_id, "interrupted")
            tell_status(db, claim.job_id)

    def pause(self, claim: Claim, error: StorageError, wait_s: float) -> None:
        """Gives the job back to be tried again later, without counting an attempt; it says why it waits. Raises LeaseLost."""
        now = time.time()
        with self._db.write() as db:
            back = case((JOBS.c.status == "canceling", "canceling"), else_="queued")
            reason = {"error": error_to_json(error), "not_before": now + wait_s, "updated_at": now}
            self._update(db, claim, status=back, lease_until=0.0, worker=None, **reason)
            _close_attempts(db, claim.job_id, "interrupted")
            tell_status(db, claim.job_id)

    def _update(self, db: Connection, claim: Claim, **values: Any) -> None:
        held = and_(JOBS.c.id == claim.job_id, JOBS.c.token == claim.token, JOBS.c.status.in_(HELD))
        if not db.execute(update(JOBS).where(held).values(**values)).rowcount:
            raise LeaseLost(f"job {claim.job_id} belongs to another worker by now", try_next="nothing: that one goes on with it")

    def _begin_attempt(self, db: Connection, claim: Claim, stage: str) -> None:
        mine = and_(ATTEMPTS.c.job_id == claim.job_id, ATTEMPTS.c.stage == stage, ATTEMPTS.c.round == claim.round)
        spent = db.execute(select(func.count()).where(mine, ATTEMPTS.c.status.in_(("failed", "abandoned")))).scalar_one()
        if spent >= self._max_attempts:
            raise StageCrashed(
                f"stage {stage} took its process or its worker down {spent} times", try_next="see its log, then resume the job"
            )
        values = {"job_id": claim.job_id, "stage": stage, "round": claim.round, "status": "running", "started_at": time.time()}
        db.execute(insert(ATTEMPTS).values(**values))


def _done(db: Connection, job_id: str, number: int) -> frozenset[str]:
    mine = and_(ATTEMPTS.c.job_id == job_id, ATTEMPTS.c.round == number, ATTEMPTS.c.status.in_(("succeeded", "skipped")))
    return frozenset(db.execute(select(ATTEMPTS.c.stage).where(mine)).scalars())


def _due(now: float, queue: str) -> Any:
    """What is to be canceled is for whoever looks first: a worker of its own queue may never come."""
    rested = or_(JOBS.c.not_before.is_(None), JOBS.c.not_before < now)
    free = or_(and_(JOBS.c.status == "queued", rested), and_(JOBS.c.status.in_(HELD), JOBS.c.lease_until < now))
    return and_(free, or_(JOBS.c.queue == queue, JOBS.c.status == "canceling"))


def _close_attempts(db: Connection, job_id: str, status: str, **values: Any) -> None:
    running, now = and_(ATTEMPTS.c.job_id == job_id, ATTEMPTS.c.status == "running"), time.time()
    spent = select(JOBS.c.tenant, ATTEMPTS.c.stage, now - ATTEMPTS.c.started_at, literal(now)).join(JOBS, JOBS.c.id == ATTEMPTS.c.job_id)
    db.execute(insert(USAGE).from_select(["tenant", "stage", "seconds", "at"], spent.where(running)))
    db.execute(update(ATTEMPTS).where(running).values(status=status, finished_at=now, **values))
