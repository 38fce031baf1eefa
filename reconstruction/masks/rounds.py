"""Masks that agree: every photo is cut on its own, the hull of all cuts seeds the next round, and the hull judges the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, cKDTree

from reconstruction.hull import Hull, carve_hull, find_bites
from reconstruction.masks import Guess, Masker
from reconstruction.masks.appearance import BINS, Palette, count_colors, foreign
from reconstruction.masks.strangers import without_strangers
from reconstruction.masks.verdicts import Verdict, judge
from reconstruction.scene import View
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress, silent
from reconstruction.stereo import Evidence, Look, StereoConfig, fuse_depths, gather_evidence, look_closely

Mask = Bool[ndarray, "h w"]
MOST_FIRST_ROUNDS = 4
GROWING = 1.05  # by volume; less is noise
OWN = 0.06  # a point of the region itself may lie this far off the hull (share of the size): thin parts come late


@dataclass(frozen=True)
class Round:
    """How far a round trusts the hull it starts from, and how many views may contradict the hull it ends with.

    core, reach: what lies deeper in the silhouette than `core` is surely object, what lies further outside than `reach`
    is surely not; shares of the square root of the silhouette's area. core 0: nothing is sure. depths: after this round
    depths are looked for, and what is surely object keeps to them from there on.
    """

    core: float
    reach: float
    tolerance: float
    depths: bool = False


@dataclass(frozen=True, eq=False)
class Subject:
    """Where to look, in the frame of the views: the box that holds the object, the points seen by each view, the object's own."""

    lower: Float[ndarray, "3"]
    upper: Float[ndarray, "3"]
    points: SparsePoints
    object_points: Float[ndarray, "n 3"]


class Shape(NamedTuple):
    """What is known of the shape. hull: of the outlines. near: the part of it that no depths contradict; nothing else is surely object."""

    hull: Hull
    near: Hull


@dataclass(frozen=True, eq=False)
class Agreement:
    """A mask for each view (all False where there is none), the hull they agree on, and a verdict each."""

    masks: list[Mask]
    hull: Hull
    verdicts: list[Verdict]


def segment_views(
    views: Sequence[View],
    subject: Subject,
    masker: Masker,
    rounds: Sequence[Round],
    *,
    resolution: int = 96,
    stereo: StereoConfig = StereoConfig(),
    threads: int = 2,
    progress: Progress = silent,
) -> Agreement:
    """Masks of all views, round by round, then without what stands before the object. Raises MaskError where none is common.

    Where few sparse points lie on the object, their hull misses whole parts: the first round is repeated while its hull grows.
    """
    hull = hull_of_points(subject)
    shape, palette, evidence = Shape(hull, hull), None, None
    looks: list[Look] = []
    plan, done = list(rounds), 0
    with ThreadPoolExecutor(threads) as pool:
        while plan:
            this = plan.pop(0)
            on_object, off_object = _tell_apart(subject, shape.hull if done else None)
            guesses = [make_guess(view, i, subject, shape, this, on_object, off_object) for i, view in enumerate(views)]
            cut = partial(_cut_view, masker=masker, palette=palette)
            cuts, total = [], done + 1 + len(plan)
            for one in pool.map(cut, views, guesses):
                cuts.append(one)
                progress(done * len(views) + len(cuts), total * len(views), f"round {done + 1} of {total}")
            masks = [one.mask for one in cuts]
            palette = Palette.of_counts(np.sum([one.colors for one in cuts], axis=0))
            hull = carve_masks(views, masks, subject, resolution, this.tolerance, 1 if plan else 2)
            done += 1
            if this.depths:
                looks = look_closely(views, masks, hull, stereo, _told(progress, done * len(views), total * len(views)))
                evidence = gather_evidence(hull, [look.photo for look in looks], [look.depth for look in looks])
            if this is rounds[0] and done < MOST_FIRST_ROUNDS and hull.volume > GROWING * shape.hull.volume:
                plan.insert(0, this)
            shape = Shape(hull, keep_to_depths(hull, evidence) if evidence else hull)
    masks = [filled(view, mask, shape.near) for view, mask in zip(views, masks, strict=True)]
    masks = without_strangers(masks, looks, stereo, 3 * hull.spacing)
    verdicts = [judge(view, mask, hull, one.strange) for view, mask, one in zip(views, masks, cuts, strict=True)]
    return Agreement(masks, hull, verdicts)


