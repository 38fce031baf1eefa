"""Uploads -> an object's images, its rows, its job. Every image is kept by its hash; `capture/` is made from the rows.

So a row that was acknowledged always finds its bytes, whenever the power fails: what replaces an image is another file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import Connection

from reconstruction.capture import Capture, DepthFrames, KnownLength
from reconstruction.errors import InputError
from reconstruction.formats import is_video
from service.access import Caller
from service.context import Context
from service.errors import TooLarge
from service.options import OnboardOptions, parse_options
from service.photos import keep_image, safe_stem, unzipped
from service.settings import ServiceSettings
from service.uploads import Form, Upload
from service.videos import keep_video
from workers.queue import wake
from workers.rows.forecast import Size
from workers.rows.jobs import JobRow, OnCreated
from workers.rows.objects import ImageRow, images_of
from workers.rows.parts import IMAGES, write_parts
from workers.rows.tables import new_id

COMING = "coming"
MAX_GROWTH = 2  # a HEIC becomes a JPEG twice its size; what grows more is made to
NO_PHOTOS = "send them as form fields called photos (curl -F photos=@a.jpg), as one zip or as a video"


def accept(context: Context, who: Caller, form: Form, folder: Path, on_created: OnCreated) -> JobRow:
    """Checks everything, then lets the object appear: its images first, then its rows in one transaction.

    `folder` holds the upload, on the file system of the objects. Raises InputError and its like.
    """
    form.only(texts=("options",), files=("photos", "masks", "depth"))
    options = checked_options(context, form.texts.get("options") or "{}")
    object_dir = folder / "object"
    images = _keep_form(form, object_dir, context.settings)
    who.require_room(1, sum(image.bytes for image in images))
    shutil.rmtree(object_dir / COMING, ignore_errors=True)
    document = _capture_document(images, options)
    size, object_id = _size(object_dir, images), new_id("obj")
    parts = context.storage.admit(object_id, object_dir)

    def prepare(db: Connection) -> None:
        write_parts(db, object_id, parts)
        _lay_out(db, context, object_id, images, document)

    job = who.jobs.onboard(object_id, options.name, options.profile, as_json(options), images, prepare, size, on_created)
    wake(context.broker, job.id)
    return job


def put_image(context: Context, who: Caller, object_id: str, upload: Upload, kind: str) -> tuple[ImageRow, bool]:
    """One image of an object, and whether it is a new one. Raises InputError and its like, Conflict while a job is at work."""
    seen_job = who.objects.latest_job(object_id)
    folder = upload.path.parent / "object"
    image = _keep(upload, kind, folder, context.settings)
    count, replaced_bytes = who.objects.beside(object_id, kind, image.name)
    if replaced_bytes is None and kind == "video" and count:
        raise TooLarge("the object has a video already", try_next="send photos beside it, or this one under the name of that")
    if replaced_bytes is None and count >= context.settings.max_photos:
        raise TooLarge(f"the object has {count} {kind} already", try_next="about 100 photos are plenty")
    who.require_room(0, image.bytes - (replaced_bytes or 0))
    files = context.storage.admit_file(object_id, f"{IMAGES}/{image.kept}", folder / IMAGES / image.kept)
    return image, who.objects.put_image(object_id, image, files, seen_job)


def train(context: Context, who: Caller, object_id: str, from_stage: str | None, profile: str | None, on_created: OnCreated) -> JobRow:
    """Lays out what the rows say by now, forgets results from `from_stage` on, and begins a job. Raises Conflict, InputError."""
    found = who.objects.get(object_id)
    stored = OnboardOptions.model_validate(found.options)
    options = checked_options(context, stored.model_copy(update={"profile": profile or stored.profile}).model_dump_json())
    redone = context.pipeline.names[context.pipeline.index_of(from_stage) :] if from_stage else ()
    who.require_room()

    def prepare(db: Connection) -> None:
        images = images_of(db, object_id)
        _lay_out(db, context, object_id, images, _capture_document(images, options))
        context.storage.forget(db, object_id, redone)

    job = who.jobs.train(object_id, options.profile, prepare, _size_of(context, object_id, who.objects.images(object_id)), on_created)
    wake(context.broker, job.id)
    return job


def forecasts(context: Context, who: Caller, object_id: str) -> dict[str, dict[str, Any] | None]:
    """What an onboarding of the photos that have come would take, by profile. Raises InputError where there are none."""
    images = who.objects.images(object_id)
    if not any(image.kind in ("photos", "video") for image in images):
        raise InputError("there are no photos", try_next="PUT some: how long it takes goes by them")
    size = _size_of(context, object_id, images)
    return {profile: who.jobs.forecast(profile, size) for profile in context.pipeline.profile_names}


def checked_options(context: Context, text: str) -> OnboardOptions:
    """Raises InputError, for a profile that there is not too."""
    options = parse_options(OnboardOptions, text)
    context.pipeline.check_profile(options.profile)
    return options


def as_json(options: OnboardOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude_defaults=True)


def _capture_document(images: list[ImageRow], options: OnboardOptions) -> str:
    """capture.json. Raises InputError where images and options don't go together."""
    photos = {image.name: image.file for image in images if image.kind == "photos"}
    videos = [Path(image.file) for image in images if image.kind == "video"]
    if not photos and not videos:
        raise InputError("there are no photos", try_next=NO_PHOTOS)
    _check_companions(images, photos, options)
    return _with_kept_names(options.capture(), photos, videos).to_json()


