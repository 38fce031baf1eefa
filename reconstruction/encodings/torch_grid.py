"""The reference: plain torch, on any device. Slow on a CPU, and what the other backends are tested against."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reconstruction.encodings import PRIMES, Encoding, HashGridConfig, initial_table


class TorchHashGrid(Encoding):
    def __init__(self, config: HashGridConfig) -> None:
        super().__init__(config)
        self.table = initial_table(config)

    def forward(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n f"]:
        features = [self._level(points, level)[0] for level in range(active)]
        return _padded(torch.cat(features, 1), self.config.width)

    def with_jacobian(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f 3"]]:
        features, jacobians = zip(*(self._level(points, level) for level in range(active)), strict=True)
        return _padded(torch.cat(features, 1), self.config.width), _padded(torch.cat(jacobians, 1), self.config.width)

    def _level(self, points: Float[Tensor, "n 3"], level: int) -> tuple[Tensor, Tensor]:
        cells, offset = int(self.config.cells[level]), int(self.config.offsets[level])
        entries = int(self.config.offsets[level + 1]) - offset
        scaled = points.clamp(0, 1) * cells
        base = scaled.floor().clamp(max=cells - 1)
        fraction = scaled - base  # (n, 3)
        steps = torch.cartesian_prod(*(torch.arange(2, device=points.device),) * 3)  # (8, 3)
        corners = base.long()[:, None] + steps  # (n, 8, 3)
        x, y, z = corners.unbind(-1)
        if (cells + 1) ** 3 <= entries:
            index = (x * (cells + 1) + y) * (cells + 1) + z
        else:
            index = (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & (entries - 1)
        values = self.table[offset + index]  # (n, 8, 2)
        sides = torch.where(steps.bool(), fraction[:, None], 1 - fraction[:, None])  # (n, 8, 3)
        slopes = torch.where(steps.bool(), 1.0, -1.0).to(points) * cells
        wx, wy, wz = sides.unbind(-1)
        by_point = slopes * torch.stack([wy * wz, wx * wz, wx * wy], -1)  # (n, 8, 3)
        return (
            torch.einsum("nc,ncf->nf", wx * wy * wz, values),
            torch.einsum("nck,ncf->nfk", by_point, values),
        )


def _padded(active: Tensor, width: int) -> Tensor:
    missing = width - active.shape[1]
    return active if not missing else torch.cat([active, active.new_zeros(len(active), missing, *active.shape[2:])], 1)
