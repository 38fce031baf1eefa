"""Depth from several photos inside a hull: where a pixel's patch looks alike in neighbouring photos, and what it makes of the hull."""

from reconstruction.stereo.depths import StereoConfig, StereoPhoto, expected_depth, find_depths
from reconstruction.stereo.fusion import Evidence, fuse_depths, gather_evidence
from reconstruction.stereo.looks import Look, look_closely

__all__ = [
    "Evidence",
    "Look",
    "StereoConfig",
    "StereoPhoto",
    "expected_depth",
    "find_depths",
    "fuse_depths",
    "gather_evidence",
    "look_closely",
]
