"""The training of the two networks, whole or in parts: crops in, networks out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from reconstruction.errors import PipelineError
from reconstruction.live import CURVE, CURVE_EVERY_S, Curve, Live
from reconstruction.scene import Mesh
from reconstruction.stage import Progress, silent
from surfemb.learning.held_out import HeldOut
from surfemb.learning.loss import Batch, correspondence_losses
from surfemb.learning.network import CorrespondenceModel, NetworkConfig
from surfemb.learning.optimiser import Optimiser, OptimiserConfig
from surfemb.samples.crops import CropConfig
from surfemb.samples.looks import Looks


class TrainingError(PipelineError):
    """The networks could not be trained."""

    code: ClassVar[str] = "training-failed"


@dataclass(frozen=True)
class TrainConfig:
    """steps of `batch` crops; in each crop `pixels` visible pixels against `others` points of the surface.

    looks: "any" where the robot meets the object in other paint or gloss than the capture shows.
    workers: processes that make crops; 0 makes them in this one. threads: of the trainer. device: "auto" is CUDA where there is one.
    The first part ends with the first validation.
    """

    steps: int = 3200
    batch: int = 16
    pixels: int = 128
    others: int = 1024
    network: NetworkConfig = field(default_factory=NetworkConfig)
    crops: CropConfig = field(default_factory=CropConfig)
    looks: Looks = "photographed"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    workers: int = 1
    threads: int = 2
    device: str = "auto"
    validate_every: int = 500
    checkpoint_s: float = 45.0
    seed: int = 0


@dataclass(frozen=True)
class Part:
    """Of a training, up to and with the step `until`. start: where an earlier part left off; end: where this one does, for a later one."""

    until: int
    start: Path | None = None
    end: Path | None = None


def train_model(
    mesh: Mesh,
    batches: Callable[[int], Iterator[Batch]],
    held_out: HeldOut,
    config: TrainConfig,
    scratch: Path | None = None,
    progress: Progress = silent,
    live: Live = Live(),
    part: Part | None = None,
) -> tuple[CorrespondenceModel, list[dict[str, Any]], Curve]:
    """The averaged networks; one row a validation: step, losses, held-out scores; and the losses all along.

    batches: from a first step on, the part's batches. scratch: where checkpoints are kept; a training that was stopped goes on from
    the one it finds there. part: all of it unless given; parts end in the same weights as the whole. Raises TrainingError where the
    loss is no number any more.
    """
    part = part or Part(config.steps)
    device = pick_device(config.device)
    torch.manual_seed(config.seed)
    radius = float(np.linalg.norm(mesh.vertices, axis=1).max())
    model = CorrespondenceModel(config.network, radius).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state, curve = Optimiser(model, config.optimiser, config.steps), Curve(config.steps)
    history: list[dict[str, Any]] = []
    checkpoint = None if scratch is None else scratch / "checkpoint.safetensors"
    begun = checkpoint if checkpoint is not None and checkpoint.exists() else part.start
    if begun is not None:
        record = state.restore(begun)
        history = record["history"]
        curve.go_on(record["curve"])
    saved = said = time.monotonic()
    contrast = mask = 0.0
    for batch in batches(state.step):
        model.train()
        losses = correspondence_losses(model, batch.to(device), half=True)
        state.update(losses)
        total, contrast, mask = losses.total.item(), losses.contrast.item(), losses.mask.item()
        if not np.isfinite(total):
            raise TrainingError(f"the loss is no number at step {state.step}", try_next="lower optimiser.learning_rate")
        last = state.step == part.until
        if state.step % config.validate_every == 0 or last:
            score = held_out.score(state.averaged)
            history.append({"step": state.step, "train_mask": mask, "train_contrast": contrast, **(score.to_json() if score else {})})
        curve.note(state.step, loss=total, contrast=contrast, mask=mask, **_held_out(history))
        now = time.monotonic()
        if now - said > 1 or last:
            said = now
            live.show(CURVE, curve.encoded, 0 if last else CURVE_EVERY_S)
            progress(state.step, part.until, f"contrast {contrast:.2f}, mask {mask:.3f}{_latest(history)}")
        if checkpoint is not None and now - saved > config.checkpoint_s:
            state.save(checkpoint, {"history": history, "curve": curve.rows})
            saved = now
    if part.end is not None:
        state.save(part.end, {"history": history, "curve": curve.rows})
    return state.averaged, history, curve


def _held_out(history: list[dict[str, Any]]) -> dict[str, float]:
    """The scores of the last validation."""
    return {f"held_out_{name}": history[-1][name] for name in ("mask_iou", "coordinate_error") if history and name in history[-1]}


def _latest(history: list[dict[str, Any]]) -> str:
    if not history or "mask_iou" not in history[-1]:
        return ""
    return f"; held-out photos: mask IoU {history[-1]['mask_iou']:.2f}, point error {100 * history[-1]['coordinate_error']:.1f} %"


def pick_device(name: str) -> torch.device:
    """Raises TrainingError where CUDA is asked for and there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise TrainingError("there is no CUDA device", try_next='use device = "auto" or "cpu"')
    return torch.device(name)
