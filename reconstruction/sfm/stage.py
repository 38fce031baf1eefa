"""Photos -> undistorted views with poses, and sparse points, by COLMAP in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reconstruction.capture import Capture
from reconstruction.errors import CaptureError
from reconstruction.scene import RigidTransform, View
from reconstruction.scene.images import list_photos, read_photo, write_photo
from reconstruction.scene.view import save_views
from reconstruction.sfm.advice import too_few_registered
from reconstruction.sfm.cameras import given_poses, lens_warnings, photo_lens, start_cameras
from reconstruction.sfm.cloud import cloud_document
from reconstruction.sfm.colmap.request import Model, Request
from reconstruction.sfm.duplicates import copy_warning, find_duplicates
from reconstruction.sfm.lenses import PhotoLens, save_lenses
from reconstruction.sfm.photos import Photo, choose_matching, colmap_name, prepare_photos, shrunk_size
from reconstruction.sfm.placing import place_photos
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress, Quality, Stage, StageContext, part_of, silent
from reconstruction.verdicts import PhotoFacts, find_flaws, judge_photos, photo_warnings, save_rows
from reconstruction.video.pick import pick_frames
from reconstruction.workspace import Workspace


@dataclass(frozen=True)
class SfmConfig:
    """`feature_px`, `max_photo_px`: longest side of what COLMAP sees, and of the undistorted photos that later stages see.

    `matching`: auto, exhaustive (every pair), sequential (a video, or photos taken in order), similar (partners are guessed
    from a few features). `focal_starts`: focal length over the longest side, tried in order where EXIF says nothing.
    `cameras_from`: features, board (the layout that the scale comes from), or auto: the board where features place too few photos.
    """

    feature_px: int = 1280
    max_photo_px: int = 1600
    max_features: int = 4096
    upsample: bool = True
    matching: str = "auto"
    overlap: int = 10
    exhaustive_up_to: int = 60
    focal_starts: tuple[float, ...] = (0.75, 0.5, 1.2)
    min_photos: int = 8
    min_registered: float = 0.5
    cameras_from: str = "auto"
    threads: int = -1
    seed: int = 0


@dataclass(frozen=True)
class SfmResult:
    """`views` are in the SfM frame at working size; their `photo_path`s name the photos as given, not undistorted yet."""

    views: list[View]
    lenses: dict[str, PhotoLens]
    points: SparsePoints
    facts: list[PhotoFacts]
    quality: Quality


def estimate_cameras(photos: Sequence[Path], capture: Capture, config: SfmConfig, scratch: Path, progress: Progress = silent) -> SfmResult:
    """Poses, intrinsics and lens of every photo that can be registered, with the sparse points.

    What is known of each photo is kept in `scratch/photos.json` from early on, so that a failure can be looked into.

    Raises CaptureError where too few photos are given or registered, or COLMAP dies; ImageError on an unreadable photo.
    """
    require_enough(len(photos), f"{len(photos)} photos are too few to reconstruct from", config)
    read = prepare_photos(photos, scratch / "photos", config.feature_px, progress)
    names = [colmap_name(i) for i in range(len(read))]
    copies = find_duplicates(read, [scratch / "photos" / name for name in names], capture.named_photos)
    prepared = [photo for i, photo in enumerate(read) if i not in copies]
    facts = [PhotoFacts(p.path.stem, **asdict(p.look)) for p in prepared]
    save_rows(scratch / "photos.json", facts)
    few = f"{len(prepared)} of {len(read)} photos are too few to reconstruct from, the others show the same"
    require_enough(len(prepared), few, config)
    request = make_request(prepared, [name for i, name in enumerate(names) if i not in copies], capture, config, scratch)
    placement = place_photos(request, prepared, capture.scale, config.cameras_from, enough_photos(len(prepared), config), progress)
    model = placement.model
    placed = {row.image for row in model.registered}
    facts = [replace(f, registered=i in placed, partners=n) for i, (f, n) in enumerate(zip(facts, model.partners, strict=True))]
    save_rows(scratch / "photos.json", facts)
    if len(placed) < enough_photos(len(facts), config):
        raise too_few_registered(model, facts)
    result = collect(model, prepared, facts, placement.request, config)
    warnings = [copy_warning(read[i], read[k]) for i, k in copies.items()] + lens_warnings(prepared, capture)
    told = placement.tell({**result.quality, "warnings": [*warnings, *result.quality["warnings"]]})
    return replace(result, quality={**told, "duplicates": [read[i].path.stem for i in copies]})


def require_enough(photos: int, few: str, config: SfmConfig) -> None:
    """Raises CaptureError that says `few` where there are too few photos to begin with."""
    if photos < config.min_photos:
        raise CaptureError(few, try_next=f"take at least {config.min_photos}, better 50 to 100, from all sides")


def make_request(photos: Sequence[Photo], images: list[str], capture: Capture, config: SfmConfig, scratch: Path) -> Request:
    """What COLMAP is asked; `images` are the photos' names in `scratch/photos`."""
    cameras, camera_of = start_cameras(photos, capture, config.feature_px, config.focal_starts[0])
    return Request(
        folder=str(scratch),
        images=images,
        cameras=cameras,
        camera_of=camera_of,
        matching=choose_matching(photos, config.exhaustive_up_to) if config.matching == "auto" else config.matching,
        overlap=config.overlap,
        max_features=config.max_features,
        upsample=config.upsample,
        focal_starts=list(config.focal_starts),
        threads=config.threads,
        seed=config.seed,
        poses=given_poses(photos, capture.cameras),
    )


