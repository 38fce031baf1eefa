"""Masks that agree: every photo is cut on its own, the hull of all cuts seeds the next round, and the hull judges the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage

from reconstruction.hull import Hull, carve_hull, find_bites, widened
from reconstruction.masks import Guess, Masker
from reconstruction.masks.appearance import BINS, Palette, count_colors, foreign
from reconstruction.masks.guessing import Round, Shape, Subject, hull_of_points, make_guess, tell_apart
from reconstruction.masks.strangers import without_strangers
from reconstruction.masks.verdicts import Verdict, judge
from reconstruction.scene import View
from reconstruction.stage import Progress, silent
from reconstruction.stereo import Evidence, StereoConfig, fuse_depths, gather_evidence, look_closely

Mask = Bool[ndarray, "h w"]
MOST_FIRST_ROUNDS = 4
GROWING = 1.05  # by volume; less is noise
SURE = 0.8  # voxels: the radius of what the hull has the last word on


@dataclass(frozen=True, eq=False)
class Agreement:
    """A mask for each view (all False where there is none), the hull they agree on, a verdict each, and what of each may be wrong."""

    masks: list[Mask]
    hull: Hull
    verdicts: list[Verdict]
    doubtful: list[Mask] | None = None


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

    Where few sparse points lie on the object, their hull misses whole parts, and the subject's box may cut some off: the first round is
    repeated while its hull grows or runs on beyond the box.
    """
    hull = hull_of_points(subject)
    shape, palette, evidence = Shape(hull, hull), None, None
    plan, done = list(rounds), 0
    with ThreadPoolExecutor(threads) as pool:
        while plan:
            this = plan.pop(0)
            on_object, off_object = tell_apart(subject, shape.hull if done else None)
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
            if wider := widened(hull, subject.lower, subject.upper):
                subject = replace(subject, lower=wider[0], upper=wider[1])
            if this.depths:
                seen = look_closely(views, masks, hull, stereo, _told(progress, done * len(views), total * len(views)))
                evidence = gather_evidence(hull, [look.photo for look in seen], [look.depth for look in seen])
            if this is rounds[0] and done < MOST_FIRST_ROUNDS and (wider or hull.volume > GROWING * shape.hull.volume):
                plan.insert(0, this)
            shape = Shape(hull, keep_to_depths(hull, evidence) if evidence else hull)
    masks = [settled(view, mask, hull) for view, mask in zip(views, masks, strict=True)]
    looks = look_closely(views, masks, hull, stereo, _told(progress, done * len(views), done * len(views)))  # in the masks as they are now
    masks = without_strangers(masks, looks, stereo, 3 * hull.spacing)
    verdicts = [judge(view, mask, hull, one.strange) for view, mask, one in zip(views, masks, cuts, strict=True)]
    return Agreement(masks, hull, verdicts)


def _told(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda photos: progress(done, total, f"{photos} photos looked at for depths")


def keep_to_depths(hull: Hull, evidence: Evidence) -> Hull:
    """The hull without the bulge that outlines leave before a flat face; of what depths tell badly, such as rims, a voxel stays."""
    tight = ndimage.binary_dilation(fuse_depths(hull, evidence).inside)
    return Hull(hull.inside & tight, hull.origin, hull.spacing)


def settled(view: View, mask: Mask, hull: Hull) -> Mask:
    """The mask with thin parts that it lacks and without scraps that it has alone: the hull's word, where the two differ by a voxel.

    Before a ground of its own colour a rim is cut off, and a dark tag beside a dark edge is taken in; the other photos know.
    """
    if not mask.any():
        return mask
    silhouette = hull.silhouette(view)
    distance = float(np.linalg.norm(view.centre_world - hull.mesh().vertices.mean(0)))
    voxel = SURE * view.camera.fx * hull.spacing / distance  # the outline is known to a voxel only
    lacking = _thick(silhouette & ~mask & ~find_bites(mask, silhouette), voxel)
    return (mask | lacking) & ~_thick(mask & ~silhouette, voxel)


def _thick(region: Mask, radius: float) -> Mask:
    """The part of the region that discs of the radius (pixels) fill."""
    size = 2 * max(1, round(radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0


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
    """The hull of the masks."""
    return carve_hull(
        views, having_a_say(masks), subject.lower, subject.upper, resolution, tolerance=tolerance, rounds=rounds, thin_parts=True
    )


def having_a_say(masks: Sequence[Mask]) -> list[Mask | None]:
    """An empty mask has none, since the object may simply not have been found there."""
    return [mask if mask.any() else None for mask in masks]
