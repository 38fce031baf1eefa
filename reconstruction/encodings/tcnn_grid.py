"""tiny-cuda-nn's hash grid, for NVIDIA GPUs. Imported only when it is asked for by name."""

from __future__ import annotations

import tinycudann
import torch
from jaxtyping import Float
from torch import Tensor

from reconstruction.encodings import FEATURES, Encoding, HashGridConfig


class TcnnHashGrid(Encoding):
    """Its Jacobian comes from autograd, feature by feature; the library differentiates its own gradient."""

    def __init__(self, config: HashGridConfig) -> None:
        super().__init__(config)
        growth = (config.finest / config.coarsest) ** (1 / max(config.levels - 1, 1))
        grid = {
            "otype": "HashGrid",
            "n_levels": config.levels,
            "n_features_per_level": FEATURES,
            "log2_hashmap_size": config.log2_entries,
            "base_resolution": config.coarsest,
            "per_level_scale": growth,
        }
        self.grid = tinycudann.Encoding(3, grid, dtype=torch.float32)

    def forward(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n f"]:
        features: Tensor = self.grid(points.clamp(0, 1))
        unlocked = torch.arange(self.config.width, device=features.device) < FEATURES * active
        return features * unlocked

    def with_jacobian(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f 3"]]:
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            features = self.forward(points, active)
            rows = [torch.autograd.grad(features[:, f].sum(), points, create_graph=True)[0] for f in range(FEATURES * active)]
        jacobian = torch.stack(rows, 1)
        locked = self.config.width - jacobian.shape[1]
        return features, torch.nn.functional.pad(jacobian, (0, 0, 0, locked))
