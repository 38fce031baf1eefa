"""Training batches, made by processes of their own. Batch k is the same whoever makes it, so a resumed run goes on as it would have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.utils.data import DataLoader, Dataset

from reconstruction.scene import Mesh
from reconstruction.scene.view import load_views
from reconstruction.workspace import Workspace
from surfemb.learning.loss import Batch
from surfemb.samples.backgrounds import Backgrounds
from surfemb.samples.crops import CropConfig, CropSample, CropSampler
from surfemb.samples.looks import LooksConfig
from surfemb.split import split_views


@dataclass(frozen=True)
class BatchRecipe:
    """All that a process needs to make batches: small, so that it can be sent to one."""

    root: Path
    crop_px: int
    crops: CropConfig
    looks: LooksConfig
    batch: int
    pixels: int
    others: int
    seed: int

    def make_sampler(self) -> CropSampler:
        """From the capture's training photos (never the held-out ones) and the rendered views."""
        workspace = Workspace(self.root)
        real, _ = split_views(load_views(workspace.views))
        rendered = load_views(workspace.rendered_views)
        backgrounds = Backgrounds.load(workspace.backgrounds)
        return CropSampler(Mesh.load(workspace.mesh), real, rendered, backgrounds, self.crop_px, self.crops, self.looks, self.seed)


class CropBatches(Dataset):
    """Item k is batch k of the training."""

    def __init__(self, recipe: BatchRecipe) -> None:
        self.recipe = recipe

    @cached_property
    def sampler(self) -> CropSampler:
        return self.recipe.make_sampler()

    def __getitem__(self, step: int) -> Batch:
        recipe = self.recipe
        samples = [self.sampler.sample(step * recipe.batch + i) for i in range(recipe.batch)]
        noise_m = recipe.crops.coordinate_noise * float(np.linalg.norm(self.sampler.outline, axis=1).max())
        others = self.sampler.mesh.sample(recipe.others, (recipe.seed, step, 8))[0]
        return collate(samples, others, recipe.pixels, noise_m, np.random.default_rng((recipe.seed, step, 7)))


def collate(samples: list[CropSample], others: Float[ndarray, "m 3"], pixels: int, noise_m: float, rng: np.random.Generator) -> Batch:
    """Draws `pixels` visible pixels of each sample, with replacement; their points and the others are moved by a little noise."""
    index = np.zeros((len(samples), pixels), np.int64)
    points = np.zeros((len(samples), pixels, 3), np.float32)
    for row, sample in enumerate(samples):
        visible = np.flatnonzero(sample.mask)
        if len(visible):
            index[row] = rng.choice(visible, pixels)
            points[row] = sample.coordinates.reshape(-1, 3)[index[row]]
    points, others = ((p + rng.normal(0, noise_m, p.shape)).astype(np.float32) for p in (points, others))
    mask = np.stack([sample.mask for sample in samples])
    arrays = (np.stack([sample.image for sample in samples]), mask, index, points, mask.any((1, 2)), others)
    return Batch(*(torch.from_numpy(array) for array in arrays))


def load_batches(recipe: BatchRecipe, first: int, end: int, workers: int) -> Iterator[Batch]:
    """Batches first .. end - 1, made ahead by `workers` spawned processes; 0 makes them here, when asked for."""
    batches = CropBatches(recipe)
    if workers == 0:
        yield from (batches[step] for step in range(first, end))
        return
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=cast(Any, range(first, end)),
        num_workers=workers,
        prefetch_factor=6,
        multiprocessing_context="spawn",
        worker_init_fn=_use_one_thread,
    )
    yield from loader


def _use_one_thread(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
