"""Scale from one length that the user measured on the object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from reconstruction.capture import KnownLength
from reconstruction.errors import ScaleError
from reconstruction.hull import Hull
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scale.source import Scale
from reconstruction.scene import View
from reconstruction.sfm.lenses import PhotoLens
from reconstruction.stereo import StereoConfig, fuse_depths, gather_evidence, look_closely

TOP = 4  # pixels: an outline's columns that end so near its highest one show the object's top


def scale_from_length(known: KnownLength, hull: Hull, views: Sequence[View], lenses: dict[str, PhotoLens]) -> Scale:
    """From the height above the table, or two pixels of one photo lifted to the hull. `hull`, `views`: in the region frame.

    hull: what photos see past should be carved, for outlines bulge before flat faces. Raises ScaleError where the photo is not
    there or the pixels miss the object.
    """
    if known.photo is None:
        return Scale(known.length_m / height_above_table(hull, views), "known_length")
    name = known.photo if known.photo in lenses else known.photo.rsplit(".", 1)[0]
    view = next((v for v in views if v.name == name), None)
    if view is None or known.a_px is None or known.b_px is None:
        raise ScaleError(f"the photo {known.photo} of the known length is not among the used ones", try_next="measure in another photo")
    pixels = lenses[name].to_view(np.array([known.a_px, known.b_px]), view.camera)
    depth = make_rasterizer(hull.mesh()).render(view.camera, view.cam_from_world).depth
    inside = view.camera.contains(pixels)
    column, row = pixels.round().astype(int).clip(0, [view.camera.width - 1, view.camera.height - 1]).T
    if not inside.all() or not (depth[row, column] > 0).all():
        raise ScaleError(
            f"an end of the known length misses the object in {known.photo}", try_next="choose two pixels well inside the object"
        )
    ends = view.camera.unproject(pixels, depth[row, column])
    return Scale(known.length_m / float(np.linalg.norm(ends[1] - ends[0])), "known_length")


def carve_by_depths(hull: Hull, views: Sequence[View], config: StereoConfig, done: Callable[[int], None] = lambda _: None) -> Hull:
    """The hull without what the masked photos see past. Views and hull in one frame. `done` counts the photos."""
    looks = look_closely(views, [view.mask() for view in views], hull, config, done)
    return fuse_depths(hull, gather_evidence(hull, [look.photo for look in looks], [look.depth for look in looks]))


def height_above_table(hull: Hull, views: Sequence[View]) -> float:
    """Of the object's top over z = 0, in the views' units; better than 1 % where photos look from the side.

    Thin rims are the first that depths lose, and what photos from above leave standing on a rim is not there: so the top of
    the hull is moved by what the masks show above it, or lack. Of the half of the photos that look most from the side, the median.
    """
    vertices = hull.mesh().vertices
    overs = [over for view in views if (over := _over_top(hull, vertices, view)) is not None]
    overs.sort(key=lambda over: -over.sideways)
    move = float(np.median([over.height for over in overs[: max(3, len(overs) // 2)]])) if overs else 0.0
    return float(vertices[:, 2].max()) + move


class Over(NamedTuple):
    """How much higher than the hull a photo's mask reaches. sideways: the sine between the viewing ray and z."""

    height: float
    sideways: float


def _over_top(hull: Hull, vertices: Float[ndarray, "n 3"], view: View) -> Over | None:
    """None where the photo has no mask, or shows too little of the object's top."""
    mask, outline = view.mask(), hull.silhouette(view)
    rise = np.array([0, 0, 0.01 * np.ptp(vertices[:, 2])])
    foot, middle = view.project(np.stack([vertices.mean(0), vertices.mean(0) + rise]))
    up = (middle - foot) / np.linalg.norm(middle - foot)
    top = vertices[np.argmax(view.project(vertices) @ up)]
    low, high = view.project(np.stack([top, top + rise]))
    px_per_unit = float((high - low) @ up / rise[2])
    if mask is None or not (mask & outline).any() or not px_per_unit > 0:  # nor where a camera stands inside
        return None
    higher = _higher_px(outline, mask, up)
    sideways = px_per_unit * float(view.cam_from_world.apply(top[None])[0, 2]) / view.camera.fx
    return None if higher is None else Over(higher / px_per_unit, sideways)


def _higher_px(outline: Bool[ndarray, "h w"], mask: Bool[ndarray, "h w"], up: Float[ndarray, "2"]) -> float | None:
    """By how many pixels the mask reaches higher than the outline where that is highest; up: a unit vector in the image."""
    rows, columns = np.nonzero(outline)
    side = 2 * (int(np.hypot(np.ptp(rows), np.ptp(columns))) // 2 + 10)
    turn = np.array([[-up[1], up[0]], [-up[0], -up[1]]])  # takes up to the image's own up, which is -v
    shift = side / 2 - turn @ np.array([columns.mean(), rows.mean()])
    turned = (cv2.warpAffine(x.astype(np.uint8) * 255, np.column_stack([turn, shift]), (side, side)) > 127 for x in (outline, mask))
    ours, theirs = turned
    both = ours.any(0) & theirs.any(0)
    tops, others = ours.argmax(0)[both], theirs.argmax(0)[both]
    if len(tops) == 0 or others.min() == 0:
        return None
    highest = tops < tops.min() + TOP
    return float(np.median((tops - others)[highest]))