def enough_photos(photos: int, config: SfmConfig) -> float:
    """So many must be registered."""
    return max(3, config.min_registered * photos)


def collect(model: Model, photos: Sequence[Photo], facts: list[PhotoFacts], request: Request, config: SfmConfig) -> SfmResult:
    """COLMAP's model in our words."""
    views, lenses = [], {}
    for row in model.registered:
        photo = photos[row.image]
        lens = photo_lens(model.camera_params[row.camera], request.cameras[row.camera], photo)
        camera = lens.camera.resized(*shrunk_size(photo.width, photo.height, config.max_photo_px))
        pose = np.reshape(row.cam_from_world, (3, 4))
        views.append(View(photo.path.stem, camera, RigidTransform(pose[:, :3], pose[:, 3]), photo.path))
        lenses[photo.path.stem] = lens
    assert model.points is not None
    names = {v.name for v in views}
    quality: Quality = {
        "photos": len(photos),
        "registered": len(views),
        "unregistered": [p.path.stem for p in photos if p.path.stem not in names],
        "models": model.sizes,
        "points": len(model.points.xyz),
        "observations": len(model.points.view_index),
        "reprojection_error_px": round(model.reprojection_error_px, 3),
        "matching": request.matching,
        "cameras": [[round(v, 5) for v in params] for params in model.camera_params[:3]],
        "warnings": photo_warnings(judge_photos(facts), find_flaws(facts)),
    }
    return SfmResult(views, lenses, model.points, facts, quality)


def undistorted_photo(view: View, lens: PhotoLens) -> UInt8[ndarray, "h w 3"]:
    """What a pinhole with the view's camera would have taken."""
    photo = read_photo(view.photo_path, at_least_px=max(view.camera.width, view.camera.height))
    image = cv2.resize(photo, (view.camera.width, view.camera.height), interpolation=cv2.INTER_AREA)
    return lens.lens.undistort(image, view.camera)


def captured_photos(workspace: Workspace, scratch: Path, progress: Progress) -> list[Path]:
    """The photos of the capture, and the frames of its video where there is one. Raises ImageError and what `pick_frames` does."""
    photos = list_photos(workspace.photos) if workspace.photos.exists() else []
    for video in workspace.videos:
        photos += pick_frames(video, scratch / "frames", progress=progress)
    return photos or list_photos(workspace.photos)


def run(config: SfmConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    capture = Capture.load(workspace.capture)
    start = 0.2 if workspace.videos else 0.0
    photos = captured_photos(workspace, context.scratch, part_of(context.progress, 0.0, start))
    result = estimate_cameras(photos, capture, config, context.scratch, part_of(context.progress, start, 0.9))
    folder, undistorted = context.out / "photos", part_of(context.progress, 0.9, 1.0)
    folder.mkdir()
    views = []
    for index, view in enumerate(result.views):
        path = folder / f"{view.name}.jpg"
        write_photo(path, undistorted_photo(view, result.lenses[view.name]))
        views.append(replace(view, photo_path=path))
        undistorted(index + 1, len(result.views), f"undistorting {index + 1}/{len(result.views)}")
    save_views(context.out / "views.json", views)
    save_lenses(context.out / "lens.json", result.lenses)
    result.points.save(context.out / "points.npz")
    (context.out / "cloud.json").write_text(json.dumps(cloud_document(result.points, views)))
    save_rows(context.out / "photos.json", result.facts)
    return result.quality


SFM: Stage[SfmConfig] = Stage("sfm", 5, ("capture",), run)
