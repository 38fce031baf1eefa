"""A folder of photos, or a video -> an object's folder with its capture, ready for the pipeline."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from reconstruction.capture import Capture, DepthFrames, KnownLength
from reconstruction.errors import InputError, PipelineError, StorageError
from reconstruction.formats import SLOW_SUFFIXES, save_as_jpeg
from reconstruction.scene.images import list_photos
from reconstruction.stage import Progress, silent
from reconstruction.video.pick import pick_frames
from reconstruction.workspace import Workspace


def prepare(
    photos: Path,
    out: Path,
    request: Capture,
    *,
    masks: Path | None = None,
    depth: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Workspace:
    """Copies what the user gives into `out/capture`; `capture.json` comes last and says that all of it is there.

    `photos` is a folder of them, or a video, whose best frames are taken. HEIC and AVIF become JPEGs, since every photo is
    read several times and these take a second each. With `resume` an earlier capture is kept, and only what `request` says
    anew is changed in it: the stages that depend on it run again, the others do not.
    Raises InputError and ImageError for input that can't be right, CaptureError for a video without sharp views, StorageError.
    """
    workspace = Workspace(out)
    if out.exists() and any(out.iterdir()) and not resume:
        raise InputError(f"{out} is not empty", try_next="go on with what is there by --resume, or name another --out")
    if workspace.sources[0].root.exists():
        raise InputError(f"{out} was joined from two captures", try_next="go on with it by snap6d join FIRST SECOND --out ... --resume")
    try:
        if not workspace.capture.exists():
            shutil.rmtree(out / "capture", ignore_errors=True)  # an earlier copy that was stopped half-way
            names = _take_frames(photos, workspace, progress) if photos.is_file() else _copy_photos(photos, workspace, progress)
            _copy_companions(masks, workspace.given_masks, names, "mask")
            _copy_companions(depth, workspace.given_depth, names, "depth frame")
            capture = request
        else:
            names = {path.stem: path.name for path in list_photos(workspace.photos)}
            capture = _changed(Capture.load(workspace.capture), request)
        if depth:
            capture = replace(capture, scale=DepthFrames())
        _with_full_names(capture, names).save(workspace.capture)
    except PipelineError:
        if not workspace.capture.exists():  # nothing of a refused capture is left, so that the next try finds the place free
            shutil.rmtree(out / "capture", ignore_errors=True)
        raise
    except OSError as error:
        raise StorageError(f"{out} can't be written ({error.strerror})", try_next="free some space or name another --out") from error
    return workspace


def _take_frames(video: Path, workspace: Workspace, progress: Progress) -> dict[str, str]:
    return {path.stem: path.name for path in pick_frames(video, workspace.photos, progress=progress)}


def _copy_photos(photos: Path, workspace: Workspace, progress: Progress) -> dict[str, str]:
    found = list_photos(photos)
    workspace.photos.mkdir(parents=True)
    copiers = ThreadPoolExecutor(2)  # HEIC is decoded in processes, so two threads do
    try:
        names = {}
        for done, copy in enumerate(copiers.map(lambda path: _copy_photo(path, workspace.photos), found), 1):
            names[copy.stem] = copy.name
            progress(done, len(found), f"copying photos {done}/{len(found)}")
        return names
    finally:
        copiers.shutdown(cancel_futures=True)


def _copy_photo(path: Path, folder: Path) -> Path:
    if path.suffix.lower() in SLOW_SUFFIXES:
        save_as_jpeg(path, copy := folder / f"{path.stem}.jpg")
    else:
        shutil.copyfile(path, copy := folder / path.name)
    return copy


def _copy_companions(source: Path | None, target: Path, names: dict[str, str], kind: str) -> None:
    if source is None:
        return
    if not source.is_dir():
        raise InputError(f"{source} is not a folder", try_next=f"name the folder that holds a {kind} a photo")
    found = [path for path in sorted(source.iterdir()) if path.stem in names]
    if not found:
        raise InputError(
            f"no {kind} in {source} is called like a photo", try_next=f"call each {kind} like its photo, such as {min(names)}.png"
        )
    target.mkdir(parents=True)
    for path in found:
        shutil.copyfile(path, target / path.name)


def _changed(earlier: Capture, request: Capture) -> Capture:
    return replace(
        earlier,
        prompt=request.prompt or earlier.prompt,
        scale=request.scale or earlier.scale,
        cameras=request.cameras or earlier.cameras,
        shared_camera=request.shared_camera and earlier.shared_camera,
    )


def _with_full_names(capture: Capture, names: dict[str, str]) -> Capture:
    """Photos may be named without their ending. Raises InputError where one is not among them."""

    def full(name: str) -> str:
        for stem in (name, Path(name).stem):
            if stem in names and (name in (stem, names[stem]) or Path(name).suffix.lower() in SLOW_SUFFIXES):
                return names[stem]
        raise InputError(f"{name!r} is not among the photos", try_next=f"name one of them, such as {min(names.values())}")

    if capture.prompt:
        capture = replace(capture, prompt=replace(capture.prompt, photo=full(capture.prompt.photo)))
    if isinstance(capture.scale, KnownLength) and capture.scale.photo:
        capture = replace(capture, scale=replace(capture.scale, photo=full(capture.scale.photo)))
    return capture
