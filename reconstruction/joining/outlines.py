"""Shape: does what both hulls hold still fill every outline of both captures? Holds for any object, painted or not.

A ray through the rim of a mask touches the object, so it touches its own hull and must reach the other one where it does. How far it
stays away says how wrong a placement is; where the placement is right, no ray stays away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import ndimage
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from reconstruction.errors import JoinError
from reconstruction.hull import Hull
from reconstruction.joining.half import Half
from reconstruction.joining.nudges import Nudge, differ
from reconstruction.scene import Similarity
from reconstruction.scene.transforms import rotation_error_deg

NEAR = 2.0  # voxels from its own hull within which a rim ray may touch the object
STEPS = 96  # along a ray
ALIKE = 0.004  # root mean square gaps that differ by less are as good as each other


@dataclass(frozen=True, eq=False)
class Rim:
    """Points where rays through the rims of one capture's masks touch its hull; `ray` numbers the ray of each. Sorted by ray."""

    points: Float[ndarray, "n 3"]
    start: Int[ndarray, "r"]

    def farthest(self, distances: Float[ndarray, "n"]) -> Float[ndarray, "r"]:
        """The nearest point of each ray, by given distances of the points."""
        return np.minimum.reduceat(distances, self.start)


@dataclass(frozen=True, eq=False)
class Outlines:
    """What both captures know of the shape: rims to be reached, distance fields to reach them with."""

    halves: tuple[Half, Half]
    rims: tuple[Rim, Rim]
    fields: tuple[DistanceField, DistanceField]

    @classmethod
    def of(cls, first: Half, second: Half, views: int, rays: int, seed: int) -> Outlines:
        """`rays` through the rims of at most `views` photos of each capture. Raises JoinError where masks and hull share nothing."""
        fields = DistanceField.of(first.hull), DistanceField.of(second.hull)
        halves = (first, second)
        rims = [
            _find_rim(half, field, views, rays, np.random.default_rng((seed, k)))
            for k, (half, field) in enumerate(zip(halves, fields, strict=True))
        ]
        return cls(halves, (rims[0], rims[1]), fields)

    def gaps(self, first_from_second: Similarity) -> Float[ndarray, "r"]:
        """Of each rim ray of both captures: how far from the other's hull it stays, over the object's diameter. Zero: it reaches it."""
        there = self.rims[1].farthest(self.fields[0](first_from_second.apply(self.rims[1].points)))
        back = self.rims[0].farthest(self.fields[1](first_from_second.inverse().apply(self.rims[0].points)))
        shares = there / self.halves[0].diameter, back / self.halves[1].diameter
        return np.concatenate([part.clip(0, 0.2) for part in shares])

    def gap(self, first_from_second: Similarity) -> float:
        """The root mean square of the gaps: about 0.005 where the placement is right."""
        return float(np.sqrt(np.square(self.gaps(first_from_second)).mean()))

    def refined(self, guess: Similarity, with_scale: bool, evaluations: int = 12) -> Similarity:
        """Least squares over the gaps."""
        nudge = Nudge(guess, self.halves[0].hull.mesh().vertices.mean(0), self.halves[0].diameter)
        start = np.zeros(7 if with_scale else 6)
        solved = least_squares(_nudged_gaps, start, diff_step=np.full(len(start), 2e-3), max_nfev=evaluations, args=(nudge, self))
        return nudge(solved.x)


def _nudged_gaps(step: Float[ndarray, "6 or 7"], nudge: Nudge, outlines: Outlines) -> Float[ndarray, "r"]:
    return outlines.gaps(nudge(step))


@dataclass(frozen=True, eq=False)
class DistanceField:
    """Signed distance to a hull anywhere, frame units; outside the voxels it grows with the distance to them."""

    values: Float[ndarray, "nx ny nz"]
    origin: Float[ndarray, "3"]
    spacing: float

    @classmethod
    def of(cls, hull: Hull, room: int = 8) -> DistanceField:
        padded = Hull(np.pad(hull.inside, room), hull.origin - room * hull.spacing, hull.spacing)
        return cls(padded.signed_distance(), padded.origin, hull.spacing)

    def __call__(self, points: Float[ndarray, "n 3"]) -> Float[ndarray, "n"]:
        index = (points - self.origin) / self.spacing
        inner = index.clip(0, np.array(self.values.shape) - 1.0)
        inside = ndimage.map_coordinates(self.values, inner.T, order=1)
        return np.asarray(inside + self.spacing * np.linalg.norm(index - inner, axis=1))


