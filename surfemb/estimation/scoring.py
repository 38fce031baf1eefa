"""How well a pose explains what the networks say: fast for a thousand hypotheses, exact for a few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numba import njit
from numpy import ndarray

from reconstruction.rasterizers import Raster
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.estimation.pnp import PoseBatch

OUTLIER = 0.1  # share of pixels that may show anything: bounds what one wrong pixel costs
VISIBLE = 0.75  # chance that a pixel of the silhouette shows the object, not something in front of it
STRAY = 0.03  # chance that a pixel beside the silhouette is taken for the object
WEIGHT = 2.5  # of the correspondences against the mask: that of their joint likelihood for an object on a third of the crop
PRINT = 3.0  # of render and image against what the networks say: a well-laid print gains 0.02-0.1 of it
COLOUR = 1.0
_ROUGH, _FINE = 250, 1000  # surface points: to see which poses are worth a look, and a few in each cell that the object covers
_WORTH = 120  # poses
_CELL = 2  # thinned pixels per cell of the coarse score


@dataclass(frozen=True)
class Likeness:
    """Of the image and the object drawn at a pose, None where there is nothing to compare.

    print: correlation, brightness and contrast made equal everywhere. colour: as `colour_likeness` has it.
    """

    print: float | None = None
    colour: float | None = None

    @property
    def total(self) -> float:
        return PRINT * (self.print or 0.0) + COLOUR * (self.colour or 0.0)


UNLIKE = Likeness()


@dataclass(frozen=True)
class Fit:
    """How well one pose explains the crop, all larger-is-better.

    mask: mean log-likelihood of the predicted mask given the pose's silhouette, over ln 2.
    correspondence: mean gain over a uniform guess, over ln m (1 is perfect, 0 chance).
    iou: predicted mask against silhouette. inside: share of the predicted mask that the silhouette covers.
    agreement: share of predicted object pixels whose most likely surface point lies within a tenth of the diameter of
    what the pose puts there. pixels: predicted object pixels, thinned. likeness: of the image and the object drawn at the pose.
    told: how sure it is among its twins, poses of the same outline.
    """

    mask: float
    correspondence: float
    iou: float
    inside: float
    agreement: float
    pixels: int
    likeness: Likeness = UNLIKE
    told: float = 1.0

    @property
    def total(self) -> float:
        """What the networks say."""
        return self.mask + WEIGHT * self.correspondence

    @property
    def with_likeness(self) -> float:
        return self.total + self.likeness.total


def coarse_scores(poses: PoseBatch, evidence: Evidence, surface: Surface) -> Float[ndarray, "n"]:
    """SurfEmb's score for many poses at once, surface points splatted into a coarse grid; -inf for those not worth a second look.

    Mask log-likelihood / ln 2 + mean log-probability / ln m (Haugaard and Buch, CVPR 2022, section 3.3), with a share of
    outliers mixed into the probabilities so that an occluder costs a bounded amount. The mean is taken over the
    predicted object, not over the pose's silhouette: else a pose too far away, hence small, would leave the hard
    pixels along the contour out. What a pose leaves uncovered gains nothing and costs nothing here: the mask has it counted. Were it
    an outlier, a pose too near, hence large, would win.
    """
    every = max(1, len(surface.points) // _FINE)
    gain = _gain_table(evidence, surface, every)
    if len(poses) <= _WORTH:
        return _splat(poses, evidence, surface, gain, every, 1)
    rough = _splat(poses, evidence, surface, gain, every, max(1, _FINE // _ROUGH))
    worth = np.argpartition(-rough, _WORTH)[:_WORTH]
    scores = np.full(len(poses), -np.inf)
    scores[worth] = _splat(poses.take(worth), evidence, surface, gain, every, 1)
    return scores


def _splat(
    poses: PoseBatch, evidence: Evidence, surface: Surface, gain: Float[ndarray, "gh gw k"], every: int, thinner: int
) -> Float[ndarray, "n"]:
    """gain: of each `every`-th surface point. thinner: one of so many of those is used."""
    mask = evidence.mask.reshape(gain.shape[0], _CELL, gain.shape[1], _CELL)
    known = evidence.known.reshape(mask.shape).mean((1, 3))
    inside, outside = (known * part for part in mask_log_likelihoods(mask.max((1, 3))))  # the largest: a splat covers what it touches
    share = mask.mean((1, 3))
    camera = evidence.camera
    return _splat_scores(
        poses.rotations,
        poses.translations,
        surface.points[::every],
        surface.normals[::every],
        np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        gain,
        (inside - outside) / outside.size,
        float(outside.mean()),
        share / max(float(share.sum()), 1e-9),
        WEIGHT,
        thinner,
    )


def mask_log_likelihoods(mask: Float[ndarray, "h w"]) -> tuple[Float[ndarray, "h w"], Float[ndarray, "h w"]]:
    """Of a pixel's predicted mask, in units of ln 2: where the pose's silhouette covers the pixel, and where it does not.

    The predicted mask is that of the visible part, so a hole in it costs less than a piece beside the silhouette.
    """
    inside = np.log2(VISIBLE * mask + (1 - VISIBLE) * (1 - mask))
    outside = np.log2(STRAY * mask + (1 - STRAY) * (1 - mask))
    return inside, outside


def _gain_table(evidence: Evidence, surface: Surface, every: int) -> Float[ndarray, "gh gw k"]:
    """Per cell and each `every`-th surface point: how much more likely than a uniform guess, at the best of the cell's pixels."""
    height, width = evidence.mask.shape
    count = len(surface.points)
    probability = np.zeros((height // _CELL, width // _CELL, -(-count // every)), np.float32)
    log_probability = np.ascontiguousarray(evidence.log_probability[:, ::every])
    _keep_largest(probability, evidence.rows // _CELL, evidence.columns // _CELL, log_probability, evidence.weights)
    return np.log((1 - OUTLIER) * count * probability + OUTLIER) / np.float32(np.log(count))


@njit(cache=True, fastmath=True)
def _keep_largest(table, rows, columns, log_probability, mask):  # type: ignore[no-untyped-def]
    for n in range(len(rows)):
        cell = table[rows[n], columns[n]]
        for i in range(len(cell)):
            cell[i] = max(cell[i], mask[n] * np.exp(log_probability[n, i]))


@njit(cache=True, fastmath=True)
def _splat_scores(rotations, translations, points, normals, intrinsics, gain, covered, uncovered, share, weight, thinner):  # type: ignore[no-untyped-def]
    height, width = covered.shape
    out = np.empty(len(rotations))
    touched = np.full((height, width), -1, np.int32)
    nearest, counted = np.empty((height, width)), np.empty((height, width))
    fx, fy, cx, cy = intrinsics
    for n in range(len(rotations)):
        r, t = rotations[n], translations[n]
        score = uncovered
        for i in range(0, len(points), thinner):
            p, q = points[i], normals[i]
            x = r[0, 0] * p[0] + r[0, 1] * p[1] + r[0, 2] * p[2] + t[0]
            y = r[1, 0] * p[0] + r[1, 1] * p[1] + r[1, 2] * p[2] + t[1]
            z = r[2, 0] * p[0] + r[2, 1] * p[1] + r[2, 2] * p[2] + t[2]
            if z <= 0:
                continue
            u, v = (fx * x / z + cx + 0.5) / _CELL, (fy * y / z + cy + 0.5) / _CELL
            column, row = int(np.floor(u)), int(np.floor(v))
            if not (0 <= row < height and 0 <= column < width):
                continue
            if touched[row, column] != n:
                touched[row, column] = n
                nearest[row, column], counted[row, column] = np.inf, 0.0
                score += covered[row, column]
            nx = r[0, 0] * q[0] + r[0, 1] * q[1] + r[0, 2] * q[2]
            ny = r[1, 0] * q[0] + r[1, 1] * q[1] + r[1, 2] * q[2]
            nz = r[2, 0] * q[0] + r[2, 1] * q[1] + r[2, 2] * q[2]
            off = (u - column - 0.5) ** 2 + (v - row - 0.5) ** 2
            if nx * x + ny * y + nz * z < 0 and off < nearest[row, column]:  # the nearest to the middle, whatever the density
                score += weight * share[row, column] * (gain[row, column, i] - counted[row, column])
                nearest[row, column], counted[row, column] = off, gain[row, column, i]
        out[n] = score
    return out


def fit_pose(raster: Raster, evidence: Evidence, surface: Surface) -> Fit:
    """The exact score of one pose. `raster`: the mesh seen by the evidence's camera at that pose."""
    silhouette, mask = raster.mask & evidence.known, evidence.mask * evidence.known
    likelihood = float((np.where(silhouette, *mask_log_likelihoods(mask)) * evidence.known).mean())
    union = np.maximum(mask, silhouette).sum()
    shared = np.minimum(mask, silhouette).sum()
    iou, inside = float(shared / max(union, 1e-9)), float(shared / max(mask.sum(), 1e-9))
    if not len(evidence.rows):
        return Fit(likelihood, 0.0, iou, inside, 0.0, 0)
    hit = silhouette[evidence.rows, evidence.columns]
    expected = raster.coordinates()[evidence.rows, evidence.columns]
    off = np.linalg.norm(surface.points[evidence.likeliest] - expected, axis=-1)
    agrees = hit & (off < 0.1 * surface.mesh.diameter)
    gain = _correspondence_gain(hit, expected, evidence, surface)
    weights = evidence.weights
    return Fit(likelihood, gain, iou, inside, float(np.average(agrees, weights=weights)), round(float(weights.sum())))


def _correspondence_gain(hit: ndarray, expected: Float[ndarray, "n 3"], evidence: Evidence, surface: Surface) -> float:
    """Mean over the predicted object's pixels; those that the pose does not cover gain nothing."""
    gain, count = np.zeros(len(hit)), len(surface.points)
    nearest = surface.tree.query(expected[hit])[1]
    probability = np.exp(evidence.log_probability[np.flatnonzero(hit), nearest])
    gain[hit] = np.log((1 - OUTLIER) * count * probability + OUTLIER) / np.log(count)
    return float(np.average(gain, weights=evidence.weights))


def distinct(poses: PoseBatch, scores: Float[ndarray, "n"], count: int, diameter: float) -> ndarray:
    """Indices of the best poses, none close to a better one (10 degrees and a tenth of the diameter sideways)."""
    chosen: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        cosines = [(np.trace(poses.rotations[i].T @ poses.rotations[j]) - 1) / 2 for j in chosen]
        moves = [np.linalg.norm((poses.translations[i] - poses.translations[j])[:2]) for j in chosen]
        if not any(c > np.cos(np.radians(10)) and m < 0.1 * diameter for c, m in zip(cosines, moves, strict=True)):
            chosen.append(int(i))
        if len(chosen) == count:
            break
    return np.array(chosen, dtype=int)
