"""Jobs: follow, cancel, resume."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from service.context import Ctx
from service.schemas import Job
from workers.jobs import ENDED, JobRow
from workers.queue import wake

router = APIRouter(tags=["jobs"])
LOOK_EVERY_S = 0.25


@router.get("/jobs")
def list_jobs(context: Ctx, object_id: str | None = None) -> list[Job]:
    return [Job.of(row) for row in context.store.jobs(object_id)]


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, context: Ctx, wait: Annotated[float, Query(ge=0, allow_inf_nan=False)] = 0) -> Job:
    """The job as it is; with `wait`, once its status or stage has changed, or after that many seconds."""
    deadline = time.monotonic() + min(wait, context.settings.max_wait_s)
    first = row = await run_in_threadpool(context.store.job, job_id)
    while row.status not in ENDED and _outline(row) == _outline(first) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY_S)
        row = await run_in_threadpool(context.store.job, job_id)
    return Job.of(row)


@router.post("/jobs/{job_id}/cancel", status_code=202)
def cancel_job(job_id: str, context: Ctx) -> Job:
    """A queued job ends at once, a running one within seconds. What is finished is kept."""
    return Job.of(context.store.cancel(job_id))


@router.post("/jobs/{job_id}/resume", status_code=202)
def resume_job(job_id: str, context: Ctx) -> Job:
    """Goes on with a failed or canceled job after its last finished stage."""
    row = context.store.resume(job_id)
    wake(context.broker, job_id)
    return Job.of(row)


def _outline(row: JobRow) -> tuple[str, str | None]:
    return row.status, row.stage["name"] if row.stage else None
