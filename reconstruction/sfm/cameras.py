"""Cameras before and after: what COLMAP starts from, and the lenses that it found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconstruction.capture import Capture, GivenCameras
from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.errors import CaptureError
from reconstruction.scene import Camera, Lens, RigidTransform
from reconstruction.sfm.colmap.request import CameraRequest
from reconstruction.sfm.lenses import PhotoLens
from reconstruction.sfm.optics import describe_lenses, group_by_lens
from reconstruction.sfm.photos import Photo, shrunk_size


def start_cameras(photos: Sequence[Photo], capture: Capture, feature_px: int, focal_start: float) -> tuple[list[CameraRequest], list[int]]:
    """The cameras to start from, at the size COLMAP sees, and which camera took each photo.

    Shared: one camera per lens and photo size (a phone held upright and sideways makes two).
    """
    lenses = group_by_lens([p.optics for p in photos]) if capture.cameras is None else [0] * len(photos)
    taken_by = lenses if capture.shared_camera else range(len(photos))
    keys = [(p.width, p.height, lens) for p, lens in zip(photos, taken_by, strict=True)]
    order = list(dict.fromkeys(keys))
    cameras = []
    for key in order:
        members = [p for p, k in zip(photos, keys, strict=True) if k == key]
        if capture.cameras is None:
            cameras.append(_guessed_camera(members, feature_px, focal_start))
        else:
            cameras.append(_given_camera(members[0], capture.cameras, feature_px))
    return cameras, [order.index(k) for k in keys]


def lens_warnings(photos: Sequence[Photo], capture: Capture) -> list[CaptureWarning]:
    """What the user should know where EXIF tells of more than one lens."""
    optics = [p.optics for p in photos]
    group = group_by_lens(optics)
    if len(set(group)) < 2 or not capture.shared_camera:
        return []
    done = "each has a camera of its own" if capture.cameras is None else "the one given camera is used for all"
    message = f"the photos were taken through different lenses or zooms, {describe_lenses(optics, group)}: {done}"
    return [capture_warning("mixed-lenses", message)]


def _guessed_camera(photos: Sequence[Photo], feature_px: int, focal_start: float) -> CameraRequest:
    width, height = shrunk_size(photos[0].width, photos[0].height, feature_px)
    stated = [f * width / p.width for p in photos if (f := p.optics.focal_px(p.width, p.height)) is not None]
    focal = float(np.median(stated)) if stated else focal_start * max(width, height)
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
    camera = camera.resized(*shrunk_size(photo.width, photo.height, feature_px))
    fx, fy, cx, cy = camera.to_colmap()
    params = [fx, fy, cx, cy, *given.lens, 0.0, 0.0, 0.0]
    return CameraRequest("FULL_OPENCV", camera.width, camera.height, params, focal_known=True, calibrated=True)


def given_poses(photos: Sequence[Photo], given: GivenCameras | None) -> list[list[float] | None] | None:
    """3x4 cam_from_world per photo, None where unknown. None where no pose is given at all."""
    if given is None or not given.poses:
        return None
    poses = {stem: RigidTransform.from_json(doc).matrix[:3].reshape(-1).tolist() for stem, doc in given.poses.items()}
    return [poses.get(p.path.stem) for p in photos]


def photo_lens(params: Sequence[float], request: CameraRequest, photo: Photo) -> PhotoLens:
    """COLMAP's OPENCV or FULL_OPENCV parameters, at the photo's full size."""
    fx, fy, cx, cy, k1, k2, p1, p2, *rest = params
    camera = Camera.from_colmap(request.width, request.height, fx, fy, cx, cy)
    return PhotoLens(camera.resized(photo.width, photo.height), Lens(k1, k2, p1, p2, rest[0] if rest else 0.0))
