"""The mesh as a body: its volume, mass and inertia, and a convex hull for collisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import ConvexHull

from reconstruction.errors import SurfaceError
from reconstruction.scene import Mesh


@dataclass(frozen=True, eq=False)
class Body:
    """Of uniform density: what photos can't see, such as hollows inside, counts as filled.

    centre: of mass, object frame. inertia: about it, along the object's axes, kg m2.
    """

    volume_m3: float
    density_kg_m3: float
    centre: Float[ndarray, "3"]
    inertia: Float[ndarray, "3 3"]

    @property
    def mass_kg(self) -> float:
        return self.volume_m3 * self.density_kg_m3


def is_closed(mesh: Mesh) -> bool:
    """Whether every edge joins two faces that agree on the outside, so that it has a volume."""
    return bool(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_volume)


def body_of(mesh: Mesh, density_kg_m3: float) -> Body:
    """Of a closed mesh, by the divergence theorem. Raises SurfaceError where it has no volume."""
    if not is_closed(mesh):
        raise SurfaceError("the mesh is not closed: it has no volume", try_next="take its convex hull")
    found = trimesh.triangles.mass_properties(mesh.vertices[mesh.faces], density=density_kg_m3)
    return Body(float(found.volume), density_kg_m3, np.asarray(found.center_mass), np.asarray(found.inertia))


def collision_hull(mesh: Mesh, off: float = 0.005) -> Mesh:
    """A convex hull of few faces. No point of the mesh lies further outside of it than `off` diameters, none of it outside the true hull.

    Corner by corner: the one that lies furthest outside what there is so far comes next.
    """
    corners = mesh.vertices[ConvexHull(mesh.vertices).vertices]
    axes = np.vstack([np.eye(3), -np.eye(3), [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]])
    chosen = list(dict.fromkeys((corners @ axes.T).argmax(0).tolist()))
    while len(chosen) < len(corners):
        planes = ConvexHull(corners[chosen]).equations
        outside = (corners @ planes[:, :3].T + planes[:, 3]).max(1)
        if outside.max() <= off * mesh.diameter:
            break
        chosen.append(int(outside.argmax()))
    return _outwards(corners[chosen])


def _outwards(corners: Float[ndarray, "n 3"]) -> Mesh:
    """The hull of corners, its faces counter-clockwise from outside: Qhull does not order them."""
    hull = ConvexHull(corners)
    a, b, c = (corners[hull.simplices[:, i]] for i in range(3))
    inwards = np.einsum("ni,ni->n", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces = np.where(inwards[:, None], hull.simplices[:, ::-1], hull.simplices)
    used, faces = np.unique(faces, return_inverse=True)
    return Mesh(corners[used], faces.reshape(-1, 3).astype(np.int32))
