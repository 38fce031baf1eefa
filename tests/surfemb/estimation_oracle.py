"""A network that is never wrong unless told to: exact truth for the whole estimation half.

The test object is painted with its own coordinates, so a picture of it holds, in every pixel, the surface point seen
there. The oracle reads them back and answers with the true keys; noise, outliers and occlusion are added on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import trimesh
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from reconstruction.scene.transforms import look_at

DARKEST = 40  # channel value of the lowest coordinate; darker pixels are background


def lumpy_mesh(size: float = 0.1, subdivisions: int = 4) -> Mesh:
    """A closed, asymmetric, partly concave object about `size` metres long, centred on its box."""
    sphere = trimesh.creation.icosphere(subdivisions)
    d = np.asarray(sphere.vertices)
    radius = 1 + 0.35 * d[:, 2] + 0.3 * np.exp(-8 * ((d - (0.8, 0.6, 0)) ** 2).sum(1)) - 0.35 * np.exp(-6 * ((d - (0, -1, 0)) ** 2).sum(1))
    vertices = d * radius[:, None] * (1.0, 0.7, 1.3)
    vertices -= (vertices.max(0) + vertices.min(0)) / 2
    return Mesh(vertices * size / np.ptp(vertices, axis=0).max(), np.asarray(sphere.faces, np.int32))


def random_pose(rng: np.random.Generator, distance: float, offset: float = 0.15) -> RigidTransform:
    """`cam_from_obj` from anywhere, the object near the optical axis."""
    direction = rng.normal(size=3)
    cam_from_obj = look_at(direction / np.linalg.norm(direction) * distance, np.zeros(3), rng.normal(size=3), float(rng.uniform(0, 360)))
    aside = RigidTransform.from_rotvec(np.append(rng.uniform(-offset, offset, 2), 0), np.zeros(3))
    return aside @ cam_from_obj


@dataclass(frozen=True)
class Painted:
    """Paints a mesh with its coordinates, and takes pictures of it."""

    mesh: Mesh

    def picture(self, camera: Camera, cam_from_obj: RigidTransform, hidden: float = 0.0) -> ndarray:
        """RGB on black; `hidden`: share of the object's pixels behind a black occluder that comes from the left."""
        raster = make_rasterizer(self.mesh).render(camera, cam_from_obj)
        lower, upper = self.mesh.bounds
        unit = (raster.coordinates() - lower) / (upper - lower)
        image = np.where(raster.mask[..., None], DARKEST + (255 - DARKEST) * unit, 0)
        if hidden > 0:
            columns = np.nonzero(raster.mask)[1]
            image[:, : int(np.quantile(columns, hidden))] = 0
        return image.round().astype(np.uint8)

    def box(self, camera: Camera, cam_from_obj: RigidTransform) -> tuple[float, float, float, float]:
        pixels = camera.project(cam_from_obj.apply(self.mesh.vertices))
        (x0, y0), (x1, y1) = pixels.min(0), pixels.max(0)
        return float(x0), float(y0), float(x1), float(y1)


class Oracle:
    """Answers with the keys of the painted coordinates. outliers: share of pixels that show another surface point. asked: pixels so far."""

    def __init__(self, mesh: Mesh, outliers: float = 0.0, noise: float = 0.0, sharpness: float = 60.0, seed: int = 0) -> None:
        self.mesh, self.outliers, self.noise, self.sharpness, self.seed, self.asked = mesh, outliers, noise, sharpness, seed, 0
        rng = np.random.default_rng(seed)
        directions = Rotation.random(6, rng=rng).as_matrix()[:, 0]
        self.waves = torch.from_numpy((directions * rng.uniform(1.5, 6, (6, 1)) / (mesh.diameter / 2)).astype(np.float32))

    def key(self, points: torch.Tensor) -> torch.Tensor:
        """Random Fourier features (Rahimi and Recht, 2007): their dot product falls off with the distance."""
        phase = points @ self.waves.T
        return torch.cat([phase.cos(), phase.sin()], -1) * (self.sharpness / 6) ** 0.5

    def query(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng(self.seed + 1)
        pixels = 255 * crops.permute(0, 2, 3, 1).numpy()
        darkest = pixels.min(-1).astype(np.float32)
        self.asked += darkest.size
        full = np.stack([cv2.dilate(channel, np.ones((5, 5), np.uint8)) for channel in darkest])
        seen = (darkest > 0.5 * full) & (full > DARKEST - 12)  # more than half of the pixel: where the crop was resampled it is darker
        lower, upper = self.mesh.bounds
        points = lower + (pixels - DARKEST) / (255 - DARKEST) * (upper - lower)
        wrong = rng.random(seen.shape) < self.outliers
        points[wrong] = rng.uniform(lower, upper, (int(wrong.sum()), 3))
        points = points + rng.normal(0, self.noise * self.mesh.diameter, points.shape)
        logits = np.where(seen, 4.0, -4.0) + rng.normal(0, 0.5, seen.shape)
        return torch.from_numpy(logits.astype(np.float32)), self.key(torch.from_numpy(points.astype(np.float32)))
