"""What the attempts at a job's stages add up to: a status a stage, and what the capture lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from reconstruction.capture_warnings import CaptureWarning, collect_warnings
from workers.rows.tables import ATTEMPTS


@dataclass(frozen=True)
class StageRow:
    """A stage of a job. `status` is pending, running, succeeded, skipped or failed."""

    name: str
    status: str
    attempts: int
    seconds: float | None
    quality: dict[str, Any]


def stage_rows(db: Connection, job_id: str, stages: Sequence[str]) -> tuple[StageRow, ...]:
    """One for each of `stages`, in their order."""
    attempts = _attempts(db, job_id)
    return tuple(_stage(name, attempts) for name in stages)


def warnings_of(db: Connection, job_id: str | None) -> list[CaptureWarning]:
    """Those of all stages, in the order in which they ran."""
    latest = {attempt.stage: attempt.quality or {} for attempt in _attempts(db, job_id)}
    return collect_warnings(latest.values())


def _attempts(db: Connection, job_id: str | None) -> Sequence[Any]:
    return db.execute(select(ATTEMPTS).where(ATTEMPTS.c.job_id == job_id).order_by(ATTEMPTS.c.id)).all()


def _stage(name: str, attempts: Sequence[Any]) -> StageRow:
    mine = [a for a in attempts if a.stage == name]
    if not mine:
        return StageRow(name, "pending", 0, None, {})
    last = mine[-1]
    status = last.status if last.status in ("running", "succeeded", "skipped", "failed") else "pending"
    return StageRow(name, status, len(mine), last.seconds, last.quality or {})
