"""Shapes from signed distances: objects to onboard (a handle's hole, a dent, a hollow) and the things around them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from skimage.measure import marching_cubes

from reconstruction.scene import Mesh

Field = Callable[[Float[ndarray, "n 3"]], Float[ndarray, "n"]]


def jug(spacing: float = 0.002) -> Mesh:
    """The object to onboard: a lop-sided jug of about 0.18 m with spout, handle, knob, foot and dent, standing on z = 0.

    Watertight, in metres, origin at the centre of its bounding box, z up.
    """
    mesh = polygonize(_jug_distance, np.array([-0.115, -0.085, -0.0087]), np.array([0.125, 0.085, 0.175]), spacing)
    lower, upper = mesh.bounds
    return Mesh(mesh.vertices - (lower + upper) / 2, mesh.faces)


def mug(spacing: float = 0.0015) -> Mesh:
    """A mug of about 0.12 m with a handle: a deep hollow that no outline shows, walls of 5 mm. Frame as `jug`'s."""
    mesh = polygonize(_mug_distance, np.array([-0.053, -0.053, -0.0067]), np.array([0.090, 0.053, 0.106]), spacing)
    lower, upper = mesh.bounds
    return Mesh(mesh.vertices - (lower + upper) / 2, mesh.faces)


def pebble(seed: int, size: Float[ndarray, "3"], spacing: float = 0.005) -> Mesh:
    """A lumpy ellipsoid of about `size` metres, standing on z = 0, centred over the origin."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(0, 2.2, (4, 3)) / size.max(), rng.uniform(0, 6, 4)

    def distance(points: Float[ndarray, "n 3"]) -> Float[ndarray, "n"]:
        lumps = np.sin(points @ waves.T * 2 + phases).sum(1) * 0.02 * size.min()
        return np.maximum(_ellipsoid(points, (0, 0, 0.45 * size[2]), size / 2) + lumps, -points[:, 2])

    return polygonize(distance, -0.75 * size * (1, 1, 0.1), 0.75 * size * (1, 1, 1.6), spacing)


def box(size: Float[ndarray, "3"]) -> Mesh:
    """A block standing on z = 0, centred over the origin. Corners are split by face, so that shading has edges."""
    vertices: list[ndarray] = []
    faces: list[list[int]] = []
    for axis in range(3):
        for side in (-1, 1):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            quad = np.zeros((4, 3))
            quad[:, axis] = side
            quad[:, u], quad[:, v] = (-1, 1, 1, -1), (-1, -1, 1, 1)
            start = 4 * len(vertices)
            order = ((0, 1, 2), (0, 2, 3)) if side > 0 else ((0, 2, 1), (0, 3, 2))
            vertices.append(quad)
            faces += [[start + i for i in triangle] for triangle in order]
    corners = np.concatenate(vertices) * size / 2 + (0, 0, size[2] / 2)
    return Mesh(corners, np.array(faces, np.int32))


def disc(radius: float, height: float, sides: int = 96) -> Mesh:
    """A flat cylinder standing on z = 0. Top and side have vertices of their own, so that shading has an edge; it has no bottom."""
    angle = 2 * np.pi * np.arange(sides) / sides
    rim = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(sides, height)], 1)
    low, middle = rim * (1, 1, 0), np.array([[0, 0, height]])
    k, after = np.arange(sides), (np.arange(sides) + 1) % sides
    top = np.stack([k, after, np.full(sides, sides)], 1)
    side, bottom = k + sides + 1, k + 2 * sides + 1
    side_after, bottom_after = after + sides + 1, after + 2 * sides + 1
    faces = np.concatenate([top, np.stack([bottom, bottom_after, side], 1), np.stack([bottom_after, side_after, side], 1)])
    return Mesh(np.concatenate([rim, middle, rim, low]), faces.astype(np.int32))


def polygonize(distance: Field, lower: Float[ndarray, "3"], upper: Float[ndarray, "3"], spacing: float) -> Mesh:
    """The zero level of `distance` (negative inside) by marching cubes on a regular grid."""
    axes = [np.arange(low, high + spacing, spacing) for low, high in zip(lower, upper, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    values = distance(grid.reshape(-1, 3)).reshape(grid.shape[:3])
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(spacing,) * 3)
    return Mesh(vertices.astype(float) + lower, faces.astype(np.int32))


def _jug_distance(points: Float[ndarray, "n 3"]) -> Float[ndarray, "n"]:
    x, y, z = points.T
    body = _ellipsoid(points, (0, 0, 0.060), (0.054, 0.043, 0.066))
    body += 0.0022 * np.sin(55 * x + 1) * np.sin(48 * y + 2) * np.sin(40 * z + 0.5)
    shoulder = _ellipsoid(points, (0.016, 0.011, 0.108), (0.033, 0.028, 0.030))
    foot = _ellipsoid(points, (-0.022, 0.040, 0.024), (0.020, 0.021, 0.030))
    spout = _cone(points, (0.040, 0.004, 0.050), (0.098, 0.026, 0.124), 0.015, 0.0095)
    neck = _cone(points, (0.016, 0.011, 0.125), (0.026, 0.017, 0.150), 0.009, 0.007)
    knob = _ellipsoid(points, (0.028, 0.018, 0.153), (0.014, 0.012, 0.010))
    handle = _ring(points, (-0.054, -0.008, 0.070), (0.25, 1.0, 0.15), 0.034, 0.0085)
    solid = _join(_join(_join(body, shoulder, 0.014), foot, 0.010), spout, 0.010)
    solid = _join(_join(_join(solid, neck, 0.006), knob, 0.004), handle, 0.006)
    dent = np.linalg.norm(points - (0.012, -0.060, 0.066), axis=1) - 0.030
    solid = -_join(-solid, dent, 0.006)
    return np.maximum(solid, -z)


def _mug_distance(points: Float[ndarray, "n 3"]) -> Float[ndarray, "n"]:
    body = _cylinder(points, 0.0, 0.098, 0.042, 0.004)
    handle = _ring(points, (0.047, 0.0, 0.050), (0.0, 1.0, 0.0), 0.028, 0.0065)
    hollow = _cylinder(points, 0.007, 0.140, 0.037, 0.008)
    return np.maximum(_join(body, handle, 0.005), -hollow)


def _cylinder(points: Float[ndarray, "n 3"], low: float, high: float, radius: float, edge: float) -> ndarray:
    """Upright, around the z axis, its edges rounded by `edge` metres."""
    across = np.hypot(points[:, 0], points[:, 1]) - radius + edge
    along = np.abs(points[:, 2] - (low + high) / 2) - (high - low) / 2 + edge
    return np.hypot(across.clip(0), along.clip(0)) + np.maximum(across, along).clip(None, 0) - edge


def _ellipsoid(points: Float[ndarray, "n 3"], centre: tuple[float, ...], radii: Float[ndarray, "3"] | tuple[float, ...]) -> ndarray:
    """Approximate distance, exact in sign (first-order: value over gradient length)."""
    scaled = (points - centre) / radii
    level = np.linalg.norm(scaled, axis=1)
    return level * (level - 1) / np.maximum(np.linalg.norm(scaled / radii, axis=1), 1e-6)


def _cone(points: Float[ndarray, "n 3"], start: tuple[float, ...], end: tuple[float, ...], r0: float, r1: float) -> ndarray:
    """A capsule whose radius goes from r0 to r1."""
    axis = np.subtract(end, start)
    along = ((points - start) @ axis / (axis @ axis)).clip(0, 1)
    return np.linalg.norm(points - start - along[:, None] * axis, axis=1) - (r0 + along * (r1 - r0))


def _ring(points: Float[ndarray, "n 3"], centre: tuple[float, ...], normal: tuple[float, ...], radius: float, thickness: float) -> ndarray:
    unit = np.asarray(normal) / np.linalg.norm(normal)
    offset = points - centre
    height = offset @ unit
    across = np.linalg.norm(offset - height[:, None] * unit, axis=1) - radius
    return np.hypot(across, height) - thickness


def _join(a: ndarray, b: ndarray, blend: float) -> ndarray:
    """Union with a fillet of about `blend` metres."""
    mix = np.clip(0.5 + 0.5 * (b - a) / blend, 0, 1)
    return b + (a - b) * mix - blend * mix * (1 - mix)
