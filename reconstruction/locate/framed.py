"""Where a thing with little texture is: told by a box in one photo and the plane that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.capture import Box
from reconstruction.errors import PromptError
from reconstruction.locate.region import Region, upright
from reconstruction.locate.support import SupportPlane
from reconstruction.scene import RigidTransform, View

DEEPEST = (1.5, 1.2, 0.9)  # a thing is taken to reach at most so many of its widths away from the viewer
MARGIN = 0.2  # the box is drawn by hand, and a thing seen end-on reaches beyond what its lower edge tells
SAMPLES = 64  # points of the first guess of the shape


def spanned(view: View, box: Box, points: Float[ndarray, "n 3"]) -> float:
    """The share of the box's width or height, whichever is less, that the points span."""
    pixels = view.project(points).clip(box[:2], box[2:])
    return float((np.ptp(pixels, axis=0) / (box[2] - box[0], box[3] - box[1])).min())


def flatness(points: Float[ndarray, "n 3"]) -> float:
    """The points' spread across the plane that fits them best, over their largest spread: near 0 where they lie on one face."""
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return float(spread[2] / max(spread[0], 1e-12))


def region_under_box(views: Sequence[View], view: View, box: Box, plane: SupportPlane, own: Float[ndarray, "n 3"]) -> Region:
    """Where the box's lower edge meets the plane the thing begins; the ray of its upper edge bounds depth and height.

    As deep as can be while all of it is before every camera. own: points on the thing, which the region holds; its `points` have `SAMPLES`
    more beside them, on the ellipsoid inside it, as a first guess of the shape. Raises PromptError where the box does not stand on the
    plane.
    """
    for deepest in DEEPEST:
        region = _holding(_region(view, box, plane, deepest), own)
        corners = np.array(list(product(*zip(region.lower, region.upper, strict=True))))
        world = region.region_from_world.inverse().apply(corners)
        if all((v.cam_from_world.apply(world)[:, 2] > 0).all() for v in views):
            break
    guess = region.region_from_world.inverse().apply(_ellipsoid(region.lower, region.upper))
    return replace(region, points=np.concatenate([own, guess]))


def _holding(region: Region, points: Float[ndarray, "n 3"]) -> Region:
    local = np.concatenate([region.region_from_world.apply(points), [region.lower, region.upper]])
    return replace(region, lower=np.append(local.min(0)[:2], 0.0), upper=local.max(0))


def _region(view: View, box: Box, plane: SupportPlane, deepest: float) -> Region:
    x0, y0, x1, y1 = box
    low, high = _direction(view, (x0 + x1) / 2, y1), _direction(view, (x0 + x1) / 2, y0)
    eye = view.centre_world
    height = float(plane.height(eye))
    if low @ plane.up > -1e-6:
        raise PromptError(f"the box in {view.name} does not stand on the table", try_next="draw it around the whole object, foot included")
    foot = eye - low * height / (low @ plane.up)
    forward = low - (low @ plane.up) * plane.up
    forward /= np.linalg.norm(forward)
    away = float((foot - eye) @ forward)
    width = (x1 - x0) / view.camera.fx * float(view.cam_from_world.apply(foot)[2])
    last = float((eye - high * height / (high @ plane.up) - foot) @ forward) if high @ plane.up < -1e-6 else np.inf
    deep = max(0.3 * width, min(last, deepest * width))
    tall = height + float(high @ plane.up) * away / float(high @ forward)
    rotation = upright(plane.up, view)
    half = (1 + MARGIN) * np.where(np.abs(rotation[:2] @ forward) > 0.5, deep, width * (1 + deep / away / 2)) / 2
    upper = np.array([*half, (1 + MARGIN) * tall])
    return Region(
        RigidTransform(rotation, -rotation @ (foot + deep / 2 * forward)), upper * (-1, -1, 0), upper, np.zeros((0, 3)), plane.source
    )


def _direction(view: View, column: float, row: float) -> Float[ndarray, "3"]:
    ray = view.camera.unproject(np.array([[column, row]]), np.ones(1))
    return np.asarray(view.cam_from_world.inverse().rotate(ray)[0])


def _ellipsoid(lower: Float[ndarray, "3"], upper: Float[ndarray, "3"]) -> Float[ndarray, "n 3"]:
    """Evenly spread over the ellipsoid inside the box (a Fibonacci spiral)."""
    k = np.arange(SAMPLES) + 0.5
    z, turn = 1 - 2 * k / SAMPLES, np.pi * (1 + np.sqrt(5)) * k
    ring = np.sqrt(1 - z**2)
    return (lower + upper) / 2 + np.stack([ring * np.cos(turn), ring * np.sin(turn), z], 1) * (upper - lower) / 2 * 0.9
