"""BOP's scenes and models as they lie on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reconstruction.errors import InputError
from reconstruction.formats import upright_size
from reconstruction.scene import Camera, Mesh, RigidTransform
from surfemb.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class BopObject:
    """mesh: metres. diameter: metres, as stated, not measured."""

    obj_id: int
    mesh: Mesh
    diameter: float
    symmetry: Symmetry


@dataclass(frozen=True)
class Instance:
    """One annotated object in an image. visible: the share of its silhouette that is not hidden; None where it is not said."""

    obj_id: int
    cam_from_obj: RigidTransform
    visible: float | None = None
    box: tuple[float, float, float, float] | None = None  # x0, y0, x1, y1 of the whole silhouette, hidden parts too


@dataclass(frozen=True)
class BopImage:
    scene_id: int
    image_id: int
    path: Path
    camera: Camera
    instances: tuple[Instance, ...]
    depth_path: Path | None = None
    depth_unit: float = 0.001  # metres of one step of the depth image


def load_models(folder: Path, obj_ids: list[int] | None = None) -> dict[int, BopObject]:
    """The models of a folder that holds models_info.json, or those of `obj_ids`. Raises InputError where one is missing or malformed."""
    infos = _read_json(folder / "models_info.json")
    wanted = sorted(int(key) for key in infos) if obj_ids is None else obj_ids
    return {obj_id: _load_model(folder, obj_id, infos) for obj_id in wanted}


def _load_model(folder: Path, obj_id: int, infos: dict[str, Any]) -> BopObject:
    if str(obj_id) not in infos:
        raise InputError(f"models_info.json does not know object {obj_id}", try_next="give one of " + ", ".join(infos))
    info, mesh = infos[str(obj_id)], Mesh.load(folder / f"obj_{obj_id:06d}.ply")
    return BopObject(obj_id, Mesh(mesh.vertices / 1000, mesh.faces, mesh.colors), float(info["diameter"]) / 1000, Symmetry.from_bop(info))


def load_scene(folder: Path) -> list[BopImage]:
    """The images of one scene's folder, such as `test/000002`, by number. Raises InputError where its JSON is missing or malformed."""
    cameras, truth = _read_json(folder / "scene_camera.json"), _read_json(folder / "scene_gt.json")
    info_path = folder / "scene_gt_info.json"
    infos = _read_json(info_path) if info_path.exists() else {}
    try:
        return [_load_image(folder, key, cameras[key], truth.get(key, []), infos.get(key)) for key in sorted(cameras, key=int)]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the scene {folder.name} can't be read ({error!r})", try_next="give a scene in BOP's layout") from error


def _load_image(
    folder: Path, key: str, camera: dict[str, Any], truth: list[dict[str, Any]], infos: list[dict[str, Any]] | None
) -> BopImage:
    image_id = int(key)
    path = _find_image(folder, image_id)
    width, height = upright_size(path)
    depth = folder / "depth" / f"{image_id:06d}.png"
    return BopImage(
        scene_id=int(folder.name),
        image_id=image_id,
        path=path,
        camera=Camera.from_matrix(np.reshape(camera["cam_K"], (3, 3)).astype(float), width, height),
        instances=tuple(_instance(row, None if infos is None else infos[i]) for i, row in enumerate(truth)),
        depth_path=depth if depth.exists() else None,
        depth_unit=float(camera.get("depth_scale", 1.0)) / 1000,
    )


def _instance(row: dict[str, Any], info: dict[str, Any] | None) -> Instance:
    pose = RigidTransform.from_json({"R": row["cam_R_m2c"], "t": np.array(row["cam_t_m2c"], float) / 1000})
    visible = row.get("visib_fract") if info is None else info.get("visib_fract")
    box = None if info is None or "bbox_obj" not in info else info["bbox_obj"]
    corners = None if box is None else (float(box[0]), float(box[1]), float(box[0] + box[2]), float(box[1] + box[3]))
    return Instance(int(row["obj_id"]), pose, None if visible is None else float(visible), corners)


def _find_image(folder: Path, image_id: int) -> Path:
    for kind in ("rgb", "gray"):
        for ending in ("png", "jpg", "tif"):
            if (path := folder / kind / f"{image_id:06d}.{ending}").exists():
                return path
    raise InputError(f"the scene {folder.name} has no image {image_id:06d}", try_next="put it into its folder rgb or gray")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        doc = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} can't be read ({error})", try_next="give a folder in BOP's layout") from error
    if not isinstance(doc, dict):
        raise InputError(f"{path.name} is no JSON object", try_next="give a folder in BOP's layout")
    return doc
