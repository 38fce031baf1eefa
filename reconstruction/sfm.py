"""Photos -> undistorted views with poses, and sparse points, by COLMAP in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.capture import Capture, GivenCameras
from reconstruction.colmap import CameraRequest, Model, Request, run_colmap
from reconstruction.errors import CaptureError
from reconstruction.lenses import PhotoLens, save_lenses
from reconstruction.scene import Camera, Lens, RigidTransform, View
from reconstruction.scene.images import exif_focal_px, list_photos, read_photo, write_photo
from reconstruction.scene.view import save_views
from reconstruction.sparse import SparsePoints
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent


@dataclass(frozen=True)
class SfmConfig:
    """`feature_px`, `max_photo_px`: longest side of what COLMAP sees, and of the undistorted photos that later stages see.

    `matching`: auto, exhaustive (every pair), sequential (a video, or photos taken in order), similar (partners are guessed
    from a few features). `focal_starts`: focal length over the longest side, tried in order where EXIF says nothing.
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
    threads: int = -1
    seed: int = 0


@dataclass(frozen=True)
class SfmResult:
    """`views` are in the SfM frame at working size; their `photo_path`s name the photos as given, not undistorted yet."""

    views: list[View]
    lenses: dict[str, PhotoLens]
    points: SparsePoints
    quality: Quality


@dataclass(frozen=True)
class Photo:
    """A photo as COLMAP gets it. `width`, `height`: upright, at full size."""

    path: Path
    width: int
    height: int
    thumbnail: Float[ndarray, "h w 3"]


def estimate_cameras(photos: Sequence[Path], capture: Capture, config: SfmConfig, scratch: Path, progress: Progress = silent) -> SfmResult:
    """Poses, intrinsics and lens of every photo that can be registered, with the sparse points.

    Raises CaptureError where too few photos are given or registered, or COLMAP dies; ImageError on an unreadable photo.
    """
    if len(photos) < config.min_photos:
        raise CaptureError(
            f"{len(photos)} photos are too few to reconstruct from",
            try_next=f"take at least {config.min_photos}, better 50 to 100, from all sides",
        )
    prepared = prepare_photos(photos, scratch / "photos", config.feature_px, progress)
    cameras, camera_of = start_cameras(prepared, capture, config)
    request = Request(
        folder=str(scratch),
        images=[_colmap_name(i) for i in range(len(prepared))],
        cameras=cameras,
        camera_of=camera_of,
        matching=choose_matching(prepared, config),
        overlap=config.overlap,
        max_features=config.max_features,
        upsample=config.upsample,
        focal_starts=list(config.focal_starts),
        threads=config.threads,
        seed=config.seed,
        poses=given_poses(prepared, capture.cameras),
    )
    model = run_colmap(request, progress)
    check_registered(model, len(prepared), config)
    return collect(model, prepared, request, config)


def _colmap_name(index: int) -> str:
    return f"{index:06d}.jpg"


def prepare_photos(photos: Sequence[Path], out: Path, longest_px: int, progress: Progress) -> list[Photo]:
    """Writes upright, clean JPEGs no larger than `longest_px` for COLMAP, under names that sort like the photos."""
    out.mkdir(parents=True, exist_ok=True)
    prepared = []
    for index, path in enumerate(photos):
        image = read_photo(path)
        height, width = image.shape[:2]
        small = shrink(image, longest_px)
        write_photo(out / _colmap_name(index), small)
        thumbnail = cv2.GaussianBlur(cv2.resize(small, (32, 24), interpolation=cv2.INTER_AREA), (0, 0), 1.0)
        prepared.append(Photo(path, width, height, thumbnail.astype(np.float32)))
        progress(0, 1000, f"reading photos {index + 1}/{len(photos)}")
    return prepared


def shrink(image: UInt8[ndarray, "h w 3"], longest_px: int) -> UInt8[ndarray, "h2 w2 3"]:
    """The image with its longest side at most `longest_px`."""
    height, width = image.shape[:2]
    size = _shrunk_size(width, height, longest_px)
    return image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _shrunk_size(width: int, height: int, longest_px: int) -> tuple[int, int]:
    factor = min(1.0, longest_px / max(width, height))
    return round(width * factor), round(height * factor)


def choose_matching(photos: Sequence[Photo], config: SfmConfig) -> str:
    """Every pair while that is affordable; else in sequence where neighbours look alike; else by similarity."""
    if config.matching != "auto":
        return config.matching
    if len(photos) <= config.exhaustive_up_to:
        return "exhaustive"
    thumbnails = np.stack([p.thumbnail for p in photos])
    neighbours = np.abs(thumbnails[1:] - thumbnails[:-1]).mean()
    half = len(thumbnails) // 2
    strangers = np.abs(thumbnails - np.roll(thumbnails, half, axis=0)).mean()
    return "sequential" if neighbours < 0.75 * strangers else "similar"


