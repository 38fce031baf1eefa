"""An image in, poses out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from reconstruction.errors import InputError
from service.access import Caller, Who
from service.bop_rows import MEDIA_TYPE, bop_rows, wants_rows
from service.context import Context, Ctx
from service.document import options_field
from service.errors import TooSlow
from service.metrics import Outcome
from service.options import EstimateOptions, parse_options
from service.photos import keep_image
from service.problems import ClientGone, DeadlinePassed, NotReady, NoWorker
from service.schemas import Estimate, Problem
from service.uploads import Form, incoming, receive
from workers.failures import error_from_json
from workers.queue import ESTIMATE
from workers.rows.objects import ObjectRow

router = APIRouter(tags=["poses"])

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image", "options"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "depth": {"type": "string", "format": "binary", "description": "16-bit PNG, registered to the image; times depth_scale: metres"},
        "options": options_field(EstimateOptions),
    },
}
_later = {"model": Problem, "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "rows of a BOP results file, in millimetres"}}}},
    429: {**_later, "description": "This caller has too many questions in flight"},
    503: {**_later, "description": "The service is full, or no worker answers questions"},
}


async def _counted(context: Ctx) -> AsyncIterator[Outcome]:
    with context.metrics.estimate() as outcome:
        yield outcome


Counted = Annotated[Outcome, Depends(_counted, scope="function")]


@router.post(
    "/estimate",
    response_model=Estimate,
    responses=RESPONSES,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}},
)
async def estimate(request: Request, context: Ctx, who: Who, outcome: Counted) -> Any:
    """Where the objects are in the image: their poses in the camera, none where none was found.

    `Accept: text/csv` asks for the rows of a BOP results file. Too many questions at once are refused before their images are read.
    """
    with context.estimates.enter(who.tenant):
        await run_in_threadpool(_check_worker, context)
        # Gone and taken back afterwards, and with it the question, where a worker has not begun with it.
        with incoming(context.settings) as folder, context.storage.lending(folder) as lend:
            form = await _receive(request, folder, context)
            arrived = time.time()
            form.only(texts=("options",), files=("image", "depth"))
            options = parse_options(EstimateOptions, form.texts.get("options") or "{}")
            question = await run_in_threadpool(_question, context, who, options, form, folder, lend)
            deadline = arrived + min(options.deadline_ms or context.settings.default_deadline_ms, context.settings.max_deadline_ms) / 1000
            asked = await run_in_threadpool(context.mailbox.ask, question, deadline)
            answer = await _answer(request, asked, deadline - arrived, deadline)
    if "error" in answer:
        raise error_from_json(answer["error"])
    found = Estimate.model_validate(answer["answer"])
    outcome.word = "found" if found.poses else "none"
    if wants_rows(request.headers.get("accept", "")):
        return Response(bop_rows(found, options), media_type=MEDIA_TYPE)
    return found


async def _receive(request: Request, folder: Path, context: Context) -> Form:
    try:
        async with asyncio.timeout(context.settings.max_estimate_upload_s):
            return await receive(request, folder, context.settings)
    except TimeoutError as error:
        advice = "send a smaller image: half of its width and height is mostly enough"
        raise TooSlow(f"the image did not arrive within {context.settings.max_estimate_upload_s:g} s", try_next=advice) from error


async def _answer(request: Request, asked: Future[dict[str, Any]], deadline_s: float, deadline: float) -> dict[str, Any]:
    """Waits for it as long as the client does, and not past the deadline (seconds since 1970)."""
    answer, gone = asyncio.wrap_future(asked), asyncio.ensure_future(_disconnected(request))
    either: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(either, timeout=max(0.0, deadline - time.time()), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if gone.done():
            raise ClientGone("the client went away before its answer came", try_next="send it again")
        advice = "send it again: the first question about an object loads its model; or allow a later deadline_ms"
        raise DeadlinePassed(f"no answer within {deadline_s:g} s", try_next=advice)
    finally:
        answer.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    with suppress(ClientDisconnect):
        while (await request.receive())["type"] != "http.disconnect":
            pass


def _check_worker(context: Context) -> None:
    if ESTIMATE not in context.live_queues():
        raise NoWorker("no estimate worker is running", try_next="wait for it to start, or look at /readyz and the worker's log")


def _question(
    context: Context, who: Caller, options: EstimateOptions, form: Form, folder: Path, lend: Callable[[Path], str]
) -> dict[str, Any]:
    """Everything that can be refused is refused here, before a worker is asked."""
    settings = context.settings
    if len(options.object_ids) > settings.max_objects_per_estimate:
        raise InputError(
            f"{len(options.object_ids)} objects in one question", try_next=f"ask for at most {settings.max_objects_per_estimate}"
        )
    early = []
    for object_id in options.object_ids:
        if (found := who.objects.get(object_id)).state != "ready":
            _check_early(context, who, found)
            early.append(object_id)
    images = form.named("image")
    if len(images) != 1 or len(form.named("depth")) > 1:
        raise InputError(f"{len(images)} images came", try_next="send one form field called image, and at most one called depth")
    uploads = (*images, *form.named("depth"))
    lent = {upload.field: lend(keep_image(upload, folder, settings, stem=upload.field)) for upload in uploads}
    return {**options.model_dump(exclude={"deadline_ms", "bop"}), **lent, "early": early}


def _check_early(context: Context, who: Caller, found: ObjectRow) -> None:
    """Raises NotReady for an object that is not so far trained that it can be asked about."""
    needs = context.pipeline.early_needs
    if needs and found.state == "onboarding" and found.job_id:
        has_run = {stage.name: stage.status in ("succeeded", "skipped") for stage in who.jobs.get(found.job_id).stages}
        if all(has_run.get(part, True) for part in needs):  # the capture is a part, too, and was there from the beginning
            return
    from_then = f"; it answers from the end of its stage {needs[-1]} on" if needs else ""
    advice = f"GET /v1/jobs/{found.job_id} says how far it is{from_then}" if found.job_id else "onboard it first"
    raise NotReady(f"object {found.id} is {found.state}", try_next=advice)
