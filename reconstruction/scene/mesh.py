"""Triangle meshes in metres: load, save, measure, sample."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from reconstruction.errors import InputError
from reconstruction.scene.transforms import RigidTransform


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices: (n, 3) metres. faces: (m, 3), counter-clockwise from outside. colors: (n, 3) uint8 RGB."""

    vertices: Float[ndarray, "n 3"]
    faces: Int[ndarray, "m 3"]
    colors: UInt8[ndarray, "n 3"] | None = None

    @classmethod
    def load(cls, path: Path) -> Mesh:
        """Reads PLY, OBJ or GLB; a texture is turned into vertex colours. Raises InputError where it holds no triangles."""
        try:
            loaded = trimesh.load(path, force="mesh", process=False)
        except (ValueError, OSError, IndexError, KeyError) as error:
            raise InputError(f"{path.name} can't be read as a mesh ({error})", try_next="give a PLY, OBJ or GLB file") from error
        if not isinstance(loaded, trimesh.Trimesh) or len(loaded.faces) == 0:
            raise InputError(f"{path.name} holds no triangles", try_next="give a PLY, OBJ or GLB mesh with faces")
        visual = loaded.visual.to_color() if loaded.visual.kind == "texture" else loaded.visual
        colors = np.asarray(visual.vertex_colors)[:, :3].copy() if visual.kind == "vertex" else None
        return cls(np.asarray(loaded.vertices, float), np.asarray(loaded.faces, np.int32), colors)

    def save(self, path: Path) -> None:
        """Writes PLY or GLB by the file's ending."""
        path.write_bytes(self.encoded(path.suffix))

    def encoded(self, suffix: str) -> bytes:
        """A .ply or .glb file, with normals and colours. glTF is metres, y up: rotated on the way out."""
        vertices = self.vertices
        if suffix == ".glb":
            vertices = y_up(vertices)
        out = trimesh.Trimesh(vertices, self.faces, vertex_colors=self.colors, process=False)
        out.vertex_normals  # noqa: B018  computed now so that the file carries them
        content: bytes = out.export(file_type=suffix[1:], **({"vertex_normal": True} if suffix == ".ply" else {"include_normals": True}))
        return content

    @cached_property
    def diameter(self) -> float:
        """Largest distance between two vertices (the BOP definition)."""
        points = self.vertices
        with suppress(QhullError, ValueError):  # flat meshes have no 3-D hull
            points = points[ConvexHull(points).vertices]
        if len(points) > 4000:
            points = points[:: len(points) // 4000 + 1]
        return float(pdist(points).max())

    @property
    def bounds(self) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        return self.vertices.min(0), self.vertices.max(0)

    @property
    def extents(self) -> Float[ndarray, "3"]:
        return np.ptp(self.vertices, axis=0)

    @cached_property
    def face_normals(self) -> Float[ndarray, "m 3"]:
        """Unit normals; zero where a face has no area."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        cross = np.cross(b - a, c - a)
        length = np.linalg.norm(cross, axis=1, keepdims=True)
        return np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)

    @cached_property
    def vertex_normals(self) -> Float[ndarray, "n 3"]:
        return np.array(trimesh.Trimesh(self.vertices, self.faces, process=False).vertex_normals)

    def transformed(self, a_from_b: RigidTransform) -> Mesh:
        return replace(self, vertices=a_from_b.apply(self.vertices))

    def sample(self, count: int, seed: int | tuple[int, ...]) -> tuple[Float[ndarray, "k 3"], Int[ndarray, "k"]]:
        """Points spread by area over the surface, and the face of each."""
        rng = np.random.default_rng(seed)
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        face = rng.choice(len(area), count, p=area / area.sum())
        u, v = rng.random((2, count))
        fold = u + v > 1
        u, v = np.where(fold, 1 - u, u)[:, None], np.where(fold, 1 - v, v)[:, None]
        return a[face] + u * (b[face] - a[face]) + v * (c[face] - a[face]), face.astype(np.int32)

    def largest_component(self) -> Mesh:
        """The connected part with the largest area."""
        import scipy.sparse as sparse

        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]]])
        graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(self.vertices),) * 2)
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        face_label = label[self.faces[:, 0]]
        keep_faces = self.faces[face_label == np.bincount(face_label, area).argmax()]
        used, faces = np.unique(keep_faces, return_inverse=True)
        colors = None if self.colors is None else self.colors[used]
        return Mesh(self.vertices[used], faces.reshape(-1, 3).astype(np.int32), colors)


def y_up(rows: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    """Points or directions whose z is up, as glTF has them."""
    return rows[:, [0, 2, 1]] * (1, 1, -1)
