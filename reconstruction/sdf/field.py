"""The surface as a function: hull distance + learnt residual, and the colour it shows in a direction."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reconstruction.encodings import Encoding, HashGridConfig, make_encoding

HARMONICS = 9  # of a direction, up to degree 2


@dataclass(frozen=True)
class FieldConfig:
    """Two hash grids: a smooth one for the distance, a finer one for the colour."""

    distance: HashGridConfig = field(default_factory=lambda: HashGridConfig(levels=8, coarsest=12, finest=160, log2_entries=16))
    colour: HashGridConfig = field(default_factory=lambda: HashGridConfig(levels=8, coarsest=16, finest=384, log2_entries=17))
    base_cells: int = 96
    hidden: int = 64
    colour_dtype: str = "float32"  # or bfloat16: of the colour network's products; distances never, they would be off by a cell

    @classmethod
    def from_json(cls, doc: dict) -> FieldConfig:
        return cls(
            HashGridConfig(**doc["distance"]), HashGridConfig(**doc["colour"]), doc["base_cells"], doc["hidden"], doc["colour_dtype"]
        )


class SurfaceField(nn.Module):
    """Everything in the unit cube. Distances are negative inside.

    The base, hull distances on a grid, is stored as a one-level dense encoding whose first feature is the distance, so
    that it is interpolated and differentiated by the same code as the hash grids. It is not learnt.
    """

    def __init__(self, config: FieldConfig, encoding: str = "numba") -> None:
        super().__init__()
        self.config = config
        nodes = (config.base_cells + 1) ** 3
        base = HashGridConfig(1, config.base_cells, config.base_cells, (nodes - 1).bit_length())
        self.base: Encoding = make_encoding(base, "torch" if encoding == "tcnn" else encoding).requires_grad_(False)
        self.distance_grid: Encoding = make_encoding(config.distance, encoding)
        self.distance_hidden = nn.Linear(3 + config.distance.width, config.hidden)
        self.distance_out = nn.Linear(config.hidden, 1)
        nn.init.normal_(self.distance_out.weight, std=1e-3)
        nn.init.zeros_(self.distance_out.bias)
        self.colour_grid: Encoding = make_encoding(config.colour, encoding)
        self.colour_net = nn.Sequential(
            nn.Linear(config.colour.width + 3 + HARMONICS, config.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.hidden, 3),
        )
        self.log_sharpness = nn.Parameter(torch.tensor(4.0))

    def set_base(self, distances: Float[Tensor, "side side side"]) -> None:
        table = self.base.table
        assert isinstance(table, Tensor)
        table.data.zero_()
        table.data[:, 0] = distances.reshape(-1).to(table)

    @property
    def base_distances(self) -> Float[Tensor, "side side side"]:
        side = self.config.base_cells + 1
        return self.base.table[:, 0].reshape(side, side, side)  # type: ignore[union-attr, return-value, index]

    @property
    def sharpness(self) -> Float[Tensor, ""]:
        """s of NeuS: the slope of the sigmoid that turns distance into opacity; 1 / cube units."""
        return self.log_sharpness.exp()

    def residual(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n"]:
        """What was learnt on top of the hull's distance."""
        return self.distance_grid.decoded(points, active, self.distance_hidden, self.distance_out)

    def distance(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n"]:
        return self.base(points, 1)[:, 0] + self.residual(points, active)

    def distance_and_gradient(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
        """The distance and its derivative by the point."""
        base, base_jacobian = self.base.with_jacobian(points, 1)
        residual, slope = self.distance_grid.decoded_with_slope(points, active, self.distance_hidden, self.distance_out)
        return base[:, 0] + residual, base_jacobian[:, 0] + slope

    def colour(
        self, points: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"], active: int, sheen: float = 1.0
    ) -> Float[Tensor, "n 3"]:
        """RGB in [0, 1]. `sheen` below one takes the view direction's influence away."""
        features = torch.cat([self.colour_grid(points, active), normals, sheen * harmonics(directions)], 1)
        if self.config.colour_dtype == "float32":
            return torch.sigmoid(self.colour_net(features))
        with torch.autocast(points.device.type, getattr(torch, self.config.colour_dtype)):
            shown = self.colour_net(features)
        return torch.sigmoid(shown.float())


def harmonics(directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 9"]:
    """Real spherical harmonics up to degree 2, up to constant factors."""
    x, y, z = directions.unbind(-1)
    return torch.stack([torch.ones_like(x), x, y, z, x * y, y * z, x * z, 3 * z * z - 1, x * x - y * y], -1)
