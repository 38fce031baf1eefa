"""How much effort an onboarding takes: named sets of stage configs. STANDARD is every default; the others say what they change.

Imports every stage, torch too: only stage processes load this.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reconstruction.locate import LocateConfig
from reconstruction.masks.stage import MaskConfig
from reconstruction.scale import ScaleConfig
from reconstruction.sdf.stage import SurfaceConfig
from reconstruction.sfm import SfmConfig
from surfemb.synthetic import SyntheticConfig
from surfemb.train import TrainConfig
from surfemb.validation import ValidationConfig


@dataclass(frozen=True)
class Profile:
    """One config a stage."""

    sfm: SfmConfig = field(default_factory=SfmConfig)
    locate: LocateConfig = field(default_factory=LocateConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    correspondence: TrainConfig = field(default_factory=TrainConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)


STANDARD = Profile()
"""About 95 photos of 1280x720 in 30 minutes on two cores."""

PREVIEW = replace(STANDARD)
"""About 50 photos of 720 px in 8 minutes on two cores."""

FULL = replace(STANDARD)
"""The published sizes; wants a GPU."""

PROFILES = {"preview": PREVIEW, "standard": STANDARD, "full": FULL}
