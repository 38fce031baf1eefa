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
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from reconstruction.encodings import FEATURES
from reconstruction.encodings.decoder_kernels import BLOCK, TASK, decode, scatter_decoded, sum_products

Grid = tuple[ndarray, ndarray, int]  # cells, offsets, active levels


def decode_points(
    points: Tensor, table: Tensor, grid: Grid, hidden: nn.Linear, out: nn.Linear, slopes: bool
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
    """Value and slope; the latter is empty unless it is asked for."""
    seen = 3 + FEATURES * grid[2]  # locked levels are left out
    layer = torch.cat([hidden.weight[:, 3:seen], hidden.weight[:, :3], hidden.bias[:, None]], 1)
    value, slope = _Decode.apply(points, table, layer, out.weight[0], grid, slopes)  # type: ignore[no-untyped-call]
    return value + out.bias, slope


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, points: Tensor, table: Tensor, layer: Tensor, out: Tensor, grid: Grid, slopes: bool
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
        places, weights = _in_blocks(points.detach()), layer.detach().numpy()
        (blocks, _, _), (units, width) = places.shape, layer.shape
        slope = np.empty((blocks if slopes else 0, 3, BLOCK), np.float32)
        value = np.empty((blocks, BLOCK), np.float32)
        x, b = (np.empty((blocks, width, BLOCK), np.float32) for _ in range(2))
        jacobian = np.empty((len(slope), FEATURES * grid[2], 3, BLOCK), np.float32)
        on = np.empty((blocks, units, BLOCK), np.bool_)
        layers = weights, weights * out.detach().numpy()[:, None]
        decode(places, table.detach().numpy(), grid, layers, (value, slope), (x, jacobian, b, on))
        ctx.places, ctx.grid, ctx.shape = places, grid, table.shape
        ctx.weights, ctx.out, ctx.kept = weights, out.detach(), (x, jacobian, b, on)
        count = len(points)
        return torch.from_numpy(value.reshape(-1)[:count]), torch.from_numpy(slope.transpose(0, 2, 1).reshape(-1, 3)[:count])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor, by_slope: Tensor) -> tuple[None, Tensor, Tensor, Tensor, None, None]:
        x, jacobian, b, on = ctx.kept
        g = _in_blocks(by_value[:, None])[:, 0]
        h = _in_blocks(by_slope) if len(jacobian) else np.zeros_like(ctx.places)
        grad = np.zeros(ctx.shape, np.float32)
        scatter_decoded(ctx.places, ctx.grid, b, g, h, grad)
        sums = np.empty((-(-len(on) // TASK), *ctx.weights.shape), np.float32)
        sum_products(x, jacobian, on, g, h, sums)
        total = torch.from_numpy(sums.sum(0))
        return None, torch.from_numpy(grad), total * ctx.out[:, None], (total * torch.from_numpy(ctx.weights)).sum(1), None, None


def _in_blocks(rows: Float[Tensor, "n k"]) -> Float[ndarray, "blocks k block"]:
    """Blocks of columns, the last one filled up with zeros: a point that nothing depends on."""
    blocks = -(-len(rows) // BLOCK)
    filled = functional.pad(rows, (0, 0, 0, blocks * BLOCK - len(rows)))
    return filled.reshape(blocks, BLOCK, rows.shape[1]).transpose(1, 2).contiguous().numpy()
