"""The unit cube that the surface is learnt in, and the hull's distances inside it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from reconstruction.hull import Hull
from reconstruction.scene import Similarity

MARGIN = 0.08  # of the longest side, left free around the hull


def cube_around(hull: Hull) -> Similarity:
    """unit_from_obj: the hull's box, centred in [0, 1]^3 with a margin; the axes stay parallel."""
    lower, upper = hull.bounds()
    scale = (1 - 2 * MARGIN) / float((upper - lower).max())
    return Similarity(scale, np.eye(3), 0.5 - scale * (lower + upper) / 2)


def grid_nodes(cells: int) -> Float[ndarray, "n 3"]:
    """The (cells + 1)^3 nodes of a grid over the unit cube, z fastest; float32."""
    axis = np.linspace(0, 1, cells + 1, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def hull_distances(hull: Hull, unit_from_obj: Similarity, cells: int) -> Float[ndarray, "side side side"]:
    """Signed distances to the hull at the grid nodes, in cube units, blurred by a voxel to take the stairs out."""
    room = int(np.ceil(2 * MARGIN / (unit_from_obj.scale * hull.spacing))) + 2
    padded = Hull(np.pad(hull.inside, room), hull.origin - room * hull.spacing, hull.spacing)
    distance = ndimage.gaussian_filter(padded.signed_distance(), 1.0) * unit_from_obj.scale
    nodes_obj = unit_from_obj.inverse().apply(grid_nodes(cells).astype(np.float64))
    voxels = (nodes_obj - padded.origin) / padded.spacing
    values = ndimage.map_coordinates(distance, voxels.T, order=1, mode="nearest")
    return values.reshape((cells + 1,) * 3).astype(np.float32)


def unseen_nodes(distances: Float[ndarray, "side side side"], centres: Float[ndarray, "v 3"]) -> Float[ndarray, "k 3"]:
    """Grid nodes at the hull's surface that no camera at `centres` (unit cube) faces, such as those underneath."""
    cells = len(distances) - 1
    normals = np.stack(np.gradient(distances, 1 / cells), -1).reshape(-1, 3)
    nodes = grid_nodes(cells)
    close = np.abs(distances.reshape(-1)) < 2 / cells
    nodes, normals = nodes[close], normals[close]
    facing = np.full(len(nodes), -1.0)
    for centre in centres:
        towards = centre - nodes
        cosine = (towards * normals).sum(1) / np.maximum(np.linalg.norm(towards, axis=1) * np.linalg.norm(normals, axis=1), 1e-9)
        facing = np.maximum(facing, cosine)
    return nodes[facing < 0.1]
