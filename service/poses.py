"""An image in, poses out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from reconstruction.errors import InputError
from service.context import Context, Ctx
from service.options import EstimateOptions, parse_options
from service.photos import keep_image
from service.problems import DeadlinePassed, NotReady, NoWorker
from service.schemas import Estimate
from service.uploads import Form, incoming, receive
from workers.failures import error_from_json
from workers.queue import ESTIMATE

router = APIRouter(tags=["poses"])

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image", "options"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "depth": {"type": "string", "format": "binary", "description": "16-bit PNG, registered to the image; times depth_scale: metres"},
        "options": {"type": "string", "contentMediaType": "application/json", "contentSchema": EstimateOptions.model_json_schema()},
    },
}


@router.post("/estimate", openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}})
async def estimate(request: Request, context: Ctx) -> Estimate:
    """Where the objects are in the image: their poses in the camera, none where none was found."""
    with context.estimates.enter(), incoming(context.settings) as folder, context.storage.lending(folder) as lend:
        form = await receive(request, folder, context.settings)
        question, deadline_s = await run_in_threadpool(_question, context, form, folder, lend)
        future = asyncio.wrap_future(await run_in_threadpool(context.mailbox.ask, question, deadline_s))
        try:
            answer = await asyncio.wait_for(future, deadline_s)
        except TimeoutError as error:
            advice = "send it again: the first question about an object loads its model; or allow a later deadline_ms"
            raise DeadlinePassed(f"no answer within {deadline_s:g} s", try_next=advice) from error
    if "error" in answer:
        raise error_from_json(answer["error"])
    return Estimate.model_validate(answer["answer"])


def _question(context: Context, form: Form, folder: Path, lend: Callable[[Path], str]) -> tuple[dict[str, Any], float]:
    """Everything that can be refused is refused here, before a worker is asked."""
    settings = context.settings
    options = parse_options(EstimateOptions, form.texts.get("options") or "{}")
    if len(options.object_ids) > settings.max_objects_per_estimate:
        raise InputError(
            f"{len(options.object_ids)} objects in one question", try_next=f"ask for at most {settings.max_objects_per_estimate}"
        )
    for object_id in options.object_ids:
        found = context.store.object(object_id)
        if found.state != "ready":
            advice = f"GET /v1/jobs/{found.job_id} says how far it is" if found.job_id else "onboard it first"
            raise NotReady(f"object {object_id} is {found.state}", try_next=advice)
    images = form.named("image")
    if len(images) != 1 or len(form.named("depth")) > 1:
        raise InputError(f"{len(images)} images came", try_next="send one form field called image, and at most one called depth")
    if ESTIMATE not in context.live_queues():
        raise NoWorker("no estimate worker is running", try_next="wait for it to start, or look at /readyz and the worker's log")
    uploads = (*images, *form.named("depth"))
    lent = {upload.field: lend(keep_image(upload, folder, settings, stem=upload.field)) for upload in uploads}
    deadline_s = min(options.deadline_ms or settings.default_deadline_ms, settings.max_deadline_ms) / 1000
    return {**options.model_dump(exclude={"deadline_ms"}), **lent}, deadline_s
