"""What the support looks like, pooled over all photos: where a mask's rim shows just that, the mask may be wrong.

A soft shadow beside the object has the colours of its dark side and an edge of its own, so it is taken in. But it lies still: every
photo that sees past the object sees the same shadow at the same place of the support.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.hull import Hull
from reconstruction.scene import View
from reconstruction.scene.images import box_of_mask
from reconstruction.stage import Progress, silent

Mask = Bool[ndarray, "h w"]
Window = tuple[slice, slice]
CELLS = 320
ROOM = 3.0  # the part of the support that is looked at, in units of the hull
ENOUGH = 5  # photos that see a cell, or nothing is known of it
GROWN = 3  # pixels around a mask that may show the object still
TOLERANCE, NOISE, VARIED = 2.5, 2.0, 20.0  # times the spread; grey levels that are always allowed; a spread that tells nothing
DARK, BRIGHT, COMMON = 30, 245, 200  # grey levels between which exposures are compared, in so many cells at least
RIM = 0.05  # of the square root of the mask's area


@dataclass(frozen=True, eq=False)
class Ground:
    """The plane z = 0 of the views' frame in cells: cell (row, column) lies at corner + cell * (column, row).

    color: RGB at the photos' middle exposure, NaN where nothing is known. spread: the median difference of a photo from it, grey
    levels. gains: each photo's exposure, by channel.
    """

    corner: Float[ndarray, "2"]
    cell: float
    color: Float[ndarray, "c c 3"]
    spread: Float[ndarray, "c c"]
    gains: Float[ndarray, "views 3"]

    def shown(self, view: View, index: int, window: Window) -> Mask:
        """Where, in the window of the photo with this index, the ground is seen as it looks everywhere."""
        cells = ((_on_plane(view, window) - self.corner) / self.cell).astype(np.float32)
        expected = _sample(self.color, cells) * self.gains[index]
        allowed = TOLERANCE * np.maximum(_sample(self.spread, cells), NOISE) + NOISE
        return np.asarray(np.abs(_calm(view.photo()[window]) - expected).max(-1) < allowed)  # NaN is not less


def find_doubtful(views: Sequence[View], masks: Sequence[Mask], hull: Hull, progress: Progress = silent) -> list[Mask]:
    """The part of each mask's rim that looks as the ground does there. views: z = 0 on the support, as the hull."""
    ground = look_at_ground(views, masks, hull)
    found = []
    for index, (view, mask) in enumerate(zip(views, masks, strict=True)):
        doubtful, box = np.zeros_like(mask), box_of_mask(mask)
        if box is not None:
            x0, y0, x1, y1 = (int(side) for side in box)
            window = np.s_[y0 : y1 + 1, x0 : x1 + 1]
            depth = cv2.distanceTransform(np.pad(mask[window].astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
            rim = mask[window] & (depth < RIM * float(np.sqrt(mask.sum())))
            doubtful[window] = rim & ground.shown(view, index, window)
        found.append(doubtful)
        progress(index + 1, len(views), "rims compared with the ground")
    return found


def look_at_ground(views: Sequence[View], masks: Sequence[Mask], hull: Hull) -> Ground:
    """Around the hull, from what the masks leave of the photos."""
    lower, upper = (corner[:2] for corner in hull.bounds())
    reach = ROOM * float((upper - lower).max())
    corner, cell = (lower + upper - reach) / 2, reach / (CELLS - 1)
    grid = corner + cell * np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), -1)
    grid = np.concatenate([grid, np.zeros_like(grid[..., :1])], -1)
    seen = np.stack([_colors(view, mask, grid) for view, mask in zip(views, masks, strict=True)])
    gains = _exposures(seen)
    seen /= gains[:, None, None]
    color = _median(seen)
    np.abs(np.subtract(seen, color, out=seen), out=seen)
    spread = _median(seen.max(-1))
    known = (np.isfinite(seen[..., 0]).sum(0) >= ENOUGH) & (spread < VARIED)
    return Ground(corner, cell, np.where(known[..., None], color, np.float32(np.nan)), spread, gains)


def _on_plane(view: View, window: Window) -> Float[ndarray, "h w 2"]:
    """Where the pixels' rays meet the plane; NaN where they do not."""
    rows, columns = np.mgrid[window]
    pixels = np.stack([columns, rows], -1).astype(np.float64)
    rays = view.camera.unproject(pixels, np.ones(rows.shape)) @ view.cam_from_world.rotation
    centre = view.centre_world
    with np.errstate(divide="ignore", invalid="ignore"):
        along = -centre[2] / rays[..., 2]
    along[along <= 0] = np.nan
    return np.asarray(centre[:2] + along[..., None] * rays[..., :2])


def _colors(view: View, mask: Mask, grid: Float[ndarray, "c c 3"]) -> Float[ndarray, "c c 3"]:
    """Of the points as the photo shows them; NaN where they are out of sight or may be hidden."""
    pixels = view.project(grid.reshape(-1, 3)).reshape(*grid.shape[:2], 2).astype(np.float32)
    colors = _sample(_calm(view.photo()), pixels)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * GROWN + 1,) * 2, np.uint8)).astype(np.float32)
    colors[~(_sample(near, pixels) == 0)] = np.nan
    return colors


def _sample(picture: Float[ndarray, "h w *c"], pixels: Float[ndarray, "a b 2"]) -> Float[ndarray, "a b *c"]:
    """Bilinear; NaN outside the picture."""
    inside = np.where(np.isfinite(pixels), pixels, np.float32(-9.0))
    return cv2.remap(picture, inside, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(np.nan,) * 4)


def _calm(photo: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "h w 3"]:
    return cv2.GaussianBlur(photo, (0, 0), 0.8).astype(np.float32)


def _exposures(seen: Float[ndarray, "views c c 3"]) -> Float[ndarray, "views 3"]:
    """Each photo's brightness as a multiple of the cells' medians; 1 where the two share too little."""
    color = _median(seen)
    fair = (color.min(-1) > DARK) & (color.max(-1) < BRIGHT)
    gains = np.ones((len(seen), 3), np.float32)
    for gain, own in zip(gains, seen, strict=True):
        both = fair & np.isfinite(own[..., 0])
        if both.sum() > COMMON:
            gain[:] = np.median(own[both] / color[both], axis=0)
    return gains


def _median(values: Float[ndarray, "views r *n"]) -> Float[ndarray, "r *n"]:
    """Over the views that have a value; NaN where none has. numpy's own takes ten times as long, and all at once much memory."""
    result = np.empty(values.shape[1:], values.dtype)
    for row in range(len(result)):
        ordered = np.sort(values[:, row], axis=0)  # NaN last
        middle = (np.isfinite(ordered).sum(0) - 1).clip(0) // 2
        result[row] = np.take_along_axis(ordered, middle[None], 0)[0]
    return result
