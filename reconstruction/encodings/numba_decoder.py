"""A network of one ReLU layer on a hash grid, in one pass over the points: what lies between stays in a core's cache.

With x = (features, point, 1), W the layer with its bias as last column, and m the units that are on (W x > 0), the value is v = b . x with
b = W^T (w2 m), and its slope b^T dx/dp. With cotangents g of v and h of the slope, y = g x + (dx/dp) h and S the sum of m y^T over the
points, the gradients are w2 S by W, the sums of W S along its rows by w2, and b (g w + h . dw/dp) by an entry of weight w.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.autograd.function import once_differentiable

from reconstruction.encodings import FEATURES
from reconstruction.encodings.decoder_kernels import BLOCK, TASK, decode, scatter_decoded, sum_products

Grid = tuple[ndarray, ndarray, int]  # cells, offsets, active levels


def decode_points(
    points: Tensor, table: Tensor, grid: Grid, hidden: torch.nn.Linear, out: torch.nn.Linear, slopes: bool
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
    """Value and slope; the latter is empty unless it is asked for."""
    seen = 3 + FEATURES * grid[2]  # locked levels are left out
    layer = torch.cat([hidden.weight[:, 3:seen], hidden.weight[:, :3], hidden.bias[:, None]], 1)
    value, slope = _Decode.apply(points, table, layer, out.weight[0], grid, slopes)  # type: ignore[no-untyped-call]
    return value + out.bias, slope.T


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, points: Tensor, table: Tensor, layer: Tensor, out: Tensor, grid: Grid, slopes: bool
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "3 n"]]:
        columns, weights = np.ascontiguousarray(points.detach().T.numpy()), layer.detach().numpy()
        count, blocks, (units, width) = len(points), -(-len(points) // BLOCK), layer.shape
        results = np.empty(count, np.float32), np.empty((3, count if slopes else 0), np.float32)
        x, b = (np.empty((blocks, width, BLOCK), np.float32) for _ in range(2))
        jacobian = np.empty((blocks if slopes else 0, 3, FEATURES * grid[2], BLOCK), np.float32)
        on = np.empty((blocks, units, BLOCK), np.bool_)
        decode(columns, table.detach().numpy(), grid, (weights, weights * out.detach().numpy()[:, None]), results, (x, jacobian, b, on))
        ctx.points, ctx.grid, ctx.shape, ctx.weights, ctx.out, ctx.kept = (
            columns,
            grid,
            table.shape,
            weights,
            out.detach(),
            (x, jacobian, b, on),
        )
        return torch.from_numpy(results[0]), torch.from_numpy(results[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor, by_slope: Tensor) -> tuple[None, Tensor, Tensor, Tensor, None, None]:
        x, jacobian, b, on = ctx.kept
        g = by_value.contiguous().numpy()
        h = by_slope.contiguous().numpy() if len(jacobian) else np.zeros_like(ctx.points)
        grad = np.zeros(ctx.shape, np.float32)
        scatter_decoded(ctx.points, ctx.grid, b, g, h, grad)
        sums = np.empty((-(-len(on) // TASK), *ctx.weights.shape), np.float32)
        sum_products(x, jacobian, on, g, h, sums)
        total = torch.from_numpy(sums.sum(0))
        return None, torch.from_numpy(grad), total * ctx.out[:, None], (total * torch.from_numpy(ctx.weights)).sum(1), None, None
