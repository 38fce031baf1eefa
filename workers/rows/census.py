"""The whole deployment in numbers, counted from the rows: the same in every process, and still there after a restart. No torch here."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import func, select

from workers.queue import CPU, ESTIMATE
from workers.rows.database import Database
from workers.rows.tables import ATTEMPTS, JOBS, WORKERS

STATUSES = ("queued", "running", "canceling", "succeeded", "failed", "canceled")


@dataclass(frozen=True)
class QueueCount:
    """Jobs that wait, seconds that the oldest of them has waited, workers that live."""

    waiting: int = 0
    oldest_s: float = 0.0
    workers: int = 0


@dataclass(frozen=True)
class Census:
    """`stages`: stage and outcome -> attempts, and the seconds that they took. Only of objects that were not deleted."""

    jobs: dict[str, int]
    queues: dict[str, QueueCount]
    stages: dict[tuple[str, str], tuple[int, float]]


def take_census(database: Database, live_within_s: float) -> Census:
    """`live_within_s`: a worker lives that has given a sign of life in that time."""
    now = time.time()
    with database.read() as db:
        jobs = {row[0]: row[1] for row in db.execute(select(JOBS.c.status, func.count()).group_by(JOBS.c.status))}
        queued = select(JOBS.c.queue, func.count(), func.min(JOBS.c.updated_at)).where(JOBS.c.status == "queued").group_by(JOBS.c.queue)
        waiting = {row[0]: (row[1], max(0.0, now - row[2])) for row in db.execute(queued)}  # an estimate waits in its question
        alive = select(WORKERS.c.queue, func.count()).where(WORKERS.c.seen_at > now - live_within_s).group_by(WORKERS.c.queue)
        workers = {row[0]: row[1] for row in db.execute(alive)}
        took = func.sum(func.coalesce(ATTEMPTS.c.seconds, ATTEMPTS.c.finished_at - ATTEMPTS.c.started_at, 0.0))
        attempts = select(ATTEMPTS.c.stage, ATTEMPTS.c.status, func.count(), took).group_by(ATTEMPTS.c.stage, ATTEMPTS.c.status)
        stages = {(row[0], row[1]): (row[2], float(row[3])) for row in db.execute(attempts)}
    names = sorted({CPU, ESTIMATE, *workers, *waiting})
    queues = {name: QueueCount(*waiting.get(name, (0, 0.0)), workers.get(name, 0)) for name in names}
    return Census(dict.fromkeys(STATUSES, 0) | jobs, queues, stages)
