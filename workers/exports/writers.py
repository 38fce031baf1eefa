"""One function an export: it writes its files into a folder and says what each is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from reconstruction.errors import InputError
from reconstruction.exports.atlas import lighter, unwrap
from reconstruction.exports.glb import write_glb
from reconstruction.exports.obj import write_obj
from reconstruction.exports.solid import Body, body_of, collision_hull, convex_hull
from reconstruction.exports.texture import bake
from reconstruction.exports.urdf import write_urdf
from reconstruction.scene import RigidTransform
from reconstruction.stage import Progress, part_of
from snap6d.results import Pose
from snap6d.ros2 import messages
from surfemb.bop.dataset import write_dataset
from surfemb.bop.scenes import BopObject
from workers.exports.config import ExportsConfig
from workers.exports.finished import Finished

Files = dict[str, str]
"""Name -> what it is."""


@dataclass(frozen=True)
class Export:
    """metric: it claims metres. share: roughly the part of the time that it takes. needs: others whose files it refers to."""

    name: str
    make: Callable[[Finished, ExportsConfig, Path, Progress], Files]
    metric: bool
    share: float
    needs: tuple[str, ...] = ()


def make_ply(finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    (out / "mesh.ply").write_bytes(finished.workspace.mesh.read_bytes())
    return {"mesh.ply": "the mesh with colours at its vertices, all of its faces"}


def make_glb(finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    (out / "mesh.glb").write_bytes(finished.workspace.mesh_glb.read_bytes())
    return {"mesh.glb": "the same as glTF, y up; its colours are sRGB, which many viewers show too bright"}


def make_obj(finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    progress(0, 10, "laying the surface out flat")
    atlas = unwrap(lighter(finished.mesh, config.obj_faces), config.texture_px)
    picture = bake(finished.colours, atlas, finished.views, config.texture_px, part_of(progress, 0.5, 1.0))
    write_obj(out / "object.obj", atlas, picture)
    write_glb(out / "object.glb", atlas, picture)
    about = f"the mesh in {len(atlas.mesh.faces)} faces with a texture"
    size = f"its texture, {config.texture_px} x {config.texture_px}"
    return {"object.obj": about, "object.mtl": "its material", "object.png": size, "object.glb": "the three in one, as glTF, y up"}


def make_urdf(finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    progress(0, 2, "the hull")
    hull = collision_hull(finished.mesh)
    write_urdf(out / "object.urdf", "object", Path("object.obj"), hull, body(finished, config))
    about = f"one link: mass, inertia, object.obj to be seen, collision.stl to be touched; {_filling(finished, config)}"
    return {"object.urdf": about, "collision.stl": f"the convex hull in {len(hull.faces)} faces"}


def make_bop(finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    mesh = finished.mesh
    found = BopObject(1, mesh, mesh.diameter, finished.symmetry)
    made = write_dataset(out / "bop.zip", found, finished.views, config.bop_photo_px, _about_bop(finished), progress)
    return {"bop.zip": f"the object and {made['images']} of its photos with poses and masks, as a BOP data set in mm"}


def make_ros2(finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    seen = min(finished.views, key=lambda view: view.name)
    found, at = _pose(finished.name, seen.cam_from_world), messages.header("camera_color_optical_frame")
    examples = {
        "pose_stamped.yaml": ("geometry_msgs/msg/PoseStamped", messages.pose_stamped(found, at)),
        "detection3d_array.yaml": (
            "vision_msgs/msg/Detection3DArray",
            messages.detection_array([found], at, {finished.name: messages.Box(**box(finished))}),
        ),
    }
    for name, (kind, message) in examples.items():
        topic = "pose" if "pose" in name else "detections"
        head = f'# The object as {seen.name} shows it. ros2 topic pub --once /{topic} {kind} "$(cat {name})"\n'
        # by way of JSON: YAML would write the header once and point to it
        (out / name).write_text(head + yaml.safe_dump(json.loads(json.dumps(message)), sort_keys=False))
    return {name: f"an example of {kind}" for name, (kind, _) in examples.items()}


EXPORTS = (
    Export("ply", make_ply, False, 0.01),
    Export("glb", make_glb, False, 0.01),
    Export("obj", make_obj, False, 0.50),
    Export("urdf", make_urdf, True, 0.03, needs=("obj",)),
    Export("bop", make_bop, True, 0.44),
    Export("ros2", make_ros2, True, 0.01),
)


def body(finished: Finished, config: ExportsConfig) -> Body:
    """Of the mesh, or of its convex hull where it has holes."""
    solid = finished.mesh if finished.closed else convex_hull(finished.mesh)
    for given in (config.density_kg_m3, config.mass_kg):
        if given is not None and not 0 < given < float("inf"):
            raise InputError(f"nothing weighs {given:g}", try_next="give a mass in kg or a density in kg/m3")
    found = body_of(solid, config.density_kg_m3)
    return found if config.mass_kg is None else body_of(solid, config.mass_kg / found.volume_m3)


def box(finished: Finished) -> dict[str, list[float]]:
    """Of the mesh, along the object's axes."""
    low, high = finished.mesh.bounds
    return {"centre": ((low + high) / 2).tolist(), "size": (high - low).tolist()}


def _pose(object_id: str, cam_from_obj: RigidTransform) -> Pose:
    turn, shift = cam_from_obj.rotation.reshape(-1).tolist(), cam_from_obj.translation.tolist()
    return Pose(object_id, 1.0, tuple(turn), tuple(shift), tuple(cam_from_obj.quaternion_xyzw.tolist()))


def _filling(finished: Finished, config: ExportsConfig) -> str:
    given = f"{config.density_kg_m3:g} kg/m3, which is an assumption" if config.mass_kg is None else f"{config.mass_kg:g} kg, as weighed"
    return f"{'the mesh' if finished.closed else 'its convex hull, since the mesh has holes,'} filled evenly with {given}"


def _about_bop(finished: Finished) -> str:
    scale = finished.scale
    known = "" if scale["rel_std"] is None else f", known to {100 * scale['rel_std']:.2g} %"
    return (
        f"# {finished.name}\n\nMade by Snap6D from photos of the object. Its poses are the reconstruction's, not measured by other means. "
        f"mask_visib is what the photos' masks show of the model's silhouette (mask). Scale: {scale['source']}{known}.\n"
    )
