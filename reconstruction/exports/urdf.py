"""URDF: one rigid link with its look, its hull for collisions, its mass and inertia. Metres and kilograms, the object's frame."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import trimesh
from jaxtyping import Float
from numpy import ndarray

from reconstruction.exports.solid import Body
from reconstruction.scene import Mesh


def write_urdf(path: Path, name: str, visual: Path, hull: Mesh, body: Body) -> list[Path]:
    """`path`, and the hull beside it. visual: a mesh file beside it too; files are named relative to `path`."""
    collision = path.with_name("collision.stl")
    collision.write_bytes(trimesh.Trimesh(hull.vertices, hull.faces, process=False).export(file_type="stl"))
    robot = Xml.Element("robot", name=name)
    robot.append(Xml.Comment(f" mass: volume {body.volume_m3:.6g} m3 of uniform density {body.density_kg_m3:g} kg/m3 "))
    link = Xml.SubElement(robot, "link", name=name)
    inertial = Xml.SubElement(link, "inertial")
    Xml.SubElement(inertial, "origin", xyz=_numbers(body.centre), rpy="0 0 0")
    Xml.SubElement(inertial, "mass", value=f"{body.mass_kg:.9g}")
    Xml.SubElement(inertial, "inertia", _moments(body.inertia))
    for role, mesh in (("visual", visual), ("collision", collision)):
        geometry = Xml.SubElement(Xml.SubElement(link, role), "geometry")
        Xml.SubElement(geometry, "mesh", filename=mesh.name)
    Xml.indent(robot)
    path.write_bytes(Xml.tostring(robot, "utf-8", xml_declaration=True) + b"\n")
    return [path, collision]


def _numbers(values: Float[ndarray, "n"]) -> str:
    return " ".join(f"{v:.9g}" for v in values)


def _moments(inertia: Float[ndarray, "3 3"]) -> dict[str, str]:
    axes = "xyz"
    return {f"i{axes[r]}{axes[c]}": f"{inertia[r, c]:.9g}" for r in range(3) for c in range(r, 3)}
