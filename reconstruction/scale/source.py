"""A scale, and how it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reconstruction.capture_warnings import CaptureWarning
from reconstruction.scene import Similarity
from reconstruction.stereo import StereoConfig

Source = Literal["board", "tags", "depth", "known_length", "unknown"]


@dataclass(frozen=True)
class ScaleConfig:
    """hull_resolution: voxels along the longest side. depth_band: inlier band of depth ratios, as a share of their median.

    stereo: of the photos that a known length is measured in.
    """

    hull_resolution: int = 128
    depth_band: float = 0.01
    min_depth_ratios: int = 50
    stereo: StereoConfig = field(default_factory=StereoConfig)


@dataclass(frozen=True)
class Scale:
    """Metres per SfM unit, and how it is known. `rel_std` None: not measured. `board_from_sfm` only with a board."""

    metres_per_unit: float
    source: Source
    rel_std: float | None = None
    board_from_sfm: Similarity | None = None
    warnings: tuple[CaptureWarning, ...] = ()

    @property
    def units(self) -> Literal["m", "object"]:
        return "object" if self.source == "unknown" else "m"
