"""Depth from several photos inside a hull: where a pixel's patch looks alike in neighbouring photos."""

from reconstruction.stereo.depths import StereoConfig, StereoPhoto, expected_depth, find_depths

__all__ = ["StereoConfig", "StereoPhoto", "expected_depth", "find_depths"]