def _find_rim(half: Half, field: DistanceField, views: int, rays: int, rng: np.random.Generator) -> Rim:
    chosen = half.spread(views)
    points, start, count = [], [], 0
    lower, upper = half.hull.bounds()
    reach = float(np.linalg.norm(upper - lower)) / 2
    for index in chosen:
        view = half.views[index]
        pixels = _rim_pixels(half.masks[index], max(8, rays // len(chosen)), rng)
        world_from_cam = view.cam_from_world.inverse()
        middle = view.cam_from_world.apply((lower + upper) / 2)[2]
        depths = np.linspace(max(middle - reach, 1e-3 * reach), middle + reach, STEPS)
        for pixel in pixels:
            along = world_from_cam.apply(view.camera.unproject(np.tile(pixel, (STEPS, 1)), depths))
            touching = along[field(along) < NEAR * field.spacing]
            if len(touching):
                points.append(touching)
                start.append(count)
                count += len(touching)
    if not points:
        raise JoinError("the outlines of a capture don't touch its own hull", try_next="look at its masks, and onboard it again")
    return Rim(np.concatenate(points), np.array(start))


def _rim_pixels(mask: ndarray, count: int, rng: np.random.Generator) -> Float[ndarray, "k 2"]:
    """Of the mask's outer pixels, those at the photo's border left out."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    edge = mask & ~inner
    edge[[0, -1]] = edge[:, [0, -1]] = False
    rows, columns = np.nonzero(edge)
    pick = rng.choice(len(rows), min(count, len(rows)), replace=False) if len(rows) else np.zeros(0, int)
    return np.stack([columns[pick], rows[pick]], 1).astype(float)


@dataclass(frozen=True, eq=False)
class Fit:
    """A placement that the outlines allow. scatter_deg: how far apart searches ended that found it and fit about as well."""

    first_from_second: Similarity
    gap: float
    scatter_deg: float


def place_by_shape(
    outlines: Outlines,
    scale: float,
    with_scale: bool,
    rotations: int,
    searches: int,
    seed: int,
    done: Callable[[int, int], None] = lambda step, steps: None,
) -> list[Fit]:
    """The placements that fit the outlines best, best first, no two the same.

    Tries `rotations` at random with the hulls' middles together, refines the best `searches`, keeps one of each kind.
    """
    first, second = (_middle(half.hull) for half in outlines.halves)
    turns = Rotation.random(rotations, rng=np.random.default_rng(seed)).as_matrix()
    guesses = [Similarity(scale, turn, first - scale * turn @ second) for turn in turns]
    order = np.argsort([outlines.gap(guess) for guess in guesses], kind="stable")[:searches]
    refined = []
    for count, k in enumerate(order):
        refined.append(outlines.refined(guesses[int(k)], with_scale))
        done(count + 1, len(order))
    return gather(refined, outlines)


def gather(placements: Sequence[Similarity], outlines: Outlines) -> list[Fit]:
    """One of each kind, best first."""
    points = outlines.halves[0].hull.mesh().vertices
    left = sorted(((outlines.gap(placement), k) for k, placement in enumerate(placements)))
    fits = []
    while left:
        gap, best = left[0]
        same = [(g, k) for g, k in left if not differ(placements[best], placements[k], points)]
        ends = [rotation_error_deg(placements[best].rotation, placements[k].rotation) for g, k in same if g < gap + ALIKE]
        fits.append(Fit(placements[best], gap, max(ends)))
        taken = {k for _, k in same}
        left = [(g, k) for g, k in left if k not in taken]
    return fits


def _middle(hull: Hull) -> Float[ndarray, "3"]:
    return hull.origin + hull.spacing * np.argwhere(hull.inside).mean(0)
