"""Pinhole cameras. The pixel convention of the whole project is stated here and nowhere else.

Pixel convention: OpenCV's. Integer coordinates are pixel centres: the image spans [-0.5, width - 0.5]. x right, y down,
z forward. COLMAP puts the first pixel's centre at 0.5; `Camera.from_colmap` is the one place where that shift is made.
Boxes are `(x0, y0, x1, y1)` in the same continuous pixel coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.scene.transforms import RigidTransform, look_at


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion; sizes and intrinsics in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_colmap(cls, width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Camera:
        return cls(width, height, fx, fy, cx - 0.5, cy - 0.5)

    def to_colmap(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy as COLMAP counts pixels; the inverse of `from_colmap`."""
        return self.fx, self.fy, self.cx + 0.5, self.cy + 0.5

    @classmethod
    def from_matrix(cls, matrix: Float[ndarray, "3 3"], width: int, height: int) -> Camera:
        """Raises InputError on a matrix that is no camera matrix of such an image."""
        k = np.asarray(matrix, dtype=float).reshape(3, 3)
        camera = cls(width, height, *(float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2])))
        camera.check()
        return camera

    @classmethod
    def from_json(cls, doc: dict[str, Any]) -> Camera:
        return cls(**{name: doc[name] for name in ("width", "height", "fx", "fy", "cx", "cy")})

    def to_json(self) -> dict[str, float]:
        return dict(self.__dict__)

    def check(self) -> None:
        """Raises InputError where the numbers can't be those of a camera with this image."""
        numbers = np.array([self.fx, self.fy, self.cx, self.cy])
        if not np.isfinite(numbers).all() or min(self.fx, self.fy) <= 0:
            raise InputError("the camera matrix has a focal length that is not positive", try_next="give fx, fy, cx, cy in pixels")
        longest = max(self.width, self.height)
        if not 0.1 * longest < self.fx < 30 * longest or not 0.5 < self.fx / self.fy < 2:
            raise InputError(
                f"focal lengths of {self.fx:.0f} and {self.fy:.0f} px don't fit a {self.width}x{self.height} image",
                try_next="give fx, fy in pixels of this very image, not millimetres nor another resolution's",
            )
        if not (-0.5 * self.width < self.cx < 1.5 * self.width and -0.5 * self.height < self.cy < 1.5 * self.height):
            raise InputError(
                f"the principal point ({self.cx:.0f}, {self.cy:.0f}) lies far outside the {self.width}x{self.height} image",
                try_next="give cx, cy in pixels of this very image",
            )

    @property
    def matrix(self) -> Float[ndarray, "3 3"]:
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def project(self, points_cam: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 2"]:
        """Pixels of points in the camera frame. Points at or behind the camera (z <= 0) give NaN."""
        z = points_cam[..., 2:3]
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = np.where(z > 0, points_cam[..., :2] / z, np.nan)
        return xy * (self.fx, self.fy) + (self.cx, self.cy)

    def unproject(self, pixels: Float[ndarray, "*n 2"], depth: Float[ndarray, "*n"]) -> Float[ndarray, "*n 3"]:
        """Points in the camera frame at z-depth `depth` (not ray length)."""
        xy = (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        return np.concatenate([xy, np.ones_like(xy[..., :1])], -1) * depth[..., None]

    def rays(self) -> Float[ndarray, "h w 3"]:
        """Direction through every pixel centre, camera frame, scaled so that z = 1."""
        x = (np.arange(self.width) - self.cx) / self.fx
        y = (np.arange(self.height) - self.cy) / self.fy
        grid = np.stack(np.meshgrid(x, y), -1)
        return np.concatenate([grid, np.ones_like(grid[..., :1])], -1)

    def contains(self, pixels: Float[ndarray, "*n 2"]) -> ndarray:
        """Which pixels lie inside the image; NaN never does."""
        with np.errstate(invalid="ignore"):
            inside = (pixels > -0.5) & (pixels < np.array([self.width, self.height]) - 0.5)
        return np.asarray(inside.all(-1))

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same image resampled to another size."""
        sx, sy = width / self.width, height / self.height
        return Camera(width, height, self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)

    def cropped(self, x0: int, y0: int, width: int, height: int) -> Camera:
        """The camera of the window that starts at pixel (x0, y0)."""
        return replace(self, width=width, height=height, cx=self.cx - x0, cy=self.cy - y0)

    def crop_towards(self, box: tuple[float, float, float, float], size_px: int, padding: float = 1.2, roll_deg: float = 0.0) -> Crop:
        """A square virtual camera that looks straight at the middle of `box` and sees `padding` times its longer side.

        Unlike a cut-out window this is a rotated pinhole camera: the object appears as if in the image centre, whatever
        its place in the photo, so a network that learnt from centred renders meets what it knows.
        Raises InputError where the box has no area.
        """
        x0, y0, x1, y1 = (float(v) for v in box)
        if not (np.isfinite([x0, y0, x1, y1]).all() and x1 > x0 and y1 > y0):
            raise InputError(f"the box {tuple(box)} has no area", try_next="give x0,y0,x1,y1 in pixels with x0 < x1 and y0 < y1")
        corners = np.array(
            [[(x0 + x1) / 2, (y0 + y1) / 2], [x0, (y0 + y1) / 2], [x1, (y0 + y1) / 2], [(x0 + x1) / 2, y0], [(x0 + x1) / 2, y1]]
        )
        rays = self.unproject(corners, np.ones(5))
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        crop_from_cam = look_at(np.zeros(3), rays[0], np.array([0.0, -1.0, 0.0]), roll_deg)
        edges = crop_from_cam.apply(rays[1:])
        half = padding * np.abs(edges[:, :2] / edges[:, 2:]).max()
        focal = float(size_px / (2 * half))
        middle = (size_px - 1) / 2
        return Crop(self, Camera(size_px, size_px, focal, focal, middle, middle), crop_from_cam)


@dataclass(frozen=True)
class Crop:
    """A virtual camera at the same centre as `source`, turned and zoomed. `crop_from_cam` is a pure rotation."""

    source: Camera
    camera: Camera
    crop_from_cam: RigidTransform

    @property
    def homography(self) -> Float[ndarray, "3 3"]:
        """Maps source pixels (homogeneous) to crop pixels."""
        return self.camera.matrix @ self.crop_from_cam.rotation @ np.linalg.inv(self.source.matrix)

    def warp(self, image: ndarray, *, nearest: bool = False) -> ndarray:
        """The crop's pixels, sampled from the source image; zero outside it.

        Smooth images are pre-shrunk by area where the crop is much smaller, so that nothing aliases.
        """
        x0, y0, x1, y1 = self._reach()
        source, part = self.source.cropped(x0, y0, x1 - x0, y1 - y0), image[y0:y1, x0:x1]
        shrink = self.source.fx / self.camera.fx
        if not part.size:
            return np.zeros((self.camera.height, self.camera.width, *image.shape[2:]), image.dtype)
        if not nearest and shrink > 1.5:
            width, height = (max(1, round(n / shrink)) for n in (source.width, source.height))
            part, source = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), source.resized(width, height)
        flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        return cv2.warpPerspective(part, replace(self, source=source).homography, (self.camera.width, self.camera.height), flags=flags)

    def _reach(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of the source's pixels that the crop can show: the rest need not be touched."""
        width, height = self.camera.width, self.camera.height
        corners = np.array([[x, y] for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)])
        pixels = self.source.project(self.crop_from_cam.inverse().apply(self.camera.unproject(corners, np.ones(4))))
        if not np.isfinite(pixels).all():  # wider than half the world
            return 0, 0, self.source.width, self.source.height
        margin = 2 + 2 * self.source.fx / self.camera.fx
        low, high = np.floor(pixels.min(0) - margin), np.ceil(pixels.max(0) + margin)
        size = (self.source.width, self.source.height)
        (x0, y0), (x1, y1) = (np.clip(corner, 0, size).astype(int) for corner in (low, high))
        return int(x0), int(y0), int(x1), int(y1)


@dataclass(frozen=True)
class Lens:
    """OpenCV distortion of a real lens: (k1, k2, p1, p2, k3). All zero is a pinhole."""

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0

    @property
    def coefficients(self) -> Float[ndarray, "5"]:
        return np.array([self.k1, self.k2, self.p1, self.p2, self.k3])

    @property
    def is_pinhole(self) -> bool:
        return not self.coefficients.any()

    def undistort(self, image: ndarray, camera: Camera, *, nearest: bool = False) -> ndarray:
        """The image that a pinhole camera with the same intrinsics would have taken; unseen corners are black."""
        if self.is_pinhole:
            return image
        maps = cv2.initUndistortRectifyMap(
            camera.matrix, self.coefficients, None, camera.matrix, (image.shape[1], image.shape[0]), cv2.CV_32FC1
        )
        return cv2.remap(image, *maps, cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR)

    def undistort_pixels(self, pixels: Float[ndarray, "n 2"], camera: Camera) -> Float[ndarray, "n 2"]:
        if self.is_pinhole:
            return pixels
        out = cv2.undistortPoints(pixels.reshape(-1, 1, 2).astype(float), camera.matrix, self.coefficients, P=camera.matrix)
        return out.reshape(-1, 2)

    def distort_pixels(self, pixels: Float[ndarray, "n 2"], camera: Camera) -> Float[ndarray, "n 2"]:
        """Where the real lens shows what the pinhole camera has at `pixels`."""
        points = camera.unproject(pixels, np.ones(len(pixels)))
        out, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, self.coefficients)
        return out.reshape(-1, 2)
