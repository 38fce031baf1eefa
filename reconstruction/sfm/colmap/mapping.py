"""Matches -> cameras and points. Only COLMAP's own process imports this."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap

from reconstruction.sfm.colmap.request import Request, Told

ENOUGH_REGISTERED = 0.9  # of the photos: no other focal length is tried
ENOUGH_FOR_PRINCIPAL_POINT = 15  # photos a camera


def map_with_some_focal(request: Request, camera_ids: list[int], progress: Told) -> list[pycolmap.Reconstruction]:
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
        models = map_incrementally(request, progress)
        best = max(best, models, key=lambda found: found[0].num_reg_images() if found else 0)
        if best and best[0].num_reg_images() >= ENOUGH_REGISTERED * len(request.images):
            break
    return best


def map_incrementally(request: Request, progress: Told) -> list[pycolmap.Reconstruction]:
    """The models found, largest first."""
    registered = 2

    def next_image() -> None:
        nonlocal registered
        registered += 1
        progress(min(registered, len(request.images)), len(request.images))

    models = Path(request.folder) / "models"
    models.mkdir(exist_ok=True)
    found = pycolmap.incremental_mapping(request.database, request.photos, models, mapper_options(request), next_image_callback=next_image)
    return sorted(found.values(), key=lambda m: -m.num_reg_images())


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
