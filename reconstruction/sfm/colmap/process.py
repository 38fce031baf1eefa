"""COLMAP in a process of its own: `python -m reconstruction.sfm.colmap.process REQUEST_JSON`.

Only it and what it calls beside it import pycolmap, because COLMAP aborts the whole process on some inputs, and shares native
libraries with OpenCV that don't get along. Reads a request, prints progress as JSON lines on stdout, writes `model.json` and
`points.npz` where the request says. `reconstruction.sfm.colmap.request` is the other side of the pipe.
"""

from __future__ import annotations

import json
import sys
import zlib  # noqa: F401  # before pycolmap: its own copy, loaded first, frees what Python's has allocated when points are saved
from functools import partial
from pathlib import Path
from typing import Any

import pycolmap

from reconstruction.sfm.colmap.database import create_database, replace_cameras, square_pixels
from reconstruction.sfm.colmap.done import Done
from reconstruction.sfm.colmap.features import described_images, find_turntable, leave_out_still
from reconstruction.sfm.colmap.mapping import map_with_some_focal, refine_principal_point, triangulate
from reconstruction.sfm.colmap.matching import match
from reconstruction.sfm.colmap.models import save_models
from reconstruction.sfm.colmap.pairs import choose_pairs
from reconstruction.sfm.colmap.request import Request

BATCH = 16  # photos between two reports of progress


def report(phase: str, step: int, steps: int) -> None:
    print(json.dumps({"phase": phase, "step": step, "steps": steps}), flush=True)


def reconstruct(request: Request) -> None:
    """Features, matches, then mapping (or triangulation where the poses are given)."""
    pycolmap.set_random_seed(request.seed)
    camera_ids, turntable = (replace_cameras(request), None) if request.matched else fill_database(request)
    one_slant = turntable is not None and len(turntable["stations"]) == 1
    if one_slant:
        square_pixels(request, camera_ids)
    models = triangulate(request, camera_ids) if request.poses else map_with_some_focal(request, camera_ids, partial(report, "mapping"))
    if models and not request.poses and not one_slant and not all(camera.calibrated for camera in request.cameras):
        refine_principal_point(models[0], request)
    save_models(request, models, camera_ids, turntable)


def fill_database(request: Request) -> tuple[list[int], dict[str, Any] | None]:
    """Features and matches, those that an earlier process had found by its end not again. The cameras' ids, and the turntable if any."""
    done = Done.load(request)
    camera_ids = create_database(request) if done is None else replace_cameras(request)
    done = done or Done.begin(request)
    if not done.still:
        extract(request, camera_ids)
        found = find_turntable(request, partial(report, "still"))
        done.tear(request)
        done = done.without_still(request, leave_out_still(request, found) if found else None)
    match(request, choose_pairs(request, partial(report, "pairs")), partial(report, "matches"))
    return camera_ids, done.turntable


def extract(request: Request, camera_ids: list[int]) -> None:
    options = pycolmap.FeatureExtractionOptions()
    options.num_threads = request.threads
    options.sift.max_num_features = request.max_features
    options.sift.first_octave = -1 if request.upsample else 0
    known = described_images(request)
    done = len(known)
    for camera_index, camera_id in enumerate(camera_ids):
        names = [n for n, c in zip(request.images, request.camera_of, strict=True) if c == camera_index and n not in known]
        reader = pycolmap.ImageReaderOptions(existing_camera_id=camera_id)
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            mode = pycolmap.CameraMode.SINGLE
            pycolmap.extract_features(request.database, request.photos, batch, mode, reader, options, pycolmap.Device.cpu)
            done += len(batch)
            report("features", done, len(request.images))


if __name__ == "__main__":
    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    reconstruct(Request.load(Path(sys.argv[1])))
