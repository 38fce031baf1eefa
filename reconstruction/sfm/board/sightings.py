"""Tags of a printed board in single photos, and how a camera explains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.capture import TagBoard
from reconstruction.corners import refine_corners
from reconstruction.scene import RigidTransform
from reconstruction.scene.images import read_photo
from reconstruction.sfm.lenses import PhotoLens
from reconstruction.sfm.photos import Photo, shrink, shrunk_size
from reconstruction.stage import Progress
from reconstruction.tags import CORNER_ORDERS, make_detector

DETECTION_PX = 2000  # longest side
LEAST_TAGS = 2  # of a photo: one alone, seen from afar, fits two poses nearly as well

Corners = dict[int, Float[ndarray, "4 3"]]
"""Tag -> its corners in metres, board frame, in the detector's order."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """Tags of the board in one photo. pixels: (t, 4, 2), upright, at the size they were looked for in (see `detection_size`)."""

    photo: int
    tags: list[int]
    pixels: Float[ndarray, "t 4 2"]

    def only(self, keep: ndarray) -> Sighting:
        return Sighting(self.photo, [t for t, k in zip(self.tags, keep, strict=True) if k], self.pixels[keep])


def detection_size(photo: Photo) -> tuple[int, int]:
    return shrunk_size(photo.width, photo.height, DETECTION_PX)


def find_sightings(photos: Sequence[Photo], board: TagBoard, progress: Progress) -> list[Sighting]:
    """Of the photos that show any of the board's tags; each tag once."""
    detector, sightings = make_detector(board.family), []
    for index, photo in enumerate(photos):
        grey = cv2.cvtColor(shrink(read_photo(photo.path), DETECTION_PX), cv2.COLOR_RGB2GRAY)
        quads, ids, _ = detector.detectMarkers(grey)
        seen = {} if ids is None else dict(zip(ids.ravel().tolist(), quads, strict=True))
        own = sorted(set(seen) & set(board.corners_mm))
        if own:
            pixels = np.stack([refine_corners(grey, seen[tag].reshape(4, 2).astype(float)) for tag in own])
            sightings.append(Sighting(index, own, pixels))
        progress(1000 * (index + 1) // len(photos), 1000, f"tags in {len(sightings)} of {index + 1} photos")
    return sightings


def orient_layout(board: TagBoard, sightings: Sequence[Sighting], lenses: Sequence[PhotoLens]) -> Corners:
    """The layout in metres with the corner order that the photos agree with; told by the photos that show most tags."""
    most = sorted(range(len(sightings)), key=lambda k: -len(sightings[k].tags))[:8]
    best, least = {}, np.inf
    for order in CORNER_ORDERS:
        corners = {tag: np.array(c, float)[order] / 1000 for tag, c in board.corners_mm.items()}
        errors = [fit_pose(sightings[k], corners, lenses[k])[1] for k in most]
        error = float(np.median([np.median(e) for e in errors]))
        if error < least:
            best, least = corners, error
    return best


def without_strays(sighting: Sighting, corners: Corners, lens: PhotoLens, limit_px: float) -> Sighting | None:
    """The worst tag is dropped until all are within the limit; None where fewer than two are left."""
    while len(sighting.tags) >= LEAST_TAGS:
        worst = fit_pose(sighting, corners, lens)[1].max(1)
        if worst.max() < limit_px:
            return sighting
        sighting = sighting.only(np.arange(len(worst)) != worst.argmax())
    return None


def fit_pose(sighting: Sighting, corners: Corners, lens: PhotoLens) -> tuple[RigidTransform, Float[ndarray, "t 4"]]:
    """The pose that fits the sighting best, and how far each corner is off, in pixels."""
    world = np.concatenate([corners[tag] for tag in sighting.tags])
    pixels = sighting.pixels.reshape(-1, 2)
    k, d = lens.camera.matrix, lens.lens.coefficients
    _, turn, shift = cv2.solvePnP(world, pixels, k, d, flags=cv2.SOLVEPNP_SQPNP)
    turn, shift = cv2.solvePnPRefineLM(world, pixels, k, d, turn, shift)
    projected = cv2.projectPoints(world, turn, shift, k, d)[0].reshape(-1, 2)
    return RigidTransform.from_rotvec(turn.ravel(), shift.ravel()), np.linalg.norm(projected - pixels, axis=1).reshape(-1, 4)
