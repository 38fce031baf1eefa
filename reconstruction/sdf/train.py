"""Photos to surface: gradient descent on what the field would show against what the photos show."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reconstruction.live import Curve
from reconstruction.sdf import losses
from reconstruction.sdf.field import SurfaceField
from reconstruction.sdf.pool import Batch, RayPool
from reconstruction.sdf.render import render_rays
from reconstruction.sdf.sampling import place_samples


@dataclass(frozen=True)
class TrainingConfig:
    """The defaults suit two CPU cores and five minutes. Weights are relative to the colour loss."""

    steps: int = 6000
    rays: int = 1024
    samples: int = 18
    table_rate: float = 1e-2
    net_rate: float = 2e-3
    sharpness_rate: float = 1e-2
    first_sharpness: float = 100.0  # 1 / cube units; soft, so that colours far behind the hull can be found
    soft_share: float = 0.2  # of the steps, over which the sharpness may rise to `firm_sharpness`
    firm_sharpness: float = 1000.0
    last_sharpness: float = 1500.0  # at least, after `sharp_share` of the steps: blurred photos would keep the surface soft
    sharp_share: float = 0.8
    last_rate: float = 0.05  # of the first, reached along an exponential
    mask_weight: float = 0.1
    eikonal_weight: float = 0.03
    unseen_weight: float = 1.0
    flat_weight: float = 0.05
    flat_reach: float = 0.01  # cube units: about how far apart two normals are compared
    flat_points: int = 1024
    exposure_weight: float = 0.3
    first_levels: int = 4
    unlock_share: float = 0.4  # of the steps, after which all levels are learnt
    sheen_share: float = 0.3  # of the steps, after which colour may depend on the direction as it likes
    refresh_every: int = 100
    seed: int = 0


@dataclass
class Trainer:
    """A training in progress, on the device where its surface, its pool and its `unseen` points lie.

    A step asks the host for nothing but the sizes of what it renders: draws, samples and losses stay on the device.
    """

    surface: SurfaceField
    pool: RayPool
    config: TrainingConfig
    unseen: Float[Tensor, "k 3"]
    step: int = 0
    rng: torch.Generator = field(init=False)
    curve: Curve = field(init=False)

    def __post_init__(self) -> None:
        self.device = self.pool.centres.device
        self.rng = torch.Generator(self.device).manual_seed(self.config.seed)
        self.curve = Curve(self.config.steps)
        nn.init.constant_(self.surface.log_sharpness, math.log(self.config.first_sharpness))
        # gain (log) and offset of every photo's colours
        self.exposure = nn.Parameter(torch.zeros(len(self.pool.centres), 2, 3, device=self.device))
        tables = [self.surface.distance_grid, self.surface.colour_grid]
        nets = [self.surface.distance_hidden, self.surface.distance_out, self.surface.colour_net]
        groups = [
            {"params": [p for m in tables for p in m.parameters()], "lr": self.config.table_rate},
            {"params": [p for m in nets for p in m.parameters()], "lr": self.config.net_rate},
            {"params": [self.exposure], "lr": self.config.net_rate},
            {"params": [self.surface.log_sharpness], "lr": self.config.sharpness_rate},
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)
        self.first_rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.cached = self.surface.base_distances.clone()
        self._moving = torch.nonzero(self.cached < 0.04)  # nodes where the surface may come to lie

    def run_step(self) -> dict[str, Tensor]:
        """One step of gradient descent; returns the losses, still on the device."""
        if self.step % self.config.refresh_every == 0:
            self.refresh()
        for group, first in zip(self.optimizer.param_groups, self.first_rates, strict=True):
            group["lr"] = first * self._rate()
        wanted = self._losses(self.pool.draw(self.config.rays, self.rng))
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.stack(list(wanted.values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._limit_sharpness()
        self.step += 1
        told = {name: loss.detach() for name, loss in wanted.items()}
        self.curve.note(self.step, loss=total.detach(), **told, sharpness=self.surface.sharpness.detach())
        return told

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 50)
        return warm * self.config.last_rate ** (self.step / self.config.steps)

    def _limit_sharpness(self) -> None:
        """A surface that hardens early is stuck where it is: a hollow that the hull fills is only found while it is soft.

        One that stays soft takes its colours from too far around.
        """
        config, limited = self.config, self.surface.log_sharpness.data
        early, late = (self.step / max(1.0, share * config.steps) for share in (config.soft_share, config.sharp_share))
        limited.clamp_(min=_between(config.first_sharpness, config.last_sharpness, min(1.0, late)))
        if early < 1:
            limited.clamp_(max=_between(config.first_sharpness, config.firm_sharpness, early))

    def active(self) -> tuple[int, int]:
        """Unlocked levels of the distance grid and the colour grid."""
        share = min(1.0, self.step / max(1.0, self.config.unlock_share * self.config.steps))
        first = self.config.first_levels
        levels = (self.surface.config.distance.levels, self.surface.config.colour.levels)
        distance, colour = (min(total, first + math.floor(share * (total - first) + 1e-9)) for total in levels)
        return distance, colour

    def sheen(self) -> float:
        """How much of the view direction the colour may depend on."""
        return min(1.0, self.step / max(1.0, self.config.sheen_share * self.config.steps))

    def half_width(self) -> Float[Tensor, ""]:
        """Of the band that is sampled: wide while the surface is soft."""
        return (4 / self.surface.sharpness.detach()).clamp(1.5 / self.surface.config.base_cells, 0.06)

    def refresh(self) -> None:
        """Brings the cached distances up to date where the surface may be."""
        with torch.no_grad():
            for part in torch.split(self._moving, 65536):
                residual = self.surface.residual(part / self.surface.config.base_cells, self.active()[0])
                self.cached[tuple(part.T)] = self.surface.base_distances[tuple(part.T)] + residual

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        config, active = self.config, self.active()
        jitter = torch.rand(len(batch.labels), config.samples, generator=self.rng, device=self.device)
        lengths, near = place_samples(batch.origins, batch.directions, self.cached, self.half_width(), jitter)
        batch, lengths = batch.where(near), lengths[near]
        shown = render_rays(self.surface, batch.origins, batch.directions, lengths, active, self.sheen())
        return {
            "colour": losses.colour_loss(shown, batch, self.exposure),
            "mask": config.mask_weight * losses.mask_loss(shown, batch.labels),
            "eikonal": config.eikonal_weight * losses.eikonal_loss(shown),
            "unseen": config.unseen_weight * losses.unseen_loss(self.surface, self.unseen, active[0], self.rng),
            "flat": config.flat_weight
            * losses.flat_loss(self.surface, shown, batch.plain, config.flat_reach, config.flat_points, active[0], self.rng),
            "exposure": config.exposure_weight * self.exposure.square().mean(),
        }


def _between(first: float, last: float, share: float) -> float:
    """The logarithm of what lies on an exponential from `first` to `last`."""
    return math.log(first) + share * (math.log(last) - math.log(first))
