"""Hash grids for GPUs: one Triton kernel forwards and one backwards.

Triton comes with torch's builds for NVIDIA GPUs; it compiles on first use and wants a C compiler on the machine.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from reconstruction.encodings import Encoding, HashGridConfig, initial_table

_BLOCK = 256  # points a program; a program works on one level


class TritonHashGrid(Encoding):
    """Gradients of the table are added up in no fixed order: two runs differ in the last bits."""

    def __init__(self, config: HashGridConfig) -> None:
        super().__init__(config)
        self.table = initial_table(config)
        levels = torch.stack([torch.as_tensor(config.cells), torch.as_tensor(config.offsets[:-1])], 1)
        self.register_buffer("levels", levels.int(), persistent=False)  # (levels, 2): cells a side, first entry
        self.dense = int(((config.cells + 1) ** 3 <= 1 << config.log2_entries).sum())  # the first so many, for cells only grow

    def forward(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n f"]:
        features, _ = _Encode.apply(points, self.table, self, active, False)  # type: ignore[no-untyped-call]
        return features

    def with_jacobian(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f 3"]]:
        features, jacobian = _Encode.apply(points, self.table, self, active, True)  # type: ignore[no-untyped-call]
        return features, jacobian


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, grid: TritonHashGrid, active: int, slopes: bool) -> tuple[Tensor, Tensor]:
        points, width = points.detach().contiguous(), grid.config.width
        features = points.new_zeros(len(points), width)
        jacobian = points.new_zeros(len(points) if slopes else 0, width, 3)
        ctx.launch = (triton.cdiv(len(points), _BLOCK), active)
        ctx.shared = {"count": len(points), "dense": grid.dense, "hashed": 1 << grid.config.log2_entries, "width": width}
        ctx.slopes, ctx.shape = slopes, table.shape
        ctx.save_for_backward(points, grid.levels)
        if len(points):
            _interpolate[ctx.launch](points, table, grid.levels, features, jacobian, **ctx.shared, SLOPES=slopes, BLOCK=_BLOCK)
        return features, jacobian

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_features: Tensor, by_jacobian: Tensor) -> tuple[None, Tensor, None, None, None]:
        points, levels = ctx.saved_tensors
        grad = points.new_zeros(ctx.shape)
        if len(points):
            inputs = points, by_features.contiguous(), by_jacobian.contiguous(), levels
            _scatter[ctx.launch](*inputs, grad, **ctx.shared, SLOPES=ctx.slopes, BLOCK=_BLOCK)
        return None, grad, None, None, None


@triton.jit  # type: ignore[untyped-decorator]
def _cell(points, n, seen, axis: tl.constexpr, cells):  # type: ignore[no-untyped-def]
    """The cell along one axis and the place inside it, 0 to 1."""
    coordinate = tl.load(points + 3 * n + axis, mask=seen, other=0.0)
    scaled = tl.minimum(tl.maximum(coordinate, 0.0), 1.0) * cells.to(tl.float32)
    index = tl.minimum(scaled.to(tl.int32), cells - 1)
    return index, scaled - index.to(tl.float32)


@triton.jit  # type: ignore[untyped-decorator]
def _corner(x, y, z, fx, fy, fz, i: tl.constexpr, j: tl.constexpr, k: tl.constexpr, cells, is_dense, hashed):  # type: ignore[no-untyped-def]
    """The entry at one corner of the cell, its weight, and the weight's derivatives by x, y, z (in cells)."""
    side = cells + 1
    dense = ((x + i) * side + y + j) * side + z + k
    # the primes of reconstruction.encodings; only the low bits count, so 32 of them will do
    mixed = (x + i).to(tl.uint32) ^ (y + j).to(tl.uint32) * 2654435761 ^ (z + k).to(tl.uint32) * 805459861
    entry = tl.where(is_dense, dense, (mixed & (hashed - 1).to(tl.uint32)).to(tl.int32))
    wx = fx if i else 1 - fx
    wy = fy if j else 1 - fy
    wz = fz if k else 1 - fz
    dx = wy * wz if i else -wy * wz
    dy = wx * wz if j else -wx * wz
    dz = wx * wy if k else -wx * wy
    return entry, wx * wy * wz, dx, dy, dz


