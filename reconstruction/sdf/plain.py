"""Where a photo can't tell a bump from a flat face: there training keeps the surface as flat as it can be."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from reconstruction.sdf.labels import HIDDEN, OBJECT

SLOPE = 4.0  # grey levels a pixel: half plain
EDGE_PX = 2  # so close to an edge nothing is plain, that thin parts stay as they are
_BLUR = (0.0545, 0.2442, 0.4026, 0.2442, 0.0545)  # a Gaussian of one pixel


def find_plain(photo: UInt8[Tensor, "h w 3"], labels: UInt8[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """One on the object where it shows neither texture nor edge, and where something else stands in front; down to zero elsewhere."""
    grey = photo.float().mean(2)[None, None]
    row = torch.tensor(_BLUR, device=photo.device)
    smooth = functional.conv2d(functional.pad(grey, (2, 2, 2, 2), mode="replicate"), (row[:, None] * row)[None, None])
    padded = functional.pad(smooth, (1, 1, 1, 1), mode="replicate")[0, 0]
    across, down = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    plain = torch.where(labels == OBJECT, 1 / (1 + (across**2 + down**2) / SLOPE**2), 0.0)
    plain = torch.where(labels == HIDDEN, 1.0, plain)
    return -functional.max_pool2d(-plain[None, None], 2 * EDGE_PX + 1, stride=1, padding=EDGE_PX)[0, 0]
