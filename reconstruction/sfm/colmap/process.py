"""COLMAP in a process of its own: `python -m reconstruction.sfm.colmap.process REQUEST_JSON`.

Only it, `features`, `matching`, `models` and `pairs` import pycolmap, because COLMAP aborts the whole process on some inputs, and shares
native libraries with OpenCV that don't get along. Reads a request, prints progress as JSON lines on stdout, writes `model.json`
and `points.npz` where the request says. `reconstruction.sfm.colmap.request` is the other side of the pipe.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from reconstruction.sfm.colmap.done import Done
from reconstruction.sfm.colmap.features import described_images, find_turntable, leave_out_still
from reconstruction.sfm.colmap.matching import match
from reconstruction.sfm.colmap.models import save_models
from reconstruction.sfm.colmap.pairs import choose_pairs
from reconstruction.sfm.colmap.request import CameraRequest, Request

BATCH = 16  # photos between two reports of progress
ENOUGH_REGISTERED = 0.9  # of the photos: no other focal length is tried
ENOUGH_FOR_PRINCIPAL_POINT = 15  # photos a camera


def report(phase: str, step: int, steps: int) -> None:
    print(json.dumps({"phase": phase, "step": step, "steps": steps}), flush=True)


def reconstruct(request: Request) -> None:
    """Features, matches, then mapping (or triangulation where the poses are given)."""
    pycolmap.set_random_seed(request.seed)
    camera_ids, turntable = (replace_cameras(request), None) if request.matched else fill_database(request)
    one_slant = turntable is not None and len(turntable["stations"]) == 1
    if one_slant:
        square_pixels(request, camera_ids)
    models = triangulate(request, camera_ids) if request.poses else map_with_some_focal(request, camera_ids)
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


def create_database(request: Request) -> list[int]:
    """Returns the database's id of each camera."""
    for leftover in Path(request.folder).glob(f"{request.database.name}*"):  # its journal too
        leftover.unlink()
    with pycolmap.Database.open(request.database) as database:
        ids = [database.write_camera(_camera(wanted)) for wanted in request.cameras]
        # The extractor's threads would number the images as they finish, and the model would depend on that.
        for name, camera in zip(request.images, request.camera_of, strict=True):
            database.write_image(pycolmap.Image(name=name, camera_id=ids[camera]))
    return ids


def replace_cameras(request: Request) -> list[int]:
    """As `create_database`, of a database that holds features and matches already."""
    with pycolmap.Database.open(request.database) as database:
        ids = sorted(camera.camera_id for camera in database.read_all_cameras())
        for camera_id, wanted in zip(ids, request.cameras, strict=True):
            database.update_camera(_camera(wanted, camera_id))
    return ids


def _camera(wanted: CameraRequest, camera_id: int | None = None) -> pycolmap.Camera:
    camera = pycolmap.Camera(model=wanted.model, width=wanted.width, height=wanted.height, params=wanted.params)
    camera.has_prior_focal_length = wanted.focal_known
    if camera_id is not None:
        camera.camera_id = camera_id
    return camera


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


def mapper_options(request: Request) -> pycolmap.IncrementalPipelineOptions:
    """One thread: with more, the first pair is whichever is found first, sums run in any order, and the model depends on the load."""
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = 1
    options.random_seed = request.seed
    options.max_num_models = 5
    calibrated = all(camera.calibrated for camera in request.cameras)
    options.ba_refine_focal_length = options.ba_refine_extra_params = not calibrated
    options.mapper.abs_pose_refine_focal_length = options.mapper.abs_pose_refine_extra_params = not calibrated
    return options


def square_pixels(request: Request, camera_ids: list[int]) -> None:
    """One focal length, the principal point in the middle: turning about one axis tells no more (Armstrong et al., ECCV 1996)."""
    with pycolmap.Database.open(request.database) as database:
        for camera_id, wanted in zip(camera_ids, request.cameras, strict=True):
            if not wanted.calibrated:
                fx, _, cx, cy, k1, k2, *_ = wanted.params
                database.update_camera(_camera(replace(wanted, model="RADIAL", params=[fx, cx, cy, k1, k2]), camera_id))


def map_with_some_focal(request: Request, camera_ids: list[int]) -> list[pycolmap.Reconstruction]:
    """Maps from each start value of the focal length in turn until nearly all photos register; the best try's models."""
    guessed = [i for i, camera in zip(camera_ids, request.cameras, strict=True) if not camera.focal_known]
    best: list[pycolmap.Reconstruction] = []
    for start in request.focal_starts if guessed else [1.0]:
        with pycolmap.Database.open(request.database) as database:
            for camera_id in guessed:
                camera = database.read_camera(camera_id)
                for index in camera.focal_length_idxs():
                    camera.params[index] = start * max(camera.width, camera.height)
                database.update_camera(camera)
        models = map_incrementally(request)
        best = max(best, models, key=lambda found: found[0].num_reg_images() if found else 0)
        if best and best[0].num_reg_images() >= ENOUGH_REGISTERED * len(request.images):
            break
    return best


def map_incrementally(request: Request) -> list[pycolmap.Reconstruction]:
    """The models found, largest first."""
    registered = 2

    def next_image() -> None:
        nonlocal registered
        registered += 1
        report("mapping", min(registered, len(request.images)), len(request.images))

    models = Path(request.folder) / "models"
    models.mkdir(exist_ok=True)
    found = pycolmap.incremental_mapping(request.database, request.photos, models, mapper_options(request), next_image_callback=next_image)
    return sorted(found.values(), key=lambda m: -m.num_reg_images())


def refine_principal_point(model: pycolmap.Reconstruction, request: Request) -> None:
    """A last adjustment of everything. While the model grows the principal point is held: few views can't tell it from a turn."""
    if model.num_reg_images() < ENOUGH_FOR_PRINCIPAL_POINT * len(request.cameras):
        return
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point = True
    options.print_summary = False
    options.ceres.solver_options.num_threads = 1
    options.ceres.solver_options.max_num_iterations = 50
    pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()


def triangulate(request: Request, camera_ids: list[int]) -> list[pycolmap.Reconstruction]:
    """One model whose camera poses are those given."""
    known = pycolmap.Reconstruction()
    with pycolmap.Database.open(request.database) as database:
        for camera_id in camera_ids:
            known.add_camera_with_trivial_rig(database.read_camera(camera_id))
        images = {image.name: image for image in database.read_all_images()}
    assert request.poses is not None
    for name, pose in zip(request.images, request.poses, strict=True):
        if pose is not None:
            row = images[name]
            image = pycolmap.Image(name=name, camera_id=row.camera_id, image_id=row.image_id)
            known.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.reshape(pose, (3, 4))))
    out = Path(request.folder) / "models"
    out.mkdir(exist_ok=True)
    return [pycolmap.triangulate_points(known, request.database, request.photos, out, options=mapper_options(request))]


if __name__ == "__main__":
    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    reconstruct(Request.load(Path(sys.argv[1])))