@triton.jit(do_not_specialize=["count"])  # type: ignore[untyped-decorator]
def _interpolate(  # type: ignore[no-untyped-def]
    points, table, levels, features, jacobian, count, dense, hashed, width, SLOPES: tl.constexpr, BLOCK: tl.constexpr
):
    n = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    seen = n < count
    cells, offset = tl.load(levels + 2 * level), tl.load(levels + 2 * level + 1)
    x, fx = _cell(points, n, seen, 0, cells)
    y, fy = _cell(points, n, seen, 1, cells)
    z, fz = _cell(points, n, seen, 2, cells)
    a = tl.zeros((BLOCK,), tl.float32)
    b, ax, ay, az, bx, by, bz = a, a, a, a, a, a, a
    for c in tl.static_range(8):
        entry, w, dx, dy, dz = _corner(x, y, z, fx, fy, fz, c // 4, c // 2 % 2, c % 2, cells, level < dense, hashed)
        first = tl.load(table + 2 * (offset + entry), mask=seen, other=0.0)
        second = tl.load(table + 2 * (offset + entry) + 1, mask=seen, other=0.0)
        a += w * first
        b += w * second
        if SLOPES:
            ax += dx * first
            ay += dy * first
            az += dz * first
            bx += dx * second
            by += dy * second
            bz += dz * second
    column = n.to(tl.int64) * width + 2 * level
    tl.store(features + column, a, mask=seen)
    tl.store(features + column + 1, b, mask=seen)
    if SLOPES:
        scale = cells.to(tl.float32)
        tl.store(jacobian + 3 * column, ax * scale, mask=seen)
        tl.store(jacobian + 3 * column + 1, ay * scale, mask=seen)
        tl.store(jacobian + 3 * column + 2, az * scale, mask=seen)
        tl.store(jacobian + 3 * column + 3, bx * scale, mask=seen)
        tl.store(jacobian + 3 * column + 4, by * scale, mask=seen)
        tl.store(jacobian + 3 * column + 5, bz * scale, mask=seen)


@triton.jit(do_not_specialize=["count"])  # type: ignore[untyped-decorator]
def _scatter(  # type: ignore[no-untyped-def]
    points, by_features, by_jacobian, levels, grad, count, dense, hashed, width, SLOPES: tl.constexpr, BLOCK: tl.constexpr
):
    n = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    seen = n < count
    cells, offset = tl.load(levels + 2 * level), tl.load(levels + 2 * level + 1)
    x, fx = _cell(points, n, seen, 0, cells)
    y, fy = _cell(points, n, seen, 1, cells)
    z, fz = _cell(points, n, seen, 2, cells)
    column = n.to(tl.int64) * width + 2 * level
    a = tl.load(by_features + column, mask=seen, other=0.0)
    b = tl.load(by_features + column + 1, mask=seen, other=0.0)
    ax, ay, az, bx, by, bz = a, a, a, a, a, a
    if SLOPES:
        scale = cells.to(tl.float32)
        ax = tl.load(by_jacobian + 3 * column, mask=seen, other=0.0) * scale
        ay = tl.load(by_jacobian + 3 * column + 1, mask=seen, other=0.0) * scale
        az = tl.load(by_jacobian + 3 * column + 2, mask=seen, other=0.0) * scale
        bx = tl.load(by_jacobian + 3 * column + 3, mask=seen, other=0.0) * scale
        by = tl.load(by_jacobian + 3 * column + 4, mask=seen, other=0.0) * scale
        bz = tl.load(by_jacobian + 3 * column + 5, mask=seen, other=0.0) * scale
    for c in tl.static_range(8):
        entry, w, dx, dy, dz = _corner(x, y, z, fx, fy, fz, c // 4, c // 2 % 2, c % 2, cells, level < dense, hashed)
        first, second = w * a, w * b
        if SLOPES:
            first += dx * ax + dy * ay + dz * az
            second += dx * bx + dy * by + dz * bz
        tl.atomic_add(grad + 2 * (offset + entry), first, mask=seen, sem="relaxed")
        tl.atomic_add(grad + 2 * (offset + entry) + 1, second, mask=seen, sem="relaxed")
