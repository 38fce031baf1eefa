"""Render and compare: the object's own colours, drawn at the pose, laid over the image by optical flow.

The networks say which surface point a pixel shows to about a pixel of a 128 px crop; the print on an object can be aligned to a
fraction of one. The networks' own information stays in the equations, for what the flow does not see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numba import njit
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import Camera, Crop, Mesh, RigidTransform
from surfemb.estimation.colour import colour_likeness
from surfemb.estimation.correspondences import Evidence
from surfemb.estimation.increments import add_residual, difference, gauss_newton, increment, project_jacobian
from surfemb.estimation.scoring import UNLIKE, Likeness
from surfemb.samples.viewpoints import projected_box

PATCH = 9  # pixels: over which flow is judged


@dataclass(frozen=True)
class AppearanceConfig:
    """px, padding: of the crop that is compared. rounds: of drawing and flow; steps: of Gauss-Newton in each.

    stride: from one pixel used to the next. window: over which brightness and contrast are made equal, pixels. rim: left out along the
    outline. least_deviation: of the object's own grey levels in a window; plainer places say nothing, and fewer than `least_pixels` others
    nothing at all. least_likeness: of a patch and where the flow takes it. scale_px: of the robust loss. contrast: grey levels (of a window
    stretched to a deviation of 40) from which a gradient counts fully. network_share: how much the networks' information counts.
    still_px: a step shorter than this is the last.
    """

    px: int = 192
    padding: float = 1.15
    rounds: int = 2
    steps: int = 6
    stride: int = 3
    window: int = 13
    rim: int = 4
    least_deviation: float = 4.0
    least_pixels: int = 64
    least_likeness: float = 0.7
    scale_px: float = 1.0
    contrast: float = 20.0
    network_share: float = 0.01
    least_visible: float = 0.3
    still_px: float = 0.03


@dataclass(frozen=True, eq=False)
class Comparison:
    """Render and image at one pose, locally of equal brightness and contrast. points: object coordinates. telling: where both show
    the object, and the object has any print; nowhere, where that is too little to go by. colour: as `colour_likeness` has it."""

    crop: Crop
    drawn: UInt8[ndarray, "h w"]
    seen: UInt8[ndarray, "h w"]
    points: Float[ndarray, "h w 3"]
    telling: Bool[ndarray, "h w"]
    colour: float | None

    @property
    def likeness(self) -> Likeness:
        if not self.telling.any():
            return Likeness(None, self.colour)
        a, b = (picture[self.telling].astype(np.float32) - 128 for picture in (self.drawn, self.seen))
        return Likeness(float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6)), self.colour)


@dataclass(frozen=True, eq=False)
class Aligned:
    """information: (6, 6) of the pose, the networks' and the print's, in units of the networks', for `increment`."""

    cam_from_obj: RigidTransform
    likeness: Likeness
    information: Float[ndarray, "6 6"]


def compare(
    rasterizer: Rasterizer, image: UInt8[ndarray, "h w 3"], evidence: Evidence, cam_from_obj: RigidTransform, config: AppearanceConfig
) -> Comparison | None:
    """None where there is nothing to compare: a mesh without colours, a pose that is not before the camera."""
    mesh = rasterizer.mesh
    crop = crop_around(mesh, evidence.crop.source, cam_from_obj, config.px, config.padding)
    if crop is None:
        return None
    raster = rasterizer.render(crop.camera, crop.crop_from_cam @ cam_from_obj)
    shown = raster.mask & (evidence.visible(crop) > config.least_visible)
    vertices = raster.interpolate(_with_colors(mesh))
    points, print_, photo = vertices[..., :3], np.ascontiguousarray(vertices[..., 3:]), crop.warp(image).astype(np.float32)
    drawn, deviation = _equalised(cv2.cvtColor(print_, cv2.COLOR_RGB2GRAY), shown, config.window)
    seen, _ = _equalised(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), shown, config.window)
    inner = without_rim(shown, config.rim)
    telling = inner & (deviation > config.least_deviation)
    telling &= telling.sum() >= config.least_pixels
    return Comparison(crop, drawn, seen, points, telling, colour_likeness(print_, photo, inner))