def _told(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda photos: progress(done, total, f"{photos} photos looked at for depths")


def keep_to_depths(hull: Hull, evidence: Evidence) -> Hull:
    """The hull without the bulge that outlines leave before a flat face; of what depths tell badly, such as rims, a voxel stays."""
    tight = ndimage.binary_dilation(fuse_depths(hull, evidence).inside)
    return Hull(hull.inside & tight, hull.origin, hull.spacing)


def filled(view: View, mask: Mask, hull: Hull) -> Mask:
    """The mask with thin parts that it lacks and nearly all other photos have: before a ground of its colour a rim is cut off."""
    if not mask.any():
        return mask
    silhouette = hull.silhouette(view)
    distance = np.linalg.norm(view.centre_world - hull.mesh().vertices.mean(0))
    deep = _distance(silhouette) > view.camera.fx * hull.spacing / distance  # the outline is known to a voxel only
    missing = deep & ~mask & ~find_bites(mask, silhouette)
    return mask | (cv2.morphologyEx(missing.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0)


class Cut(NamedTuple):
    """One view's mask, the histogram of its colours, and the share of it in colours that the object does not have."""

    mask: Mask
    colors: Float[ndarray, "b b b"]
    strange: float


def _cut_view(view: View, guess: Guess | None, masker: Masker, palette: Palette | None) -> Cut:
    """What has the surroundings' colours is not surely object, however deep it lies in the hull."""
    if guess is None:
        return Cut(np.zeros((view.camera.height, view.camera.width), bool), np.zeros((BINS,) * 3), 0.0)
    photo = view.photo()
    x0, y0, x1, y1 = guess.window(photo.shape)
    window = np.s_[y0:y1, x0:x1]
    odd = np.zeros((y1 - y0, x1 - x0), bool) if palette is None else foreign(photo[window], ~guess.limit[window], palette)
    guess.core[window] &= ~odd
    mask = masker.segment(photo, guess)
    strange = float((mask[window] & odd).sum() / max(1, mask.sum()))
    return Cut(mask, count_colors(photo, mask & guess.likely), strange)


def carve_masks(views: Sequence[View], masks: Sequence[Mask], subject: Subject, resolution: int, tolerance: float, rounds: int) -> Hull:
    """The hull of the masks; an empty mask has no say, since the object may simply not have been found there."""
    said = [mask if mask.any() else None for mask in masks]
    return carve_hull(views, said, subject.lower, subject.upper, resolution, tolerance=tolerance, rounds=rounds)


def hull_of_points(subject: Subject, resolution: int = 48) -> Hull:
    """The convex hull of the object's points, as a first hull; the box's inner ellipsoid where the points span no volume."""
    spacing = float((subject.upper - subject.lower).max()) / resolution
    shape = np.ceil((subject.upper - subject.lower) / spacing).clip(1).astype(int)
    origin = (subject.lower + subject.upper) / 2 - spacing * (shape - 1) / 2
    grid = origin + spacing * np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    try:
        planes = ConvexHull(subject.object_points).equations
        inside = (grid @ planes[:, :3].T + planes[:, 3] <= spacing).all(-1)
    except (QhullError, ValueError):
        inside = np.zeros(shape, bool)
    if inside.sum() < 30:
        inside = (((grid - (subject.lower + subject.upper) / 2) / (subject.upper - subject.lower)) ** 2).sum(-1) < 0.25 * 0.8**2
    return Hull(inside, origin, spacing)


def make_guess(
    view: View, index: int, subject: Subject, shape: Shape, this: Round, on_object: Bool[ndarray, "n"], off_object: Bool[ndarray, "n"]
) -> Guess | None:
    """What geometry knows of the view with this index; None where the object is not in the picture."""
    likely = shape.hull.silhouette(view)
    unit = float(np.sqrt(likely.sum()))
    if unit < 8:
        return None
    seen = subject.points.seen_by(index)
    pixels = [_visible(view, subject.points.xyz[seen & chosen]) for chosen in (on_object, off_object)]
    limit = (_distance(~_with_points(likely, pixels[0])) <= this.reach * unit) & _box_silhouette(view, subject)
    core = shape.near.silhouette(view) & (_distance(likely) > this.core * unit) if this.core else np.zeros_like(likely)
    rows, columns = np.nonzero(limit)
    if len(rows) == 0:
        return None
    box = (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
    return Guess(view.name, box, likely, core, limit, *pixels)


def _with_points(likely: Mask, object_px: Float[ndarray, "n 2"]) -> Mask:
    """A thin part may be missing from the hull while the sparse points know of it."""
    out = likely.copy()
    column, row = object_px.round().astype(int).T
    out[row, column] = True
    return out


def _tell_apart(subject: Subject, hull: Hull | None) -> tuple[Bool[ndarray, "n"], Bool[ndarray, "n"]]:
    """Which sparse points are surely on the object, and which surely are not. Those near the hull's surface are neither."""
    points, size = subject.points.xyz, float(np.linalg.norm(np.ptp(subject.object_points, axis=0)))
    above = points[:, 2] > subject.lower[2] + 0.02 * size  # the support's own points are level with the box's floor
    own = np.asarray(cKDTree(subject.object_points).query(points)[0] < 1e-6 * size)
    if hull is None:
        inside_box = ((points > subject.lower) & (points < subject.upper)).all(1)
        return own, ~own & ~(inside_box & above)
    index = ((points - hull.origin) / hull.spacing).round()
    known = ((index >= 0) & (index < hull.inside.shape)).all(1)
    distance = np.full(len(points), np.inf)
    distance[known] = hull.signed_distance()[tuple(index[known].astype(int).T)]
    return (distance < np.where(own, OWN, 0.01) * size) & above, distance > np.where(own, 2 * OWN, 0.03) * size


def _visible(view: View, points: Float[ndarray, "n 3"]) -> Float[ndarray, "m 2"]:
    pixels = view.project(points)
    return pixels[view.camera.contains(pixels)]


def _distance(region: Mask) -> Float[ndarray, "h w"]:
    """Pixels from each pixel of the region to the nearest outside it."""
    return np.asarray(cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3))


def _box_silhouette(view: View, subject: Subject) -> Mask:
    corners = np.stack(np.meshgrid(*zip(subject.lower, subject.upper, strict=True), indexing="ij"), -1).reshape(-1, 3)
    pixels = view.project(corners)
    if not np.isfinite(pixels).all():  # a camera inside or behind part of the box: no limit
        return np.ones((view.camera.height, view.camera.width), bool)
    canvas = np.zeros((view.camera.height, view.camera.width), np.uint8)
    outline = cv2.convexHull(pixels.clip(-1e4, 1e4).round().astype(np.int32))
    return cv2.fillConvexPoly(canvas, outline, 1) > 0
