"""Stages `early` and `correspondence`, the two parts of one training: photos and rendered views in, trained networks out."""

from __future__ import annotations

import json
import time
from typing import Any

import torch

from reconstruction.live import CURVE
from reconstruction.scene import Mesh, View
from reconstruction.scene.images import write_photo
from reconstruction.scene.view import load_views
from reconstruction.stage import Quality, Stage, StageContext
from surfemb.learning.batches import BatchRecipe, load_batches
from surfemb.learning.held_out import HeldOut
from surfemb.learning.train import Part, TrainConfig, TrainingError, train_model
from surfemb.samples.looks import LOOKS
from surfemb.samples.viewpoints import ViewRange
from surfemb.split import split_views

PADDING = 1.3
"""Crop side over the object's longer side where held-out photos are judged; estimates should crop alike."""


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
