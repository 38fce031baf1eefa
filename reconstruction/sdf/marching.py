"""The march along rays, compiled for CPUs."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

_STEPS = 256  # of a march inside the band
_ZERO, _ONE = np.float32(0), np.float32(1)


def march(
    origins: Float[ndarray, "r 3"],
    directions: Float[ndarray, "r 3"],
    distances: Float[ndarray, "side side side"],
    half_width: float,
    jitter: Float[ndarray, "r s"],
) -> tuple[Float[ndarray, "r s"], Bool[ndarray, "r"]]:
    """As `sampling.place_samples`: long strides where the surface is far, short ones inside the band."""
    lengths = np.zeros(jitter.shape, np.float32)
    near = np.zeros(len(origins), np.bool_)
    _place(origins, directions, distances, np.float32(half_width), jitter, lengths, near)
    return lengths, near


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _trilinear(grid: ndarray, x: Any, y: Any, z: Any) -> Any:
    cells = grid.shape[0] - 1
    side = np.float32(cells)
    x, y, z = min(max(x, _ZERO), _ONE) * side, min(max(y, _ZERO), _ONE) * side, min(max(z, _ZERO), _ONE) * side
    i, j, k = min(int(x), cells - 1), min(int(y), cells - 1), min(int(z), cells - 1)
    x, y, z = x - np.float32(i), y - np.float32(j), z - np.float32(k)
    low = (grid[i, j, k] * (_ONE - z) + grid[i, j, k + 1] * z) * (_ONE - y) + (
        grid[i, j + 1, k] * (_ONE - z) + grid[i, j + 1, k + 1] * z
    ) * y
    i += 1
    high = (grid[i, j, k] * (_ONE - z) + grid[i, j, k + 1] * z) * (_ONE - y) + (
        grid[i, j + 1, k] * (_ONE - z) + grid[i, j + 1, k + 1] * z
    ) * y
    return low * (_ONE - x) + high * x


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _through_cube(origin: ndarray, direction: ndarray) -> tuple[Any, Any]:
    """Ray lengths at which it enters and leaves [0, 1]^3; empty where the first is larger."""
    enter, leave = _ZERO, np.float32(1e9)
    for axis in range(3):
        slope = direction[axis]
        if abs(slope) < np.float32(1e-9):
            slope = np.float32(1e-9)
        a, b = -origin[axis] / slope, (_ONE - origin[axis]) / slope
        enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    return enter, leave


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _place(
    origins: ndarray, directions: ndarray, grid: ndarray, half_width: float, jitter: ndarray, lengths: ndarray, near: ndarray
) -> None:
    step = min(half_width * np.float32(0.3), np.float32(0.5) / np.float32(grid.shape[0] - 1))
    count = jitter.shape[1]
    for r in numba.prange(len(origins)):
        o, d = origins[r], directions[r]
        at = np.empty(_STEPS, np.float32)
        mass = np.empty(_STEPS + 1, np.float32)  # cumulative
        mass[0] = _ZERO
        marched = 0
        t, leave = _through_cube(o, d)
        while t < leave and marched < _STEPS:
            f = _trilinear(grid, o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2])
            if f < half_width:
                at[marched] = t
                mass[marched + 1] = mass[marched] + np.exp(np.float32(-3) * abs(f) / half_width) + np.float32(0.08)
                marched += 1
                t += step
                if f < -half_width:
                    break
            else:  # trilinear distances of a blurred grid may overstate a little
                t += max(np.float32(0.8) * (f - half_width), step)
        if marched == 0:
            continue
        near[r] = True
        i = 0
        for s in range(count):
            wanted = mass[marched] * (np.float32(s) + jitter[r, s]) / np.float32(count)
            while i < marched - 1 and mass[i + 1] < wanted:
                i += 1
            lengths[r, s] = at[i] + step * (wanted - mass[i]) / (mass[i + 1] - mass[i])
