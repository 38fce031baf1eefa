"""The hull of both captures: what either of them lets stand. The table that one stood on hides nothing from the other."""

from __future__ import annotations

import numpy as np

from reconstruction.errors import JoinError
from reconstruction.hull import Hull, carve_hull, largest_piece
from reconstruction.joining.half import Half
from reconstruction.metrics import mask_iou
from reconstruction.scene import Similarity, View

MARGIN = 0.04  # of the longest side, beyond the first capture's hull: its table may be off by a little


def carve_joined(first: Half, second: Half, obj_from_first: Similarity, obj_from_second: Similarity, resolution: int) -> Hull:
    """In the frame `obj`. Each capture carves by its own votes, so that neither can be outvoted about what only it sees.

    Raises MaskError where a capture leaves nothing, JoinError where both together do.
    """
    rough = obj_from_first.apply(first.hull.mesh().vertices)
    margin = MARGIN * np.ptp(rough, axis=0).max()
    lower, upper = rough.min(0) - margin, rough.max(0) + margin
    hulls = [
        carve_hull(in_frame(half, frame), half.masks, lower, upper, resolution)
        for half, frame in ((first, obj_from_first), (second, obj_from_second))
    ]
    left = largest_piece(hulls[0].inside & hulls[1].inside)
    if left is None:
        raise JoinError("the two captures have no common shape", try_next="check that both show the same object")
    return Hull(left, hulls[0].origin, hulls[0].spacing)


def in_frame(half: Half, obj_from_half: Similarity) -> list[View]:
    return [view.in_frame(obj_from_half) for view in half.views]


def outline_iou(hull: Hull, half: Half, obj_from_half: Similarity, views: int) -> float:
    """Mean over at most `views` photos: the hull's silhouette against the mask."""
    posed = in_frame(half, obj_from_half)
    return float(np.mean([mask_iou(half.masks[i], hull.silhouette(posed[i])) for i in half.spread(views)]))
