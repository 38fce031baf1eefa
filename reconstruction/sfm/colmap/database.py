"""Photos and cameras in COLMAP's database. Only COLMAP's own process imports this."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pycolmap

from reconstruction.sfm.colmap.request import CameraRequest, Request


def remove_database(path: Path) -> None:
    """Its journal too. Nothing where there is none."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def create_database(request: Request) -> list[int]:
    """Returns the database's id of each camera."""
    remove_database(request.database)
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


def square_pixels(request: Request, camera_ids: list[int]) -> None:
    """One focal length, the principal point in the middle: turning about one axis tells no more (Armstrong et al., ECCV 1996)."""
    with pycolmap.Database.open(request.database) as database:
        for camera_id, wanted in zip(camera_ids, request.cameras, strict=True):
            if not wanted.calibrated:
                fx, _, cx, cy, k1, k2, *_ = wanted.params
                database.update_camera(_camera(replace(wanted, model="RADIAL", params=[fx, cx, cy, k1, k2]), camera_id))


def _camera(wanted: CameraRequest, camera_id: int | None = None) -> pycolmap.Camera:
    camera = pycolmap.Camera(model=wanted.model, width=wanted.width, height=wanted.height, params=wanted.params)
    camera.has_prior_focal_length = wanted.focal_known
    if camera_id is not None:
        camera.camera_id = camera_id
    return camera
