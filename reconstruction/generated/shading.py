"""Light on the things of a generated scene, one compiled loop over the samples."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy import ndarray

from reconstruction.generated.texture import solid_color


@njit(cache=True)
def sheet_grey(sheet: ndarray, x: float, y: float) -> float:
    """Bilinear sample of the printed sheet, linear light in [0, 1]; x and y in its pixels."""
    x = min(max(x, 0.0), sheet.shape[1] - 1.001)
    y = min(max(y, 0.0), sheet.shape[0] - 1.001)
    xi, yi = int(x), int(y)
    fx, fy = x - xi, y - yi
    top = sheet[yi, xi] * (1 - fx) + sheet[yi, xi + 1] * fx
    bottom = sheet[yi + 1, xi] * (1 - fx) + sheet[yi + 1, xi + 1] * fx
    return ((top * (1 - fy) + bottom * fy) / 255.0) ** 2.2


@njit(cache=True)
def _contact(x: float, y: float, footprints: ndarray) -> float:
    """How much of the all-round light reaches a table point beside the things that stand there."""
    open_sky = 1.0
    for k in range(len(footprints)):
        reach = np.hypot(x - footprints[k, 0], y - footprints[k, 1]) / footprints[k, 2]
        open_sky *= 1 - 0.6 * np.exp(-1.2 * reach * reach)
    return open_sky


@njit(cache=True)
def shade(
    face: ndarray,
    barycentric: ndarray,
    points: ndarray,
    directions: ndarray,
    footprint: ndarray,
    lit: ndarray,
    faces: ndarray,
    normals: ndarray,
    face_thing: ndarray,
    wall: ndarray,
    thing_from_world: ndarray,
    parameters: ndarray,
    palettes: ndarray,
    contacts: ndarray,
    sheet: ndarray,
    sheet_m: float,
    light: ndarray,
    strength: float,
    tint: ndarray,
) -> ndarray:
    """Linear RGB (n, 3) of every sample: texture times (all-round light + lamp), with a weak highlight."""
    out = np.zeros((len(face), 3), np.float32)
    albedo = np.zeros(3)
    for i in range(len(face)):
        if face[i] < 0:
            continue
        thing = face_thing[face[i]]
        nx, ny, nz = 0.0, 0.0, 0.0
        for k in range(3):
            vertex = faces[face[i], k]
            nx += barycentric[i, k] * normals[vertex, 0]
            ny += barycentric[i, k] * normals[vertex, 1]
            nz += barycentric[i, k] * normals[vertex, 2]
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        facing = (nx * dx + ny * dy + nz * dz) / np.sqrt((nx * nx + ny * ny + nz * nz) * (dx * dx + dy * dy + dz * dz))
        flip = (1.0 if facing < 0 else -1.0) / np.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * flip, ny * flip, nz * flip
        size = footprint[i] / max(0.3, abs(facing))
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        on_table = abs(z) < 0.002 and nz > 0.9
        if on_table and max(abs(x), abs(y)) < sheet_m / 2:
            scale = sheet.shape[0] / sheet_m
            grey = sheet_grey(sheet, (x + sheet_m / 2) * scale - 0.5, (sheet_m / 2 - y) * scale - 0.5)
            albedo[:] = grey
        else:
            m = thing_from_world[thing]
            solid_color(
                m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3],
                m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3],
                m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3],
                size,
                parameters[thing],
                palettes[thing],
                albedo,
            )
        ambient = (1 - strength) * (0.8 + 0.2 * nz)
        lamp, shine = 0.0, 0.0
        if wall[thing]:
            lamp = 0.8 * strength
        elif lit[i]:
            lamp = 1.25 * strength * max(0.0, nx * light[0] + ny * light[1] + nz * light[2])
            scale = 1 / np.sqrt(dx * dx + dy * dy + dz * dz)
            hx, hy, hz = light[0] - dx * scale, light[1] - dy * scale, light[2] - dz * scale
            half = (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz)
            shine = 0.0 if on_table else 0.05 * strength * max(0.0, half) ** 40
        if on_table:
            ambient *= _contact(x, y, contacts)
        for c in range(3):
            out[i, c] = albedo[c] * (ambient + lamp * tint[c]) + shine
    return out
