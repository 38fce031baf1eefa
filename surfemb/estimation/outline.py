"""The networks' mask along a pose's outline: how far from there it ends.

Points on the surface are told roughly, and their errors blur the distance first. A mask says nothing of what it shows, but ends where
the object ends, to a fraction of a pixel, in whatever paint: its edge holds the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numba import njit
from numpy import ndarray

from reconstruction.scene import Camera, RigidTransform
from surfemb.estimation.contour import Contour, at

_STEP = 0.25  # pixels between two looks at the mask
_ALONG = 0.9  # cosine


@dataclass(frozen=True, eq=False)
class OutlineOffsets:
    """How far along the contour's normals the mask's edge lies: pixels, standard deviation `blur`."""

    contour: Contour
    offsets: Float[ndarray, "k"]
    blur: Float[ndarray, "k"]

    def normal_equations(
        self, camera: Camera, pose: RigidTransform, scale_px: float, pixel_px: float
    ) -> tuple[Float[ndarray, "6"], Float[ndarray, "6 6"]]:
        """Of a Gauss-Newton step that moves the outline to the mask's edge, along its normals only; for `increment`."""
        weight = self.contour.length / (self.blur**2 + pixel_px**2)
        return self.contour.normal_equations(camera, pose, self.offsets, weight, scale_px)


def outline_offsets(contour: Contour, mask: Float[ndarray, "H W"], known: Bool[ndarray, "h w"], reach_px: float) -> OutlineOffsets:
    """mask: probabilities, H / h times as fine as the camera's pixels. reach_px: how far from the outline the mask's edge is looked for;
    where it is not found (something hides the object there), and where nothing is known, nothing is said."""
    offsets, blur = _mask_edges(contour.pixels, contour.normals, mask, mask.shape[0] // known.shape[0], known, reach_px)
    found = np.isfinite(offsets)
    return OutlineOffsets(contour.where(found), offsets[found], blur[found])


@njit(cache=True)
def _mask_edges(pixels, normals, mask, finer, known, reach):  # type: ignore[no-untyped-def]
    """Where, along each normal, the mask falls through a half: the place nearest to the pixel, NaN without one; and its deviation."""
    half = int(reach / _STEP)
    offsets, blur, profile = np.full(len(pixels), np.nan), np.zeros(len(pixels)), np.empty(2 * half + 1)
    for k in range(len(pixels)):
        inside = True
        for i in range(2 * half + 1):
            u, v = pixels[k, 0] + (i - half) * _STEP * normals[k, 0], pixels[k, 1] + (i - half) * _STEP * normals[k, 1]
            if not at(known, u, v):
                inside = False
                break
            profile[i] = _between(mask, finer * u, finer * v)
        if not inside:
            continue
        best = np.inf
        for i in range(2 * half):
            if profile[i] >= 0.5 > profile[i + 1]:
                place = (i - half + (profile[i] - 0.5) / (profile[i] - profile[i + 1])) * _STEP
                if abs(place) < abs(best):
                    best = place
                    low, high = max(i - 2, 0), min(i + 3, 2 * half)
                    slope = (profile[low] - profile[high]) / ((high - low) * _STEP)
                    blur[k] = 1 / (np.sqrt(2 * np.pi) * max(slope, 1e-3))
        if np.isfinite(best) and _falls_along(mask, finer * (pixels[k] + best * normals[k]), normals[k], finer):
            offsets[k] = best
    return offsets, blur


@njit(cache=True)
def _falls_along(mask, pixel, normal, size):  # type: ignore[no-untyped-def]
    """Whether the mask falls in the direction of the normal: elsewhere it is something in front that ends it."""
    u, v = pixel
    du = _between(mask, u - size, v) - _between(mask, u + size, v)
    dv = _between(mask, u, v - size) - _between(mask, u, v + size)
    return du * normal[0] + dv * normal[1] > _ALONG * np.sqrt(du * du + dv * dv)


@njit(inline="always")
def _between(picture, u, v):  # type: ignore[no-untyped-def]
    """Bilinear, the border going on beyond itself."""
    height, width = picture.shape
    u, v = min(max(u, 0.0), width - 1.001), min(max(v, 0.0), height - 1.001)
    column, row = int(u), int(v)
    du, dv = u - column, v - row
    upper = (1 - du) * picture[row, column] + du * picture[row, column + 1]
    lower = (1 - du) * picture[row + 1, column] + du * picture[row + 1, column + 1]
    return (1 - dv) * upper + dv * lower
