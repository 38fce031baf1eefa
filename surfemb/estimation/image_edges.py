"""The object's outline laid on the image's own edges.

The networks were trained on a made world: in a real one the edge of their mask lies a pixel off here and there, and a pixel of a small
thing's outline is a tenth of its diameter in distance. The image has that edge itself, to a fraction of a pixel; the networks' pose says
which of its many edges. So do trackers (Harris and Stennett, BMVC 1990; Drummond and Cipolla, PAMI 2002), from one frame to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import Crop, RigidTransform
from surfemb.estimation.contour import Contour
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.estimation.increments import difference, gauss_newton, increment
from surfemb.estimation.inputs import Box

_STEP = 0.25  # units between two looks at the image
_LEAST_UNIT = 0.25  # pixels


@dataclass(frozen=True)
class EdgeConfig:
    """px, padding: of the crop. All other lengths in units of a twentieth of the silhouette's radius, that of a disc as large: a pose's
    errors go with the object's size, not with pixels.

    near: standard deviation of where the edge may lie, one round after another. reach: how far off it is looked for. blur: of the image.
    contrast: of the image across an edge (CIELAB) that counts half. exact: standard deviation of an edge's place; scale: of the robust
    loss. beside: how far inside and outside the networks' mask is asked whether the object ends there. least: such points. held: how much
    counts what is known of the pose so far. least_print: likeness from which a print says where the object is, better than its outline.
    """

    px: int = 192
    padding: float = 1.3
    near: tuple[float, ...] = (1.5, 1.0, 0.75)
    steps: int = 4
    reach: float = 4.0
    blur: float = 0.4
    contrast: float = 20.0
    exact: float = 0.35
    scale: float = 1.0
    beside: float = 3.0
    least: int = 20
    held: float = 0.1
    least_print: float = 0.6


def fit_outline(
    rasterizer: Rasterizer,
    image: UInt8[ndarray, "h w 3"],
    evidence: Evidence,
    surface: Surface,
    box: Box,
    cam_from_obj: RigidTransform,
    information: Float[ndarray, "6 6"],
    config: EdgeConfig,
) -> tuple[RigidTransform, Float[ndarray, "6 6"]]:
    """The pose whose outline lies on the image's edges, and what holds it; the given ones where the object is seen to end nowhere.

    box: of the object at the given pose. information: (6, 6) of that pose, for `increment`, camera axes; so is the answer's.
    """
    crop = evidence.crop.source.crop_towards(box, config.px, config.padding)
    axes = np.kron(np.eye(2), crop.crop_from_cam.rotation)
    held = sharpest = config.held * axes @ information @ axes.T
    given = pose = crop.crop_from_cam @ cam_from_obj
    raster = rasterizer.render(crop.camera, pose)
    unit = max(float(np.sqrt(raster.mask.sum() / np.pi)) / 20, _LEAST_UNIT)
    picture, visible = _smooth_lab(crop.warp(image), config.blur * unit), evidence.visible(crop)
    for number, near in enumerate(config.near):
        if number:
            raster = rasterizer.render(crop.camera, pose)
        contour = Contour.of(surface.edges, raster, crop.camera, pose)
        contour = contour.where(_ends_the_object(contour, visible, config.beside * unit) & _in_source(contour, crop, config.reach * unit))
        if len(contour.points) < config.least:
            break
        offsets, contrast = _strongest_edges(contour, picture, unit, near, config.reach)
        weight = contour.length / unit * contrast / (contrast + config.contrast) / (config.exact * unit) ** 2
        for _ in range(config.steps):
            gradient, sharpest = contour.normal_equations(crop.camera, pose, offsets, weight, config.scale * unit)
            gradient, sharpest = gradient + held @ difference(given, pose), sharpest + held
            pose = increment(pose, gauss_newton(gradient, sharpest, 0.2))
    return crop.crop_from_cam.inverse() @ pose, axes.T @ sharpest @ axes / config.held


def _smooth_lab(picture: UInt8[ndarray, "h w 3"], blur_px: float) -> Float[ndarray, "h w 3"]:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), blur_px))


def _ends_the_object(contour: Contour, visible: Float[ndarray, "h w"], beside_px: float) -> Bool[ndarray, "k"]:
    """Where the networks see the object inside of the outline and not outside: elsewhere something is in front of it."""
    inside, outside = _look(visible, contour, np.array([-beside_px, beside_px])).T
    return (inside > 0.5) & (outside < 0.5)


def _in_source(contour: Contour, crop: Crop, reach_px: float) -> Bool[ndarray, "k"]:
    """Where all that is looked at lies in the image: its border is no edge of anything."""
    pixels = contour.beside(np.array([-reach_px, reach_px]))
    ends = crop.camera.unproject(pixels, np.ones(pixels.shape[:-1]))
    inside = crop.source.contains(crop.source.project(crop.crop_from_cam.inverse().rotate(ends)))
    return np.asarray(inside.all(1))


def _strongest_edges(
    contour: Contour, picture: Float[ndarray, "h w 3"], unit: float, near: float, reach: float
) -> tuple[Float[ndarray, "k"], Float[ndarray, "k"]]:
    """How far along each normal the strongest edge lies, the less it counts the farther off; pixels, and its contrast."""
    count = round(reach / _STEP)
    at = np.arange(-count, count + 1) * _STEP
    profile = _look(picture, contour, at * unit)
    contrast, at = np.linalg.norm(profile[:, 2:] - profile[:, :-2], axis=-1), at[1:-1]
    likely = contrast * np.exp(-0.5 * (at / near) ** 2)
    best, k = likely.argmax(1).clip(1, len(at) - 2), np.arange(len(likely))
    before, there, after = likely[k, best - 1], likely[k, best], likely[k, best + 1]
    bend = np.minimum(before - 2 * there + after, -1e-9)
    peak = np.clip(0.5 * (before - after) / bend, -1, 1)  # of the parabola through the three
    return (at[best] + peak * _STEP) * unit, contrast[k, best]


def _look(picture: Float[ndarray, "h w *c"], contour: Contour, offsets_px: Float[ndarray, "n"]) -> Float[ndarray, "k n *c"]:
    u, v = np.moveaxis(contour.beside(offsets_px).astype(np.float32), -1, 0)
    return np.asarray(cv2.remap(picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
