"""Objects: photos in, artifacts out."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse

from service import captures
from service.access import Caller, Who
from service.context import Context, Ctx
from service.document import options_field, options_schema
from service.etags import answer_bytes, answer_with_etag, require_match
from service.idempotency import IdempotencyKey, Once, digest, once
from service.options import OnboardOptions
from service.schemas import Accepted, Artifact, Change, Forecast, Job, Object, Train
from service.uploads import Form, incoming, receive, receive_text
from workers.failures import NotFound
from workers.rows.jobs import JobRow
from workers.rows.objects import ObjectRow

router = APIRouter(tags=["objects"])

ARTIFACTS = (
    "mesh.ply",
    "mesh.glb",
    "board_from_obj.json",
    "report.json",
    "coverage.json",
    "coverage.png",
    "heldout.png",
    "photos.json",
    "sfm/lens.json",
    "sfm/cloud.json",
    "coverage/coverage.json",
    "scale/scale.json",
    "scale/views.json",
    "validation/accuracy.json",
    "surface/mesh.glb",
    "surface/*.png",
    "surface/*.jpg",
    "masks/**/*.png",
    "masks/overlays/*.jpg",
    "surface/curve.json",
    "early/curve.json",
    "correspondence/curve.json",
    "validation/*.png",
    "validation/*.jpg",
    "exports/exports.json",
    "exports/object.*",
    "exports/collision.stl",
    "exports/bop.zip",
    "exports/*.yaml",
    "capture/photos/*",
    "logs/*.log",
    "live/*/*",
)

_files = {"type": "array", "items": {"type": "string", "format": "binary"}}
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["photos"],
    "properties": {
        "photos": {
            **_files,
            "description": "photos (HEIC too), one zip of them, or one video whose best frames are taken",
        },
        "masks": {**_files, "description": "white on the object; named like their photos"},
        "depth": {**_files, "description": "16-bit PNG registered to the photos and named like them"},
        "options": options_field(OnboardOptions),
    },
}
CREATE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": FORM},
            "application/json": {"schema": options_schema(OnboardOptions)},
        },
    },
    "responses": {"201": {"description": "A draft", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Object"}}}}},
}


@router.post("/objects", status_code=202, response_model=Accepted, openapi_extra=CREATE)
async def create_object(request: Request, context: Ctx, who: Who, key: IdempotencyKey = None) -> Response:
    """Uploads the photos of an object and starts its onboarding; the answer's Location is the job to follow.

    Options alone, as JSON, make a draft: its photos come one by one by PUT, then POST .../train starts the onboarding.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        text = await receive_text(request)
        return await run_in_threadpool(_create_draft, context, who, text, key)
    with incoming(context.settings) as folder:
        form = await receive(request, folder, context.settings)
        return await context.form_threads.run(_accept, context, who, form, folder, key)


def _accept(context: Context, who: Caller, form: Form, folder: Path, key: str | None) -> Response:
    wanted = digest("POST /objects", form.texts, [(upload.field, upload.filename, upload.sha256) for upload in form.files])
    with once(context.database, who.tenant, key, wanted) as first:
        return first.replay() if first.earlier else _job_answer(first, lambda keep: captures.accept(context, who, form, folder, keep))


def _create_draft(context: Context, who: Caller, text: str, key: str | None) -> Response:
    options = captures.checked_options(context, text)
    with once(context.database, who.tenant, key, digest("POST /objects", text)) as first:
        if first.earlier:
            return first.replay()
        who.require_room(1)
        found = who.objects.draft(options.name, captures.as_json(options))
        body, location = Object.of(found).model_dump(mode="json"), f"/v1/objects/{found.id}"
        with context.database.write() as db:
            first.keep(db, 201, body, location)
        return JSONResponse(body, 201, {"Location": location})


def _job_answer(first: Once, begin: Callable[[Callable[[Any, JobRow], None]], JobRow]) -> Response:
    """Begins a job, and keeps the answer in its transaction."""

    def answer(job: JobRow) -> tuple[int, dict[str, Any], str]:
        return 202, Accepted(id=job.object_id, job=Job.of(job)).model_dump(mode="json"), f"/v1/jobs/{job.id}"

    status, body, location = answer(begin(lambda db, job: first.keep(db, *answer(job))))
    return JSONResponse(body, status, {"Location": location})


