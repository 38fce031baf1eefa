"""Cameras from a printed board alone: the lens from all photos together, the pose of each from the tags that it shows.

For objects and tables without texture, where photos share no features. Single tags that were misread, or lie elsewhere than the layout
says, are left out; so is a photo that shows fewer than two tags, or that the board does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.capture import TagBoard
from reconstruction.errors import CaptureError
from reconstruction.scene import Camera, Lens, RigidTransform
from reconstruction.sfm.board.calibration import FINE_ERROR, calibrate
from reconstruction.sfm.board.sightings import (
    LEAST_TAGS,
    Corners,
    Sighting,
    detection_size,
    find_sightings,
    fit_pose,
    orient_layout,
    without_strays,
)
from reconstruction.sfm.colmap.request import CameraRequest
from reconstruction.sfm.lenses import PhotoLens
from reconstruction.sfm.photos import Photo
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress, silent

POSE_ERROR = 0.001  # of the longest side: the most that the corners of a photo may be off, RMS


@dataclass(frozen=True, eq=False)
class BoardCameras:
    """lenses: of each camera, None where too few photos tell of it. cam_from_board: of each photo, metres, None where not known.

    sightings: those that the poses rest on. error_px: RMS over their corners, at the size that tags are looked for in. lens_told: whether
    the photos tell all of every lens (see `Calibration`).
    """

    lenses: list[PhotoLens | None]
    cam_from_board: list[RigidTransform | None]
    corners: Corners
    sightings: list[Sighting]
    error_px: float
    lens_told: bool


def cameras_from_board(
    photos: Sequence[Photo], cameras: Sequence[CameraRequest], camera_of: Sequence[int], board: TagBoard, progress: Progress = silent
) -> BoardCameras:
    """Progress is out of 1000. Raises CaptureError where no photo shows enough of the board."""
    sightings = find_sightings(photos, board, progress)
    enough = [s for s in sightings if len(s.tags) >= LEAST_TAGS]
    if not enough:
        raise CaptureError(
            f"the tag board places no camera: {len(sightings)} of {len(photos)} photos show any of its tags, none shows {LEAST_TAGS}",
            try_next="give the layout and tag family of the board that was photographed, and keep some of its tags in every photo",
        )
    starts = [_start(camera, photos, camera_of, c) for c, camera in enumerate(cameras)]
    corners = orient_layout(board, enough, [starts[camera_of[s.photo]] for s in enough])
    known = [
        calibrate([s for s in enough if camera_of[s.photo] == c], corners, start, camera)
        for c, (camera, start) in enumerate(zip(cameras, starts, strict=True))
    ]
    placed = [place(s, corners, lens) for s in enough if (lens := known[camera_of[s.photo]].lens) is not None]
    found = {p.sighting.photo: p for p in placed if p is not None}
    if not found:
        raise CaptureError("the tag board fits no photo", try_next="check the layout against the printed board: ids, places, millimetres")
    return BoardCameras(
        [k.lens for k in known],
        [found[i].cam_from_board if i in found else None for i in range(len(photos))],
        corners,
        [p.sighting for p in found.values()],
        float(np.sqrt(np.mean(np.concatenate([p.errors_px for p in found.values()]) ** 2))),
        all(k.told for k in known),
    )


@dataclass(frozen=True, eq=False)
class Placed:
    """A photo's pose, and how far off each corner of the sighting it rests on is."""

    cam_from_board: RigidTransform
    errors_px: Float[ndarray, "n"]
    sighting: Sighting


def place(sighting: Sighting, corners: Corners, lens: PhotoLens) -> Placed | None:
    """None where fewer than two tags agree with the board, or their corners with each other."""
    longest = max(lens.camera.width, lens.camera.height)
    kept = without_strays(sighting, corners, lens, FINE_ERROR * longest)
    if kept is None:
        return None
    pose, errors = fit_pose(kept, corners, lens)
    return Placed(pose, errors.ravel(), kept) if np.sqrt((errors**2).mean()) < POSE_ERROR * longest else None


def _start(request: CameraRequest, photos: Sequence[Photo], camera_of: Sequence[int], index: int) -> PhotoLens:
    """What is known of a camera beforehand, at the size that tags are looked for in."""
    size = detection_size(photos[camera_of.index(index)])
    fx, fy, cx, cy, k1, k2, p1, p2, *rest = request.params
    camera = Camera.from_colmap(request.width, request.height, fx, fy, cx, cy).resized(*size)
    return PhotoLens(camera, Lens(k1, k2, p1, p2, rest[0] if rest else 0.0))


def board_requests(cameras: Sequence[CameraRequest], found: BoardCameras) -> list[CameraRequest]:
    """The cameras that COLMAP is to keep as they are; those that were not found stay what they were."""
    out = []
    for request, lens in zip(cameras, found.lenses, strict=True):
        if lens is None:
            out.append(request)
            continue
        fx, fy, cx, cy = lens.camera.resized(request.width, request.height).to_colmap()
        params = [fx, fy, cx, cy, *lens.lens.coefficients.tolist(), 0.0, 0.0, 0.0]
        out.append(replace(request, model="FULL_OPENCV", params=params, focal_known=True, calibrated=True))
    return out


def with_corners(points: SparsePoints, found: BoardCameras, photos: Sequence[int]) -> SparsePoints:
    """The points with the tags' corners, which lie on the board's plane, added. photos: the photo of each view."""
    tags = sorted({tag for s in found.sightings for tag in s.tags})
    first = {tag: len(points.xyz) + 4 * k for k, tag in enumerate(tags)}
    view = {photo: k for k, photo in enumerate(photos)}
    seen = [(view[s.photo], first[tag] + k) for s in found.sightings if s.photo in view for tag in s.tags for k in range(4)]
    views, indices = np.array(sorted(seen), np.int32).reshape(-1, 2).T
    corners = np.concatenate([found.corners[tag] for tag in tags])
    return SparsePoints(
        np.concatenate([points.xyz, corners]),
        np.concatenate([points.rgb, np.full((len(corners), 3), 128, np.uint8)]),
        np.concatenate([points.view_index, views]),
        np.concatenate([points.point_index, indices]),
    )
