"""Objects: photos in, artifacts out."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from reconstruction.verdicts import VERDICT_FILES, PhotoVerdict, latest_verdicts
from reconstruction.workspace import Workspace
from service.captures import accept
from service.context import Ctx
from service.options import OnboardOptions
from service.schemas import Accepted, Artifact, Image, Job, Object
from service.uploads import incoming, receive
from workers.jobs import NotFound

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
    "scale/scale.json",
    "scale/views.json",
    "validation/accuracy.json",
    "surface/*.png",
    "surface/*.jpg",
    "masks/**/*.png",
    "validation/*.png",
    "validation/*.jpg",
    "logs/*.log",
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
        "options": {"type": "string", "contentMediaType": "application/json", "contentSchema": OnboardOptions.model_json_schema()},
    },
}


@router.post(
    "/objects", status_code=202, openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}
)
async def create_object(request: Request, response: Response, context: Ctx) -> Accepted:
    """Uploads the photos of an object and starts its onboarding. The answer's Location is the job to follow."""
    with incoming(context.settings) as folder:
        form = await receive(request, folder, context.settings)
        job = await run_in_threadpool(accept, context, form, folder)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return Accepted(id=job.object_id, job=Job.of(job))


@router.get("/objects")
def list_objects(context: Ctx) -> list[Object]:
    return [Object.of(row) for row in context.store.objects()]


@router.get("/objects/{object_id}")
def get_object(object_id: str, context: Ctx) -> Object:
    return Object.of(context.store.object(object_id))


@router.delete("/objects/{object_id}", status_code=204)
def delete_object(object_id: str, context: Ctx) -> None:
    """Removes the object, its photos and everything made from them. Not while a job works on it."""
    context.store.delete(object_id)
    context.storage.delete(object_id)


@router.get("/objects/{object_id}/images")
def list_images(object_id: str, context: Ctx) -> list[Image]:
    """A verdict for each photo, as far as it is known by now."""
    context.store.object(object_id)
    workspace = Workspace(context.storage.view(object_id, VERDICT_FILES))
    known = {verdict.photo: verdict for verdict in latest_verdicts(workspace)}
    given = {PurePosixPath(name).stem for name in context.storage.listing(object_id, ["capture/photos/*"])}
    photos = sorted(given | set(known))
    return [Image.model_validate(known.get(photo) or PhotoVerdict(photo, "pending", None, "not looked at yet")) for photo in photos]


@router.get("/objects/{object_id}/artifacts")
def list_artifacts(object_id: str, context: Ctx) -> list[Artifact]:
    """What has been made so far."""
    context.store.object(object_id)
    base = f"/v1/objects/{object_id}/artifacts"
    files = context.storage.listing(object_id, ARTIFACTS)
    return [Artifact(name=name, bytes=size, href=f"{base}/{name}") for name, size in files.items()]


@router.get("/objects/{object_id}/artifacts/{name:path}", response_class=FileResponse)
def get_artifact(object_id: str, name: str, context: Ctx) -> FileResponse:
    """One file; byte ranges and ETag are understood."""
    context.store.object(object_id)
    # Looked up among the files that exist: a name is never made into a path.
    if name not in context.storage.listing(object_id, ARTIFACTS):
        raise NotFound(f"object {object_id} has no artifact {name!r}", try_next=f"GET /v1/objects/{object_id}/artifacts lists them")
    path = context.storage.view(object_id, [name]) / name
    return FileResponse(path, filename=path.name)
