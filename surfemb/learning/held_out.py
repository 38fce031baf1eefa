"""How well the networks do on photos they never saw: numbers and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from reconstruction.scene import Mesh
from surfemb.learning.network import CorrespondenceModel
from surfemb.samples.crops import CropSample


@dataclass(frozen=True)
class HeldOutScore:
    """mask_iou: mean. coordinate_error: median distance of the most likely surface point from the true one, over the diameter.

    contrast: mean of -log p of the nearest surface point, nats; log(points) for a network that knows nothing.
    """

    mask_iou: float
    coordinate_error: float
    contrast: float

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 5) for name, value in asdict(self).items()}


class HeldOut:
    """Crops of the held-out photos, as an estimate would take them."""

    def __init__(self, mesh: Mesh, crops: Sequence[CropSample], points: int = 2000) -> None:
        self.crops = crops
        self.diameter = mesh.diameter
        self.points = torch.from_numpy(mesh.sample(points, seed=0)[0].astype(np.float32))

    @torch.inference_mode()
    def score(self, model: CorrespondenceModel) -> HeldOutScore | None:
        """None where nothing is held out. The model must be in evaluation mode."""
        overlaps, errors, surprises = [], [], []
        keys = model.key(self.points.to(_device(model)))
        for crop in self.crops:
            probability, queries = _query(model, crop)
            found = probability.numpy() > 0.5
            overlaps.append((found & crop.mask).sum() / max((found | crop.mask).sum(), 1))
            truth = torch.from_numpy(crop.coordinates[crop.mask].astype(np.float32))
            similarity = (queries[torch.from_numpy(crop.mask)] @ keys.T).cpu()
            errors.append((self.points[similarity.argmax(1)] - truth).norm(dim=1))
            nearest = torch.cdist(truth, self.points).argmin(1)
            surprises.append(-similarity.log_softmax(1).gather(1, nearest[:, None])[:, 0])
        if not overlaps or not sum(len(e) for e in errors):
            return None
        error = float(torch.cat(errors).median()) / self.diameter
        return HeldOutScore(float(np.mean(overlaps)), error, float(torch.cat(surprises).mean()))

    @torch.inference_mode()
    def picture(self, model: CorrespondenceModel, count: int = 8) -> UInt8[ndarray, "h w 3"]:
        """A row each: photo, mask probability, most likely coordinates as RGB where the mask is, true coordinates."""
        keys = model.key(self.points.to(_device(model)))
        lower, extent = self.points.min(0).values.numpy(), np.ptp(self.points.numpy(), axis=0)
        rows = []
        for crop in self.crops[:: max(1, len(self.crops) // count)][:count]:
            probability, queries = _query(model, crop)
            likely = self.points[(queries @ keys.T).argmax(-1).cpu()].numpy()
            found, grey = probability.numpy() > 0.5, (probability.numpy() * 255).astype(np.uint8)
            colors = [_paint(coordinates, lower, extent, mask) for coordinates, mask in ((likely, found), (crop.coordinates, crop.mask))]
            rows.append(np.hstack([crop.image, np.repeat(grey[..., None], 3, 2), *colors]))
        return np.vstack(rows)


def _query(model: CorrespondenceModel, crop: CropSample) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w e"]]:
    pixels = torch.from_numpy(crop.image).to(_device(model)).permute(2, 0, 1)[None].float() / 255
    logits, queries = model.query(pixels)
    return torch.sigmoid(logits[0]).cpu(), queries[0]


def _paint(
    coordinates: Float[ndarray, "h w 3"], lower: Float[ndarray, "3"], extent: Float[ndarray, "3"], mask: ndarray
) -> UInt8[ndarray, "h w 3"]:
    return (((coordinates - lower) / extent).clip(0, 1) * 255 * mask[..., None]).astype(np.uint8)


def _device(model: CorrespondenceModel) -> torch.device:
    return next(model.parameters()).device
