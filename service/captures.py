"""An uploaded form -> an object's folder and its job."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reconstruction.capture import Capture, DepthFrames, KnownLength
from reconstruction.errors import InputError
from reconstruction.formats import is_video
from reconstruction.workspace import Workspace
from service.context import Context
from service.options import OnboardOptions, parse_options
from service.photos import keep_image, safe_stem, unzipped
from service.problems import TooLarge
from service.settings import ServiceSettings
from service.uploads import Form, Upload
from service.videos import keep_video
from workers.jobs import JobRow, new_id
from workers.queue import wake


def accept(context: Context, form: Form, folder: Path) -> JobRow:
    """Checks everything, then lets the object appear: its files first, then its rows in one transaction.

    `folder` holds the upload, on the file system of the objects. Raises InputError and its like.
    """
    options = parse_options(OnboardOptions, form.texts.get("options") or "{}")
    profiles = context.pipeline.profile_names
    if options.profile not in profiles:
        raise InputError(f"there is no profile {options.profile!r}", try_next=f"choose one of {', '.join(profiles)}")
    object_dir = folder / "object"
    kept = _keep_images(form, object_dir, context.settings)
    photos = {path.stem: path.name for path in kept["photos"]}
    if not photos and not kept["video"]:
        advice = "send them as form fields called photos (curl -F photos=@a.jpg), as one zip or as a video"
        raise InputError("the form holds no photos", try_next=advice)
    _check_companions(kept, photos, options)
    _with_kept_names(options.capture(), photos, kept["video"]).save(Workspace(object_dir).capture)
    object_id = new_id("obj")
    parts = context.storage.admit(object_id, object_dir)
    job = context.store.create(object_id, options.name, len(photos), options.profile, parts=parts)
    wake(context.broker, job.id)
    return job


def _keep_images(form: Form, object_dir: Path, settings: ServiceSettings) -> dict[str, list[Path]]:
    workspace = Workspace(object_dir)
    folders = {"photos": workspace.photos, "masks": workspace.given_masks, "depth": workspace.given_depth}
    kept: dict[str, list[Path]] = {name: [] for name in (*folders, "video")}
    for upload in form.files:
        if upload.field not in folders:
            raise InputError(f"there is no form field {upload.field!r} for files", try_next="use photos, masks, depth")
        if upload.field == "photos" and is_video(upload.path):
            if kept["video"]:
                raise InputError("more than one video came", try_next="send one, of a walk around the object")
            kept["video"].append(keep_video(upload, workspace.given_video, settings))
            continue
        for image in _images(upload, settings):
            folders[upload.field].mkdir(parents=True, exist_ok=True)
            kept[upload.field].append(keep_image(image, folders[upload.field], settings))
            if len(kept[upload.field]) > settings.max_photos:
                raise TooLarge(f"more than {settings.max_photos} {upload.field}", try_next="send fewer; about 100 photos are plenty")
    return kept


def _images(upload: Upload, settings: ServiceSettings) -> Iterable[Upload]:
    with upload.path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    return unzipped(upload, settings) if is_zip else [upload]


def _check_companions(kept: dict[str, list[Path]], photos: dict[str, str], options: OnboardOptions) -> None:
    for kind in ("masks", "depth"):
        stray = [path.name for path in kept[kind] if path.stem not in photos]
        if stray:
            raise InputError(f"{stray[0]} among the {kind} belongs to no photo", try_next="give it the name of its photo")
    if isinstance(options.capture().scale, DepthFrames) and not kept["depth"]:
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
