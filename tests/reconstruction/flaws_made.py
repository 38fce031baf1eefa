"""A photo as a worse photographer would have taken it: the flaw is made in linear light, before the sensor's noise."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

Image = UInt8[ndarray, "h w 3"]


def moved(photo: Image, length_px: float, angle_rad: float) -> Image:
    """The camera moved while the shutter was open."""
    size = 2 * round(length_px) + 3
    middle = (size - 1) / 2
    steps = np.linspace(-length_px / 2, length_px / 2, 12 * size)
    trace = np.stack([middle + steps * np.cos(angle_rad), middle + steps * np.sin(angle_rad)], 1)
    kernel = np.histogram2d(trace[:, 1], trace[:, 0], size, [[-0.5, size - 0.5]] * 2)[0]
    return _developed(cv2.filter2D(_linear(photo), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def defocused(photo: Image, radius_px: float) -> Image:
    away = np.hypot(*np.mgrid[-round(radius_px) - 1 : round(radius_px) + 2, -round(radius_px) - 1 : round(radius_px) + 2])
    kernel = np.clip(radius_px + 0.5 - away, 0, 1)
    return _developed(cv2.filter2D(_linear(photo), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def exposed(photo: Image, gain: float) -> Image:
    return _developed(_linear(photo) * gain)


def _linear(photo: Image) -> Float[ndarray, "h w 3"]:
    return (photo / 255.0) ** 2.2


def _developed(light: Float[ndarray, "h w 3"]) -> Image:
    light = light + np.random.default_rng(0).normal(0, 1, light.shape) * np.sqrt(0.00003 + 0.0005 * light.clip(0))
    return (255 * light.clip(0, 1) ** (1 / 2.2)).round().astype(np.uint8)
