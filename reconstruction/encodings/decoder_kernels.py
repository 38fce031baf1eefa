"""The compiled loops of a hash grid with a network of one layer on it.

Rows are features, columns points, so that loops over the points of a block compile to vector code. numba keeps compiled code until its
own file changes: after a change of `grid_kernels` touch this one. The names are those of `numba_decoder`'s equations.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy import ndarray

from reconstruction.encodings.grid_kernels import _cell, _entry, _level, _sides

BLOCK = 128  # points at once: products of larger ones would wake BLAS's own threads
TASK = 8  # blocks a thread takes at once, whatever their number: so sums come out the same on any number of threads
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _place(points: ndarray, cells: ndarray, offsets: ndarray, level: int, e: ndarray, inside: ndarray) -> None:
    """Of each point: the entries at its cell's eight corners, z fastest, and where inside the cell it lies."""
    side, first, dense, sx, sy, sz, mask = _level(cells, offsets, level)
    offset = np.uint32(first)
    if dense:
        for n in range(BLOCK):
            x, inside[0, n] = _cell(points[0, n], side)
            y, inside[1, n] = _cell(points[1, n], side)
            z, inside[2, n] = _cell(points[2, n], side)
            near = np.uint32(offset + x * sx + y * sy + z)
            far = np.uint32(near + sx)
            e[0, n], e[1, n], e[2, n], e[3, n] = near, np.uint32(near + sz), np.uint32(near + sy), np.uint32(near + sy + sz)
            e[4, n], e[5, n], e[6, n], e[7, n] = far, np.uint32(far + sz), np.uint32(far + sy), np.uint32(far + sy + sz)
    else:
        for n in range(BLOCK):
            x, inside[0, n] = _cell(points[0, n], side)
            y, inside[1, n] = _cell(points[1, n], side)
            z, inside[2, n] = _cell(points[2, n], side)
            (x0, x1), (y0, y1), (z0, z1) = _sides(x, sx), _sides(y, sy), _sides(z, sz)
            e[0, n], e[1, n] = np.uint32(offset + ((x0 ^ y0 ^ z0) & mask)), np.uint32(offset + ((x0 ^ y0 ^ z1) & mask))
            e[2, n], e[3, n] = np.uint32(offset + ((x0 ^ y1 ^ z0) & mask)), np.uint32(offset + ((x0 ^ y1 ^ z1) & mask))
            e[4, n], e[5, n] = np.uint32(offset + ((x1 ^ y0 ^ z0) & mask)), np.uint32(offset + ((x1 ^ y0 ^ z1) & mask))
            e[6, n], e[7, n] = np.uint32(offset + ((x1 ^ y1 ^ z0) & mask)), np.uint32(offset + ((x1 ^ y1 ^ z1) & mask))


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _blend(table: ndarray, e: ndarray, inside: ndarray, out: ndarray) -> None:
    """Both features between their eight entries."""
    for n in range(BLOCK):
        x, y, z = inside[0, n], inside[1, n], inside[2, n]
        for k in range(2):
            a, b, c, d = table[e[0, n], k], table[e[2, n], k], table[e[4, n], k], table[e[6, n], k]
            a += z * (table[e[1, n], k] - a)
            b += z * (table[e[3, n], k] - b)
            c += z * (table[e[5, n], k] - c)
            d += z * (table[e[7, n], k] - d)
            a += y * (b - a)
            c += y * (d - c)
            out[k, n] = a + x * (c - a)


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _blend_slopes(table: ndarray, e: ndarray, inside: ndarray, scale: Any, out: ndarray, slopes: ndarray) -> None:
    """The same, and their slopes along the three axes, which are the first of `slopes`."""
    for n in range(BLOCK):
        x, y, z = inside[0, n], inside[1, n], inside[2, n]
        for k in range(2):
            v00, v01, v10, v11 = table[e[0, n], k], table[e[2, n], k], table[e[4, n], k], table[e[6, n], k]
            d00, d01 = table[e[1, n], k] - v00, table[e[3, n], k] - v01
            d10, d11 = table[e[5, n], k] - v10, table[e[7, n], k] - v11
            c00, c01, c10, c11 = v00 + z * d00, v01 + z * d01, v10 + z * d10, v11 + z * d11
            e0, e1 = c01 - c00, c11 - c10
            b0, b1 = c00 + y * e0, c10 + y * e1
            g0, g1 = d00 + y * (d01 - d00), d10 + y * (d11 - d10)
            out[k, n] = b0 + x * (b1 - b0)
            slopes[k, 0, n], slopes[k, 1, n], slopes[k, 2, n] = (
                (b1 - b0) * scale,
                (e0 + x * (e1 - e0)) * scale,
                (g0 + x * (g1 - g0)) * scale,
            )


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def decode(
    points: ndarray,
    table: ndarray,
    grid: tuple[ndarray, ndarray, int],
    layers: tuple[ndarray, ndarray],
    results: tuple[ndarray, ndarray],
    kept: tuple[ndarray, ndarray, ndarray, ndarray],
) -> None:
    """Value and, where there is room for it, slope of the network at `points`; what the way back needs is kept."""
    cells, offsets, active = grid
    value, slope = results
    x, jacobian, b, on = kept
    slopes = len(slope) > 0
    for task in numba.prange((len(on) + TASK - 1) // TASK):
        corners, inside = np.empty((8, BLOCK), np.uint32), np.empty((3, BLOCK), np.float32)
        z = np.empty(on.shape[1:], np.float32)
        blocks = range(task * TASK, min((task + 1) * TASK, len(on)))
        for level in range(active):
            for k in blocks:
                _place(points[k], cells, offsets, level, corners, inside)
                rows = slice(2 * level, 2 * level + 2)
                if slopes:
                    _blend_slopes(table, corners, inside, np.float32(cells[level]), x[k, rows], jacobian[k, rows])
                else:
                    _blend(table, corners, inside, x[k, rows])
        for k in blocks:
            _network(points[k], layers[0], layers[1], x[k], z, on[k], b[k])
            _read(x[k], b[k], value[k])
            if slopes:
                _read_slope(jacobian[k], b[k], slope[k])


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _network(points: ndarray, layer: ndarray, scaled: ndarray, x: ndarray, z: ndarray, on: ndarray, b: ndarray) -> None:
    """Which units are on, and the value's derivative by the inputs x, to which the point and a one are added."""
    x[len(x) - 4 : len(x) - 1] = points - _HALF
    x[len(x) - 1] = _ONE
    np.dot(layer, x, z)
    for j in range(len(z)):
        for n in range(BLOCK):
            on[j, n] = z[j, n] > _ZERO
            z[j, n] = _ONE if z[j, n] > _ZERO else _ZERO
    np.dot(scaled.T, z, b)


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _read(x: ndarray, b: ndarray, value: ndarray) -> None:
    value[:] = _ZERO
    for i in range(len(x)):
        for n in range(BLOCK):
            value[n] += b[i, n] * x[i, n]


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _read_slope(jacobian: ndarray, b: ndarray, slope: ndarray) -> None:
    for k in range(3):
        slope[k] = b[len(b) - 4 + k]
        for i in range(len(jacobian)):
            for n in range(BLOCK):
                slope[k, n] += b[i, n] * jacobian[i, k, n]


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scatter_decoded(points: ndarray, grid: tuple[ndarray, ndarray, int], b: ndarray, g: ndarray, h: ndarray, grad: ndarray) -> None:
    """To each corner, of weight w: b (g w + h . dw/dp)."""
    cells, offsets, active = grid
    for level in numba.prange(active):  # a task owns a level's entries: no races, and the same sums every time
        side, offset, dense, sx, sy, sz, mask = _level(cells, offsets, level)
        scale = np.float32(side)
        for block in range(len(points)):
            for n in range(BLOCK):
                x, fx = _cell(points[block, 0, n], side)
                y, fy = _cell(points[block, 1, n], side)
                z, fz = _cell(points[block, 2, n], side)
                xs, ys, zs = _sides(x, sx), _sides(y, sy), _sides(z, sz)
                b0, b1 = b[block, 2 * level, n], b[block, 2 * level + 1, n]
                hx, hy, hz = h[block, 0, n] * scale, h[block, 1, n] * scale, h[block, 2, n] * scale
                for j in range(2):
                    wy, dy = (fy, hy) if j else (_ONE - fy, -hy)
                    for k in range(2):
                        wz, dz = (fz, hz) if k else (_ONE - fz, -hz)
                        along, turn = wy * (g[block, n] * wz + dz) + dy * wz, hx * wy * wz
                        for i in range(2):
                            weight = fx * along + turn if i else (_ONE - fx) * along - turn
                            entry = _entry(offset, dense, xs[i], ys[j], zs[k], mask)
                            grad[entry, 0] += weight * b0
                            grad[entry, 1] += weight * b1


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sum_products(x: ndarray, jacobian: ndarray, on: ndarray, g: ndarray, h: ndarray, sums: ndarray) -> None:
    """Each task's sum of m y^T: which units were on, times y = g x + (dx/dp) h."""
    blocks, width, _ = x.shape
    for task in numba.prange(len(sums)):
        m, y = np.empty(on.shape[1:], np.float32), np.empty((width, BLOCK), np.float32)
        product = np.empty(sums.shape[1:], np.float32)
        sums[task] = _ZERO
        for k in range(task * TASK, min((task + 1) * TASK, blocks)):
            _cotangent(x[k], jacobian[k : k + 1], g[k], h[k], y)
            lit = on[k]
            for j in range(len(m)):
                for n in range(BLOCK):
                    m[j, n] = _ONE if lit[j, n] else _ZERO
            np.dot(m, y.T, product)
            sums[task] += product


@numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
def _cotangent(x: ndarray, jacobian: ndarray, g: ndarray, h: ndarray, y: ndarray) -> None:
    for i in range(len(x)):
        for n in range(BLOCK):
            y[i, n] = g[n] * x[i, n]
    for slopes in jacobian:  # one block's, or none
        for i in range(len(slopes)):
            for n in range(BLOCK):
                y[i, n] += h[0, n] * slopes[i, 0, n] + h[1, n] * slopes[i, 1, n] + h[2, n] * slopes[i, 2, n]
        y[len(x) - 4 : len(x) - 1] += h
