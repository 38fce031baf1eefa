"""Segment Anything (Kirillov et al., ICCV 2023) with the geometry's prompts: a box and points for every photo.

Importing this module needs `segment_anything` and `torchvision`; where one is missing, the error names the install line.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.errors import BackendMissing, InputError
from reconstruction.masks import Guess

if TYPE_CHECKING:
    from reconstruction.masks.stage import MaskConfig

CHECKPOINTS = {"vit_b": "sam_vit_b_01ec64.pth", "vit_l": "sam_vit_l_0b3195.pth", "vit_h": "sam_vit_h_4b8939.pth"}
_DOWNLOADS = "https://dl.fbaipublicfiles.com/segment_anything/"
_schemas: list[torch.library.Library] = []  # an op definition lives only as long as its library


def _import_torchvision() -> None:
    """segment_anything resizes photos with torchvision, whose package index build is for CUDA.

    Beside a CPU-only torch its compiled operators can't be loaded and its import stops at the operators' missing schemas.
    Nothing here calls those operators, so their schemas alone are enough.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _schemas.append(library)
        import torchvision  # noqa: F401


_import_torchvision()
from segment_anything import SamPredictor, sam_model_registry  # noqa: E402


class SamMasker:
    """A photo is encoded once (the slow part) and kept in half precision; every round then only decodes its prompts."""

    def __init__(self, model: torch.nn.Module, points: int = 8) -> None:
        self.predictor = SamPredictor(model)
        self.points = points
        self._encoded: dict[str, tuple[torch.Tensor, tuple[int, ...], tuple[int, ...]]] = {}
        self._lock = Lock()  # the predictor holds one photo at a time

    @classmethod
    def from_config(cls, config: MaskConfig) -> SamMasker:
        return cls(load_sam(config.sam_checkpoint, config.sam_model).to(config.device))

    def segment(self, photo: UInt8[ndarray, "h w 3"], guess: Guess) -> Bool[ndarray, "h w"]:
        box, points = prompts(guess, self.points)
        if box is None:
            return np.zeros(photo.shape[:2], bool)
        with self._lock:
            self._show(photo, guess.photo)
            masks, _, _ = self.predictor.predict(
                points if len(points) else None, np.ones(len(points), int) if len(points) else None, box, multimask_output=False
            )
        mask: ndarray = masks[0] & guess.limit
        return mask

    def _show(self, photo: UInt8[ndarray, "h w 3"], name: str) -> None:
        predictor = self.predictor
        if name not in self._encoded:
            predictor.set_image(photo)
            self._encoded[name] = (predictor.features.half(), predictor.original_size, predictor.input_size)
        features, predictor.original_size, predictor.input_size = self._encoded[name]
        predictor.features = features.float()
        predictor.is_image_set = True


def prompts(guess: Guess, count: int) -> tuple[Float[ndarray, "4"] | None, Float[ndarray, "k 2"]]:
    """A box around where the hull is seen, and up to `count` of the object's points, spread out. None: nothing to ask for."""
    rows, columns = np.nonzero(guess.likely)
    if len(rows) == 0:
        return None, np.zeros((0, 2))
    low, high = np.array([columns.min(), rows.min()], float), np.array([columns.max(), rows.max()], float)
    margin = 0.03 * (high - low)
    seen = guess.object_px
    if len(seen) == 0:
        return np.concatenate([low - margin, high + margin]), seen
    chosen = [int(((seen - np.median(seen, axis=0)) ** 2).sum(1).argmin())]
    distance = np.full(len(seen), np.inf)
    while len(chosen) < min(count, len(seen)):
        distance = np.minimum(distance, ((seen - seen[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(distance.argmax()))
    return np.concatenate([low - margin, high + margin]), seen[chosen]


def load_sam(checkpoint: str, model: str) -> Any:
    """The `Sam` network with the weights of a checkpoint file. Raises BackendMissing without the file, InputError on a wrong one."""
    if model not in sam_model_registry:
        raise InputError(f"there is no SAM model called {model!r}", try_next=f"choose one of {', '.join(CHECKPOINTS)}")
    path = Path(checkpoint)
    if not checkpoint or not path.is_file():
        named = f"the SAM checkpoint {path} does not exist" if checkpoint else "the masker 'sam' needs a checkpoint"
        url = _DOWNLOADS + CHECKPOINTS.get(model, CHECKPOINTS["vit_b"])
        raise BackendMissing(named, try_next=f"curl -LO {url} and name the file as sam_checkpoint")
    sam = sam_model_registry[model]()
    try:
        sam.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, AttributeError, TypeError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(f"{path.name} holds no weights of the SAM model {model} ({cause})", try_next="name the model it is of") from error
    return sam.eval()
