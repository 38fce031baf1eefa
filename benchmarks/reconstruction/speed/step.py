"""One step of the real training: how many a second, and where the time goes."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.reconstruction.speed.clock import PartClock
from benchmarks.reconstruction.speed.scene import Scene
from reconstruction.encodings import numba_decoder, numba_grid
from reconstruction.sdf import losses, render, train
from reconstruction.sdf.field import SurfaceField
from reconstruction.sdf.train import Trainer


def measure_steps(scene: Scene, warm_up: int = 100, steps: int = 200) -> dict[str, Any]:
    """Of the training at the scene's settings, all levels learnt. The profile's own cost is in no other number."""
    trainer = scene.trainer()
    trainer.step = trainer.config.steps // 2
    _run(trainer, warm_up)
    alone = _run(trainer, steps)
    clock = PartClock()
    with clock.watching(*_parts(trainer)):
        watched = _run(trainer, steps)
    shares = {part: 1000 * seconds / steps for part, seconds in sorted(clock.seconds.items(), key=lambda row: -row[1])}
    shares["the rest"] = 1000 * watched / steps - sum(shares.values())
    return {
        "steps_per_s": steps / alone,
        "rays_per_s": steps * trainer.config.rays / alone,
        "samples": trainer.config.samples,
        "threads": torch.get_num_threads(),
        "ms_by_part": shares,
    }


def _run(trainer: Trainer, steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        trainer.run_step()
    return time.perf_counter() - started


def _parts(trainer: Trainer) -> list[tuple[str, Any, str]]:
    """The kernels of the encodings are watched where they start, so that they count in neither network nor backward."""
    kernels = [("encode", "_features"), ("encode", "_features_and_jacobian"), ("encode, backward", "_scatter")]
    kernels.append(("encode, backward", "_scatter_with_jacobian"))
    return [
        ("draw", type(trainer.pool), "draw"),
        ("place samples", train, "place_samples"),
        *((part, numba_grid, kernel) for part, kernel in kernels),
        ("distances, with encoding", numba_decoder, "decode"),
        ("distances, with encoding, backward", numba_decoder, "scatter_decoded"),
        ("distances, with encoding, backward", numba_decoder, "sum_products"),
        ("around the distances", SurfaceField, "distance"),
        ("around the distances", SurfaceField, "distance_and_gradient"),
        ("network, colours", SurfaceField, "colour"),
        ("unseen places", losses, "unseen_loss"),
        ("volume rendering", train, "render_rays"),
        ("losses", Trainer, "_losses"),
        ("backward, networks and rendering", torch.Tensor, "backward"),
        ("optimiser", trainer.optimizer, "step"),
        ("refresh of the cached distances", Trainer, "refresh"),
        ("volume rendering", render.functional, "logsigmoid"),
    ]
