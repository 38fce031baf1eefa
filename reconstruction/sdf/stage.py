"""Masked, posed photos to a coloured mesh: hull, training, extraction, and a check on photos that were held out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from reconstruction.errors import BackendMissing, InputError, SurfaceError
from reconstruction.hull import Hull
from reconstruction.live import CURVE, CURVE_EVERY_S, Curve, Live
from reconstruction.scene import Mesh, Similarity, View
from reconstruction.scene.view import load_views
from reconstruction.sdf.checkpoint import load_checkpoint, save_checkpoint
from reconstruction.sdf.evaluate import Renderer, compare, mean_scores, write_preview
from reconstruction.sdf.extract import extract_mesh, vertex_colours
from reconstruction.sdf.field import FieldConfig, SurfaceField
from reconstruction.sdf.frame import cube_around, hull_distances, unseen_nodes
from reconstruction.sdf.glimpse import EVERY_S, glimpse
from reconstruction.sdf.hollows import open_hollows
from reconstruction.sdf.model import SurfaceModel
from reconstruction.sdf.pool import RayPool
from reconstruction.sdf.rays import Window, open_window
from reconstruction.sdf.train import Trainer, TrainingConfig
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent
from reconstruction.stereo import StereoConfig
from reconstruction.workspace import Workspace

_CHECKPOINT_S = 45.0


@dataclass(frozen=True)
class SurfaceConfig:
    """The defaults are those of the standard profile: about five minutes on two CPU cores."""

    stereo: StereoConfig = field(default_factory=StereoConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    field: FieldConfig = field(default_factory=FieldConfig)
    encoding: str = "numba"
    device: str = "cpu"
    photo_px: int = 400  # the object's window in a photo is shrunk to this
    mesh_cells: int = 192
    faces: int = 40_000
    holdout_every: int = 10


@dataclass(frozen=True, eq=False)
class Surface:
    mesh: Mesh
    model: SurfaceModel
    quality: Quality
    preview: tuple[Window, ...]
    curve: Curve


def reconstruct_surface(
    views: Sequence[View],
    hull: Hull,
    config: SurfaceConfig,
    progress: Progress = silent,
    scratch: Path | None = None,
    live: Live = Live(),
) -> Surface:
    """The object's surface from masked views in the object frame and their hull.

    `scratch`: a folder for checkpoints; a training found there goes on. `live`: where to show how the surface comes about.
    Every `holdout_every`-th photo is kept out and scored against. Raises SurfaceError where the photos can't be used or no
    surface comes out, BackendMissing or InputError where the device or the encoding can't be had.
    """
    _check_device(config)
    training, heldout = _windows(views, hull, config)
    unit_from_obj = cube_around(hull)
    # the bar counts steps of training, so what comes before it is told in words
    told = f"of {len(training)} photos looked at for hollows"
    start = open_hollows(hull, training, config.stereo, lambda done: progress(0, config.training.steps, f"{done} {told}"))
    trainer = _trainer(training, start, unit_from_obj, config)

    def look(last: bool) -> None:
        live.show(CURVE, trainer.curve.encoded, 0 if last else CURVE_EVERY_S)
        live.show("mesh.glb", lambda: glimpse(trainer, unit_from_obj), 0 if last else EVERY_S)

    steps, seconds = _train(trainer, progress, scratch, look)
    model = SurfaceModel(trainer.surface.requires_grad_(False), unit_from_obj, config.encoding)
    mesh = extract_mesh(model, hull, trainer.cached.cpu().numpy(), config.mesh_cells, config.faces)
    mesh = Mesh(mesh.vertices, mesh.faces, vertex_colours(model, mesh, [w.view for w in training]))
    scores = compare(Renderer(model, mesh), heldout)
    quality = {
        **mean_scores(scores),
        "hollow_share": round(1 - start.volume / hull.volume, 4),
        "heldout": [asdict(score) for score in scores],
        "faces": len(mesh.faces),
        "extents_m": [round(float(v), 5) for v in mesh.extents],
        "sharpness": round(float(trainer.surface.sharpness), 1),
        "steps": trainer.step,
        "seconds": round(seconds, 1),
        "steps_per_s": round(steps / max(seconds, 1e-9), 1),
        "encoding": config.encoding,
    }
    shown = (heldout or training)[:: max(1, len(heldout or training) // 6)][:6]
    return Surface(mesh, model, quality, tuple(shown), trainer.curve)


def _windows(views: Sequence[View], hull: Hull, config: SurfaceConfig) -> tuple[list[Window], list[Window]]:
    """Of the photos to train on, and of those held out (none where there are fewer than ten)."""
    windows = [window for view in views if (window := open_window(view, hull, config.photo_px)) is not None]
    if len(windows) < 3:
        raise SurfaceError(f"only {len(windows)} photos show the object with a mask", try_next="take more photos of it, from all sides")
    every = config.holdout_every
    held = {i for i in range(len(windows)) if every and len(windows) >= 10 and i % every == every // 2}
    return [w for i, w in enumerate(windows) if i not in held], [w for i, w in enumerate(windows) if i in held]


def _trainer(windows: Sequence[Window], hull: Hull, unit_from_obj: Similarity, config: SurfaceConfig) -> Trainer:
    torch.manual_seed(config.training.seed)
    surface = SurfaceField(config.field, config.encoding)
    distances = hull_distances(hull, unit_from_obj, config.field.base_cells)
    surface.set_base(torch.from_numpy(distances))
    surface.to(config.device)
    pool = RayPool.fill(windows, unit_from_obj, surface.base_distances.contiguous(), reach=0.03)
    unseen = torch.from_numpy(unseen_nodes(distances, pool.centres.cpu().numpy())).to(config.device)
    return Trainer(surface, pool, config.training, unseen)


def _check_device(config: SurfaceConfig) -> None:
    """Raises BackendMissing where there is no such device, InputError where the encoding can't run on it."""
    on_gpu = config.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        raise BackendMissing("this machine has no CUDA device", try_next="choose the standard profile, which trains on a CPU")
    if config.encoding in (("numba",) if on_gpu else ("triton", "tcnn")):
        fits = "triton, tcnn or torch" if on_gpu else "numba or torch"
        raise InputError(f"the encoding {config.encoding!r} does not run on {config.device!r}", try_next=f"choose {fits}")


