"""Features in COLMAP's database: read, and those of what stands still taken out. Only COLMAP's own process imports this."""

from __future__ import annotations

from typing import Any

import numpy as np
import pycolmap

from reconstruction.sfm.colmap.request import Request, Told
from reconstruction.sfm.colmap.turntable import Features, Turntable, recognise_turntable


def described_images(request: Request) -> set[str]:
    """Names of those whose features are in the database: COLMAP writes keypoints and descriptors of an image in one transaction."""
    with pycolmap.Database.open(request.database) as database:
        return {image.name for image in database.read_all_images() if database.exists_descriptors(image.image_id)}


def find_turntable(request: Request, progress: Told) -> Turntable | None:
    """None for a camera that moved."""
    longest = max(max(camera.width, camera.height) for camera in request.cameras)
    with pycolmap.Database.open(request.database) as database:
        features = [_features(keypoints, described) for keypoints, described in _read(request, database)]
    return recognise_turntable(features, 0.5 + 0.002 * longest, request.seed, progress)


def leave_out_still(request: Request, found: Turntable) -> dict[str, Any]:
    """Takes a turntable's still background out of the database. What was found, for the model's record."""
    with pycolmap.Database.open(request.database) as database:
        ids = _ids(database)
        read = _read(request, database)
        database.clear_keypoints()
        database.clear_descriptors()
        for name, (points, described), keep in zip(request.images, read, found.moving, strict=True):
            database.write_keypoints(ids[name], points[keep])
            described.data = np.asarray(described.data)[keep]
            database.write_descriptors(ids[name], described)
    kept = [int(k.sum()) for k in found.moving]
    return {"stations": [len(s) for s in found.stations], "still": round(found.left_out, 3), "features_left": int(np.median(kept))}


def _ids(database: pycolmap.Database) -> dict[str, int]:
    return {image.name: image.image_id for image in database.read_all_images()}


def _read(request: Request, database: pycolmap.Database) -> list[tuple[np.ndarray, Any]]:
    """Keypoints and descriptors of each image."""
    ids = _ids(database)
    return [(np.asarray(database.read_keypoints(ids[name])), database.read_descriptors(ids[name])) for name in request.images]


def _features(keypoints: np.ndarray, described: Any) -> Features:
    """COLMAP's keypoints: x, y and the 2 x 2 matrix that shapes the unit circle to the feature."""
    values = np.asarray(described.data, np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    size, angle = np.hypot(keypoints[:, 2], keypoints[:, 4]), np.arctan2(keypoints[:, 4], keypoints[:, 2])
    return Features(keypoints[:, :2].astype(float), np.maximum(size, 1e-6), angle, values)
