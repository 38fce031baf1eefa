"""Six-degree refinement against a depth map: robust point-to-plane, associations by projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import Camera, Crop, RigidTransform
from surfemb.estimation.increments import difference, increment

_ENOUGH = 0.25  # of the object's pixels
_FEW = 0.1  # flying pixels along edges
_LEAST = 30  # pixels that tell by how much a map is off


@dataclass(frozen=True)
class DepthConfig:
    """gates: of associations, as shares of the diameter, one after the other; near_gates: of a pose that is nearly right.

    image_share: how much the colour evidence counts. tolerance: of agreement with the depth, a share of the diameter, beside three
    times the sensor's noise. least_print: likeness from which a print knows the distance; believed: by how much of it the map may
    differ there and be believed all the same.
    """

    gates: tuple[float, ...] = (0.5, 0.25, 0.12, 0.06, 0.03, 0.03)
    near_gates: tuple[float, ...] = (0.06, 0.03, 0.03)
    steps: int = 3
    tolerance: float = 0.02
    max_side_px: int = 96
    image_share: float = 0.05
    least_print: float = 0.6
    believed: float = 0.0075


class Agreement(NamedTuple):
    """Shares of an object's pixels. weight: of those that agree, by how well (Tukey's); seen_through: those behind the object.

    What stands in front of it counts as nothing.
    """

    weight: float
    agreeing: float
    seen_through: float

    @property
    def total(self) -> float:
        return self.weight - self.seen_through

    @property
    def whole(self) -> bool:
        """Whether there is nothing to find elsewhere: all that nothing stands before agrees."""
        return self.agreeing > _ENOUGH and self.seen_through < _FEW * self.agreeing


@dataclass(frozen=True, eq=False)
class DepthWindow:
    """The part of a depth map where an object is, thinned: the crop's pixels are exactly some of the map's."""

    crop: Crop
    depth: Float[ndarray, "h w"]

    @property
    def camera(self) -> Camera:
        return self.crop.camera

    @classmethod
    def around(cls, camera: Camera, depth: Float[ndarray, "H W"], box: tuple[float, float, float, float], max_side_px: int) -> DepthWindow:
        x0, y0 = (max(0, int(np.floor(v))) for v in box[:2])
        x1, y1 = min(camera.width, int(np.ceil(box[2])) + 1), min(camera.height, int(np.ceil(box[3])) + 1)
        stride = max(1, -(-max(x1 - x0, y1 - y0) // max_side_px))
        part = depth[y0:y1:stride, x0:x1:stride]
        height, width = part.shape
        thinned = Camera(width, height, camera.fx / stride, camera.fy / stride, (camera.cx - x0) / stride, (camera.cy - y0) / stride)
        return cls(Crop(camera, thinned, RigidTransform()), part.astype(float))

    def put_right(
        self, rasterizer: Rasterizer, cam_from_obj: RigidTransform, visible: Float[ndarray, "h w"], tolerance_m: float, believed: float
    ) -> tuple[DepthWindow, float]:
        """The map divided by how many times as far away as that pose it has the visible object; and that factor.

        Itself and 1 where that is within `believed` of 1, and where most of the divided map does not agree with the pose: what it has
        there is something else, the table behind an object too dark to be measured, say.
        """
        expected = rasterizer.render(self.camera, cam_from_obj).depth
        tells = (expected > 0) & (self.depth > 0) & (visible > 0.5)
        if tells.sum() < _LEAST:
            return self, 1.0
        measured, expected = self.depth[tells], expected[tells]
        factor = float(np.median(measured / expected))
        agrees = np.abs(measured / factor - expected) < _tolerated(measured, tolerance_m)
        if abs(factor - 1) <= believed or agrees.mean() < 0.5:
            return self, 1.0
        return DepthWindow(self.crop, self.depth / factor), factor

    def agreement(self, rasterizer: Rasterizer, cam_from_obj: RigidTransform, tolerance_m: float) -> Agreement:
        """Of the object's pixels that have depth with the pose."""
        expected = rasterizer.render(self.camera, cam_from_obj).depth
        both = (expected > 0) & (self.depth > 0)
        if not both.any():
            return Agreement(0.0, 0.0, 0.0)
        behind = self.depth[both] - expected[both]
        off = behind / _tolerated(self.depth[both], tolerance_m)
        return Agreement(float(((1 - off**2).clip(0) ** 2).mean()), float((np.abs(off) < 1).mean()), float((off > 1).mean()))


