"""What geometry knows of a photo before it is cut: the hull's silhouette in it, and sparse points on the object and off it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import ConvexHull, QhullError, cKDTree

from reconstruction.hull import Hull
from reconstruction.masks import Guess
from reconstruction.scene import View
from reconstruction.scene.images import box_of_mask
from reconstruction.sfm.sparse import SparsePoints

Mask = Bool[ndarray, "h w"]
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
    limit = (depth_inside(~_with_points(likely, pixels[0])) <= this.reach * unit) & _box_silhouette(view, subject)
    core = shape.near.silhouette(view) & (depth_inside(likely) > this.core * unit) if this.core else np.zeros_like(likely)
    box = box_of_mask(limit)
    if box is None:
        return None
    return Guess(view.name, box, likely, core, limit, *pixels)


def _with_points(likely: Mask, object_px: Float[ndarray, "n 2"]) -> Mask:
    """A thin part may be missing from the hull while the sparse points know of it."""
    out = likely.copy()
    column, row = object_px.round().astype(int).T
    out[row, column] = True
    return out


def tell_apart(subject: Subject, hull: Hull | None) -> tuple[Bool[ndarray, "n"], Bool[ndarray, "n"]]:
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


def depth_inside(region: Mask) -> Float[ndarray, "h w"]:
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
