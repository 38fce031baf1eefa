"""Symmetries found by trying: turns about the centroid after which the surface lies on itself, and shows the same colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from reconstruction.scene import Mesh, RigidTransform
from reconstruction.scene.transforms import fit_similarity, rotation_error_deg
from surfemb.symmetry import Axis, Symmetry

FOLDS = (2, 3, 4, 5, 6, 8)
GENERIC_TURNS = (0.61, 1.37, 2.02, 2.83)  # radians, near no fold: a surface that bears them all bears any
DIRECTIONS = 1000  # over half a sphere, 4 degrees apart
WORTH_REFINING, SAME_SHAPE = 0.07, 0.025  # of the diameter
QUANTILE = 0.95  # of the points lie that close: a reconstruction has a few bumps
OTHER_COLOUR, OTHER_SHARE = 40.0, 0.04  # grey levels; share of the points that may differ by more
ROUGH_EVERY = 10
SAME_TURN_DEG, SAME_AXIS_DEG, LEAST_TURN_DEG = 15.0, 8.0, 20.0


@dataclass(frozen=True, eq=False)
class FoundSymmetry:
    """exact: of shape and colours. shape: of the shape alone, so what is in `shape` only is told apart by colours."""

    exact: Symmetry
    shape: Symmetry


def find_symmetry(mesh: Mesh, seed: int = 0) -> FoundSymmetry:
    """Symmetries of a mesh, none of them mirrored. A mesh without colours is judged by its shape alone.

    A turn is one where 95 % of the surface comes to lie within 2.5 % of the diameter of itself. A ball's axes are given as three.
    """
    surface = _Surface.sample(mesh, seed)
    axes = _continuous(surface)
    turns = _discrete(surface, axes)
    plain = [a for a in axes if all(surface.looks_same(a.turned(angle)) for angle in GENERIC_TURNS)]
    repeats = [] if plain else [power for a in axes for fold in FOLDS for power in _powers(a.turned(2 * np.pi / fold), fold)]
    exact = _distinct(turn for turn in [*turns, *repeats] if surface.looks_same(turn))
    return FoundSymmetry(Symmetry(tuple(exact), tuple(plain)), Symmetry(tuple(turns), tuple(axes)))


@dataclass(frozen=True, eq=False)
class _Surface:
    """Points spread over a mesh, coarse ones to try with, dense ones to land on."""

    points: Float[ndarray, "n 3"]
    colours: Float[ndarray, "n 3"]
    rough: cKDTree
    dense: cKDTree
    dense_colours: Float[ndarray, "m 3"]
    diameter: float

    @classmethod
    def sample(cls, mesh: Mesh, seed: int) -> _Surface:
        points, dense = mesh.sample(600, seed)[0], mesh.sample(30_000, seed + 1)[0]
        vertex = cKDTree(mesh.vertices)
        colours = np.zeros(mesh.vertices.shape) if mesh.colors is None else mesh.colors.astype(float)
        return cls(
            points, colours[vertex.query(points)[1]], cKDTree(dense[:3000]), cKDTree(dense), colours[vertex.query(dense)[1]], mesh.diameter
        )

    @cached_property
    def centre(self) -> Float[ndarray, "3"]:
        return np.asarray(self.dense.data.mean(0))

    def about_centre(self, direction: Float[ndarray, "3"], angle: float) -> RigidTransform:
        return Axis(direction, self.centre).turned(angle)

    def misfit(self, turn: RigidTransform) -> float:
        """Of the turned surface to itself, over the diameter."""
        distance = self.dense.query(turn.apply(self.points))[0]
        return float(np.quantile(distance, QUANTILE)) / self.diameter

    def rough_misfits(self, rotvecs: Float[ndarray, "k 3"]) -> Float[ndarray, "k"]:
        """`misfit` of many turns about the centre, each by few points; infinite beyond what is worth refining."""
        points = self.points[::ROUGH_EVERY] - self.centre
        turned = np.einsum("kij,nj->kni", Rotation.from_rotvec(rotvecs).as_matrix(), points) + self.centre
        distance = np.asarray(self.rough.query(turned.reshape(-1, 3), distance_upper_bound=2 * WORTH_REFINING * self.diameter)[0])
        return np.asarray(np.quantile(distance.reshape(len(rotvecs), -1), QUANTILE, axis=1, method="lower") / self.diameter)

    def refined(self, turn: RigidTransform) -> RigidTransform:
        """The turn close by that fits best: iterative closest points, without the worst twentieth."""
        for _ in range(8):
            distance, nearest = (np.asarray(column) for column in self.dense.query(turn.apply(self.points)))
            kept = distance <= np.quantile(distance, QUANTILE)
            here, there = self.points[kept], np.asarray(self.dense.data)[nearest[kept]]
            rotation = fit_similarity(there, here).rotation
            turn = RigidTransform(rotation, there.mean(0) - rotation @ here.mean(0))  # a hole moves the centroid off the axis
        return turn

    def axis_of(self, turn: RigidTransform) -> Axis:
        """What the turn leaves where it is: of the points on it the one nearest to the centre."""
        away = np.eye(3) - turn.rotation
        offset = self.centre + np.linalg.pinv(away, rcond=1e-6) @ (turn.translation - away @ self.centre)
        rotvec = Rotation.from_matrix(turn.rotation).as_rotvec()
        return Axis(rotvec / np.linalg.norm(rotvec), offset)

    def looks_same(self, turn: RigidTransform) -> bool:
        landed = np.asarray(self.dense.query(turn.apply(self.points))[1])
        off = np.abs(self.dense_colours[landed] - self.colours).mean(1)
        return bool((off > OTHER_COLOUR).mean() < OTHER_SHARE)


def _continuous(surface: _Surface) -> list[Axis]:
    """Axes that any turn is borne about; three at right angles for a ball."""
    found: list[Axis] = []
    for direction in _peaks(surface, GENERIC_TURNS):
        axis = surface.axis_of(surface.refined(surface.about_centre(direction, GENERIC_TURNS[2])))
        square = all(abs(axis.direction @ other.direction) < np.sin(np.radians(SAME_AXIS_DEG)) for other in found)
        if square and all(surface.misfit(axis.turned(a)) < SAME_SHAPE for a in GENERIC_TURNS):
            found.append(axis)
    return found


def _discrete(surface: _Surface, axes: list[Axis]) -> list[RigidTransform]:
    """Turns by parts of a circle that are no turn about one of `axes`; of those that turn an axis end for end, one."""
    found: list[RigidTransform] = []
    if len(axes) > 1:
        return found  # a ball: there is nothing else
    for fold in FOLDS:
        for direction in _peaks(surface, (2 * np.pi / fold,)):
            turn = surface.about_centre(direction, 2 * np.pi / fold)
            if _is_known(turn, found, axes):
                continue
            for power in _powers(surface.refined(turn), fold):
                if surface.misfit(power) < SAME_SHAPE and not _is_known(power, found, axes):
                    found.append(power)
    return found


def _peaks(surface: _Surface, angles: Sequence[float]) -> Iterator[Float[ndarray, "3"]]:
    """Directions that turns by all of the angles roughly fit about, the best first, none close to one before it."""
    directions = _half_sphere()
    worst = np.max([surface.rough_misfits(angle * directions) for angle in angles], axis=0)
    left = worst < WORTH_REFINING
    for k in np.argsort(worst):
        if left[k]:
            left &= np.abs(directions @ directions[k]) < np.cos(np.radians(SAME_AXIS_DEG))
            yield directions[k]


def _powers(turn: RigidTransform, fold: int) -> Iterator[RigidTransform]:
    power = turn
    for _ in range(fold - 1):
        yield power
        power = power @ turn


def _is_known(turn: RigidTransform, found: Sequence[RigidTransform], axes: Sequence[Axis]) -> bool:
    if np.degrees(Rotation.from_matrix(turn.rotation).magnitude()) < LEAST_TURN_DEG:
        return True
    about_axis = any(axis.direction @ turn.rotation @ axis.direction > np.cos(np.radians(2 * SAME_AXIS_DEG)) for axis in axes)
    flips_again = bool(axes) and bool(found)
    return about_axis or flips_again or any(rotation_error_deg(turn.rotation, other.rotation) < SAME_TURN_DEG for other in found)


def _distinct(turns: Iterable[RigidTransform]) -> list[RigidTransform]:
    found: list[RigidTransform] = []
    for turn in turns:
        if not _is_known(turn, found, ()):
            found.append(turn)
    return found


def _half_sphere() -> Float[ndarray, "n 3"]:
    """Evenly spread directions (Fibonacci lattice), z >= 0, and the three axes."""
    k = np.arange(DIRECTIONS) + 0.5
    z, angle = k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
    spread = np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])
    return np.concatenate([np.eye(3), spread])
