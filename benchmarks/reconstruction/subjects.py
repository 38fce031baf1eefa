"""What is photographed: objects that the code generates, and scanned ones where their folder is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import trimesh
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.generated.shapes import jug, mug
from reconstruction.scene import Mesh
from reconstruction.scene.images import read_photo

DETAIL_M = 0.0008  # between vertices: finer than a pixel of any photo


def list_subjects(scans: Path | None) -> dict[str, Callable[[], Mesh]]:
    """Name -> makes the mesh: metres, origin at the centre of its box, z up. A scan's folder holds mesh.npz and texture.jpg."""
    subjects: dict[str, Callable[[], Mesh]] = {"jug": jug, "mug": mug}
    for folder in sorted(scans.iterdir()) if scans else []:
        if (folder / "mesh.npz").exists():
            subjects[folder.name] = partial(load_scan, folder)
    return subjects


def load_scan(folder: Path) -> Mesh:
    """The scanned mesh with its texture as vertex colours, split finely enough to keep the print readable."""
    with np.load(folder / "mesh.npz") as file:
        vertices, faces, uv = file["vertices_m"], file["faces"], file["uv"]
    texture = read_photo(folder / "texture.jpg")
    # Position and texture coordinate are split together; the latter is made so small that it doesn't count as length.
    joint, faces = trimesh.remesh.subdivide_to_size(np.hstack([vertices, uv * 1e-7]), faces, DETAIL_M)
    colors = _look_up(texture, joint[:, 3:] * 1e7)
    _, first, same = np.unique(joint[:, :3].round(7), axis=0, return_index=True, return_inverse=True)
    upright = joint[first, :3] @ _squared_up(joint[:, :3]).T
    lower, upper = upright.min(0), upright.max(0)
    return Mesh(upright - (lower + upper) / 2, same.reshape(-1)[faces].astype(np.int32), colors[first])


def _look_up(texture: ndarray, uv: Float[ndarray, "n 2"]) -> ndarray:
    height, width = texture.shape[:2]
    columns, rows = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    parts = [
        cv2.remap(texture, c[:, None].astype(np.float32), r[:, None].astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for c, r in zip(np.array_split(columns, len(uv) // 30_000 + 1), np.array_split(rows, len(uv) // 30_000 + 1), strict=True)
    ]
    return np.concatenate(parts)[:, 0]


def _squared_up(vertices: Float[ndarray, "n 3"]) -> Float[ndarray, "3 3"]:
    """The turn about z that makes the box smallest: scans stand askew in their own axes."""
    turns = [Rotation.from_euler("z", angle, degrees=True).as_matrix() for angle in np.arange(0, 90, 0.5)]
    return min(turns, key=lambda turn: float(np.prod(np.ptp(vertices @ turn.T, axis=0))))
