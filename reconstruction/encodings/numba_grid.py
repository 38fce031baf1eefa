"""Hash grids for CPUs: compiled loops with hand-written gradients, an order of magnitude faster than eager torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from reconstruction.encodings import FEATURES, Encoding, HashGridConfig, initial_table
from reconstruction.encodings.grid_kernels import _features, _features_and_jacobian, _scatter, _scatter_with_jacobian
from reconstruction.encodings.numba_decoder import decode_points


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

    def decoded(self, points: Float[Tensor, "n 3"], active: int, hidden: nn.Linear, out: nn.Linear) -> Float[Tensor, "n"]:
        return decode_points(points, self.table, (*self._grid, active), hidden, out, slopes=False)[0]

    def decoded_with_slope(
        self, points: Float[Tensor, "n 3"], active: int, hidden: nn.Linear, out: nn.Linear
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
        return decode_points(points, self.table, (*self._grid, active), hidden, out, slopes=True)


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
