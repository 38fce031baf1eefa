"""How much effort an onboarding takes: named sets of stage configs. STANDARD is every default; the others say what they change.

Imports every stage, torch too: only stage processes load this.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reconstruction.coverage.stage import CoverageConfig
from reconstruction.joining.join import JoinConfig
from reconstruction.locate.stage import LocateConfig
from reconstruction.masks.stage import MaskConfig
from reconstruction.scale.source import ScaleConfig
from reconstruction.sdf.stage import SurfaceConfig
from reconstruction.sfm.stage import SfmConfig
from surfemb.judging.validation import ValidationConfig
from surfemb.learning.network import FULL_NETWORK
from surfemb.learning.train import TrainConfig
from surfemb.samples.synthetic import SyntheticConfig
from workers.exports.config import ExportsConfig


@dataclass(frozen=True)
class Profile:
    """One config a stage."""

    sfm: SfmConfig = field(default_factory=SfmConfig)
    locate: LocateConfig = field(default_factory=LocateConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    coverage: CoverageConfig = field(default_factory=CoverageConfig)
    join: JoinConfig = field(default_factory=JoinConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    correspondence: TrainConfig = field(default_factory=TrainConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    exports: ExportsConfig = field(default_factory=ExportsConfig)


STANDARD = Profile()
"""About 95 photos of 1280x720 in 30 minutes on two cores."""

PREVIEW = replace(
    STANDARD,
    surface=replace(
        STANDARD.surface,
        training=replace(STANDARD.surface.training, steps=1200),
        photo_px=320,
        mesh_cells=144,
        faces=20_000,
    ),
    synthetic=replace(STANDARD.synthetic, views=600, backgrounds=120, textures=40),
    correspondence=replace(STANDARD.correspondence, steps=1200, validate_every=300),
    validation=replace(STANDARD.validation, views=8, overlays=8),
)
"""About 50 photos of 720 px in 8 minutes on two cores."""

FULL = replace(
    STANDARD,
    sfm=replace(STANDARD.sfm, feature_px=2000, max_features=8192),
    surface=replace(
        STANDARD.surface,
        training=replace(STANDARD.surface.training, steps=20_000, rays=4096, samples=32),
        device="cuda",
        encoding="triton",
        photo_px=800,
        mesh_cells=384,
        faces=100_000,
    ),
    synthetic=replace(STANDARD.synthetic, views=10_000, px=288),
    correspondence=replace(
        STANDARD.correspondence, steps=100_000, pixels=1024, network=FULL_NETWORK, workers=8, device="cuda", validate_every=2000
    ),
    exports=replace(STANDARD.exports, texture_px=2048),
)
"""Close to the published sizes. Wants a GPU, and says so where there is none."""

PROFILES = {"preview": PREVIEW, "standard": STANDARD, "full": FULL}
