"""Which photos of the capture train the networks, and which judge them."""

from __future__ import annotations

from collections.abc import Sequence

from reconstruction.scene import View

HOLD_OUT_EVERY = 8


def split_views(views: Sequence[View]) -> tuple[list[View], list[View]]:
    """Training views and held-out ones: the same split for the same names, whatever their order.

    Every eighth view by name is held out, from the fifth on, so neighbours on the camera's path stay in training.
    A capture of fewer than five views holds out its last one.
    """
    ordered = sorted(views, key=lambda view: view.name)
    held_out = ordered[HOLD_OUT_EVERY // 2 :: HOLD_OUT_EVERY] or ordered[1:][-1:]
    names = {view.name for view in held_out}
    return [view for view in ordered if view.name not in names], held_out
