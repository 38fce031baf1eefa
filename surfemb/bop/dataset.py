"""An object's own photos and mesh as a data set in BOP's layout, in one zip.

https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md: lengths in millimetres, boxes as x, y, width, height.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.rasterizers import Rasterizer, make_rasterizer
from reconstruction.scene import Camera, View
from reconstruction.scene.images import mask_bytes, photo_bytes, read_photo
from reconstruction.stage import Progress, silent
from surfemb.bop.scenes import BopObject

SCENE = "train_real/000001"
_BEYOND = 1.0  # image sizes beyond each border: BOP counts an object's pixels outside the image, too


@dataclass(frozen=True, eq=False)
class _Image:
    """One photo as BOP wants it. files: name in the scene's folder -> content."""

    camera: Camera
    truth: dict[str, Any]
    info: dict[str, Any]
    files: dict[str, bytes]


def write_dataset(
    path: Path, obj: BopObject, views: Sequence[View], photo_px: int, about: str = "", progress: Progress = silent
) -> dict[str, int]:
    """models/, one scene of the views that have masks, and what BOP wants to know of both. Gives how many images, and bytes.

    views: in the object frame, metres. Photos with a side longer than `photo_px` are shrunk to it. about: goes into dataset_info.md.
    Raises InputError where no view has a mask.
    """
    masked = [view for view in views if view.mask_path is not None]
    if not masked:
        raise InputError("no photo has a mask", try_next="onboard the object again: its masks stage makes them")
    rasterizer = make_rasterizer(obj.mesh)
    cameras, truths, infos = {}, {}, {}
    with ZipFile(path, "w") as archive, ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda item: _image(obj, rasterizer, item[0], item[1], photo_px), enumerate(masked))
        for number, image in enumerate(made):
            for name, content in image.files.items():
                _add(archive, f"{SCENE}/{name}", content)
            cameras[number] = {"cam_K": image.camera.matrix.reshape(-1).tolist(), "depth_scale": 1.0}
            truths[number], infos[number] = [image.truth], [image.info]
            progress(number + 1, len(masked), "photos in BOP's layout")
        for name, rows in (("scene_camera", cameras), ("scene_gt", truths), ("scene_gt_info", infos)):
            _add(archive, f"{SCENE}/{name}.json", json.dumps(rows, indent=1).encode())
        _add(archive, "camera.json", json.dumps({**image.camera.to_json(), "depth_scale": 1.0}, indent=1).encode())
        _add(archive, "dataset_info.md", about.encode())
        for name, content in _model(obj):
            _add(archive, f"models/{name}", content)
    return {"images": len(masked), "bytes": path.stat().st_size}


def model_info(obj: BopObject) -> dict[str, Any]:
    """The object's record in models_info.json."""
    low, size = obj.mesh.bounds[0], obj.mesh.extents
    box = {f"min_{axis}": 1000 * float(low[i]) for i, axis in enumerate("xyz")}
    return {"diameter": 1000 * obj.diameter, **box, **{f"size_{axis}": 1000 * float(size[i]) for i, axis in enumerate("xyz")}} | (
        obj.symmetry.to_bop()
    )


def _model(obj: BopObject) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"obj_{obj.obj_id:06d}.ply"
        replace(obj.mesh, vertices=1000 * obj.mesh.vertices).save(path)
        yield path.name, path.read_bytes()
    yield "models_info.json", json.dumps({str(obj.obj_id): model_info(obj)}, indent=1).encode()


def _image(obj: BopObject, rasterizer: Rasterizer, number: int, view: View, photo_px: int) -> _Image:
    view, photo = _shrunk(view, photo_px)
    mask = _read_mask(view)
    whole, origin = _silhouette(rasterizer, view)
    inside = _inside(whole, origin, view.camera)
    visible = inside & mask
    truth = {
        "cam_R_m2c": view.cam_from_world.rotation.reshape(-1).tolist(),
        "cam_t_m2c": (1000 * view.cam_from_world.translation).tolist(),
        "obj_id": obj.obj_id,
    }
    every = int(whole.sum())
    info = {
        "bbox_obj": _box(whole, origin),
        "bbox_visib": _box(visible),
        "px_count_all": every,
        "px_count_valid": 0,  # of depth: there is none
        "px_count_visib": int(visible.sum()),
        "visib_fract": float(visible.sum() / every) if every else 0.0,
    }
    name = f"{number:06d}"
    files = {f"rgb/{name}.jpg": photo, f"mask/{name}_000000.png": mask_bytes(inside), f"mask_visib/{name}_000000.png": mask_bytes(visible)}
    return _Image(view.camera, truth, info, files)


def _shrunk(view: View, photo_px: int) -> tuple[View, bytes]:
    """The view of a photo of at most that size, and the photo as a JPEG: the file itself where it is one and small enough."""
    width, height = view.camera.width, view.camera.height
    share = photo_px / max(width, height)
    if share >= 1 and view.photo_path.suffix == ".jpg":
        return view, view.photo_path.read_bytes()
    size = (width, height) if share >= 1 else (round(width * share), round(height * share))
    photo = cv2.resize(read_photo(view.photo_path, photo_px), size, interpolation=cv2.INTER_AREA)
    return replace(view, camera=view.camera.resized(*size)), photo_bytes(photo)


def _read_mask(view: View) -> Bool[ndarray, "h w"]:
    mask = view.mask()
    assert mask is not None
    size = (view.camera.width, view.camera.height)
    return mask if mask.shape == size[::-1] else cv2.resize(255 * mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 127


def _silhouette(rasterizer: Rasterizer, view: View) -> tuple[Bool[ndarray, "h w"], tuple[int, int]]:
    """All of the object, hidden parts and those outside the image too, in a window of its own, and that window's first pixel."""
    camera, mesh = view.camera, rasterizer.mesh
    pixels = view.project(mesh.vertices)
    size = np.array([camera.width, camera.height])
    pixels = np.clip(pixels[np.isfinite(pixels).all(1)], -_BEYOND * size, (1 + _BEYOND) * size)
    if not len(pixels):
        return np.zeros((1, 1), bool), (0, 0)
    x0, y0 = (int(v) for v in np.floor(pixels.min(0)))
    x1, y1 = (int(v) for v in np.ceil(pixels.max(0)) + 1)
    return rasterizer.render(camera.cropped(x0, y0, x1 - x0, y1 - y0), view.cam_from_world).mask, (x0, y0)


def _inside(window: Bool[ndarray, "h w"], origin: tuple[int, int], camera: Camera) -> Bool[ndarray, "h w"]:
    """What of the window lies in the image."""
    canvas = np.zeros((camera.height, camera.width), bool)
    rows, columns = np.nonzero(window)
    rows, columns = rows + origin[1], columns + origin[0]
    kept = (rows >= 0) & (rows < camera.height) & (columns >= 0) & (columns < camera.width)
    canvas[rows[kept], columns[kept]] = True
    return canvas


def _box(mask: Bool[ndarray, "h w"], origin: tuple[int, int] = (0, 0)) -> list[int]:
    """From the first pixel to the last one, as BOP's own tool counts; -1 where there is none."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return [-1, -1, -1, -1]
    x0, y0 = int(columns.min()), int(rows.min())
    return [x0 + origin[0], y0 + origin[1], int(columns.max()) - x0, int(rows.max()) - y0]


def _add(archive: ZipFile, name: str, content: bytes) -> None:
    """The same content gives the same zip, whenever it is made."""
    entry = ZipInfo(name)
    entry.compress_type = ZIP_STORED if name.endswith((".jpg", ".png")) else ZIP_DEFLATED
    archive.writestr(entry, content)
