"""A printed tag's corners to a fraction of a pixel: its four edges fitted as lines, then intersected."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

_STEP_PX = 0.25


def refine_corners(grey: UInt8[ndarray, "h w"], corners: Float[ndarray, "4 2"], rounds: int = 3) -> Float[ndarray, "4 2"]:
    """`corners`: to a pixel or so, of a dark square on light ground, in an image without lens distortion.

    Unlike a corner detector, whose answer blur pulls into the square, edges stay where they are. Corners that would
    move by more than the search's reach are returned as they came.
    """
    reach = float(np.clip(_shortest_edge(corners) / 10, 1.5, 4.0))  # less than the dark border's width, one eighth
    refined = corners.astype(float)
    for _ in range(rounds):
        lines = np.stack([_fit_edge(grey, refined[k], refined[(k + 1) % 4], refined.mean(0), reach) for k in range(4)])
        crossed = np.cross(np.roll(lines, 1, axis=0), lines)  # corner k lies on the edges k - 1 and k
        if (np.abs(crossed[:, 2]) < 1e-6).any():
            return corners
        refined = crossed[:, :2] / crossed[:, 2:]
        if np.linalg.norm(refined - corners, axis=1).max() > 1.5 * reach:
            return corners
    return refined


def _shortest_edge(corners: Float[ndarray, "4 2"]) -> float:
    return float(np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1).min())


def _fit_edge(
    grey: UInt8[ndarray, "h w"], a: Float[ndarray, "2"], b: Float[ndarray, "2"], inside: Float[ndarray, "2"], reach: float
) -> Float[ndarray, "3"]:
    """The line (homogeneous, unit normal) along which brightness rises most steeply, near the edge from a to b."""
    length = float(np.linalg.norm(b - a))
    along = np.linspace(0.12, 0.88, int(np.clip(length / 2, 6, 32)))
    starts = a + along[:, None] * (b - a)
    normal = np.array([b[1] - a[1], a[0] - b[0]]) / max(length, 1e-9)
    normal *= np.sign((a - inside) @ normal) or 1.0  # out of the dark square
    offsets = np.arange(-reach, reach + _STEP_PX / 2, _STEP_PX)
    at = (starts[:, None] + offsets[:, None] * normal).astype(np.float32)  # (edge points, offsets, 2)
    profile = cv2.remap(grey, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) / 255.0
    light = profile**2.2  # blur mixes light, not pixel values: in those the edge would lie inside the square
    rise = np.diff(light, axis=1).clip(0)
    rise = np.where(rise > 0.3 * rise.max(1, keepdims=True), rise, 0) + 1e-9  # paper texture and noise don't pull
    middle = (rise * (offsets[:-1] + _STEP_PX / 2)).sum(1) / rise.sum(1)
    weight = np.sqrt(rise.max(1))
    points = starts + middle[:, None] * normal
    for _ in range(3):  # a smudge or a thing on the edge must not tilt it
        mean = (weight[:, None] * points).sum(0) / weight.sum()
        direction = np.linalg.svd(weight[:, None] * (points - mean), full_matrices=False)[2][0]
        across = np.array([-direction[1], direction[0]])
        distance = (points - mean) @ across
        weight = np.sqrt(rise.max(1)) / (1 + (distance / 0.3) ** 2)
    return np.array([across[0], across[1], -across @ mean])
