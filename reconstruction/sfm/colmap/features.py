"""Features in COLMAP's database: read, and those of what stands still taken out. Only COLMAP's own process imports this."""

from __future__ import annotations

from typing import Any

import numpy as np
import pycolmap

from reconstruction.sfm.colmap.request import Request, Told
from reconstruction.sfm.colmap.turntable import Features, recognise_turntable


def leave_out_still(request: Request, progress: Told) -> dict[str, Any] | None:
    """Takes a turntable's still background out of the database. What was found, for the model's record; None for a camera that moved."""
    longest = max(max(camera.width, camera.height) for camera in request.cameras)
    with pycolmap.Database.open(request.database) as database:
        ids = {image.name: image.image_id for image in database.read_all_images()}
        keypoints = [np.asarray(database.read_keypoints(ids[name])) for name in request.images]
        descriptors = [database.read_descriptors(ids[name]) for name in request.images]
        features = [_features(k, d) for k, d in zip(keypoints, descriptors, strict=True)]
        found = recognise_turntable(features, 0.5 + 0.002 * longest, request.seed, progress)
        if found is None:
            return None
        database.clear_keypoints()
        database.clear_descriptors()
        for name, points, described, keep in zip(request.images, keypoints, descriptors, found.moving, strict=True):
            database.write_keypoints(ids[name], points[keep])
            described.data = np.asarray(described.data)[keep]
            database.write_descriptors(ids[name], described)
    kept = [int(k.sum()) for k in found.moving]
    return {"stations": [len(s) for s in found.stations], "still": round(found.left_out, 3), "features_left": int(np.median(kept))}


def _features(keypoints: np.ndarray, described: Any) -> Features:
    """COLMAP's keypoints: x, y and the 2 x 2 matrix that shapes the unit circle to the feature."""
    values = np.asarray(described.data, np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    size, angle = np.hypot(keypoints[:, 2], keypoints[:, 4]), np.arctan2(keypoints[:, 4], keypoints[:, 2])
    return Features(keypoints[:, :2].astype(float), np.maximum(size, 1e-6), angle, values)