def crop_around(mesh: Mesh, camera: Camera, cam_from_obj: RigidTransform, px: int, padding: float) -> Crop | None:
    """Of the object at the pose. None where there is nothing to compare: a mesh without colours, a pose that is not before the camera."""
    box = projected_box(camera, cam_from_obj, mesh.vertices[:: len(mesh.vertices) // 500 + 1])
    if mesh.colors is None or box is None or min(box[2] - box[0], box[3] - box[1]) < 1:
        return None
    return camera.crop_towards(box, px, padding)


def without_rim(shown: Bool[ndarray, "h w"], rim: int) -> Bool[ndarray, "h w"]:
    """What is shown, but for `rim` pixels along its edge and the picture's."""
    return np.asarray(cv2.erode(shown.astype(np.uint8), np.ones((2 * rim + 1,) * 2, np.uint8), borderValue=0) > 0)


def align(
    rasterizer: Rasterizer,
    image: UInt8[ndarray, "h w 3"],
    evidence: Evidence,
    cam_from_obj: RigidTransform,
    information: Float[ndarray, "6 6"],
    config: AppearanceConfig,
) -> list[Aligned]:
    """The given pose, then, where its print can be laid better, the one most like the image; empty where nothing can be compared.

    information: (6, 6) of the given pose, for `increment`, camera axes.
    """
    tried: list[Aligned] = []
    pose = Aligned(cam_from_obj, UNLIKE, information)
    for done in range(config.rounds + 1):
        comparison = compare(rasterizer, image, evidence, pose.cam_from_obj, config)
        if comparison is None:
            break
        tried.append(replace(pose, likeness=comparison.likeness))
        if tried[-1].likeness.print is None:
            break
        if done < config.rounds:
            before, pose = pose, _step(comparison, pose, tried[0], config)
            if _moved_px(comparison, before.cam_from_obj, pose.cam_from_obj) < config.still_px:
                break
    return [*tried[:1], *sorted(tried[1:], key=lambda a: -a.likeness.total)[:1]]


def _moved_px(comparison: Comparison, before: RigidTransform, after: RigidTransform) -> float:
    """How far the pixels of the object's print moved, root mean square."""
    points, crop = comparison.points[comparison.telling].astype(float), comparison.crop
    pixels = [crop.camera.project((crop.crop_from_cam @ pose).apply(points)) for pose in (before, after)]
    return float(np.sqrt(((pixels[0] - pixels[1]) ** 2).sum(1).mean()))


def _step(comparison: Comparison, now: Aligned, start: Aligned, config: AppearanceConfig) -> Aligned:
    """Gauss-Newton on the flow from the render to the image, weighted by how well the print fixes it in each direction."""
    flow, reliable = _flow(comparison, config)
    rows, columns = np.nonzero(reliable)
    thin = (rows % config.stride == 0) & (columns % config.stride == 0)
    rows, columns = rows[thin], columns[thin]
    if len(rows) < 12:
        return now
    targets = np.stack([columns, rows], -1) + flow[rows, columns].astype(float)
    weights = _structure(comparison.drawn, config.contrast)[rows, columns]
    points = comparison.points[rows, columns].astype(float)
    camera, turn = comparison.crop.camera, comparison.crop.crop_from_cam
    intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    axes = np.kron(np.eye(2), turn.rotation)
    held = config.network_share * axes @ start.information @ axes.T
    anchor, moved, hessian = turn @ start.cam_from_obj, turn @ now.cam_from_obj, held
    for _ in range(config.steps):
        gradient, hessian = _normal_equations(moved.rotation, moved.translation, points, targets, weights, intrinsics, config.scale_px)
        gradient, hessian = gradient + held @ difference(anchor, moved), hessian + held
        step = gauss_newton(gradient, hessian, 0.2)
        moved = increment(moved, step)
        if np.linalg.norm(step[:3]) < 1e-4:
            break
    return Aligned(turn.inverse() @ moved, UNLIKE, axes.T @ hessian @ axes / config.network_share)


def _flow(comparison: Comparison, config: AppearanceConfig) -> tuple[Float[ndarray, "h w 2"], Bool[ndarray, "h w"]]:
    """DIS flow (Kroeger et al., ECCV 2016) from the render to the image; reliable where the two are alike once it is taken back."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(0)
    search.setVariationalRefinementIterations(0)  # it smooths over edges of depth, and costs as much as all the rest
    flow = search.calc(comparison.drawn, comparison.seen, None)
    height, width = comparison.drawn.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    a = comparison.drawn.astype(np.float32) - 128
    b = cv2.remap(comparison.seen, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR).astype(np.float32) - 128
    ab, aa, bb = (cv2.blur(product, (PATCH, PATCH)) for product in (a * b, a * a, b * b))
    return flow, comparison.telling & (ab > config.least_likeness * np.sqrt(aa * bb + 1e-3))


@lru_cache(maxsize=8)
def _with_colors(mesh: Mesh) -> Float[ndarray, "n 6"]:
    """Vertices and their colours, RGB grey levels."""
    assert mesh.colors is not None, "a mesh without colours is not compared"
    return np.column_stack([mesh.vertices, mesh.colors]).astype(np.float32)


def _equalised(
    picture: Float[ndarray, "h w"], within: Bool[ndarray, "h w"], window: int
) -> tuple[UInt8[ndarray, "h w"], Float[ndarray, "h w"]]:
    """Mean 128 and deviation about 40 in every window, of the pixels `within` only, 128 elsewhere; and what the deviation was."""
    weight = within.astype(np.float32)
    sums = [cv2.blur(p, (window, window)) for p in (weight, picture * weight, picture * picture * weight)]
    share = np.maximum(sums[0], 1e-3)
    mean, square = sums[1] / share, sums[2] / share
    variance = np.maximum(square - mean * mean, 0)
    equal = 128 + 40 * (picture - mean) / np.sqrt(variance + 20)
    return np.where(within, equal, 128).clip(0, 255).astype(np.uint8), np.sqrt(variance)


def _structure(picture: UInt8[ndarray, "h w"], contrast: float) -> Float[ndarray, "h w 3"]:
    """xx, xy, yy of the structure tensor, so that its trace stays below one."""
    dx, dy = (cv2.Sobel(picture, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    tensor = np.stack([cv2.blur(product, (PATCH, PATCH)) for product in (dx * dx, dx * dy, dy * dy)], -1) / contrast**2
    return tensor / (1 + tensor[..., :1] + tensor[..., 2:])


@njit(cache=True, fastmath=True)
def _normal_equations(rotation, translation, points, targets, weights, intrinsics, scale):  # type: ignore[no-untyped-def]
    """Of the reprojection error with the Geman-McClure loss; each residual is measured by its own 2 x 2 weight."""
    fx, fy, cx, cy = intrinsics
    gradient, hessian = np.zeros(6), np.zeros((6, 6))
    ju, jv = np.zeros(6), np.zeros(6)
    for k in range(len(points)):
        arm = rotation @ points[k]
        x, y, z = arm + translation
        if z <= 0:
            continue
        du, dv = targets[k, 0] - (fx * x / z + cx), targets[k, 1] - (fy * y / z + cy)
        robust = 1 / (1 + (du * du + dv * dv) / (scale * scale)) ** 2
        xx, xy, yy = robust * weights[k, 0], robust * weights[k, 1], robust * weights[k, 2]
        project_jacobian(arm, fx, fy, x, y, z, ju, jv)
        add_residual(gradient, hessian, ju, jv, du, dv, xx, xy, yy)
    return gradient, hessian
