"""Stages `early` and `correspondence`, the two parts of one training: crops in, trained networks out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from reconstruction.errors import PipelineError
from reconstruction.live import CURVE, CURVE_EVERY_S, Curve, Live
from reconstruction.scene import Mesh, View
from reconstruction.scene.images import write_photo
from reconstruction.scene.view import load_views
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent
from surfemb.learning.batches import BatchRecipe, load_batches
from surfemb.learning.held_out import HeldOut
from surfemb.learning.loss import Batch, correspondence_losses
from surfemb.learning.network import CorrespondenceModel, NetworkConfig
from surfemb.learning.optimiser import Optimiser, OptimiserConfig
from surfemb.samples.crops import CropConfig
from surfemb.samples.looks import LOOKS, Looks
from surfemb.samples.viewpoints import ViewRange
from surfemb.split import split_views

PADDING = 1.3
"""Crop side over the object's longer side where held-out photos are judged; estimates should crop alike."""


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


def run_early(config: TrainConfig, context: StageContext) -> Quality:
    return _run(config, context, 0, Part(_first_part(config), end=context.out / context.workspace.early_training.name))


def run(config: TrainConfig, context: StageContext) -> Quality:
    return _run(config, context, _first_part(config), Part(config.steps, start=context.workspace.early_training))


def _first_part(config: TrainConfig) -> int:
    return min(config.validate_every, config.steps)


def _run(config: TrainConfig, context: StageContext, done: int, part: Part) -> Quality:
    workspace, started = context.workspace, time.monotonic()
    mesh, views = Mesh.load(workspace.mesh), load_views(workspace.views)
    if sum(view.mask_path is not None for view in views) < 2:
        raise TrainingError("fewer than two photos have a mask", try_next="look at the masks stage: which photos were dropped, and why")
    recipe = BatchRecipe(
        workspace.root,
        config.network.crop_px,
        config.crops,
        LOOKS[config.looks],
        config.batch,
        config.pixels,
        config.others,
        config.seed,
    )
    _, hidden = split_views(views)
    sampler = recipe.make_sampler()
    held_out = HeldOut(mesh, [crop for view in hidden if (crop := sampler.plain(view, PADDING)) is not None])
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        batches = lambda first: load_batches(recipe, first, part.until, config.workers)  # noqa: E731
        model, history, curve = train_model(mesh, batches, held_out, config, context.scratch, context.progress, context.live, part)
    finally:
        torch.set_num_threads(threads)
    write_photo(context.out / "preview.png", held_out.picture(model))
    (context.out / "history.json").write_text(json.dumps(history, indent=1))
    (context.out / CURVE).write_bytes(curve.encoded())
    model.save(context.out / "model.json", context.out / "weights.safetensors", _facts(mesh, views, hidden))
    last = {name: value for name, value in history[-1].items() if not name.startswith("train_")}
    return {
        **last,
        "held_out": len(hidden),
        "crops_per_second": round((part.until - done) * config.batch / (time.monotonic() - started), 1),
    }


def _facts(mesh: Mesh, views: list[View], hidden: list[View]) -> dict[str, Any]:
    """What an estimate may want to know about the training."""
    return {
        "diameter": mesh.diameter,
        "view_range": ViewRange.of(views, mesh.vertices).to_json(),
        "held_out": [view.name for view in hidden],
        "padding": PADDING,
        "torch": torch.__version__,
    }


EARLY = Stage("early", 1, ("scale", "surface", "synthetic"), run_early)
CORRESPONDENCE = Stage("correspondence", 5, (*EARLY.needs, "early"), run)
