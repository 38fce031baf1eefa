"""An object's folder to look at in a browser: mesh, cameras with their photos, sparse points. By viser, an extra."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import trimesh

from reconstruction.errors import BackendMissing, InputError
from reconstruction.scene import Mesh, Similarity, View
from reconstruction.scene.images import read_photo
from reconstruction.scene.view import load_views
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress, silent
from reconstruction.workspace import Workspace

if TYPE_CHECKING:
    from viser import GuiEvent, SceneApi, SceneNodeHandle, SceneNodePointerEvent, ViserServer

PHOTO_PX = 320


def show_object(object_dir: Path, host: str, port: int, progress: Progress = silent) -> ViserServer:
    """A running server; `sleep_forever` or `stop` it. Of an object that is not finished: what there is from the scale on.

    Raises BackendMissing without viser, InputError where there is nothing to look at yet.
    """
    if find_spec("viser") is None:
        raise BackendMissing("the viewer is not installed", try_next="pip install '.[view]'")
    from viser import ViserServer

    workspace = Workspace(object_dir)
    if not workspace.views.exists():
        raise InputError(f"{object_dir} has no cameras in the object's frame yet", try_next="onboard it up to the scale first")
    views = load_views(workspace.views)
    server = ViserServer(host, port, label=f"Snap6D: {object_dir.name}", verbose=False)
    scene = server.scene
    scene.set_up_direction("+z")
    away = float(np.median([np.linalg.norm(view.centre_world) for view in views]))
    server.initial_camera.position = (away, away, away)
    server.initial_camera.look_at = (0.0, 0.0, 0.0)
    parts = {
        "mesh": _add_surface(scene, workspace),
        "points": _add_points(scene, workspace, away),
        "cameras": scene.add_frame("/cameras", show_axes=False),
        "axes": scene.add_frame("/axes", axes_length=0.2 * away, axes_radius=0.003 * away),
    }
    for number, view in enumerate(views):
        _add_camera(scene, view, away)
        progress(number + 1, len(views), "cameras")
    for name, part in parts.items():
        if part is not None:
            _add_switch(server, name, part)
    return server


def _add_surface(scene: SceneApi, workspace: Workspace) -> SceneNodeHandle | None:
    if not workspace.mesh.exists():
        return None
    mesh = Mesh.load(workspace.mesh)
    return scene.add_mesh_trimesh("/mesh", trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=mesh.colors, process=False))


def _add_points(scene: SceneApi, workspace: Workspace, away: float) -> SceneNodeHandle | None:
    """Those of the structure from motion that are no further away than the scene goes; a joined object has none of its own."""
    if not workspace.sfm_points.exists():
        return None
    points = SparsePoints.load(workspace.sfm_points)
    xyz = Similarity.from_json(json.loads(workspace.scale.read_text())["obj_from_sfm"]).apply(points.xyz)
    kept = np.linalg.norm(xyz, axis=1) < 3 * away
    return scene.add_point_cloud("/points", xyz[kept].astype(np.float32), points.rgb[kept], point_size=0.003 * away, precision="float32")


def _add_camera(scene: SceneApi, view: View, away: float) -> None:
    """A frustum with its photo; a click looks through it."""
    camera, obj_from_cam = view.camera, view.cam_from_world.inverse()
    share = PHOTO_PX / max(camera.width, camera.height)
    size = (max(1, round(share * camera.width)), max(1, round(share * camera.height)))
    place = {"wxyz": np.roll(obj_from_cam.quaternion_xyzw, 1), "position": np.array(obj_from_cam.translation)}
    frustum = scene.add_camera_frustum(
        f"/cameras/{view.name}",
        2 * float(np.arctan(camera.height / 2 / camera.fy)),
        camera.width / camera.height,
        scale=0.08 * away,
        thickness=0.001 * away,
        image=cv2.resize(read_photo(view.photo_path, PHOTO_PX), size, interpolation=cv2.INTER_AREA),
        format="jpeg",
        **place,
    )

    def look_through(event: SceneNodePointerEvent) -> None:
        event.client.camera.wxyz, event.client.camera.position = place["wxyz"], place["position"]

    frustum.on_click(look_through)


def _add_switch(server: ViserServer, name: str, part: SceneNodeHandle) -> None:
    """Shows a part of the scene, or hides it."""
    box = server.gui.add_checkbox(f"Show {name}", True)

    def switch(event: GuiEvent) -> None:
        part.visible = box.value

    box.on_update(switch)
