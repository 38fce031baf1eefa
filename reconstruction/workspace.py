"""The only file that knows where artifacts are. One object, one folder, one sub-folder a stage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Workspace:
    """An object's folder. `capture/` (or `sources/`) is what the user gave; every other sub-folder is written by one stage."""

    root: Path

    # what the user gave (reconstruction/capture.py)
    @property
    def capture(self) -> Path:
        return self.root / "capture" / "capture.json"

    @property
    def photos(self) -> Path:
        return self.root / "capture" / "photos"

    @property
    def images(self) -> Path:
        """Images that came through the service, each called by its SHA-256: `capture/` links to them."""
        return self.root / "images"

    @property
    def given_video(self) -> Path:
        return self.root / "capture" / "video"

    @property
    def videos(self) -> list[Path]:
        """The video whose frames join the photos; empty where none was given."""
        return sorted(self.given_video.iterdir()) if self.given_video.is_dir() else []

    @property
    def given_masks(self) -> Path:
        return self.root / "capture" / "masks"

    @property
    def given_depth(self) -> Path:
        return self.root / "capture" / "depth"

    # of a joined object, in place of a capture of its own: its two captures, each an object's folder up to the scale
    @property
    def sources(self) -> tuple[Workspace, Workspace]:
        return Workspace(self.root / "sources" / "first"), Workspace(self.root / "sources" / "second")

    @property
    def joint(self) -> Path:
        return self.root / "join" / "join.json"

    # sfm: undistorted photos and their cameras, in the SfM frame
    @property
    def sfm_views(self) -> Path:
        return self.root / "sfm" / "views.json"

    @property
    def sfm_points(self) -> Path:
        return self.root / "sfm" / "points.npz"

    @property
    def sfm_lens(self) -> Path:
        return self.root / "sfm" / "lens.json"

    @property
    def photo_facts(self) -> Path:
        """What was measured on every photo, registered or not."""
        return self.root / "sfm" / "photos.json"

    @property
    def attempted_photo_facts(self) -> Path:
        """The same of an sfm that is running or has failed."""
        return self.scratch("sfm") / "photos.json"

    # locate: where the object is, in the SfM frame
    @property
    def tags(self) -> Path:
        return self.root / "locate" / "tags.json"

    @property
    def region(self) -> Path:
        return self.root / "locate" / "region.json"

    # masks
    @property
    def masked_views(self) -> Path:
        return self.root / "masks" / "views.json"

    @property
    def mask_verdicts(self) -> Path:
        return self.root / "masks" / "verdicts.json"

    # coverage: a verdict a photo, and the sides from which the object was seen
    @property
    def photo_verdicts(self) -> Path:
        return self.root / "coverage" / "photos.json"

    @property
    def coverage(self) -> Path:
        return self.root / "coverage" / "coverage.json"

    @property
    def coverage_picture(self) -> Path:
        return self.root / "coverage" / "coverage.png"

    # scale: the object frame, metres
    @property
    def scale(self) -> Path:
        return self.root / "scale" / "scale.json"

    @property
    def views(self) -> Path:
        return self.root / "scale" / "views.json"

    @property
    def hull(self) -> Path:
        return self.root / "scale" / "hull.npz"

    @property
    def board_from_obj(self) -> Path:
        return self.root / "scale" / "board_from_obj.json"

    # surface
    @property
    def mesh(self) -> Path:
        return self.root / "surface" / "mesh.ply"

    @property
    def mesh_glb(self) -> Path:
        return self.root / "surface" / "mesh.glb"

    @property
    def field(self) -> Path:
        return self.root / "surface" / "field.safetensors"

    @property
    def heldout_picture(self) -> Path:
        """Held-out photos beside what the surface shows."""
        return self.root / "surface" / "preview.png"

    # synthetic: rendered views, the same kind of record as the real ones
    @property
    def rendered_views(self) -> Path:
        return self.root / "synthetic" / "views.json"

    @property
    def backgrounds(self) -> Path:
        return self.root / "synthetic" / "backgrounds"

    # early: the networks of the first part of the training, and where it left off
    @property
    def early_model(self) -> Path:
        return self.root / "early" / "model.json"

    @property
    def early_weights(self) -> Path:
        return self.root / "early" / "weights.safetensors"

    @property
    def early_training(self) -> Path:
        return self.root / "early" / "training.safetensors"

    # correspondence: the trained networks
    @property
    def model(self) -> Path:
        return self.root / "correspondence" / "model.json"

    @property
    def weights(self) -> Path:
        return self.root / "correspondence" / "weights.safetensors"

    # validation: the object's own measured accuracy on held-out photos
    @property
    def accuracy(self) -> Path:
        return self.root / "validation" / "accuracy.json"

    def live(self, stage: str) -> Path:
        """What a running stage shows to people who watch."""
        return self.root / "live" / stage

    def end_live(self) -> None:
        """A run begins anew, or has ended well: what was shown on the way is out of date."""
        shutil.rmtree(self.root / "live", ignore_errors=True)

    def partial(self, stage: str) -> Path:
        """What a running stage has written so far. Nobody reads it; a failed stage's is only in the way."""
        return self.root / f".{stage}.partial"

    def scratch(self, stage: str) -> Path:
        """What an unfinished attempt of the stage keeps for the next one."""
        return self.root / f".{stage}.scratch"

    def manifest(self, stage: str) -> dict[str, Any] | None:
        """The record of a finished stage; None where it has not finished."""
        path = self.root / stage / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None
        return manifest

    def forget(self, stage: str) -> None:
        """The stage will run again; until then its output stays to be looked at."""
        (self.root / stage / MANIFEST).unlink(missing_ok=True)

    def digest(self, name: str) -> str:
        """Of a finished stage's output, or of what the user gave. Empty where there is none yet."""
        if name in ("capture", "sources"):
            return folder_digest(self.root / name)
        manifest = self.manifest(name)
        return manifest["digest"] if manifest else ""

    def publish(self, stage: str, partial: Path, record: dict[str, Any]) -> None:
        """Makes a finished output folder appear under its name: manifest last, everything on disk, then one rename."""
        (partial / MANIFEST).write_text(json.dumps(record, indent=1))
        for path in partial.rglob("*"):
            if path.is_file():
                _fsync(path)
        final = self.root / stage
        old = self.root / f".{stage}.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        partial.rename(final)
        _fsync(self.root)
        shutil.rmtree(old, ignore_errors=True)


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of every file below, the manifest left out."""
    hasher = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        hasher.update(str(path.relative_to(folder)).encode() + b"\0")
        hasher.update(hashlib.sha256(path.read_bytes()).digest())
    return hasher.hexdigest()


def json_digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
