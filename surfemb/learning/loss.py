"""What the networks are trained for (SurfEmb, section 3): find the visible object, and tell its surface points apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surfemb.learning.network import CorrespondenceModel

MASK_SHARE = 3.0  # of the mask's loss: it ends at a tenth of a nat, the contrast at 2.5, which would take most of the network


@dataclass(frozen=True)
class Batch:
    """Crops with what they show. Points are object coordinates in metres.

    images: uint8 RGB. mask: the object's visible pixels. pixels: flat indices of n visible pixels each, points: what these see.
    has_object: False for a crop without the object, whose pixels and points mean nothing. others: of the whole surface, drawn anew for
    each batch: of points that come again the key network learns which they are, not where (measured: 1.9 nats for them, 4.1 for new ones).
    """

    images: Tensor  # (b, h, w, 3) uint8
    mask: Bool[Tensor, "b h w"]
    pixels: Int[Tensor, "b n"]
    points: Float[Tensor, "b n 3"]
    has_object: Bool[Tensor, "b"]
    others: Float[Tensor, "m 3"]

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__dataclass_fields__))

    @property
    def crops(self) -> Float[Tensor, "b 3 h w"]:
        """In [0, 1]; stays channels-last."""
        return self.images.permute(0, 3, 1, 2).float() / 255


@dataclass(frozen=True)
class Losses:
    mask: Float[Tensor, ""]
    contrast: Float[Tensor, ""]

    @property
    def total(self) -> Float[Tensor, ""]:
        return MASK_SHARE * self.mask + self.contrast


def correspondence_losses(model: CorrespondenceModel, batch: Batch, half: bool = False) -> Losses:
    """Binary cross-entropy of the mask, and InfoNCE of each pixel's own point against `batch.others`.

    Contrast is in nats a pixel: log(m + 1) for a network that knows nothing. half: the query network computes in bfloat16.
    """
    with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=half):
        logits, queries = model.query_at(batch.crops, batch.pixels)
    mask = F.binary_cross_entropy_with_logits(logits, batch.mask.float())
    shown = batch.has_object.nonzero()[:, 0]
    if len(shown) == 0:
        return Losses(mask, queries.sum() * 0)
    own_query, points = queries[shown].flatten(0, 1), batch.points[shown].flatten(0, 1)
    keys = model.key(torch.cat([points, batch.others]))
    own_key, other_keys = keys[: len(points)], keys[len(points) :]
    return Losses(mask, info_nce(own_query, own_key, other_keys))


def info_nce(queries: Float[Tensor, "n e"], own: Float[Tensor, "n e"], others: Float[Tensor, "m e"]) -> Float[Tensor, ""]:
    """Mean of -log softmax of each query's own key among itself and the others (van den Oord et al., 2018)."""
    right = (queries * own).sum(-1)
    all_others = torch.logsumexp(queries @ others.T, 1)
    return F.softplus(all_others - right).mean()
