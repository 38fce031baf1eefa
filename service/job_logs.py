"""What the stages of a job wrote: their logs, from any byte on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from service.access import Who
from service.context import Ctx
from service.events import LARGEST_ID
from service.settings import MIB
from workers.failures import NotFound
from workers.rows.jobs import JobRow

router = APIRouter(tags=["jobs"])

_number = {"schema": {"type": "integer"}}
HEADERS = {
    "Snap6D-Stage": {"schema": {"type": "string"}, "description": "whose log this is"},
    "Snap6D-Next-Offset": {**_number, "description": "where to go on reading"},
    "Snap6D-Log-Size": {**_number, "description": "bytes that the log has by now"},
}


@router.get("/jobs/{job_id}/logs", response_class=PlainTextResponse, responses={200: {"headers": HEADERS}})
def read_log(
    job_id: str,
    context: Ctx,
    who: Who,
    offset: Annotated[int, Query(ge=0, le=LARGEST_ID, description="First byte; the Snap6D-Next-Offset of the last answer.")] = 0,
    stage: Annotated[str | None, Query(description="Whose log; by default the running stage's, else that of the last that ran.")] = None,
) -> Response:
    """One stage's log from a byte on, at most 1 MiB of it. To follow it, name the stage and go on from Snap6D-Next-Offset.

    Each stage of an object has a log of its own; attempts append to it. Logs are not joined to one: an offset belongs to one stage.
    """
    job = who.jobs.get(job_id)
    name = stage or _latest(job)
    if name not in [row.name for row in job.stages]:
        advice = f"name one of {', '.join(row.name for row in job.stages)}"
        raise NotFound(f"job {job_id} has no stage {name!r}", try_next=advice)
    log = f"logs/{name}.log"
    content, size = _read(context.storage.view(job.object_id, [log]) / log, offset)
    headers = {"Snap6D-Stage": name, "Snap6D-Next-Offset": str(min(offset, size) + len(content)), "Snap6D-Log-Size": str(size)}
    return PlainTextResponse(content, headers={**headers, "Cache-Control": "no-store"})


def _latest(job: JobRow) -> str:
    begun = [row for row in job.stages if row.attempts]
    running = [row for row in begun if row.status == "running"]
    return (running or begun or list(job.stages[:1]))[-1].name


def _read(path: Path, offset: int) -> tuple[bytes, int]:
    """At most 1 MiB from there, and the size of the whole; nothing where the stage has not begun. Never follows a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b"", 0
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        file.seek(min(offset, size))
        return file.read(min(MIB, size - min(offset, size))), size
