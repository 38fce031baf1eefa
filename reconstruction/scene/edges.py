"""The edges of a mesh, each with the faces on either side: where one of them is seen and the other is not, an outline may run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
        ends = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), axis=1)
        owner = np.repeat(np.arange(len(mesh.faces)), 3)
        order = np.argsort(ends[:, 0] * len(mesh.vertices) + ends[:, 1], kind="stable")
        ends, owner = ends[order], owner[order]
        first = np.flatnonzero(np.append(True, (np.diff(ends, axis=0) != 0).any(1)))
        alone = np.diff(np.append(first, len(ends))) == 1
        second = np.where(alone, len(mesh.faces), np.append(owner, 0)[first + 1])
        distances = np.einsum("fk,fk->f", mesh.face_normals, mesh.vertices[mesh.faces[:, 0]])
        planes = np.vstack([np.column_stack([mesh.face_normals, distances]), (0, 0, 0, 1)])
        return cls(mesh.vertices, ends[first].astype(np.int32), np.stack([owner[first], second], -1).astype(np.int32), planes)