def sensor_noise(depth_m: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Standard deviation of a structured-light camera, metres (Nguyen, Izadi and Lovell, 3DIMPVT 2012, axial term)."""
    return 0.0012 + 0.0019 * (depth_m - 0.4) ** 2


def _tolerated(depth_m: Float[ndarray, "*n"], least_m: float) -> Float[ndarray, "*n"]:
    """How far a pixel may be off and agree."""
    return np.maximum(least_m, 3 * sensor_noise(depth_m))


def check_depth(depth: ndarray, camera: Camera) -> Float[ndarray, "h w"]:
    """The map in metres with 0 for none. Raises InputError where it has another size than the image, or plainly other units."""
    if depth.shape != (camera.height, camera.width):
        raise InputError(
            f"the depth map is {'x'.join(map(str, depth.shape[::-1]))}, the image {camera.width}x{camera.height}",
            try_next="give depth registered to the image, at the image's own size",
        )
    clean = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)
    if (clean > 0).any() and not 0.02 < (middle := float(np.median(clean[clean > 0]))) < 100:
        raise InputError(
            f"the depth map's median is {middle:.4g} m", try_next="give metres: divide millimetres by 1000 (or pass the right depth scale)"
        )
    return clean


def refine_depth(
    rasterizer: Rasterizer,
    window: DepthWindow,
    cam_from_obj: RigidTransform,
    diameter: float,
    image_information: Float[ndarray, "6 6"],
    config: DepthConfig,
) -> tuple[RigidTransform, float]:
    """The pose that agrees best with the depth map among the given one, its refinement nearby, and those from a few distances; and by
    how much better than the given one.

    The last are asked where the nearby one leaves something unexplained only: their gates are so wide that a nearer thing draws them in.
    `image_information` (as refine_pose gives it, in the camera's axes) keeps what depth can't see, such as the turn of a bottle.
    """
    align = partial(_align, rasterizer, window, diameter=diameter, image_information=image_information, config=config)
    agreement = partial(window.agreement, rasterizer, tolerance_m=config.tolerance * diameter)
    candidates = [cam_from_obj, align(cam_from_obj, gates=config.near_gates)]
    agreements = [agreement(pose) for pose in candidates]
    if not agreements[1].whole:
        starts = [cam_from_obj, *_moved_along_ray(rasterizer, window, cam_from_obj)]
        found = [align(start, gates=config.gates) for start in starts]
        candidates, agreements = candidates + found, agreements + [agreement(pose) for pose in found]
    best = int(np.argmax([each.total for each in agreements]))
    return candidates[best], agreements[best].total - agreements[0].total


def _moved_along_ray(rasterizer: Rasterizer, window: DepthWindow, cam_from_obj: RigidTransform) -> list[RigidTransform]:
    """The pose moved along its viewing ray by quartiles of the depth difference: a nearer thing may hide part of it."""
    expected = rasterizer.render(window.camera, cam_from_obj).depth
    both = (expected > 0) & (window.depth > 0)
    if both.sum() < 10:
        return []
    ratios = np.quantile(window.depth[both] / expected[both], (0.25, 0.5, 0.75))
    return [RigidTransform(cam_from_obj.rotation, cam_from_obj.translation * r) for r in ratios]


def _align(
    rasterizer: Rasterizer,
    window: DepthWindow,
    pose: RigidTransform,
    *,
    gates: Sequence[float],
    diameter: float,
    image_information: Float[ndarray, "6 6"],
    config: DepthConfig,
) -> RigidTransform:
    measured = window.camera.unproject(np.stack(np.meshgrid(*map(np.arange, window.depth.shape[::-1])), -1).astype(float), window.depth)
    anchor = pose
    for gate in gates:
        for _ in range(config.steps):
            raster = rasterizer.render(window.camera, pose)
            rows, columns = np.nonzero(raster.mask & (window.depth > 0))
            target = measured[rows, columns]
            model = pose.apply(raster.coordinates()[rows, columns].astype(float))
            normal = pose.rotate(raster.mesh.face_normals[raster.face[rows, columns]])
            offset = target - model
            sigma = sensor_noise(target[:, 2])
            limit = np.maximum(gate * diameter, 3 * sigma)
            distance = np.linalg.norm(offset, axis=1)
            weight = np.where(distance < limit, (1 - (distance / limit) ** 2) ** 2, 0) / sigma**2  # Tukey's biweight
            weight *= np.abs((normal * model).sum(1)) / np.linalg.norm(model, axis=1)  # a grazing pixel knows its depth badly
            if (weight > 0).sum() < 10:
                break
            jacobian = np.concatenate([np.cross(model - pose.translation, normal), normal], 1)
            residual = (offset * normal).sum(1)
            held = config.image_share * image_information
            hessian = (jacobian * weight[:, None]).T @ jacobian + held
            gradient = (jacobian * weight[:, None]).T @ residual + held @ difference(anchor, pose)
            step = np.linalg.lstsq(hessian + 1e-9 * np.trace(hessian) * np.eye(6), gradient, rcond=None)[0]
            pose = increment(pose, step)
            if np.linalg.norm(step[3:]) < 1e-5 * diameter and np.linalg.norm(step[:3]) < 1e-5:
                break
    return pose