def _train(trainer: Trainer, progress: Progress, scratch: Path | None, look: Callable[[bool], None]) -> tuple[int, float]:
    """Runs the steps that are left, with a look every second or so and at the last; returns how many those were, and their seconds."""
    checkpoint = scratch / "checkpoint.safetensors" if scratch else None
    if checkpoint:
        load_checkpoint(checkpoint, trainer)
    first, started = trainer.step, time.monotonic()
    reported = saved = started
    while trainer.step < trainer.config.steps:
        losses = trainer.run_step()
        now = time.monotonic()
        last = trainer.step == trainer.config.steps
        if last or now - reported > 1:
            reported = now
            colour = float(losses["colour"])  # not at every step: a GPU would have to wait for its host
            if not np.isfinite(colour):
                raise SurfaceError("the training of the surface diverged", try_next="run it with a smaller table_rate")
            progress(trainer.step, trainer.config.steps, f"colour loss {colour:.4f}")
            look(last)
        if checkpoint and now - saved > _CHECKPOINT_S:
            save_checkpoint(checkpoint, trainer)
            saved = time.monotonic()
    trainer.refresh()
    return trainer.step - first, time.monotonic() - started


def sharp_views(workspace: Workspace) -> list[View]:
    """Without the blurred photos that sharp ones from nearby make up for: they have told their outline, their colours only blur."""
    spare = json.loads(workspace.coverage.read_text())["spare"] if workspace.coverage.exists() else []
    return [view for view in load_views(workspace.views) if view.name not in spare]


def run(config: SurfaceConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    surface = reconstruct_surface(
        sharp_views(workspace), Hull.load(workspace.hull), config, context.progress, context.scratch, context.live
    )
    surface.mesh.save(context.out / workspace.mesh.name)
    surface.mesh.save(context.out / workspace.mesh_glb.name)
    surface.model.save(context.out / workspace.field.name)
    (context.out / CURVE).write_bytes(surface.curve.encoded())
    write_preview(context.out / "preview.png", Renderer(surface.model, surface.mesh), surface.preview)
    return surface.quality


SURFACE = Stage("surface", 9, ("scale", "masks", "sfm", "coverage"), run)
