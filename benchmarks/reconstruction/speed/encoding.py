"""Points through a hash grid and a small network, forwards and backwards: ours against plain eager torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks.reconstruction.speed.clock import interleaved
from reconstruction.encodings import HashGridConfig
from reconstruction.sdf.field import FieldConfig, SurfaceField

POINTS = 65_536
GRIDS = {
    "8 x 2, 2^17 entries": HashGridConfig(levels=8, coarsest=16, finest=384, log2_entries=17),
    "distance grid of the defaults": FieldConfig().distance,
}


def measure_encoding(encoding: str = "numba", rounds: int = 7) -> dict[str, Any]:
    """Milliseconds of the learnt distance (19 -> 64 -> 1), and of the distance with its slope, forwards and backwards."""
    torch.manual_seed(0)
    points = torch.rand(POINTS, 3)
    report: dict[str, Any] = {}
    for name, grid in GRIDS.items():
        config = replace(FieldConfig(), distance=grid)
        ours, eager = SurfaceField(config, encoding), SurfaceField(config, "torch")
        eager.load_state_dict(ours.state_dict())
        for what, run in {"distance": _distance, "distance and slope": _distance_and_slope}.items():
            took = interleaved({"ours": _step(ours, points, run), "eager": _step(eager, points, run)}, rounds)
            report[f"{name}: {what}"] = {"ours_ms": took["ours"], "eager_ms": took["eager"], "ratio": took["eager"] / took["ours"]}
    return report


def _step(field: SurfaceField, points: torch.Tensor, run: Callable[[SurfaceField, torch.Tensor], torch.Tensor]) -> Callable[[], None]:
    def step() -> None:
        field.zero_grad(set_to_none=True)
        run(field, points).backward()

    return step


def _distance(field: SurfaceField, points: torch.Tensor) -> torch.Tensor:
    return field.residual(points, field.config.distance.levels).square().mean()


def _distance_and_slope(field: SurfaceField, points: torch.Tensor) -> torch.Tensor:
    distance, slope = field.distance_and_gradient(points, field.config.distance.levels)
    return distance.square().mean() + (slope.norm(dim=1) - 1).square().mean()
