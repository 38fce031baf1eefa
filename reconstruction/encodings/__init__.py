"""Multi-resolution hash grids behind one interface: points in, features out, with their exact spatial derivative where asked.

Müller et al., "Instant Neural Graphics Primitives", SIGGRAPH 2022. `numba` is the default on a CPU, `triton` the one
for GPUs (it comes with torch), `tcnn` is tiny-cuda-nn where somebody built it, `torch` the reference that runs anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reconstruction.backends import Backend, load_backend

FEATURES = 2  # a level; more, coarser levels were never better in the paper for the same memory
PRIMES = (1, 2654435761, 805459861)


@dataclass(frozen=True)
class HashGridConfig:
    """`levels` grids, `coarsest` to `finest` cells along each side, growing geometrically; at most 2^log2_entries nodes each."""

    levels: int = 8
    coarsest: int = 16
    finest: int = 192
    log2_entries: int = 16

    @property
    def width(self) -> int:
        """Features a point."""
        return FEATURES * self.levels

    @property
    def cells(self) -> Int[np.ndarray, "levels"]:
        """Cells along a side at each level."""
        growth = (self.finest / self.coarsest) ** (1 / max(self.levels - 1, 1))
        return np.rint(self.coarsest * growth ** np.arange(self.levels)).astype(np.int64)

    @property
    def offsets(self) -> Int[np.ndarray, "levels_plus_1"]:
        """Where each level's entries start in the table; a grid with fewer nodes than 2^log2_entries is stored densely."""
        entries = np.minimum((self.cells + 1) ** 3, 1 << self.log2_entries)
        return np.concatenate([[0], np.cumsum(entries)])


class Encoding(nn.Module, ABC):
    """Features of points in [0, 1]^3, trilinear inside each cell. Points outside are taken to the border.

    Only the table is learnt: gradients go to it, from the features and from their Jacobian alike, never to the points.
    `active` levels are computed; the features of the finer ones are zero, for coarse-to-fine training.
    """

    def __init__(self, config: HashGridConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, points: Float[Tensor, "n 3"], active: int) -> Float[Tensor, "n f"]: ...

    @abstractmethod
    def with_jacobian(self, points: Float[Tensor, "n 3"], active: int) -> tuple[Float[Tensor, "n f"], Float[Tensor, "n f 3"]]:
        """Features and their derivative by the point."""

    def decoded(self, points: Float[Tensor, "n 3"], active: int, hidden: nn.Linear, out: nn.Linear) -> Float[Tensor, "n"]:
        """One number a point: a ReLU layer on the point (from the cube's middle) and its features, and what `out` makes of it."""
        inputs = torch.cat([points - 0.5, self(points, active)], 1)
        value: Tensor = out(functional.relu(hidden(inputs), inplace=True))[:, 0]
        return value

    def decoded_with_slope(
        self, points: Float[Tensor, "n 3"], active: int, hidden: nn.Linear, out: nn.Linear
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
        """The number and its derivative by the point, in closed form, so that first-order autograd trains both.

        With one ReLU layer the derivative by the inputs is W1^T (w2 * [z > 0]); the encoding gives theirs by the point.
        """
        features, jacobian = self.with_jacobian(points, active)
        lit = functional.relu(hidden(torch.cat([points - 0.5, features], 1)), inplace=True)
        by_inputs = ((lit > 0) * out.weight) @ hidden.weight  # (n, 3 + f)
        return out(lit)[:, 0], by_inputs[:, :3] + torch.einsum("nf,nfk->nk", by_inputs[:, 3:], jacobian)


def initial_table(config: HashGridConfig) -> nn.Parameter:
    """(entries, FEATURES), uniform in +-1e-4 as in the paper."""
    return nn.Parameter(torch.empty(int(config.offsets[-1]), FEATURES).uniform_(-1e-4, 1e-4))


ENCODINGS = {
    "numba": Backend("reconstruction.encodings.numba_grid:NumbaHashGrid"),
    "torch": Backend("reconstruction.encodings.torch_grid:TorchHashGrid"),
    "triton": Backend("reconstruction.encodings.triton_grid:TritonHashGrid", "pip install triton (a torch for NVIDIA GPUs brings it)"),
    "tcnn": Backend(
        "reconstruction.encodings.tcnn_grid:TcnnHashGrid",
        "pip install git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch (needs CUDA and an NVIDIA GPU)",
    ),
}


def make_encoding(config: HashGridConfig, name: str = "numba") -> Encoding:
    """Raises InputError for an unknown name, BackendMissing where it is not installed."""
    encoding: Encoding = load_backend("encoding", ENCODINGS, name)(config)
    return encoding
