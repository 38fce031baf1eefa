"""Field to mesh: marching cubes near the surface, the largest piece, fewer faces, each vertex back on the surface."""

from __future__ import annotations

from collections.abc import Sequence

import fast_simplification
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage
from skimage.measure import marching_cubes

from reconstruction.errors import SurfaceError
from reconstruction.hull import Hull
from reconstruction.scene import Mesh, View
from reconstruction.sdf.frame import grid_nodes, hull_distances
from reconstruction.sdf.model import SurfaceModel

OUTSIDE = 0.01  # of the cube: how far beyond the hull the surface may lie, for masks that are a little tight

_ADVICE = "look at the masks: they must agree on one object; photos from more sides and more texture help, too"


def extract_mesh(model: SurfaceModel, hull: Hull, coarse: Float[ndarray, "side side side"], cells: int, faces: int) -> Mesh:
    """The surface in the object frame, without colours.

    coarse: distances at the nodes of the field's base grid (cube units), which tell where to look closely. cells: of the
    marching cubes, along each side of the cube. Raises SurfaceError where there is no surface or hardly any of it is left.
    """
    mesh = _marched(model, coarse, hull_distances(hull, model.unit_from_obj, cells))
    whole, expected = _volume(mesh), hull.volume
    if whole < 0.1 * expected:
        raise SurfaceError(f"the surface collapsed to {100 * whole / expected:.0f} % of the outline's volume", try_next=_ADVICE)
    if len(mesh.faces) > faces:
        vertices, fewer = fast_simplification.simplify(mesh.vertices.astype(np.float32), mesh.faces, target_count=faces)
        mesh = Mesh(np.asarray(vertices, np.float64), np.asarray(fewer, np.int32)).largest_component()
    return _snapped(model, mesh, 0.5 / cells / model.unit_from_obj.scale)


def _marched(model: SurfaceModel, coarse: Float[ndarray, "side side side"], outline: Float[ndarray, "nodes nodes nodes"]) -> Mesh:
    """outline: the hull's distances at the nodes to march over. Flaps that few photos contradict are cut where they leave it."""
    cells = len(outline) - 1
    nodes = grid_nodes(cells)
    values = ndimage.map_coordinates(coarse, nodes.T * (len(coarse) - 1), order=1)
    close = np.abs(values) < 2 / (len(coarse) - 1)
    values[close] = model.sdf(model.unit_from_obj.inverse().apply(nodes[close].astype(np.float64))) * model.unit_from_obj.scale
    grid = np.maximum(values.reshape(outline.shape), outline - OUTSIDE)
    if not np.isfinite(grid).all() or grid.min() >= 0 or grid.max() <= 0:
        raise SurfaceError("no surface came out of the training", try_next=_ADVICE)
    vertices, triangles, _, _ = marching_cubes(grid, 0.0, spacing=(1 / cells,) * 3)
    return Mesh(model.unit_from_obj.inverse().apply(vertices.astype(np.float64)), triangles.astype(np.int32)).largest_component()


def _snapped(model: SurfaceModel, mesh: Mesh, reach: float) -> Mesh:
    """Newton's method along the slope, at most `reach` away: undoes what interpolation and simplification moved."""
    vertices = mesh.vertices
    for _ in range(2):
        distance, slope = model.sdf_and_normals(vertices)
        step = distance[:, None] * slope / np.maximum((slope**2).sum(1, keepdims=True), 0.25)
        vertices = vertices - step * np.minimum(1, reach / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12))
    return Mesh(vertices, mesh.faces)


def _volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def vertex_colours(model: SurfaceModel, mesh: Mesh, views: Sequence[View], count: int = 4) -> UInt8[ndarray, "n 3"]:
    """What the `count` cameras that look most squarely at each vertex would see of it, averaged."""
    directions = squarest_directions(mesh, views, count)
    colours = [model.shade(mesh.vertices, one, mesh.vertex_normals) for one in directions.transpose(1, 0, 2)]
    return (np.mean(colours, 0) * 255).round().astype(np.uint8)


def squarest_directions(mesh: Mesh, views: Sequence[View], count: int = 4) -> Float[ndarray, "n count 3"]:
    """Unit directions to each vertex from the `count` cameras that look most squarely at it, whatever hides it."""
    centres = np.stack([view.centre_world for view in views])
    offsets = mesh.vertices[:, None] - centres  # (n, v, 3)
    directions = offsets / np.linalg.norm(offsets, axis=-1, keepdims=True)
    best = np.argsort(np.einsum("nvk,nk->nv", directions, mesh.vertex_normals), axis=1)[:, :count]
    return np.take_along_axis(directions, best[..., None], 1)
