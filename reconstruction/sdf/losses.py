"""What the training of a surface asks for: one number each, smaller where the field shows what the photos show."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reconstruction.sdf.field import SurfaceField
from reconstruction.sdf.labels import OBJECT, OUTSIDE, TOLD
from reconstruction.sdf.pool import Batch
from reconstruction.sdf.render import Rendering


def colour_loss(shown: Rendering, batch: Batch, exposure: Float[Tensor, "v 2 3"]) -> Tensor:
    """Robust difference of the object's colours. exposure: log gain and offset of each photo."""
    # relative to the mean photo: else one gain for all could trade places with the object's own colour
    gain, offset = (exposure - exposure.mean(0))[batch.window].unbind(1)
    error = functional.huber_loss(shown.colour * gain.exp() + offset, batch.colours, delta=0.1, reduction="none").mean(1)
    counts = (batch.labels == OBJECT).to(error)
    return 10 * (error * counts).sum() / counts.sum().clamp(min=1)  # Huber below delta is e^2 / 2: 10 brings it to |e| / 2


def mask_loss(shown: Rendering, labels: Tensor) -> Tensor:
    """Cross-entropy of the outline. Where the hull knows better than a mask with a bite, or the mask is doubtful, it has no say.

    Nor has what is object anyway: light that is left where the samples end inside would ask for a surface nearer to the camera.
    """
    wanted, told = labels != OUTSIDE, labels < TOLD
    loss = functional.binary_cross_entropy(shown.opacity.clamp(1e-3, 1 - 1e-3), wanted.to(shown.opacity), reduction="none")
    return (loss * (told & ~(wanted & shown.stopped))).sum() / told.sum().clamp(min=1)


def eikonal_loss(shown: Rendering) -> Tensor:
    """A distance grows by one for each step away from the surface (Gropp et al., ICML 2020)."""
    return ((shown.gradients.norm(dim=1) - 1) ** 2).mean()


def unseen_loss(field: SurfaceField, unseen: Float[Tensor, "k 3"], level: int, rng: torch.Generator) -> Tensor:
    """Keeps the hull where no photo looks, such as underneath."""
    if not len(unseen):
        return unseen.new_zeros(())
    points = unseen[torch.randint(len(unseen), (256,), generator=rng, device=unseen.device)]
    noise = torch.randn(points.shape, generator=rng, device=unseen.device)
    return field.residual(points + noise * (0.5 / field.config.base_cells), level).abs().mean()


def flat_loss(
    field: SurfaceField, shown: Rendering, plain: Float[Tensor, "r"], reach: float, count: int, level: int, rng: torch.Generator
) -> Tensor:
    """The mean turn of the normal over `reach` along the surface, at `count` points, where no texture tells a bump from a flat face.

    The turn itself, not its square: many small ones then cost as much as one large, and an edge stays an edge (total variation).
    """
    if not len(shown.rays):
        return plain.new_zeros(())
    pick = torch.randint(len(shown.rays), (count,), generator=rng, device=plain.device)
    here = functional.normalize(shown.gradients[pick], dim=1)
    way = torch.randn(here.shape, generator=rng, device=plain.device)
    along = way - (way * here.detach()).sum(1, keepdim=True) * here.detach()
    points = (shown.points[pick] + reach * along).clamp(0, 1)
    there = functional.normalize(field.distance_and_gradient(points, level)[1], dim=1)
    turn = ((there - here).square().sum(1) + 1e-4).sqrt()
    return (turn * plain[shown.rays[pick]]).mean()
