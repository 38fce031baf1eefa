"""The edges of a mesh, each with the faces on either side: where one of them is seen and the other is not, an outline may run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Int
from numpy import ndarray

from reconstruction.scene.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Edges:
    """Of a mesh, each once. ends: two vertices. faces: on either side; the last plane, which nothing is before, where there is none.
    planes: of the faces, normal and distance from the origin."""

    vertices: Float[ndarray, "n 3"]
    ends: Int[ndarray, "e 2"]
    faces: Int[ndarray, "e 2"]
    planes: Float[ndarray, "f 4"]

    @classmethod
    def of(cls, mesh: Mesh) -> Edges:
        topology = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        rim = trimesh.grouping.group_rows(topology.edges_sorted, require_count=1)
        beside_nothing = np.column_stack([topology.edges_face[rim], np.full(len(rim), len(mesh.faces))])
        ends = np.concatenate([topology.face_adjacency_edges, topology.edges_sorted[rim]]).astype(np.int32)
        faces = np.concatenate([topology.face_adjacency, beside_nothing]).astype(np.int32)
        distances = np.einsum("fk,fk->f", mesh.face_normals, mesh.vertices[mesh.faces[:, 0]])
        planes = np.vstack([np.column_stack([mesh.face_normals, distances]), (0, 0, 0, 1)])
        return cls(mesh.vertices, ends, faces, planes)
