"""A folder of photos -> an object's folder with its capture, ready for the pipeline."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from reconstruction.capture import Capture, DepthFrames, KnownLength
from reconstruction.errors import InputError, StorageError
from reconstruction.scene.images import list_photos
from reconstruction.workspace import Workspace


def prepare(
    photos: Path, out: Path, request: Capture, *, masks: Path | None = None, depth: Path | None = None, resume: bool = False
) -> Workspace:
    """Copies what the user gives into `out/capture`; `capture.json` comes last and says that all of it is there.

    With `resume` an earlier capture is kept, and only what `request` says anew is changed in it: the stages that depend
    on it run again, the others do not. Raises InputError and ImageError for input that can't be right, StorageError.
    """
    workspace = Workspace(out)
    if out.exists() and any(out.iterdir()) and not resume:
        raise InputError(f"{out} is not empty", try_next="go on with what is there by --resume, or name another --out")
    if workspace.sources[0].root.exists():
        raise InputError(f"{out} was joined from two captures", try_next="go on with it by snap6d join FIRST SECOND --out ... --resume")
    try:
        if not workspace.capture.exists():
            names = _copy_photos(photos, workspace)
            _copy_companions(masks, workspace.given_masks, names, "mask")
            _copy_companions(depth, workspace.given_depth, names, "depth frame")
            capture = request
        else:
            names = {path.stem: path.name for path in list_photos(workspace.photos)}
            capture = _changed(Capture.load(workspace.capture), request)
        if depth:
            capture = replace(capture, scale=DepthFrames())
        _with_full_names(capture, names).save(workspace.capture)
    except OSError as error:
        raise StorageError(f"{out} can't be written ({error.strerror})", try_next="free some space or name another --out") from error
    return workspace


def _copy_photos(photos: Path, workspace: Workspace) -> dict[str, str]:
    found = list_photos(photos)
    shutil.rmtree(workspace.root / "capture", ignore_errors=True)  # an earlier copy that was stopped half-way
    workspace.photos.mkdir(parents=True)
    for path in found:
        shutil.copyfile(path, workspace.photos / path.name)
    return {path.stem: path.name for path in found}


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
            if stem in names and name in (stem, names[stem]):
                return names[stem]
        raise InputError(f"{name!r} is not among the photos", try_next=f"name one of them, such as {min(names.values())}")

    if capture.prompt:
        capture = replace(capture, prompt=replace(capture.prompt, photo=full(capture.prompt.photo)))
    if isinstance(capture.scale, KnownLength) and capture.scale.photo:
        capture = replace(capture, scale=replace(capture.scale, photo=full(capture.scale.photo)))
    return capture
