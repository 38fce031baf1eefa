"""Features to `first_from_second`: many similarities from triples of matches, the best by how many others agree, then refined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.optimize import least_squares

from reconstruction.joining.epipolar import EpipolarLines
from reconstruction.joining.features import Features, Matches
from reconstruction.joining.half import Half
from reconstruction.joining.nudges import Nudge, differ
from reconstruction.joining.outlines import Outlines
from reconstruction.scene import Similarity
from reconstruction.scene.transforms import fit_similarity

OUTLINE_GAP, OUTLINE_WEIGHT = 0.005, 0.3  # what masks are off by, over the diameter; their errors are alike from ray to ray
GUESSES, COUNTED = 1500, 5000  # triples that are fitted, matches that each fit is counted on


@dataclass(frozen=True, eq=False)
class Placement:
    """A guess at where the second capture lies, and how many matches agree with it."""

    first_from_second: Similarity
    support: int


def place_by_features(
    first: Features, second: Features, matches: Matches, scales: tuple[float, float], reach: float, triples: int, seed: int
) -> list[Placement]:
    """The best placement by features and the best one that is another, best first; fewer where there are none.

    scales: smallest and largest scale that is believed. reach: distance (first's units) within which a match agrees.
    """
    a, b = first.points[matches.first], second.points[matches.second]
    rng = np.random.default_rng(seed)
    drawn = _draw_triples(matches, triples, rng)
    guesses = _fit_triples(a, b, drawn[_rigid(a[drawn], b[drawn], scales, reach)][:GUESSES])
    some = rng.permutation(len(a))[:COUNTED]
    support = [int(_agreeing(guess, a[some], b[some], reach).sum()) for guess in guesses]
    found: list[Placement] = []
    for k in np.argsort(support, kind="stable")[::-1]:
        if len(found) == 2 or (found and support[k] < 0.1 * max(support)):
            break
        if all(differ(other.first_from_second, guesses[k], first.points) for other in found):
            placement = _settled(guesses[k], a, b, reach)
            if all(differ(other.first_from_second, placement.first_from_second, first.points) for other in found):
                found.append(placement)
    return found


def _draw_triples(matches: Matches, count: int, rng: np.random.Generator) -> Int[ndarray, "t 3"]:
    """Half of them from one pair of photos each, as pairs that see the same side hold most true matches; half from anywhere."""
    order = np.argsort(matches.pair, kind="stable")
    _, start, size = np.unique(matches.pair[order], return_index=True, return_counts=True)
    weight = np.where(size >= 3, size.astype(float) ** 2, 0)
    parts = [rng.integers(0, max(1, len(matches)), (count // 2, 3))] if len(matches) >= 3 else []
    if weight.sum() > 0:
        pair = rng.choice(len(size), count // 2, p=weight / weight.sum())
        parts.append(order[start[pair, None] + (rng.random((count // 2, 3)) * size[pair, None]).astype(int)])
    return np.concatenate([np.zeros((0, 3), int), *parts[::-1]])


def _rigid(a: Float[ndarray, "t 3 3"], b: Float[ndarray, "t 3 3"], scales: tuple[float, float], reach: float) -> Bool[ndarray, "t"]:
    """Triples whose triangles are alike in the two captures, and large enough to fix a rotation."""
    edge_a, edge_b = (np.linalg.norm(p - np.roll(p, 1, axis=1), axis=2) for p in (a, b))
    scale = edge_a.sum(1) / np.maximum(edge_b.sum(1), 1e-12)
    alike = np.abs(edge_a - scale[:, None] * edge_b).max(1) < reach
    area = np.linalg.norm(np.cross(a[:, 1] - a[:, 0], a[:, 2] - a[:, 0]), axis=1)
    return alike & (scale > scales[0]) & (scale < scales[1]) & (edge_a.min(1) > 2.5 * reach) & (area > (2.5 * reach) ** 2)


def _fit_triples(a: Float[ndarray, "m 3"], b: Float[ndarray, "m 3"], triples: Int[ndarray, "t 3"]) -> list[Similarity]:
    guesses = []
    for triple in triples:
        try:
            guesses.append(fit_similarity(a[triple], b[triple]))
        except ValueError:
            continue
    return guesses


def _agreeing(guess: Similarity, a: Float[ndarray, "m 3"], b: Float[ndarray, "m 3"], reach: float) -> Bool[ndarray, "m"]:
    return np.asarray(np.square(guess.apply(b) - a).sum(1) < reach**2)


def _settled(guess: Similarity, a: Float[ndarray, "m 3"], b: Float[ndarray, "m 3"], reach: float) -> Placement:
    """Fitted to all that agree, over and over."""
    for _ in range(10):
        agree = _agreeing(guess, a, b, reach)
        try:
            guess = fit_similarity(a[agree], b[agree])
        except ValueError:
            break
    return Placement(guess, int(_agreeing(guess, a, b, reach).sum()))


def refine_placement(
    guess: Similarity,
    halves: tuple[Half, Half],
    features: tuple[Features, Features],
    matches: Matches,
    outlines: Outlines,
    reach: float,
    pixel: float = 2.0,
) -> tuple[Similarity, Bool[ndarray, "m"]]:
    """By the matches' epipolar lines, which don't depend on the hulls' depth; and which matches are within `pixel` of theirs.

    Least squares over the Sampson distances of all matches that agree in space, outliers softened. Where they are few or lie close
    together the outlines hold what they leave loose.
    """
    a, b = features[0].points[matches.first], features[1].points[matches.second]
    lines = EpipolarLines.of(halves, features, matches)
    inliers = _agreeing(guess, a, b, reach)
    for limit in (3 * pixel, pixel, pixel):
        if inliers.sum() < 8:
            break
        nudge = Nudge(guess, a[inliers].mean(0), float(np.ptp(a[inliers], axis=0).max()))
        known = (nudge, lines.taken(inliers), outlines, 0.5 * limit)
        guess = nudge(least_squares(_residuals, np.zeros(7), loss="soft_l1", diff_step=np.full(7, 1e-4), args=known).x)
        inliers = _agreeing(guess, a, b, 1.5 * reach) & (np.abs(lines.distances(guess)) < limit)
    return guess, inliers


def _residuals(step: Float[ndarray, "7"], nudge: Nudge, lines: EpipolarLines, outlines: Outlines, pixel: float) -> Float[ndarray, "n"]:
    moved = nudge(step)
    return np.concatenate([lines.distances(moved) / pixel, OUTLINE_WEIGHT * outlines.gaps(moved) / OUTLINE_GAP])
