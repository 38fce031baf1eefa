"""Solid textures, compiled: patches of colour, painted marks and noise at many scales, never repeating.

A texture is a function of the point in the thing's own frame, so it needs no unwrapping and stays on the thing. Detail
finer than the pixel footprint is faded out instead of aliasing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numba import njit
from numpy import ndarray


@dataclass(frozen=True)
class Texture:
    """patch_m: size of the colour patches; mark_m: pitch of the painted marks; palette: (6, 3) linear RGB."""

    seed: int
    patch_m: float
    mark_m: float
    contrast: float
    palette: Float[ndarray, "6 3"]

    def parameters(self) -> Float[ndarray, "4"]:
        return np.array([self.seed, self.patch_m, self.mark_m, self.contrast])


def make_texture(
    seed: int, patch_m: float, mark_m: float, contrast: float = 0.5, saturation: float = 0.6, brightness: float = 0.3
) -> Texture:
    """A texture with six random colours, spread in hue and in brightness."""
    rng = np.random.default_rng(seed)
    hue = (rng.random() + np.arange(6) / 6 + rng.uniform(-0.06, 0.06, 6)) % 1
    value = brightness * np.array([0.35, 0.6, 0.9, 1.2, 1.6, 2.0])[rng.permutation(6)]
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] + np.array([0, 1 / 3, 2 / 3])))
    palette = value[:, None] * (1 - saturation + saturation * wheel * 1.6)
    return Texture(seed, patch_m, mark_m, contrast, palette.clip(0.02, 0.95))


@njit(cache=True, inline="always")
def _hash(x: int, y: int, z: int, seed: int) -> int:
    """32 well-mixed bits of a lattice point."""
    h = (x * 374761393 + y * 668265263 + z * 1440662683 + seed * 1013904223) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 739982445) & 0xFFFFFFFF
    h = ((h ^ (h >> 12)) * 695872825) & 0xFFFFFFFF
    return h ^ (h >> 15)


@njit(cache=True, inline="always")
def _unit(h: int, turn: int) -> float:
    """A number in [0, 1) from 10 of the bits; different `turn`s give nearly independent ones."""
    return ((h >> turn) & 1023) / 1024.0


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True, inline="always")
def _bar(px: float, py: float, pz: float, ux: float, uy: float, uz: float) -> float:
    along = min(0.24, max(-0.24, px * ux + py * uy + pz * uz))
    dx, dy, dz = px - along * ux, py - along * uy, pz - along * uz
    return np.sqrt(dx * dx + dy * dy + dz * dz) - 0.08


@njit(cache=True)
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
