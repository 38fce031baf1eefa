"""Solid textures and light, compiled: patches of colour, painted marks and noise at many scales, never repeating.

A texture is a function of the point in the thing's own frame, so it needs no unwrapping and stays on the thing. Detail
finer than the pixel footprint is faded out instead of aliasing. All compiled code is in this one file, because numba's
cache does not notice when a function that is called from another file changes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numba import njit
from numpy import ndarray


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _hash(x: int, y: int, z: int, seed: int) -> int:
    """32 well-mixed bits of a lattice point."""
    h = (x * 374761393 + y * 668265263 + z * 1440662683 + seed * 1013904223) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 739982445) & 0xFFFFFFFF
    h = ((h ^ (h >> 12)) * 695872825) & 0xFFFFFFFF
    return h ^ (h >> 15)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _unit(h: int, turn: int) -> float:
    """A number in [0, 1) from 10 of the bits; different `turn`s give nearly independent ones."""
    return ((h >> turn) & 1023) / 1024.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def noise(x: float, y: float, z: float, seed: int) -> float:
    """Smooth value noise in [-1, 1], features of size 1."""
    xi, yi, zi = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - xi, y - yi, z - zi
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for corner in range(8):
        dx, dy, dz = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * (fz if dz else 1 - fz)
        total += weight * _hash(xi + dx, yi + dy, zi + dz, seed)
    return total / 2147483648.0 - 1.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def fractal_noise(x: float, y: float, z: float, size: float, footprint: float, seed: int) -> float:
    """Noise at wavelengths size, size / 2, ... down to the pixel footprint; about [-1, 1]."""
    total, amplitude, wavelength = 0.0, 0.5, size
    for octave in range(9):
        fade = min(1.0, wavelength / footprint - 1.0)
        if fade <= 0:
            break
        total += fade * amplitude * noise(x / wavelength, y / wavelength, z / wavelength, seed + octave)
        amplitude *= 0.92
        wavelength *= 0.5
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def patch_id(x: float, y: float, z: float, seed: int) -> int:
    """Hash of the nearest of the jittered lattice centres: cells like those of a giraffe."""
    xi, yi, zi = int(np.floor(x - 0.5)), int(np.floor(y - 0.5)), int(np.floor(z - 0.5))
    best, best_hash = 1e9, 0
    for corner in range(8):
        cx, cy, cz = xi + (corner & 1), yi + ((corner >> 1) & 1), zi + (corner >> 2)
        h = _hash(cx, cy, cz, seed)
        dx = cx + 0.15 + 0.7 * _unit(h, 0) - x
        dy = cy + 0.15 + 0.7 * _unit(h, 10) - y
        dz = cz + 0.15 + 0.7 * _unit(h, 20) - z
        distance = dx * dx + dy * dy + dz * dz
        if distance < best:
            best, best_hash = distance, h
    return best_hash


@njit(cache=True)  # type: ignore[untyped-decorator]
def mark(x: float, y: float, z: float, seed: int) -> tuple[float, int]:
    """Distance (negative inside, in lattice units) to this cell's painted mark, and the mark's hash; one cell in four is bare."""
    xi, yi, zi = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    h = _hash(xi, yi, zi, seed)
    if h & 3 == 0:
        return 1.0, h
    g = _hash(xi, yi, zi, seed + 7919)
    px = x - xi - 0.35 - 0.3 * _unit(g, 0)
    py = y - yi - 0.35 - 0.3 * _unit(g, 10)
    pz = z - zi - 0.35 - 0.3 * _unit(g, 20)
    radius = np.sqrt(px * px + py * py + pz * pz)
    kind = (h >> 2) & 3
    if kind == 0:
        return radius - 0.2 - 0.1 * _unit(h, 6), h
    if kind == 1:
        return abs(radius - 0.24) - 0.07, h
    angle, tilt = 6.2832 * _unit(h, 6), 1.5 * _unit(h, 16)
    ux, uy, uz = np.cos(angle) * np.cos(tilt), np.sin(angle) * np.cos(tilt), np.sin(tilt)
    bar = _bar(px, py, pz, ux, uy, uz)
    if kind == 3:  # a second stroke, across
        bar = min(bar, _bar(px - 0.12 * ux, py - 0.12 * uy, pz - 0.12 * uz, -uy, ux, uz))
    return bar, h


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _bar(px: float, py: float, pz: float, ux: float, uy: float, uz: float) -> float:
    along = min(0.24, max(-0.24, px * ux + py * uy + pz * uz))
    dx, dy, dz = px - along * ux, py - along * uy, pz - along * uz
    return np.sqrt(dx * dx + dy * dy + dz * dz) - 0.08


@njit(cache=True)  # type: ignore[untyped-decorator]
def solid_color(
    x: float,
    y: float,
    z: float,
    footprint: float,
    parameters: Float[ndarray, "4"],
    palette: Float[ndarray, "6 3"],
    out: Float[ndarray, "3"],
) -> None:
    """Linear RGB of a texture at a point (metres, the thing's frame) seen with a pixel of `footprint` metres."""
    seed, patch, pitch, contrast = int(parameters[0]), parameters[1], parameters[2], parameters[3]
    bend = 0.35 * patch
    wx = x + bend * noise(x / patch * 1.7, y / patch * 1.7, z / patch * 1.7, seed + 101)
    wy = y + bend * noise(y / patch * 1.7, z / patch * 1.7, x / patch * 1.7, seed + 102)
    wz = z + bend * noise(z / patch * 1.7, x / patch * 1.7, y / patch * 1.7, seed + 103)
    cell = patch_id(wx / patch, wy / patch, wz / patch, seed)
    base = cell % 6
    tint = 0.8 + 0.4 * _unit(cell, 11)
    for c in range(3):
        out[c] = palette[base, c] * tint
    for level in range(2):
        size = pitch if level == 0 else 0.43 * pitch
        edge = max(footprint / size, 0.02)
        if edge > 0.35:
            break
        distance, h = mark(x / size, y / size, z / size, seed + 31 * level)
        cover = min(1.0, max(0.0, 0.5 - distance / edge))
        if cover > 0:
            other = (base + 1 + (h >> 8) % 5) % 6
            for c in range(3):
                out[c] += cover * (palette[other, c] - out[c])
    grain = fractal_noise(x, y, z, patch, footprint, seed + 211)
    gain = np.exp(contrast * 1.6 * grain)
    for c in range(3):
        out[c] = min(0.95, out[c] * gain)


@njit(cache=True)  # type: ignore[untyped-decorator]
def sheet_grey(sheet: ndarray, x: float, y: float) -> float:
    """Bilinear sample of the printed sheet, linear light in [0, 1]; x and y in its pixels."""
    x = min(max(x, 0.0), sheet.shape[1] - 1.001)
    y = min(max(y, 0.0), sheet.shape[0] - 1.001)
    xi, yi = int(x), int(y)
    fx, fy = x - xi, y - yi
    top = sheet[yi, xi] * (1 - fx) + sheet[yi, xi + 1] * fx
    bottom = sheet[yi + 1, xi] * (1 - fx) + sheet[yi + 1, xi + 1] * fx
    return ((top * (1 - fy) + bottom * fy) / 255.0) ** 2.2


@njit(cache=True)  # type: ignore[untyped-decorator]
def _contact(x: float, y: float, footprints: ndarray) -> float:
    """How much of the all-round light reaches a table point beside the things that stand there."""
    open_sky = 1.0
    for k in range(len(footprints)):
        reach = np.hypot(x - footprints[k, 0], y - footprints[k, 1]) / footprints[k, 2]
        open_sky *= 1 - 0.6 * np.exp(-1.2 * reach * reach)
    return open_sky


@njit(cache=True)  # type: ignore[untyped-decorator]
def shade(
    face: ndarray,
    barycentric: ndarray,
    points: ndarray,
    directions: ndarray,
    footprint: ndarray,
    lit: ndarray,
    faces: ndarray,
    normals: ndarray,
    paint: ndarray,
    face_thing: ndarray,
    wall: ndarray,
    painted: ndarray,
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
        elif painted[thing]:
            for c in range(3):
                albedo[c] = 0.0
                for k in range(3):
                    albedo[c] += barycentric[i, k] * paint[faces[face[i], k], c]
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
