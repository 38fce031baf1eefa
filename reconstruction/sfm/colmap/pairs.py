"""Which photos are matched with which. Only COLMAP's own process imports this."""

from __future__ import annotations

import numpy as np
import pycolmap

from reconstruction.sfm.colmap.request import Request, Told


def choose_pairs(request: Request, progress: Told) -> list[tuple[int, int]]:
    count = len(request.images)
    if request.matching == "exhaustive":
        return [(i, j) for i in range(count) for j in range(i + 1, count)]
    if request.matching == "sequential":
        return sequential_pairs(count, request.overlap)
    return similar_pairs(request, 2 * request.overlap, progress)


def sequential_pairs(count: int, overlap: int) -> list[tuple[int, int]]:
    """Each photo with the next `overlap`, and with those 16, 32, 64 ... further on; the last ones meet the first (an orbit closes)."""
    steps = {*range(1, overlap + 1), *(2**k for k in range(count.bit_length()))}
    pairs = {(i, i + step) for i in range(count) for step in steps if i + step < count}
    wrapped = {(j, i) for i in range(count - overlap, count) for j in range(overlap) if i - j > overlap and count - i + j <= overlap}
    return sorted(pairs | wrapped)


def similar_pairs(request: Request, partners: int, progress: Told, features: int = 400) -> list[tuple[int, int]]:
    """Each photo with those that share most mutual matches among its few largest features; plus its neighbours by name."""
    count = len(request.images)
    with pycolmap.Database.open(request.database) as database:
        ids = {image.name: image.image_id for image in database.read_all_images()}
        largest = [_largest_features(database, ids[name], features) for name in request.images]
    votes = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1, count):
            votes[i, j] = votes[j, i] = _mutual_matches(largest[i], largest[j])
        progress(i + 1, count)
    best = np.argsort(-votes, axis=1, kind="stable")[:, :partners]
    pairs = {(min(i, int(j)), max(i, int(j))) for i in range(count) for j in best[i] if votes[i, j] >= 3}
    return sorted(pairs | {(i, i + 1) for i in range(count - 1)})


def _largest_features(database: pycolmap.Database, image_id: int, count: int) -> np.ndarray:
    """Unit descriptors (count, 128) of the features of the largest scale: those repeat best between far viewpoints."""
    keypoints = np.asarray(database.read_keypoints(image_id))
    descriptors = database.read_descriptors(image_id)
    values = np.asarray(getattr(descriptors, "data", descriptors), np.float32)
    scale = np.hypot(keypoints[:, 2], keypoints[:, 4]) if keypoints.shape[1] >= 6 else keypoints[:, 2]
    values = values[np.argsort(-scale, kind="stable")[:count]]
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)


def _mutual_matches(a: np.ndarray, b: np.ndarray) -> int:
    if min(len(a), len(b)) < 2:
        return 0
    similarity = a @ b.T
    first = similarity.argmax(1)
    mutual = similarity.argmax(0)[first] == np.arange(len(a))
    top = np.partition(similarity, -2, axis=1)[:, -2:]
    distinct = np.arccos(top[:, 1].clip(-1, 1)) < 0.85 * np.arccos(top[:, 0].clip(-1, 1))
    return int((mutual & distinct).sum())
