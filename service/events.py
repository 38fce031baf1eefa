"""Following a job: Server-Sent Events, any number of listeners for one look at the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from service.access import Who
from service.context import Context, Ctx
from workers.rows.events import EventRow, Page

router = APIRouter(tags=["jobs"])
HEARTBEAT = format_sse_event(comment="heartbeat")
LARGEST_ID = 2**63 - 1


class EventStream(StreamingResponse):
    """Not FastAPI's own EventSourceResponse: with that a route can't say 204, nor choose its heartbeat."""

    media_type = "text/event-stream"


EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "goes up; to go on after it, send it as Last-Event-ID"},
        "event": {"type": "string", "description": "its kind"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""Each of the stream."""


async def _place(context: Ctx, who: Who) -> AsyncIterator[None]:
    """Held until the stream has ended. Raises Busy where too many listen already."""
    with context.streams.enter(who.tenant):
        yield


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventStream,
    dependencies=[Depends(_place)],
    responses={
        200: {"content": {"text/event-stream": {"schema": EVENT}}},
        204: {"description": "The job is over and has no event after that id: nothing will come, do not ask again."},
    },
)
async def follow_job(
    job_id: str,
    context: Ctx,
    who: Who,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID, description="Only events with ids above this one.")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=LARGEST_ID, description="The same, from browsers; goes before `after`.")] = None,
) -> Response:
    """Everything that happens to the job, as Server-Sent Events, from its start or after an id that is known; ends with the job.

    Kinds: job.queued, job.running, job.canceling, job.ended; stage.started, stage.progress, stage.succeeded, stage.skipped,
    stage.failed. Of progress only the latest is kept, so that whoever comes late or comes back misses what it looked like before,
    and nothing else. A comment comes when nothing has happened for a while.
    """
    await run_in_threadpool(who.jobs.get, job_id)  # there is such a job
    last = after if last_event_id is None else last_event_id
    first = await context.feed.page(job_id, last)
    if first.complete and not first.events:
        return Response(status_code=204)
    return EventStream(_stream(context, job_id, last, first), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def _stream(context: Context, job_id: str, last: int, page: Page) -> AsyncIterator[bytes]:
    with context.feed.listen(job_id) as news:
        while True:
            if page.events:
                last = page.events[-1].id
                yield b"".join(_format(event) for event in page.events)
            if page.complete:
                return
            if not page.events:  # else there may be more already
                try:
                    await asyncio.wait_for(news.wait(), context.settings.heartbeat_s)
                except TimeoutError:
                    yield HEARTBEAT
            news.clear()  # before the look: what is written after it wakes again
            page = await context.feed.page(job_id, last)


def _format(event: EventRow) -> bytes:
    return format_sse_event(event=event.kind, data_str=json.dumps({"at": event.at, **event.data}), id=str(event.id))
