"""Where each photo was taken from, as seen from the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.locate.region import Region
from reconstruction.scene import View


@dataclass(frozen=True)
class Direction:
    """Where a photo was taken from. `azimuth_deg`: 0 at the reference photo, grows to its right (counter-clockwise from above),
    in (-180, 180]. `elevation_deg`: 90 is straight above. `distance`: in sizes of the object. `used`: its mask was good.
    """

    photo: str
    azimuth_deg: float
    elevation_deg: float
    distance: float
    used: bool


def find_directions(views: Sequence[View], region: Region, used: set[str], reference: str) -> list[Direction]:
    """One a view. Views in the frame that `region.region_from_world` starts from; `reference` names one of them."""
    size = float(np.ptp(region.region_from_world.apply(region.points), axis=0).max())
    away = region.region_from_world.rotate(np.stack([view.centre_world for view in views]) - region.centre_world)
    distance = np.linalg.norm(away, axis=1)
    azimuth = np.degrees(np.arctan2(away[:, 1], away[:, 0]))
    azimuth -= azimuth[[view.name for view in views].index(reference)]
    azimuth = 180 - (180 - azimuth) % 360
    elevation = np.degrees(np.arcsin(away[:, 2] / distance))
    return [
        Direction(view.name, round(float(a), 2), round(float(e), 2), round(float(d), 3), view.name in used)
        for view, a, e, d in zip(views, azimuth, elevation, distance / size, strict=True)
    ]


def unit_vectors(directions: Sequence[Direction]) -> Float[ndarray, "n 3"]:
    """z up, x towards the reference photo, y to its right."""
    azimuth, elevation = (np.radians([getattr(d, name) for d in directions]) for name in ("azimuth_deg", "elevation_deg"))
    return np.stack([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)], -1)
