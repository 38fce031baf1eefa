"""Hash grids for CPUs: compiled loops with hand-written gradients, an order of magnitude faster than eager torch."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.autograd.function import once_differentiable

from reconstruction.encodings import FEATURES, PRIMES, Encoding, HashGridConfig, initial_table

_CHUNK = 4096  # points a task: their features and one level of the table stay in a core's cache
_ZERO, _ONE = np.float32(0), np.float32(1)  # a bare 1 would turn every product into a double


class NumbaHashGrid(Encoding):
    def __init__(self, config: HashGridConfig) -> None:
        super().__init__(config)
        self.table = initial_table(config)
        self._grid = (config.cells, config.offsets)

    def forward(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n f"]:
        features: Tensor = _Encode.apply(points, self.table, self._grid, active)  # type: ignore[no-untyped-call]
        return features

    def with_jacobian(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f 3"]]:
        features, jacobian = _EncodeWithJacobian.apply(points, self.table, self._grid, active)  # type: ignore[no-untyped-call]
        return features, jacobian


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, grid: tuple[ndarray, ndarray], active: int) -> Tensor:
        points_np = np.ascontiguousarray(points.detach().numpy())
        features = np.zeros((len(points_np), FEATURES * len(grid[0])), np.float32)
        _features(points_np, table.detach().numpy(), *grid, active, features)
        ctx.points, ctx.grid, ctx.active, ctx.shape = points_np, grid, active, table.shape
        return torch.from_numpy(features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_features: Tensor) -> tuple[None, Tensor, None, None]:
        grad = np.zeros(ctx.shape, np.float32)
        _scatter(ctx.points, grad_features.contiguous().numpy(), *ctx.grid, ctx.active, grad)
        return None, torch.from_numpy(grad), None, None


class _EncodeWithJacobian(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, grid: tuple[ndarray, ndarray], active: int) -> tuple[Tensor, Tensor]:
        points_np = np.ascontiguousarray(points.detach().numpy())
        features = np.zeros((len(points_np), FEATURES * len(grid[0])), np.float32)
        jacobian = np.zeros((*features.shape, 3), np.float32)
        _features_and_jacobian(points_np, table.detach().numpy(), *grid, active, features, jacobian)
        ctx.points, ctx.grid, ctx.active, ctx.shape = points_np, grid, active, table.shape
        return torch.from_numpy(features), torch.from_numpy(jacobian)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_features: Tensor, grad_jacobian: Tensor) -> tuple[None, Tensor, None, None]:
        grad = np.zeros(ctx.shape, np.float32)
        by_features, by_jacobian = grad_features.contiguous().numpy(), grad_jacobian.contiguous().numpy()
        _scatter_with_jacobian(ctx.points, by_features, by_jacobian, *ctx.grid, ctx.active, grad)
        return None, torch.from_numpy(grad), None, None


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _cell(coordinate: Any, cells: int) -> tuple[Any, Any]:
    """The cell along one axis and the place inside it, 0 to 1."""
    scaled = min(max(coordinate, _ZERO), _ONE) * np.float32(cells)
    index = min(int(scaled), cells - 1)
    return index, scaled - np.float32(index)


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _strides(cells: int, entries: int) -> tuple[bool, int, int, int]:
    """Whether a level is dense, and what a step along each axis multiplies."""
    side = cells + 1
    if side * side * side <= entries:
        return True, side * side, side, 1
    return False, PRIMES[0], PRIMES[1], PRIMES[2]


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _entry(dense: bool, x: int, y: int, z: int, entries: int) -> int:
    return x + y + z if dense else (x ^ y ^ z) & (entries - 1)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _features(points: ndarray, table: ndarray, cells: ndarray, offsets: ndarray, active: int, out: ndarray) -> None:
    for chunk in numba.prange((len(points) + _CHUNK - 1) // _CHUNK):
        for level in range(active):
            side, offset = cells[level], offsets[level]
            entries = offsets[level + 1] - offset
            dense, sx, sy, sz = _strides(side, entries)
            for n in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(points))):
                x, fx = _cell(points[n, 0], side)
                y, fy = _cell(points[n, 1], side)
                z, fz = _cell(points[n, 2], side)
                first = second = _ZERO
                for i in range(2):
                    for j in range(2):
                        wxy = (fx if i else _ONE - fx) * (fy if j else _ONE - fy)
                        for k in range(2):
                            entry = offset + _entry(dense, (x + i) * sx, (y + j) * sy, (z + k) * sz, entries)
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
            side, offset = cells[level], offsets[level]
            entries = offsets[level + 1] - offset
            dense, sx, sy, sz = _strides(side, entries)
            for n in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, len(points))):
                x, fx = _cell(points[n, 0], side)
                y, fy = _cell(points[n, 1], side)
                z, fz = _cell(points[n, 2], side)
                a = ax = ay = az = b = bx = by = bz = _ZERO  # the two features and their slopes, in registers
                for i in range(2):
                    wx, dx = (fx, _ONE) if i else (_ONE - fx, -_ONE)
                    for j in range(2):
                        wy, dy = (fy, _ONE) if j else (_ONE - fy, -_ONE)
                        for k in range(2):
                            wz, dz = (fz, _ONE) if k else (_ONE - fz, -_ONE)
                            entry = offset + _entry(dense, (x + i) * sx, (y + j) * sy, (z + k) * sz, entries)
                            first, second = table[entry, 0], table[entry, 1]
                            weight, gx, gy, gz = wx * wy * wz, dx * wy * wz, wx * dy * wz, wx * wy * dz
                            a, ax, ay, az = a + weight * first, ax + gx * first, ay + gy * first, az + gz * first
                            b, bx, by, bz = b + weight * second, bx + gx * second, by + gy * second, bz + gz * second
                scale = np.float32(side)
                out[n, 2 * level], out[n, 2 * level + 1] = a, b
                row = jacobian[n, 2 * level]
                row[0], row[1], row[2] = ax * scale, ay * scale, az * scale
                row = jacobian[n, 2 * level + 1]
                row[0], row[1], row[2] = bx * scale, by * scale, bz * scale


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scatter(points: ndarray, by_features: ndarray, cells: ndarray, offsets: ndarray, active: int, grad: ndarray) -> None:
    for level in numba.prange(active):  # a task owns a level's entries: no races, and the same sums every time
        side, offset = cells[level], offsets[level]
        entries = offsets[level + 1] - offset
        dense, sx, sy, sz = _strides(side, entries)
        for n in range(len(points)):
            first, second = by_features[n, 2 * level], by_features[n, 2 * level + 1]
            x, fx = _cell(points[n, 0], side)
            y, fy = _cell(points[n, 1], side)
            z, fz = _cell(points[n, 2], side)
            for i in range(2):
                for j in range(2):
                    wxy = (fx if i else _ONE - fx) * (fy if j else _ONE - fy)
                    for k in range(2):
                        entry = offset + _entry(dense, (x + i) * sx, (y + j) * sy, (z + k) * sz, entries)
                        weight = wxy * (fz if k else _ONE - fz)
                        grad[entry, 0] += weight * first
                        grad[entry, 1] += weight * second


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scatter_with_jacobian(
    points: ndarray, by_features: ndarray, by_jacobian: ndarray, cells: ndarray, offsets: ndarray, active: int, grad: ndarray
) -> None:
    for level in numba.prange(active):
        side, offset = cells[level], offsets[level]
        entries = offsets[level + 1] - offset
        dense, sx, sy, sz = _strides(side, entries)
        scale = np.float32(side)
        for n in range(len(points)):
            x, fx = _cell(points[n, 0], side)
            y, fy = _cell(points[n, 1], side)
            z, fz = _cell(points[n, 2], side)
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
                        entry = offset + _entry(dense, (x + i) * sx, (y + j) * sy, (z + k) * sz, entries)
                        weight, gx, gy, gz = wx * wy * wz, dx * wy * wz, wx * dy * wz, wx * wy * dz
                        grad[entry, 0] += weight * a + gx * ax + gy * ay + gz * az
                        grad[entry, 1] += weight * b + gx * bx + gy * by + gz * bz
