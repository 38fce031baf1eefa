"""Jobs: follow, cancel, resume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from service.access import Caller, Who
from service.context import Context, Ctx
from service.idempotency import IdempotencyKey, digest, once
from service.schemas import Job
from workers.queue import wake
from workers.rows.jobs import JobRow
from workers.rows.tables import ENDED

router = APIRouter(tags=["jobs"])
LOOK_EVERY_S = 0.25


@router.get("/jobs")
def list_jobs(
    who: Who, object_id: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 200, before: str | None = None
) -> list[Job]:
    """Newest first. `before`: the last one seen, for those that follow."""
    return [Job.of(row) for row in who.jobs.all(object_id, limit, before)]


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, context: Ctx, who: Who, wait: Annotated[float, Query(ge=0, allow_inf_nan=False)] = 0) -> Job:
    """The job as it is; with `wait`, once its status or stage has changed, or after that many seconds."""
    deadline = time.monotonic() + min(wait, context.settings.max_wait_s)
    first = row = await run_in_threadpool(who.jobs.get, job_id)
    while row.status not in ENDED and _outline(row) == _outline(first) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY_S)
        row = await run_in_threadpool(who.jobs.get, job_id)
    return Job.of(row)


@router.post("/jobs/{job_id}/cancel", status_code=202, response_model=Job)
def cancel_job(job_id: str, context: Ctx, who: Who, key: IdempotencyKey = None) -> Response:
    """A queued job ends at once, a running one within seconds. What is finished is kept."""
    return _once(context, who, key, f"cancel {job_id}", lambda: who.jobs.cancel(job_id))


@router.post("/jobs/{job_id}/resume", status_code=202, response_model=Job)
def resume_job(job_id: str, context: Ctx, who: Who, key: IdempotencyKey = None) -> Response:
    """Goes on with a failed or canceled job after its last finished stage."""
    answer = _once(context, who, key, f"resume {job_id}", lambda: who.jobs.resume(job_id))
    wake(context.broker, job_id)
    return answer


def _once(context: Context, who: Caller, key: str | None, what: str, act: Callable[[], JobRow]) -> Response:
    with once(context.database, who.tenant, key, digest(what)) as first:
        if first.earlier:
            return first.replay()
        body = Job.of(act()).model_dump(mode="json")
        with context.database.write() as db:
            first.keep(db, 202, body)
        return JSONResponse(body, 202)


def _outline(row: JobRow) -> tuple[str, str | None]:
    return row.status, row.stage["name"] if row.stage else None
