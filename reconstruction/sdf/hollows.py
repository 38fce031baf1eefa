"""Hollows that no outline shows: where neighbouring photos agree on a depth inside the hull, what lies before it is carved.

Outlines never show the inside of a cup, bulge before flat faces that few photos see edge on, and gradient descent that starts
on either hardly finds the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconstruction.hull import Hull
from reconstruction.sdf.labels import OBJECT
from reconstruction.sdf.rays import Window
from reconstruction.stereo import StereoConfig, StereoPhoto, find_depths, fuse_depths, gather_evidence


def open_hollows(hull: Hull, windows: Sequence[Window], config: StereoConfig, done: Callable[[int], None] = lambda _: None) -> Hull:
    """The hull without what photos see through. Never larger; the same where nothing is found. `done` counts the photos."""
    photos = [StereoPhoto.shrunk(w.camera, w.view.cam_from_world, w.photo, w.labels == OBJECT, config.px) for w in windows]
    return fuse_depths(hull, gather_evidence(hull, photos, find_depths(photos, hull, config, done)))
