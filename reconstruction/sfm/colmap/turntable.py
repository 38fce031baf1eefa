"""A camera that stands still before a turning object: told by features that keep their place, which are then left out.

What stands still contradicts what turns: left in, all photos would seem to be taken from one place. A feature that has the same
place, size, direction and look in photos far apart belongs to what stands still. Photos taken from one place make a station; a
walk round the object has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import cKDTree

from reconstruction.sfm.colmap.request import Told

SAMPLED_PAIRS = 300
STILL_PAIRS = 0.08  # of all pairs: with stations as large as `LEAST_STATION` at most, fewer belong to one
STILL_SHARE = 0.12  # of the features of two photos: chance gives a hundredth
LEAST_STATION, STATIONS_COVER = 6, 0.5  # photos; share of all photos
COMPARED = 12  # other photos of the station that each photo is held against
SEEN_STILL = 0.3  # of those: a board that repeats itself every quarter turn stays below
NEIGHBOURS, STILL_AROUND = 12, 0.35  # what few photos find again is told by the features around it
SAME_LOOK, SAME_DIRECTION, SAME_SIZE = 0.82, np.radians(15), 1.3  # cosine of the descriptors; radians; ratio


@dataclass(frozen=True, eq=False)
class Features:
    """Of one photo. xy: pixels as COLMAP counts them. angle: radians. descriptors: of unit length."""

    xy: Float[ndarray, "n 2"]
    size: Float[ndarray, "n"]
    angle: Float[ndarray, "n"]
    descriptors: Float[ndarray, "n 128"]

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True, eq=False)
class Turntable:
    """stations: indices of the photos taken from each place. moving: of each photo, which features to keep."""

    stations: list[list[int]]
    moving: list[Bool[ndarray, "n"]]

    @property
    def left_out(self) -> float:
        """The share of all features of the stations' photos that stands still."""
        kept = [self.moving[i] for station in self.stations for i in station]
        return 1 - float(sum(k.sum() for k in kept) / max(1, sum(len(k) for k in kept)))


def recognise_turntable(photos: Sequence[Features], reach_px: float, seed: int, progress: Told = lambda *_: None) -> Turntable | None:
    """None for a camera that moved. reach_px: two sightings of a still feature lie no further apart."""
    stations = find_stations(photos, reach_px, seed, progress)
    if sum(map(len, stations)) < STATIONS_COVER * len(photos):
        return None
    moving = [np.ones(len(photo), bool) for photo in photos]
    rng = np.random.default_rng(seed)
    members = [(i, station) for station in stations for i in station]
    for done, (i, own) in enumerate(members):
        others = [j for j in rng.permutation(own) if j != i][:COMPARED]
        moving[i] = ~stands_still(photos[i], [photos[j] for j in others], reach_px)
        progress(done + 1, len(members))
    return Turntable(stations, moving)


def find_stations(photos: Sequence[Features], reach_px: float, seed: int, progress: Told = lambda *_: None) -> list[list[int]]:
    """Groups of photos taken from one place, `LEAST_STATION` or more each; none where hardly any two photos share still features."""
    count = len(photos)
    pairs = np.array([(i, j) for i in range(count) for j in range(i)])
    if count < LEAST_STATION:
        return []
    sampled = np.random.default_rng(seed).permutation(pairs)[:SAMPLED_PAIRS]
    if np.mean([still_share(photos[i], photos[j], reach_px) > STILL_SHARE for i, j in sampled]) < STILL_PAIRS:
        return []
    stations, left = [], list(range(count))
    while left:
        first, *others = left
        station = [first, *(j for j in others if still_share(photos[first], photos[j], reach_px) > STILL_SHARE)]
        left = [j for j in left if j not in station]
        progress(0, count)
        if len(station) >= LEAST_STATION:
            stations.append(station)
    return stations


def still_share(a: Features, b: Features, reach_px: float) -> float:
    """The share of the features of the photo with fewer that both have at the same place."""
    return float(have_twins(a, b, reach_px).sum() / max(1, min(len(a), len(b))))


def have_twins(a: Features, b: Features, reach_px: float) -> Bool[ndarray, "n"]:
    """Which features of `a` look the same in `b`, at the same place."""
    if min(len(a), len(b)) == 0:
        return np.zeros(len(a), bool)
    near = np.asarray(cKDTree(b.xy).query(a.xy, k=4, distance_upper_bound=reach_px)[1])  # a place may have several directions
    i, column = np.nonzero(near < len(b))
    j = near[i, column]
    turn = np.abs((a.angle[i] - b.angle[j] + np.pi) % (2 * np.pi) - np.pi)
    growth = np.abs(np.log(a.size[i] / b.size[j]))
    alike = (turn < SAME_DIRECTION) & (growth < np.log(SAME_SIZE))
    i, j = i[alike], j[alike]
    alike = np.einsum("nd,nd->n", a.descriptors[i], b.descriptors[j]) > SAME_LOOK
    out = np.zeros(len(a), bool)
    out[i[alike]] = True
    return out


def stands_still(photo: Features, others: Sequence[Features], reach_px: float) -> Bool[ndarray, "n"]:
    """Which features of a photo keep their place in others of its station, or lie among such."""
    if len(photo) == 0:
        return np.zeros(0, bool)
    seen = np.sum([have_twins(photo, other, reach_px) for other in others], axis=0)
    still = seen > SEEN_STILL * len(others)
    _, nearest = cKDTree(photo.xy).query(photo.xy, k=min(NEIGHBOURS, len(photo)))
    around = np.reshape(nearest, (len(photo), -1))
    return np.asarray(still | (still[around].mean(1) > STILL_AROUND))
