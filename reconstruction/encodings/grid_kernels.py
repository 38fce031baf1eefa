"""The compiled loops of the CPU's hash grids: features and Jacobians gathered from the table, and their gradients scattered back."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy import ndarray

from reconstruction.encodings import PRIMES

_CHUNK = 4096  # points a task: their features and one level of the table stay in a core's cache
_ZERO, _ONE = np.float32(0), np.float32(1)  # a bare 1 would turn every product into a double
_PX, _PY, _PZ = (np.uint32(prime) for prime in PRIMES)

# Indices are unsigned: numba checks signed ones for being negative, and 32 bits hold all that a hash keeps.


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _cell(coordinate: Any, cells: int) -> tuple[Any, Any]:
    """The cell along one axis and the place inside it, 0 to 1."""
    scaled = min(max(coordinate, _ZERO), _ONE) * np.float32(cells)
    index = min(int(scaled), cells - 1)
    return np.uint32(index), scaled - np.float32(index)


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _level(cells: ndarray, offsets: ndarray, level: int) -> tuple[Any, ...]:
    """Cells along a side, first entry, whether it is dense, what a step along each axis multiplies, the hash's mask."""
    side, entries = np.int64(cells[level]), offsets[level + 1] - offsets[level]
    offset, mask = np.uint64(offsets[level]), np.uint32(entries - 1)
    nodes = np.uint32(side + 1)
    if (side + 1) * (side + 1) * (side + 1) <= entries:
        return side, offset, True, np.uint32(nodes * nodes), nodes, np.uint32(1), mask
    return side, offset, False, _PX, _PY, _PZ, mask


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _entry(offset: Any, dense: bool, x: Any, y: Any, z: Any, mask: Any) -> Any:
    return offset + np.uint64(np.uint32(x + y + z) if dense else np.uint32((x ^ y ^ z) & mask))


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _sides(index: Any, stride: Any) -> tuple[Any, Any]:
    """What both ends of a cell add to the entry."""
    near = np.uint32(index * stride)
    return near, np.uint32(near + stride)


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _corners(offset: Any, dense: bool, xs: Any, ys: Any, zs: Any, mask: Any) -> tuple[Any, ...]:
    """The eight entries around a point, z fastest."""
    return (
        _entry(offset, dense, xs[0], ys[0], zs[0], mask),
        _entry(offset, dense, xs[0], ys[0], zs[1], mask),
        _entry(offset, dense, xs[0], ys[1], zs[0], mask),
        _entry(offset, dense, xs[0], ys[1], zs[1], mask),
        _entry(offset, dense, xs[1], ys[0], zs[0], mask),
        _entry(offset, dense, xs[1], ys[0], zs[1], mask),
        _entry(offset, dense, xs[1], ys[1], zs[0], mask),
        _entry(offset, dense, xs[1], ys[1], zs[1], mask),
    )


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _blend(table: ndarray, e: tuple[Any, ...], feature: int, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any, Any]:
    """One feature between its eight entries, and its slope along the cell's three axes."""
    v00, v01, v10, v11 = table[e[0], feature], table[e[2], feature], table[e[4], feature], table[e[6], feature]
    d00, d01 = table[e[1], feature] - v00, table[e[3], feature] - v01
    d10, d11 = table[e[5], feature] - v10, table[e[7], feature] - v11
    c00, c01, c10, c11 = v00 + z * d00, v01 + z * d01, v10 + z * d10, v11 + z * d11
    e0, e1 = c01 - c00, c11 - c10
    b0, b1 = c00 + y * e0, c10 + y * e1
    g0, g1 = d00 + y * (d01 - d00), d10 + y * (d11 - d10)
    return b0 + x * (b1 - b0), b1 - b0, e0 + x * (e1 - e0), g0 + x * (g1 - g0)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _features(points: ndarray, table: ndarray, cells: ndarray, offsets: ndarray, active: int, out: ndarray) -> None:
    for chunk in numba.prange((len(points) + _CHUNK - 1) // _CHUNK):
        for level in range(active):
            side, offset, dense, sx, sy, sz, mask = _level(cells, offsets, level)
            for n in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(points))):
                x, fx = _cell(points[n, 0], side)
                y, fy = _cell(points[n, 1], side)
                z, fz = _cell(points[n, 2], side)
                xs, ys, zs = _sides(x, sx), _sides(y, sy), _sides(z, sz)
                first = second = _ZERO
                for i in range(2):
                    for j in range(2):
                        wxy = (fx if i else _ONE - fx) * (fy if j else _ONE - fy)
                        for k in range(2):
                            entry = _entry(offset, dense, xs[i], ys[j], zs[k], mask)
                            weight = wxy * (fz if k else _ONE - fz)
                            first += weight * table[entry, 0]
                            second += weight * table[entry, 1]
                out[n, 2 * level] = first
                out[n, 2 * level + 1] = second


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _features_and_jacobian(
    points: ndarray, table: ndarray, cells: ndarray, offsets: ndarray, active: int, out: ndarray, jacobian: ndarray
) -> None:
    for chunk in numba.prange((len(points) + _CHUNK - 1) // _CHUNK):
        for level in range(active):
            side, offset, dense, sx, sy, sz, mask = _level(cells, offsets, level)
            scale = np.float32(side)
            for n in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(points))):
                x, fx = _cell(points[n, 0], side)
                y, fy = _cell(points[n, 1], side)
                z, fz = _cell(points[n, 2], side)
                entries = _corners(offset, dense, _sides(x, sx), _sides(y, sy), _sides(z, sz), mask)
                for feature in range(2):
                    value, dx, dy, dz = _blend(table, entries, feature, fx, fy, fz)
                    out[n, 2 * level + feature] = value
                    row = jacobian[n, 2 * level + feature]
                    row[0], row[1], row[2] = dx * scale, dy * scale, dz * scale


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scatter(points: ndarray, by_features: ndarray, cells: ndarray, offsets: ndarray, active: int, grad: ndarray) -> None:
    for level in numba.prange(active):  # a task owns a level's entries: no races, and the same sums every time
        side, offset, dense, sx, sy, sz, mask = _level(cells, offsets, level)
        for n in range(len(points)):
            first, second = by_features[n, 2 * level], by_features[n, 2 * level + 1]
            x, fx = _cell(points[n, 0], side)
            y, fy = _cell(points[n, 1], side)
            z, fz = _cell(points[n, 2], side)
            xs, ys, zs = _sides(x, sx), _sides(y, sy), _sides(z, sz)
            for i in range(2):
                for j in range(2):
                    wxy = (fx if i else _ONE - fx) * (fy if j else _ONE - fy)
                    for k in range(2):
                        entry = _entry(offset, dense, xs[i], ys[j], zs[k], mask)
                        weight = wxy * (fz if k else _ONE - fz)
                        grad[entry, 0] += weight * first
                        grad[entry, 1] += weight * second


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scatter_with_jacobian(
    points: ndarray, by_features: ndarray, by_jacobian: ndarray, cells: ndarray, offsets: ndarray, active: int, grad: ndarray
) -> None:
    for level in numba.prange(active):
        side, offset, dense, sx, sy, sz, mask = _level(cells, offsets, level)
        scale = np.float32(side)
        for n in range(len(points)):
            x, fx = _cell(points[n, 0], side)
            y, fy = _cell(points[n, 1], side)
            z, fz = _cell(points[n, 2], side)
            xs, ys, zs = _sides(x, sx), _sides(y, sy), _sides(z, sz)
            a, b = by_features[n, 2 * level], by_features[n, 2 * level + 1]
            row = by_jacobian[n, 2 * level]
            ax, ay, az = row[0] * scale, row[1] * scale, row[2] * scale
            row = by_jacobian[n, 2 * level + 1]
            bx, by, bz = row[0] * scale, row[1] * scale, row[2] * scale
            for i in range(2):
                wx, dx = (fx, _ONE) if i else (_ONE - fx, -_ONE)
                for j in range(2):
                    wy, dy = (fy, _ONE) if j else (_ONE - fy, -_ONE)
                    for k in range(2):
                        wz, dz = (fz, _ONE) if k else (_ONE - fz, -_ONE)
                        entry = _entry(offset, dense, xs[i], ys[j], zs[k], mask)
                        weight, gx, gy, gz = wx * wy * wz, dx * wy * wz, wx * dy * wz, wx * wy * dz
                        grad[entry, 0] += weight * a + gx * ax + gy * ay + gz * az
                        grad[entry, 1] += weight * b + gx * bx + gy * by + gz * bz
