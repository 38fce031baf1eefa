"""The reference: plain torch, on any device. Slow on a CPU, and what the other backends are tested against."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reconstruction.encodings import FEATURES, PRIMES, Encoding, HashGridConfig, initial_table


class TorchHashGrid(Encoding):
    def __init__(self, config: HashGridConfig) -> None:
        super().__init__(config)
        self.table = initial_table(config)

    def forward(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n f"]:
        features = []
        for level in range(active):
            values, sides, _ = self._corners(points, level)
            features.append((sides.prod(-1)[..., None] * values).sum(1))
        return _padded(torch.cat(features, 1), self.config.width)

    def with_jacobian(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f 3"]]:
        features, jacobians = [], []
        for level in range(active):
            values, sides, slopes = self._corners(points, level)
            wx, wy, wz = sides.unbind(-1)
            by_point = slopes * torch.stack([wy * wz, wx * wz, wx * wy], -1)  # (n, 8, 3)
            features.append(torch.einsum("nc,ncf->nf", wx * wy * wz, values))
            jacobians.append(torch.einsum("nck,ncf->nfk", by_point, values))
        return _padded(torch.cat(features, 1), self.config.width), _padded(torch.cat(jacobians, 1), self.config.width)

    def _corners(self, points: Float[Tensor, "n 3"], level: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of the cell around each point: the entries at its corners (n, 8, 2), the weights along each axis (n, 8, 3) and
        their derivatives by the point (8, 3)."""
        cells, offset = int(self.config.cells[level]), int(self.config.offsets[level])
        entries = int(self.config.offsets[level + 1]) - offset
        scaled = points.clamp(0, 1) * cells
        base = scaled.floor().clamp(max=cells - 1)
        fraction = scaled - base  # (n, 3)
        steps = torch.cartesian_prod(*(torch.arange(2, device=points.device),) * 3)  # (8, 3)
        x, y, z = (base.long()[:, None] + steps).unbind(-1)  # (n, 8) each
        if (cells + 1) ** 3 <= entries:
            index = (x * (cells + 1) + y) * (cells + 1) + z
        else:
            index = (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & (entries - 1)
        # index_select adds gradients up in place; indexing with brackets would sort them first on a GPU
        values = self.table.index_select(0, (offset + index).reshape(-1)).reshape(*index.shape, FEATURES)
        sides = torch.where(steps.bool(), fraction[:, None], 1 - fraction[:, None])
        return values, sides, torch.where(steps.bool(), 1.0, -1.0).to(points) * cells


def _padded(active: Tensor, width: int) -> Tensor:
    missing = width - active.shape[1]
    return active if not missing else torch.cat([active, active.new_zeros(len(active), missing, *active.shape[2:])], 1)
