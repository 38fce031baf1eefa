"""Where along a ray to look: only near the current surface, which a coarse grid of cached distances tells."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

_STEP = 0.45  # of a grid cell: as short as the march's in its narrowest band


def place_samples(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    distances: Float[Tensor, "side side side"],
    half_width: Float[Tensor, ""],
    jitter: Float[Tensor, "r s"],
) -> tuple[Float[Tensor, "r s"], Bool[Tensor, "r"]]:
    """Sorted ray lengths of `s` samples a ray, and which rays come within `half_width` of the surface at all.

    All in the unit cube, float32; directions of length one. Samples lie where the cached distance is below `half_width`,
    up to where a ray is that deep inside; denser close to the surface; stratified, each placed by its `jitter` in [0, 1).
    A CPU marches ray by ray; anything else looks at every step of every ray at once, without asking the host.
    """
    if origins.device.type == "cpu":
        from reconstruction.sdf.marching import march  # compiled: a machine that trains elsewhere needs no numba

        lengths, near = march(origins.numpy(), directions.numpy(), distances.numpy(), float(half_width), jitter.numpy())
        return torch.from_numpy(lengths), torch.from_numpy(near)
    return scan(origins, directions, distances, half_width, jitter)


def scan(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    distances: Float[Tensor, "side side side"],
    half_width: Float[Tensor, ""],
    jitter: Float[Tensor, "r s"],
) -> tuple[Float[Tensor, "r s"], Bool[Tensor, "r"]]:
    """The same from even steps through the whole cube, in plain torch: dear on a CPU, nothing to a GPU."""
    step = _STEP / (len(distances) - 1)
    enter, leave = _through_cube(origins, directions)
    ticks = step * torch.arange(math.ceil(math.sqrt(3) / step), device=origins.device)
    at = enter[:, None] + ticks  # (r, t)
    found = _trilinear(distances, origins[:, None] + at[..., None] * directions[:, None])
    inside = (found < half_width) & (at < leave[:, None])
    deep = inside & (found < -half_width)
    inside &= deep.cumsum(1) - deep.long() == 0  # up to and with the first one that is deep
    mass = inside * ((-3 * found.abs() / half_width).exp() + 0.08)
    whole = mass.cumsum(1)
    near = whole[:, -1] > 0
    count = jitter.shape[1]
    wanted = whole[:, -1:] * (torch.arange(count, device=origins.device) + jitter) / count
    # the first step whose mass reaches what is wanted; rays that have none point at their first step
    index = torch.searchsorted(whole, wanted.clamp(min=1e-12)).clamp(max=len(ticks) - 1)
    own, until = mass.gather(1, index), whole.gather(1, index)
    part = ((wanted - until) / own.clamp(min=1e-12) + 1).clamp(0, 1)
    return (at.gather(1, index) + step * part) * near[:, None], near


def _through_cube(origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"]) -> tuple[Float[Tensor, "r"], Float[Tensor, "r"]]:
    """Ray lengths at which it enters and leaves [0, 1]^3; empty where the first is larger."""
    slopes = torch.where(directions.abs() < 1e-9, 1e-9, directions)
    a, b = -origins / slopes, (1 - origins) / slopes
    return torch.minimum(a, b).amax(1).clamp(min=0), torch.maximum(a, b).amin(1)


def _trilinear(grid: Float[Tensor, "side side side"], points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
    """Values at points of the unit cube; those outside are taken to the border."""
    at = (2 * points - 1).flip(-1)[None, None]  # grid_sample wants z, y, x in [-1, 1]
    return functional.grid_sample(grid[None, None], at, padding_mode="border", align_corners=True)[0, 0, 0]
