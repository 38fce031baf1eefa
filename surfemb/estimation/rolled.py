"""One crop shown to the networks in several in-plane turns, what they say turned back and averaged: their mistakes are not the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from reconstruction.scene import Camera, Crop, RigidTransform
from surfemb.estimation.correspondences import Evidence, QueryModel, Surface, as_crops, make_evidence


def observe(
    model: QueryModel, surface: Surface, image: UInt8[ndarray, "h w 3"], crop: Crop, rolls_deg: Sequence[float] = (0.0,)
) -> Evidence:
    """What the networks say about a crop of an image, in the mean over those turns."""
    return make_evidence(surface, crop, *query_rolled(model, image, crop, rolls_deg))


def query_rolled(
    model: QueryModel, image: UInt8[ndarray, "h w 3"], crop: Crop, rolls_deg: Sequence[float]
) -> tuple[Float[ndarray, "H W"], Float[ndarray, "H W e"]]:
    """Mask probabilities and query embeddings of a crop, means over turns about its optical axis; one of them must be 0.

    Each turn is taken from the image itself, so that corners which another one lacks are there. Logits and embeddings are averaged:
    the similarities are then the mean of those of each turn.
    """
    turns = [RigidTransform.from_rotvec(np.array([0.0, 0.0, np.radians(roll)]), np.zeros(3)) for roll in rolls_deg]
    pictures = np.stack([replace(crop, crop_from_cam=turn @ crop.crop_from_cam).warp(image) for turn in turns])
    with torch.inference_mode():
        logits, queries = model.query(as_crops(pictures))
        said = torch.cat([logits.float()[:, None], queries.float().permute(0, 3, 1, 2)], 1)
        if len(turns) > 1:
            said = _mean_turned_back(said, crop.camera, turns)
        return torch.sigmoid(said[0, 0]).numpy(), said[0, 1:].permute(1, 2, 0).contiguous().numpy()


def _mean_turned_back(said: Float[Tensor, "b c h w"], camera: Camera, turns: Sequence[RigidTransform]) -> Float[Tensor, "1 c h w"]:
    """At each pixel the mean over the turns that show it."""
    shown = torch.ones_like(said[:, :1])
    grid = torch.from_numpy(np.stack([_pixels_in_turned(camera, turn) for turn in turns]).astype(np.float32))
    back = F.grid_sample(torch.cat([said, shown], 1), grid, padding_mode="zeros", align_corners=True).sum(0, keepdim=True)
    return back[:, :-1] / back[:, -1:]


def _pixels_in_turned(camera: Camera, turn: RigidTransform) -> Float[ndarray, "h w 2"]:
    """Where the turned camera has each of the camera's pixels, its image being [-1, 1]."""
    pixels = camera.project(turn.apply(camera.rays()))
    return 2 * pixels / (np.array([camera.width, camera.height]) - 1) - 1
