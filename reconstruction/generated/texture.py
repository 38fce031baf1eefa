"""What a thing is painted with: its palette and the sizes of its pattern (drawn by shading.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class Texture:
    """patch_m: size of the colour patches; mark_m: pitch of the painted marks; palette: (6, 3) linear RGB."""

    seed: int
    patch_m: float
    mark_m: float
    contrast: float
    palette: Float[ndarray, "6 3"]

    def parameters(self) -> Float[ndarray, "4"]:
        return np.array([self.seed, self.patch_m, self.mark_m, self.contrast])


def make_texture(
    seed: int,
    patch_m: float,
    mark_m: float,
    contrast: float = 0.5,
    saturation: float = 0.6,
    brightness: float = 0.3,
    spread: float = 1.0,
) -> Texture:
    """A texture with six random colours all round the hue circle; `spread` is how much they differ in brightness."""
    rng = np.random.default_rng(seed)
    hue = (rng.random() + np.arange(6) / 6 + rng.uniform(-0.06, 0.06, 6)) % 1
    value = brightness * np.array([0.35, 0.6, 0.9, 1.2, 1.6, 2.0])[rng.permutation(6)] ** spread
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] + np.array([0, 1 / 3, 2 / 3])))
    palette = value[:, None] * (1 - saturation + saturation * wheel * 1.6)
    return Texture(seed, patch_m, mark_m, contrast, palette.clip(0.02, 0.95))


def plain_texture(grey: float) -> Texture:
    """One even grey (share of the light given back): nothing for features to hold on to."""
    return Texture(0, 100.0, 100.0, 0.0, np.full((6, 3), grey))
