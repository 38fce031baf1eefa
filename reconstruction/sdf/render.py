"""Volume rendering of a signed distance (Wang et al., "NeuS", NeurIPS 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reconstruction.sdf.field import SurfaceField


@dataclass(frozen=True, eq=False)
class Rendering:
    """colour: of what the ray meets, however little. opacity: up to the last sample. stopped: whether that one lies inside.

    points, gradients, rays: where the colour was taken, the distance's slope there, whose.
    """

    colour: Float[Tensor, "r 3"]
    opacity: Float[Tensor, "r"]
    stopped: Bool[Tensor, "r"]
    points: Float[Tensor, "k 3"]
    gradients: Float[Tensor, "k 3"]
    rays: Int[Tensor, "k"]


def render_rays(
    field: SurfaceField,
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    lengths: Float[Tensor, "r s"],
    active: tuple[int, int],
    sheen: float = 1.0,
    least_weight: float = 0.01,
) -> Rendering:
    """Renders rays of the unit cube from samples at sorted `lengths`; `active` levels of the distance and the colour.

    Between neighbours NeuS's opacity is alpha = max(1 - Phi(s f') / Phi(s f), 0), so the light left behind a sample is a
    running product of ratios, here a running sum of logarithms. Colour, the dear part, is taken only in the middle of those
    sections that weigh at least `least_weight`.

    It is their mean, not their sum: some light is always left where the samples end inside, and less of it if the surface were
    nearer to the camera, so that whatever is brighter than black would swell wherever no texture holds it.
    """
    points = origins[:, None] + lengths[..., None] * directions[:, None]  # (r, s, 3)
    distances = field.distance(points.reshape(-1, 3), active[0]).reshape(lengths.shape)
    log_phi = functional.logsigmoid(distances * field.sharpness)
    left = (log_phi[:, 1:] - log_phi[:, :-1]).clamp(max=0).cumsum(1).exp()
    left = torch.cat([torch.ones_like(left[:, :1]), left], 1)
    weights = left[:, :-1] - left[:, 1:]  # (r, s - 1)
    ray, section = torch.nonzero(weights.detach() > least_weight, as_tuple=True)
    middle = (lengths[ray, section] + lengths[ray, section + 1]) / 2
    at = origins[ray] + middle[:, None] * directions[ray]
    _, gradients = field.distance_and_gradient(at, active[0])
    colours = field.colour(at, directions[ray], functional.normalize(gradients, dim=1), active[1], sheen)
    taken = weights[ray, section]
    colour = torch.zeros_like(origins).index_add(0, ray, taken[:, None] * colours)
    told = torch.zeros_like(left[:, -1]).index_add(0, ray, taken)
    opacity, stopped = 1 - left[:, -1], distances[:, -1] < 0
    return Rendering(colour / told.clamp(min=least_weight)[:, None], opacity, stopped, at, gradients, ray)
