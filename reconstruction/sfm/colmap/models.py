"""What COLMAP found, written down for those who don't load it: model.json and points.npz."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from reconstruction.sfm.colmap.request import Request
from reconstruction.sfm.sparse import SparsePoints

ENOUGH_MATCHES = 30  # of a pair of photos: COLMAP's own limit for placing one


def save_models(request: Request, models: list[pycolmap.Reconstruction], camera_ids: list[int], turntable: dict[str, Any] | None) -> None:
    """model.json: cameras, images and numbers of the largest model; points.npz: its points and who saw them."""
    request.answer.mkdir(parents=True, exist_ok=True)
    index_of = {name: i for i, name in enumerate(request.images)}
    partners = count_partners(request, index_of)
    if not models:
        _save_document(request, {"sizes": [], "partners": partners, "turntable": turntable})
        return
    model = models[0]
    images = sorted((model.images[i] for i in model.reg_image_ids()), key=lambda image: index_of[image.name])
    params = [
        _opencv_params(model.cameras[i]) if i in model.cameras else camera.params
        for i, camera in zip(camera_ids, request.cameras, strict=True)
    ]
    registered = [
        {
            "image": index_of[image.name],
            "camera": camera_ids.index(image.camera_id),
            "cam_from_world": image.cam_from_world().matrix().reshape(-1).tolist(),
        }
        for image in images
    ]
    document = {
        "sizes": [m.num_reg_images() for m in models],
        "groups": [sorted(index_of[m.images[i].name] for i in m.reg_image_ids()) for m in models],
        "partners": partners,
        "camera_params": params,
        "registered": registered,
        "reprojection_error_px": model.compute_mean_reprojection_error(),
        "turntable": turntable,
    }
    save_points(request.answer / "points.npz", model, {image.image_id: k for k, image in enumerate(images)})
    _save_document(request, document)


def _save_document(request: Request, document: dict[str, Any]) -> None:
    """Last, and at once: with it the answer is there."""
    partial = request.answer / "model.json.partial"
    partial.write_text(json.dumps(document))
    partial.replace(request.answer / "model.json")


def count_partners(request: Request, index_of: dict[str, int]) -> list[int]:
    """For each image, how many others share enough verified matches with it to be placed by them."""
    counts = [0] * len(request.images)
    with pycolmap.Database.open(request.database) as database:
        index = {image.image_id: index_of[image.name] for image in database.read_all_images()}
        for pair, inliers in zip(*database.read_two_view_geometry_num_inliers(), strict=True):
            if inliers >= ENOUGH_MATCHES:
                for image_id in pycolmap.pair_id_to_image_pair(pair):
                    counts[index[image_id]] += 1
    return counts


def save_points(path: Path, model: pycolmap.Reconstruction, position: dict[int, int]) -> None:
    """`position`: image id -> index among the registered images."""
    points = [model.points3D[i] for i in sorted(model.points3D)]
    pairs = sorted({(position[e.image_id], k) for k, p in enumerate(points) for e in p.track.elements})
    seen = np.array(pairs, np.int32).reshape(-1, 2)
    xyz = np.array([p.xyz for p in points], float).reshape(-1, 3)
    rgb = np.array([p.color for p in points], np.uint8).reshape(-1, 3)
    SparsePoints(xyz, rgb, seen[:, 0], seen[:, 1]).save(path)


def _opencv_params(camera: pycolmap.Camera) -> list[float]:
    """In the order of COLMAP's OPENCV model."""
    params = list(map(float, camera.params))
    if camera.model == pycolmap.CameraModelId.RADIAL:
        f, cx, cy, k1, k2 = params
        return [f, f, cx, cy, k1, k2, 0.0, 0.0]
    return params