@router.get("/objects")
def list_objects(who: Who, limit: Annotated[int, Query(ge=1, le=500)] = 200, before: str | None = None) -> list[Object]:
    """Newest first. `before`: the last one seen, for those that follow."""
    return [Object.of(row) for row in who.objects.all(limit, before)]


@router.get("/objects/{object_id}", response_model=Object)
def get_object(object_id: str, who: Who, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """With If-None-Match: 304 where it is as it was."""
    return answer_with_etag(Object.of(who.objects.get(object_id)), if_none_match)


@router.patch("/objects/{object_id}", response_model=Object)
def change_object(object_id: str, change: Change, context: Ctx, who: Who, if_match: Annotated[str | None, Header()] = None) -> Response:
    """Changes the name, or options, of which those that are not named stay (null takes one back). They count from the next training on."""

    def changed(found: ObjectRow) -> tuple[str, dict[str, Any]]:
        require_match(Object.of(found), if_match)
        merged = {**found.options, **change.options, "name": change.name or found.name}
        options = captures.checked_options(context, json.dumps({name: value for name, value in merged.items() if value is not None}))
        return options.name, captures.as_json(options)

    return answer_with_etag(Object.of(who.objects.change(object_id, changed)), None)


@router.delete("/objects/{object_id}", status_code=204)
def delete_object(object_id: str, context: Ctx, who: Who) -> None:
    """Removes the object, its photos and everything made from them. Not while a job works on it."""
    who.objects.delete(object_id)
    context.storage.delete(object_id)


@router.get("/objects/{object_id}/forecast")
def get_forecast(object_id: str, context: Ctx, who: Who) -> dict[str, Forecast | None]:
    """What an onboarding of the photos that have come is expected to take under each profile; null where nothing is known of one."""
    found = captures.forecasts(context, who, object_id)
    return {profile: None if seconds is None else Forecast.model_validate(seconds) for profile, seconds in found.items()}


@router.post("/objects/{object_id}/train", status_code=202, response_model=Accepted)
def train_object(object_id: str, context: Ctx, who: Who, wish: Train | None = None, key: IdempotencyKey = None) -> Response:
    """Onboards a draft, or an object again: stages whose input has not changed are kept, those from `from_stage` on are not."""
    wish = wish or Train()
    with once(context.database, who.tenant, key, digest("train", object_id, wish.model_dump())) as first:
        if first.earlier:
            return first.replay()
        return _job_answer(first, lambda keep: captures.train(context, who, object_id, wish.from_stage, wish.profile, keep))


@router.get("/objects/{object_id}/artifacts")
def list_artifacts(object_id: str, context: Ctx, who: Who) -> list[Artifact]:
    """What has been made so far."""
    who.objects.get(object_id)
    base = f"/v1/objects/{object_id}/artifacts"
    files = context.storage.listing(object_id, ARTIFACTS)
    return [Artifact(name=name, bytes=size, href=f"{base}/{name}") for name, size in files.items()]


@router.get("/objects/{object_id}/artifacts/{name:path}", response_class=FileResponse)
def get_artifact(object_id: str, name: str, context: Ctx, who: Who, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """One file; byte ranges and ETag are understood. What running stages show (`live/`) is replaced all the time: 304 where it was not."""
    who.objects.get(object_id)
    # Looked up among the files that exist: a name is never made into a path.
    if name not in context.storage.listing(object_id, ARTIFACTS):
        raise _no_artifact(object_id, name)
    path = context.storage.view(object_id, [name]) / name
    if not name.startswith("live/"):
        return FileResponse(path, filename=path.name)
    try:  # read at once: the next one may take its place while it is sent
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _no_artifact(object_id, name) from error
    return answer_bytes(content, mimetypes.guess_type(name)[0] or "application/octet-stream", if_none_match)


def _no_artifact(object_id: str, name: str) -> NotFound:
    return NotFound(f"object {object_id} has no artifact {name!r}", try_next=f"GET /v1/objects/{object_id}/artifacts lists them")