def start_cameras(photos: Sequence[Photo], capture: Capture, config: SfmConfig) -> tuple[list[CameraRequest], list[int]]:
    """The cameras to start from, at the size COLMAP sees, and which camera took each photo.

    Shared: one camera per photo size (a phone held upright and sideways makes two).
    """
    keys = [(p.width, p.height) if capture.shared_camera else (i, 0) for i, p in enumerate(photos)]
    order = list(dict.fromkeys(keys))
    cameras = []
    for key in order:
        members = [p for p, k in zip(photos, keys, strict=True) if k == key]
        if capture.cameras is None:
            cameras.append(_guessed_camera(members, config))
        else:
            cameras.append(_given_camera(members[0], capture.cameras, config.feature_px))
    return cameras, [order.index(k) for k in keys]


def _guessed_camera(photos: Sequence[Photo], config: SfmConfig) -> CameraRequest:
    width, height = _shrunk_size(photos[0].width, photos[0].height, config.feature_px)
    stated = [f * width / p.width for p in photos if (f := exif_focal_px(p.path)) is not None]
    focal = float(np.median(stated)) if stated else config.focal_starts[0] * max(width, height)
    params = [focal, focal, width / 2, height / 2, 0.0, 0.0, 0.0, 0.0]
    return CameraRequest("OPENCV", width, height, params, focal_known=bool(stated), calibrated=False)


def _given_camera(photo: Photo, given: GivenCameras, feature_px: int) -> CameraRequest:
    if abs(photo.width / photo.height - given.width / given.height) > 0.01:
        raise CaptureError(
            f"{photo.path.name} is {photo.width}x{photo.height}, the given camera {given.width}x{given.height}",
            try_next="give the camera of these very photos, upright as they are shown",
        )
    camera = Camera(given.width, given.height, given.fx, given.fy, given.cx, given.cy)
    camera.check()
    camera = camera.resized(*_shrunk_size(photo.width, photo.height, feature_px))
    fx, fy, cx, cy = camera.to_colmap()
    params = [fx, fy, cx, cy, *given.lens, 0.0, 0.0, 0.0]
    return CameraRequest("FULL_OPENCV", camera.width, camera.height, params, focal_known=True, calibrated=True)


def given_poses(photos: Sequence[Photo], given: GivenCameras | None) -> list[list[float] | None] | None:
    """3x4 cam_from_world per photo, None where unknown. None where no pose is given at all."""
    if given is None or not given.poses:
        return None
    poses = {stem: RigidTransform.from_json(doc).matrix[:3].reshape(-1).tolist() for stem, doc in given.poses.items()}
    return [poses.get(p.path.stem) for p in photos]


def check_registered(model: Model, photos: int, config: SfmConfig) -> None:
    """Raises CaptureError where too few photos found their place."""
    registered = model.sizes[0] if model.sizes else 0
    if registered < max(3, config.min_registered * photos):
        others = f", in {len(model.sizes)} unconnected groups" if len(model.sizes) > 1 else ""
        raise CaptureError(
            f"{registered} of {photos} photos registered{others}",
            try_next="add overlap (a photo every 10 to 15 degrees) or put textured things around the object; leave out blurred photos",
        )


def collect(model: Model, photos: Sequence[Photo], request: Request, config: SfmConfig) -> SfmResult:
    """COLMAP's model in our words."""
    views, lenses = [], {}
    for row in model.registered:
        photo = photos[row.image]
        lens = photo_lens(model.camera_params[row.camera], request.cameras[row.camera], photo)
        camera = lens.camera.resized(*_shrunk_size(photo.width, photo.height, config.max_photo_px))
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
    }
    return SfmResult(views, lenses, model.points, quality)


def photo_lens(params: Sequence[float], request: CameraRequest, photo: Photo) -> PhotoLens:
    """COLMAP's OPENCV or FULL_OPENCV parameters, at the photo's full size."""
    fx, fy, cx, cy, k1, k2, p1, p2, *rest = params
    camera = Camera.from_colmap(request.width, request.height, fx, fy, cx, cy)
    return PhotoLens(camera.resized(photo.width, photo.height), Lens(k1, k2, p1, p2, rest[0] if rest else 0.0))


def undistorted_photo(view: View, lens: PhotoLens) -> UInt8[ndarray, "h w 3"]:
    """What a pinhole with the view's camera would have taken."""
    image = cv2.resize(read_photo(view.photo_path), (view.camera.width, view.camera.height), interpolation=cv2.INTER_AREA)
    return lens.lens.undistort(image, view.camera)


def run(config: SfmConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    photos = list_photos(workspace.photos)
    capture = Capture.load(workspace.capture)

    def nearly(step: int, steps: int, message: str = "") -> None:
        context.progress(step * 9, steps * 10, message)

    result = estimate_cameras(photos, capture, config, context.scratch, nearly)
    folder = context.out / "photos"
    folder.mkdir()
    views = []
    for index, view in enumerate(result.views):
        path = folder / f"{view.name}.jpg"
        write_photo(path, undistorted_photo(view, result.lenses[view.name]))
        views.append(replace(view, photo_path=path))
        context.progress(9000 + 1000 * (index + 1) // len(result.views), 10000, f"undistorting {index + 1}/{len(result.views)}")
    save_views(context.out / "views.json", views)
    save_lenses(context.out / "lens.json", result.lenses)
    result.points.save(context.out / "points.npz")
    return result.quality


SFM: Stage[SfmConfig] = Stage("sfm", 1, ("capture",), run)
