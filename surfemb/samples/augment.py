"""What cameras and light do to a picture, on uint8 RGB crops, in well under a millisecond."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

Picture = UInt8[ndarray, "h w 3"]
_NOISE_SIDE = 512


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths (largest factor, largest standard deviation) and, after `p_`, how often.

    exposure, white_balance: as log factors. gamma: log exponent. blur_px: sigma. noise: grey values of 255.
    """

    exposure: float = 0.45
    white_balance: float = 0.12
    gamma: float = 0.3
    blur_px: float = 1.2
    noise: float = 10.0
    p_tone: float = 0.9
    p_grey: float = 0.15
    p_blur: float = 0.35
    p_motion: float = 0.15
    p_coarse: float = 0.25
    p_noise: float = 0.6
    p_sharpen: float = 0.2
    p_jpeg: float = 0.25
    p_dropout: float = 0.15


class Augmenter:
    """Holds a bank of noise; otherwise without state: the same generator state gives the same picture."""

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config
        bank = np.random.default_rng(0)
        self.noise = bank.normal(size=(_NOISE_SIDE, _NOISE_SIDE, 3)).astype(np.float32)

    def __call__(self, picture: Picture, rng: np.random.Generator) -> Picture:
        config, chance = self.config, rng.random(9)
        if chance[0] < config.p_tone:
            picture = cv2.LUT(picture, tone_table(config, rng))
        if chance[1] < config.p_grey:
            picture = desaturate(picture, rng.uniform(0.3, 1))
        if chance[2] < config.p_coarse:
            picture = coarsen(picture, rng.uniform(0.35, 0.9))
        if chance[3] < config.p_blur:
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, config.blur_px))
        elif chance[3] < config.p_blur + config.p_motion:
            picture = motion_blur(picture, rng.uniform(2, 6), rng.uniform(0, np.pi))
        elif chance[3] > 1 - config.p_sharpen:
            soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
            amount = rng.uniform(0.3, 1.2)
            picture = cv2.addWeighted(picture, 1 + amount, soft, -amount, 0)
        if chance[4] < config.p_noise:
            picture = self._add_noise(picture, rng)
        if chance[5] < config.p_dropout:
            picture = drop_patches(picture, rng)
        if chance[6] < config.p_jpeg:
            picture = compress(picture, int(rng.integers(30, 90)))
        return picture

    def _add_noise(self, picture: Picture, rng: np.random.Generator) -> Picture:
        height, width = picture.shape[:2]
        row, column = rng.integers(0, (_NOISE_SIDE - height, _NOISE_SIDE - width))
        grain = self.noise[row : row + height, column : column + width]
        noisy = cv2.scaleAdd(grain, rng.uniform(1, self.config.noise), picture.astype(np.float32))
        return noisy.clip(0, 255).astype(np.uint8)


def tone_table(config: AugmentConfig, rng: np.random.Generator) -> UInt8[ndarray, "256 1 3"]:
    """Exposure, contrast, gamma and white balance as one table a channel, for cv2.LUT."""
    gain = np.exp(rng.uniform(-config.exposure, config.exposure) + rng.normal(0, config.white_balance, 3))
    exponent = np.exp(rng.uniform(-config.gamma, config.gamma))
    contrast, pivot = np.exp(rng.uniform(-0.25, 0.25)), rng.uniform(0.3, 0.6)
    grey = np.linspace(0, 1, 256)[:, None] ** exponent * gain
    table = ((grey - pivot) * contrast + pivot) * 255
    return table.clip(0, 255).astype(np.uint8)[:, None, :]


def desaturate(picture: Picture, amount: float) -> Picture:
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(picture, 1 - amount, grey, amount, 0)


def coarsen(picture: Picture, scale: float) -> Picture:
    """As if the object had been smaller in the photo."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(8, round(width * scale)), max(8, round(height * scale))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def compress(picture: Picture, quality: int) -> Picture:
    """There and back through JPEG."""
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def motion_blur(picture: Picture, length_px: float, angle: float) -> Picture:
    size = int(np.ceil(length_px)) | 1
    kernel = np.zeros((size, size), np.float32)
    middle, reach = size // 2, length_px / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple(round(v) for v in middle + sign * reach) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def drop_patches(picture: Picture, rng: np.random.Generator) -> Picture:
    """A few small rectangles of one colour: the network must not hang on to single details."""
    picture = picture.copy()
    side = picture.shape[0]
    for _ in range(rng.integers(1, 6)):
        (x, y), (w, h) = rng.integers(0, side, 2), rng.integers(side // 24, side // 8, 2)
        picture[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return picture