def _lay_out(db: Connection, context: Context, object_id: str, images: list[ImageRow], document: str) -> None:
    """`capture/` as the stages find it."""
    names = {f"{image.kind}/{image.file}": image.kept for image in images}
    context.storage.lay_out(db, object_id, names, {"capture.json": document})


def _size_of(context: Context, object_id: str, images: list[ImageRow]) -> Size:
    first = [f"{IMAGES}/{image.kept}" for image in images if image.kind == "photos"][:1]
    return _size(context.storage.view(object_id, first), images)


def _size(folder: Path, images: list[ImageRow]) -> Size:
    """The first photo stands for all. Its header has been read by a decoder before."""
    photos = [image for image in images if image.kind == "photos"]
    if not photos:
        return Size(0)
    with Image.open(folder / IMAGES / photos[0].kept) as first:
        return Size(len(photos), first.width * first.height / 1e6)


def _keep_form(form: Form, object_dir: Path, settings: ServiceSettings) -> list[ImageRow]:
    images: list[ImageRow] = []
    for upload in form.files:
        if upload.field == "photos" and is_video(upload.path):
            if any(image.kind == "video" for image in images):
                raise InputError("more than one video came", try_next="send one, of a walk around the object")
            images.append(_keep(upload, "video", object_dir, settings))
            continue
        for member in _unpacked(upload, settings):
            images.append(_keep(member, upload.field, object_dir, settings))
            if sum(image.bytes for image in images) > MAX_GROWTH * settings.max_upload_bytes:
                raise TooLarge("the images are too large when unpacked", try_next="send fewer, or as JPEGs of the camera")
            if sum(image.kind == upload.field for image in images) > settings.max_photos:
                raise TooLarge(f"more than {settings.max_photos} {upload.field}", try_next="send fewer; about 100 photos are plenty")
    return images


def _keep(upload: Upload, kind: str, object_dir: Path, settings: ServiceSettings) -> ImageRow:
    """Cleaned, and moved to where it is kept by its hash."""
    folder = object_dir / COMING / kind
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "video":
        if not is_video(upload.path):
            raise InputError(f"{upload.filename} is no video", try_next="send an MP4, MOV, AVI, MKV or WebM, or photos as such")
        cleaned = keep_video(upload, folder, settings)
    else:
        cleaned = keep_image(upload, folder, settings)
    with cleaned.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    image = ImageRow(kind, cleaned.stem, cleaned.name, cleaned.stat().st_size, sha256, upload.sha256)
    kept = object_dir / IMAGES / image.kept
    kept.parent.mkdir(exist_ok=True)
    os.link(cleaned, kept) if not kept.exists() else None
    return image


def _unpacked(upload: Upload, settings: ServiceSettings) -> Iterable[Upload]:
    with upload.path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    return unzipped(upload, settings) if is_zip else [upload]


def _check_companions(images: list[ImageRow], photos: dict[str, str], options: OnboardOptions) -> None:
    for kind in ("masks", "depth"):
        stray = [image.file for image in images if image.kind == kind and image.name not in photos]
        if stray:
            raise InputError(f"{stray[0]} among the {kind} belongs to no photo", try_next="give it the name of its photo")
    if isinstance(options.capture().scale, DepthFrames) and not any(image.kind == "depth" for image in images):
        raise InputError("the scale is to come from depth, but no depth frames came", try_next="send them as form fields called depth")


def _with_kept_names(capture: Capture, photos: dict[str, str], videos: list[Path]) -> Capture:
    """The same request with photos called as they are stored. Raises InputError where one is not among them."""

    def kept(name: str) -> str:
        for video in videos:  # its frames are picked later, always the same ones
            if re.fullmatch(rf"{re.escape(video.stem)}_\d{{4,}}s\d{{3}}(\.jpg)?", name):
                return f"{name.removesuffix('.jpg')}.jpg"
        for stem in (safe_stem(name), safe_stem(f"{name}.")):  # with and without its ending
            if stem in photos:
                return photos[stem]
        example = repr(min(photos.values())) if photos else f"{videos[0].stem}_0012s400 (snap6d frames lists them)"
        raise InputError(f"{name!r} is not among the photos", try_next=f"name one of them, such as {example}")

    if capture.prompt:
        capture = replace(capture, prompt=replace(capture.prompt, photo=kept(capture.prompt.photo)))
    if isinstance(capture.scale, KnownLength) and capture.scale.photo:
        capture = replace(capture, scale=replace(capture.scale, photo=kept(capture.scale.photo)))
    if capture.cameras and capture.cameras.poses:
        poses = {Path(kept(name)).stem: pose for name, pose in capture.cameras.poses.items()}
        capture = replace(capture, cameras=replace(capture.cameras, poses=poses))
    return capture
