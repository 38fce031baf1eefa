"""What each photo looked like before it was undistorted: carries a user's pixels into the views, and depth the other way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.scene import Camera, Lens


@dataclass(frozen=True)
class PhotoLens:
    """The camera of the upright photo at its full size, and its lens. A view is that photo undistorted, perhaps smaller."""

    camera: Camera
    lens: Lens

    def to_view(self, pixels: Float[ndarray, "n 2"], view: Camera) -> Float[ndarray, "n 2"]:
        """Pixels of the upright photo as uploaded -> pixels of its view."""
        return _rescale(self.lens.undistort_pixels(np.asarray(pixels, float), self.camera), self.camera, view)

    def from_view(self, pixels: Float[ndarray, "n 2"], view: Camera) -> Float[ndarray, "n 2"]:
        """Pixels of a view -> pixels of the upright photo as uploaded."""
        return self.lens.distort_pixels(_rescale(np.asarray(pixels, float), view, self.camera), self.camera)


def _rescale(pixels: Float[ndarray, "n 2"], source: Camera, target: Camera) -> Float[ndarray, "n 2"]:
    return (pixels + 0.5) * (target.width / source.width, target.height / source.height) - 0.5


def save_lenses(path: Path, lenses: dict[str, PhotoLens]) -> None:
    """JSON: view name -> camera and `(k1, k2, p1, p2, k3)`."""
    rows = {name: {"camera": p.camera.to_json(), "lens": p.lens.coefficients.tolist()} for name, p in lenses.items()}
    path.write_text(json.dumps(rows, indent=1))


def load_lenses(path: Path) -> dict[str, PhotoLens]:
    return {name: PhotoLens(Camera.from_json(row["camera"]), Lens(*row["lens"])) for name, row in json.loads(path.read_text()).items()}
