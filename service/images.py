"""Images of an object: in one by one, out again as they are kept, or small."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from reconstruction.verdicts import VERDICT_FILES, PhotoVerdict, latest_verdicts
from reconstruction.workspace import Workspace
from service import captures
from service.access import Caller, Who
from service.context import Context, Ctx
from service.etags import is_current
from service.photos import small_jpeg
from service.schemas import Image, KeptImage
from service.uploads import incoming, receive_file
from workers.failures import NotFound
from workers.rows.objects import ImageRow

router = APIRouter(tags=["objects"])
Kind = Literal["photos", "masks", "depth", "video"]

BYTES: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    "responses": {"200": {"description": "It took the place of the one with its name"}},
}
KEPT_S = 60
"""A browser need not ask again for so long: a photo may be sent anew under its name."""
FRAMES = "sfm/photos/*.jpg"


class LongestSide(IntEnum):
    """Pixels. Few, so that whoever asks for the same photo again finds it in a cache."""

    TINY = 160
    SMALL = 320
    MEDIUM = 640
    LARGE = 1280


@router.put("/objects/{object_id}/images/{name}", status_code=201, openapi_extra=BYTES)
async def put_image(
    object_id: str,
    name: str,
    request: Request,
    response: Response,
    context: Ctx,
    who: Who,
    kind: Kind = "photos",
) -> KeptImage:
    """One image as the request's body; sent again, it changes nothing. `Content-Digest: sha-256=:...:` is checked where it comes.

    Whoever was cut off compares `sent_sha256` of GET .../images with the files at hand, and sends what is missing.
    """
    await run_in_threadpool(who.objects.latest_job, object_id)
    with incoming(context.settings) as folder:
        upload = await receive_file(request, folder, kind, name, context.settings)
        threads = context.form_threads if kind == "video" else context.image_threads
        image, new = await threads.run(captures.put_image, context, who, object_id, upload, kind)
    response.status_code = 201 if new else 200
    return KeptImage.model_validate(image)


@router.get("/objects/{object_id}/images")
def list_images(object_id: str, context: Ctx, who: Who, kind: Kind = "photos") -> list[Image]:
    """A verdict for each photo, as far as it is known by now; frames of a video are among them once they are picked.

    Of another kind: what has been sent. There are no verdicts on it.
    """
    kept = {image.name: image for image in who.objects.images(object_id) if image.kind == kind}
    verdicts = latest_verdicts(Workspace(context.storage.view(object_id, VERDICT_FILES))) if kind == "photos" else []
    known = {verdict.photo: verdict for verdict in verdicts}
    return [_image(photo, kept.get(photo), known.get(photo)) for photo in sorted({*kept, *known})]


def _image(photo: str, kept: ImageRow | None, known: PhotoVerdict | None) -> Image:
    image = Image.model_validate(known or PhotoVerdict(photo, "pending", None, "not looked at yet"))
    return image.model_copy(update={"bytes": kept.bytes, "sha256": kept.sha256, "sent_sha256": kept.sent_sha256} if kept else None)


@router.get("/objects/{object_id}/images/{name}", response_class=FileResponse)
async def get_image(
    object_id: str,
    name: str,
    context: Ctx,
    who: Who,
    kind: Kind = "photos",
    px: Annotated[LongestSide | None, Query(description="longest side of a small JPEG; without it the image as it is kept")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """An image by its name in the list, upright and small with `px`. Of a video's frame: undistorted, once its place is found."""
    if px and kind == "video":
        raise NotFound("a video has no small picture", try_next="its frames are among the photos once they are picked")
    path, sha256 = await run_in_threadpool(_fetch, context, who, object_id, kind, name)
    etag = f'"{sha256[:32]}-{px}"' if px else f'"{sha256[:32]}"'
    headers = {"ETag": etag, "Cache-Control": f"private, max-age={KEPT_S}", "Vary": "Authorization", "X-Content-Type-Options": "nosniff"}
    if if_none_match is not None and is_current(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    if px is None:
        return FileResponse(path, headers=headers, filename=f"{name}{path.suffix}", content_disposition_type="inline")
    with incoming(context.settings) as folder:
        content = await context.image_threads.run(small_jpeg, path, folder, px, context.settings)
    return Response(content, headers=headers, media_type="image/jpeg")


def _fetch(context: Context, who: Caller, object_id: str, kind: Kind, name: str) -> tuple[Path, str]:
    """Where it is on this machine, and the SHA-256 of its content. Raises NotFound."""
    file, sha256 = _find(context, who, object_id, kind, name)
    path = context.storage.view(object_id, [file]) / file
    return path, sha256 or hashlib.sha256(path.read_bytes()).hexdigest()


def _find(context: Context, who: Caller, object_id: str, kind: Kind, name: str) -> tuple[str, str]:
    """Its name below the object's folder, and its SHA-256 where the rows have it. Never made of what was asked for. Raises NotFound."""
    for image in who.objects.images(object_id):
        if image.kind == kind and name in (image.name, image.file):
            return f"images/{image.kept}", image.sha256
    for frame in context.storage.listing(object_id, [FRAMES]) if kind == "photos" else ():
        if Path(frame).stem == name:
            return frame, ""
    raise NotFound(f"object {object_id} has no image {name!r} among its {kind}", try_next=f"GET /v1/objects/{object_id}/images lists them")
