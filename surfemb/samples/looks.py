"""How the object itself may look other than in its capture: another lamp, gloss, other paint, an exposure of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.rasterizers import Raster
from surfemb.samples.augment import AugmentConfig, tone_table

Front = UInt8[ndarray, "s s 3"]
Looks = Literal["photographed", "any"]
_GREY_AXIS = np.full(3, 3**-0.5)


@dataclass(frozen=True)
class LooksConfig:
    """How often, after `p_`, and how strongly.

    relight: by how much the object is brighter towards another lamp and darker away from it. The capture's own light is baked into
    photos and colours alike; a network that is shown no other takes the lit side of a bottle for its front.
    gloss: brightness of a highlight. hue_deg, saturation (a log factor): of another paint. tone: strengths of the object's own exposure.
    """

    p_relight: float = 0.8
    relight: tuple[float, float] = (0.2, 0.8)
    p_gloss: float = 0.0
    gloss: tuple[float, float] = (0.2, 0.9)
    p_paint: float = 0.0
    hue_deg: float = 60.0
    saturation: float = 0.9
    p_tone: float = 0.0
    tone: AugmentConfig = field(default_factory=AugmentConfig)


LOOKS: dict[Looks, LooksConfig] = {
    "photographed": LooksConfig(),
    "any": LooksConfig(p_gloss=0.5, p_paint=0.6, p_tone=0.6),
}
"""The capture shows what will be met; or only its shape is sure: a dull model of a shiny thing, a toy that is sold in ten colours."""


def change_looks(front: Front, raster: Raster, normals_crop: Float[ndarray, "n 3"], config: LooksConfig, rng: np.random.Generator) -> Front:
    """The object in other looks, the same wherever the raster does not see it. normals_crop: of the mesh's vertices, camera frame."""
    chance = rng.random(4)
    changed = front
    if chance[0] < config.p_paint:
        changed = cv2.transform(changed, _other_paint(config, rng))
    if chance[1] < config.p_relight:
        changed = _relit(changed, raster, normals_crop, config, rng)
    if chance[2] < config.p_gloss:
        changed = _with_highlight(changed, raster, normals_crop, config, rng)
    if chance[3] < config.p_tone:
        changed = cv2.LUT(changed, tone_table(config.tone, rng))
    return np.where(raster.mask[..., None], changed, front)


def _other_paint(config: LooksConfig, rng: np.random.Generator) -> Float[ndarray, "3 3"]:
    """Turns colours about the grey axis and makes them paler or stronger: grey stays grey."""
    turn, _ = cv2.Rodrigues(_GREY_AXIS * np.deg2rad(rng.uniform(-config.hue_deg, config.hue_deg)))
    grey = np.outer(_GREY_AXIS, _GREY_AXIS)
    return grey + np.exp(rng.uniform(-0.5, 1) * config.saturation) * (turn - grey)


def _relit(front: Front, raster: Raster, normals_crop: Float[ndarray, "n 3"], config: LooksConfig, rng: np.random.Generator) -> Front:
    """As if one more lamp shone on the object, or one less."""
    brightness = 1 + rng.uniform(*config.relight) * (normals_crop @ _direction(rng))[:, None]
    return (front * raster.interpolate(brightness)).clip(0, 255).astype(np.uint8)


def _with_highlight(
    front: Front, raster: Raster, normals_crop: Float[ndarray, "n 3"], config: LooksConfig, rng: np.random.Generator
) -> Front:
    """Blinn's highlight of a white lamp that is far away (SIGGRAPH 1977), seen from far away."""
    half = _direction(rng) + (0, 0, -1)  # between lamp and camera, which looks along z
    half /= max(float(np.linalg.norm(half)), 1e-6)
    normals = raster.interpolate(normals_crop.astype(np.float32))
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    shine = np.maximum(normals @ half.astype(np.float32), 0) ** np.exp(rng.uniform(np.log(6), np.log(80)))
    return (front + 255 * rng.uniform(*config.gloss) * shine[..., None]).clip(0, 255).astype(np.uint8)


def _direction(rng: np.random.Generator) -> Float[ndarray, "3"]:
    direction = rng.normal(size=3)
    return direction / np.linalg.norm(direction)
