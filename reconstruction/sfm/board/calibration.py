"""A camera's intrinsics and lens from a printed board in many of its photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from reconstruction.scene import Camera, Lens
from reconstruction.sfm.board.sightings import Corners, Sighting, fit_pose, without_strays
from reconstruction.sfm.colmap.request import CameraRequest
from reconstruction.sfm.lenses import PhotoLens

LEAST_PHOTOS, MOST_PHOTOS = 5, 40  # more tell nothing new of the lens
ROUGH_ERROR, FINE_ERROR = 0.02, 0.002  # shares of the longest side that a corner may be off: before the lens is known, after
SURE = 0.005  # deviation of focal length and principal point over the focal length; more is not told by the photos
FOCAL_GUESSES = (1.0, 0.67, 1.6)  # times the start value, where nobody knows it
HELD = cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_ZERO_TANGENT_DIST


class Calibration(NamedTuple):
    """lens: None where too few photos tell of it. told: False where principal point and pixel shape had to be assumed."""

    lens: PhotoLens | None
    told: bool = True


def calibrate(sightings: Sequence[Sighting], corners: Corners, start: PhotoLens, request: CameraRequest) -> Calibration:
    """One camera: focal length, principal point, k1, k2, p1, p2 (Zhang, PAMI 2000). What was given is kept.

    Photos that all show the board from one slant, as a turntable's do, tell the focal length only: the principal point stays in the
    middle, pixels stay square. Tags that are off are left out, first roughly, then finely.
    """
    if request.calibrated or len(sightings) < LEAST_PHOTOS:
        return Calibration(start if request.calibrated else None)
    chosen = [sightings[i] for i in np.unique(np.linspace(0, len(sightings) - 1, MOST_PHOTOS).round().astype(int))]
    lens = start if request.focal_known else _guess_focal(chosen, corners, start)
    longest = max(start.camera.width, start.camera.height)
    for limit, flags in ((ROUGH_ERROR, HELD), (FINE_ERROR, HELD), (FINE_ERROR, 0), (FINE_ERROR, 0)):
        kept = [trimmed for s in chosen if (trimmed := without_strays(s, corners, lens, limit * longest)) is not None]
        if len(kept) < LEAST_PHOTOS:
            return Calibration(None)
        solved, deviation = _solve(kept, corners, lens, flags)
        if flags == 0 and deviation > SURE:
            return Calibration(lens, told=False)
        lens = solved
    return Calibration(lens)


def _guess_focal(sightings: Sequence[Sighting], corners: Corners, start: PhotoLens) -> PhotoLens:
    """The start value that explains best what the photos with most tags show."""
    most = sorted(sightings, key=lambda s: -len(s.tags))[:8]
    camera = start.camera
    guesses = [replace(start, camera=replace(camera, fx=f * camera.fx, fy=f * camera.fy)) for f in FOCAL_GUESSES]
    return min(guesses, key=lambda lens: float(np.median([np.median(fit_pose(s, corners, lens)[1]) for s in most])))


def _solve(sightings: Sequence[Sighting], corners: Corners, start: PhotoLens, flags: int) -> tuple[PhotoLens, float]:
    """The camera, and the worst deviation of focal length and principal point over the focal length."""
    camera = start.camera
    world = [np.concatenate([corners[t] for t in s.tags]).astype(np.float32) for s in sightings]
    pixels = [s.pixels.reshape(-1, 2).astype(np.float32) for s in sightings]
    flags |= cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_K3
    _, matrix, lens, _, _, deviations, _, _ = cv2.calibrateCameraExtended(
        world, pixels, (camera.width, camera.height), camera.matrix, start.lens.coefficients.copy(), flags=flags
    )
    found = Camera.from_matrix(matrix, camera.width, camera.height)
    return PhotoLens(found, Lens(*map(float, lens.ravel()[:5]))), float(deviations[:4].max() / found.fx)
