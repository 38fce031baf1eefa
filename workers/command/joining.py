"""Two objects' folders -> the folder of the object that they join to, ready for its pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path

from reconstruction.errors import InputError, StorageError
from reconstruction.workspace import Workspace
from workers.pipeline import Recipe

RECIPE = Recipe(overrides={"synthetic": {"directions": "any"}}, pipeline="workers.pipeline:JOINED")
"""The object lay on several sides, so views of it may come from anywhere, any way up."""


def prepare_join(first: Path, second: Path, out: Path, resume: bool = False) -> Workspace:
    """Copies what the join needs of both into `out/sources`: it stands on its own, and changes when they do.

    Raises InputError where a folder is no object with a scale, or `out` is not empty and not to be gone on with; StorageError.
    """
    workspace = Workspace(out)
    if first.resolve() == second.resolve():
        raise InputError(f"{first} was named twice", try_next="name two captures of the object, turned over between them")
    for source in (first, second):
        if Workspace(source).manifest("scale") is None:
            raise InputError(f"{source} is not an object with a scale", try_next=f"snap6d onboard PHOTOS --out {source} --until scale")
    if workspace.capture.exists():
        raise InputError(f"{out} holds an object of its own", try_next="name another --out")
    if out.exists() and any(out.iterdir()) and not resume:
        raise InputError(f"{out} is not empty", try_next="go on with what is there by --resume, or name another --out")
    try:
        _copy_sources((first, second), out / "sources")
    except OSError as error:
        raise StorageError(f"{out} can't be written ({error.strerror})", try_next="free some space or name another --out") from error
    return workspace


def _copy_sources(sources: tuple[Path, Path], target: Path) -> None:
    """The new copy replaces the old one only when it is whole."""
    partial = target.with_name(".sources.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for source, name in zip(sources, ("first", "second"), strict=True):
        _copy_object(Workspace(source), partial / name)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _copy_object(source: Workspace, target: Path) -> None:
    """Its scale, and the photos and masks that its views name, at the same places."""
    from reconstruction.scene.view import load_views

    shutil.copytree(source.scale.parent, target / source.scale.parent.name)
    for view in load_views(source.views):
        for path in (view.photo_path, view.mask_path):
            if path is not None:
                copy = target / path.relative_to(source.root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
