"""What an estimate tries, and how long."""

from __future__ import annotations

from dataclasses import dataclass, field

from surfemb.estimation.appearance import AppearanceConfig
from surfemb.estimation.finish import FinishConfig
from surfemb.estimation.image_edges import EdgeConfig
from surfemb.estimation.pnp import HypothesisConfig
from surfemb.estimation.search import SearchConfig
from surfemb.estimation.solve import SolveConfig


@dataclass(frozen=True)
class EstimatorConfig:
    """surface_points: over which the distributions are normalised. padding: crop side over the box's longer side.

    rolls_deg: turns of a crop that an estimate asks the networks about; tracking asks once. passes: how often the crop is taken anew
    around the pose found. min_score: answers below it are not given. sure: a search ends with an answer of this score. likely: of a
    candidate's first pose, before it is compared with the image (the generated mug: right ones 0.38 to 0.97, others mostly up to 0.23).
    rival_margin: poses that the networks like less than the best by no more than this are compared with the image as well. solve: of
    an estimate; glance: of a search's first look at a candidate, unturned; again: of further passes, where the poses so far compete;
    follow: of tracking, where the last pose is the only hypothesis.
    """

    crop_px: int = 128
    padding: float = 1.3
    surface_points: int = 2500
    rolls_deg: tuple[float, ...] = (0.0, -20.0, 20.0)
    passes: int = 2
    rival_margin: float = 0.6
    min_score: float = 0.5
    sure: float = 0.9
    likely: float = 0.3
    rasterizer: str = "cpu"
    seed: int = 0
    solve: SolveConfig = field(default_factory=SolveConfig)
    glance: SolveConfig = field(default_factory=lambda: SolveConfig(refined=3, finalists=1))
    again: SolveConfig = field(default_factory=lambda: SolveConfig(refined=2, hypotheses=HypothesisConfig(draws=150)))
    follow: SolveConfig = field(default_factory=lambda: SolveConfig(refined=1, hypotheses=None))
    finish: FinishConfig = field(default_factory=FinishConfig)
    follow_finish: FinishConfig = field(
        default_factory=lambda: FinishConfig(AppearanceConfig(px=160, rounds=1), None, EdgeConfig(px=160, near=(0.75,)))
    )
    search: SearchConfig = field(default_factory=SearchConfig)
