"""Which frames of a video to keep: evenly spread over how far the picture moved, each the sharpest of its neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from reconstruction.errors import CaptureError

NEIGHBOURHOOD = 0.35  # of the way between two targets: what lies further off belongs to the next one
BLURRED = 0.4  # of the sharpness around: a frame below is left out even where no other shows that place


@dataclass(frozen=True)
class VideoConfig:
    """Between `fewest` and `most` frames, one whenever the picture has moved by `step` of its longest side at least."""

    most: int = 120
    fewest: int = 8
    step: float = 0.02
    longest_s: float = 600.0


@dataclass(frozen=True, eq=False)
class Survey:
    """Of every frame looked at: its number in the file, its time, how far the picture has moved until it, its sharpness.

    `travelled` never decreases; its unit is the longest side of the picture. `sharpness` compares only like with like.
    """

    number: Int[ndarray, "n"]
    time_s: Float[ndarray, "n"]
    travelled: Float[ndarray, "n"]
    sharpness: Float[ndarray, "n"]

    def save(self, path: Path) -> None:
        np.savez(path, **self.__dict__)

    @classmethod
    def load(cls, path: Path) -> Survey:
        with np.load(path) as arrays:
            return cls(**arrays)


def choose_frames(survey: Survey, config: VideoConfig) -> Int[ndarray, "k"]:
    """Indices into the survey, in order. Raises CaptureError where the picture hardly moves, or too little of it is sharp."""
    total = float(survey.travelled[-1]) if len(survey.travelled) else 0.0
    count = min(config.most, int(total / config.step))
    if count < config.fewest:
        seconds = float(survey.time_s[-1]) if len(survey.time_s) else 0.0
        raise CaptureError(
            f"the picture hardly moves in the {seconds:.0f} s of video ({len(survey.number)} frames looked at)",
            try_next="film for half a minute or more while walking once around the object",
        )
    spacing = total / count
    best = [_sharpest_near(survey, (k + 0.5) * spacing, NEIGHBOURHOOD * spacing) for k in range(count)]
    chosen = np.unique(best)
    sharp = chosen[_as_sharp_as_around(survey.sharpness[chosen])]
    if len(sharp) < config.fewest:
        raise CaptureError(f"only {len(sharp)} frames of the video are sharp", try_next="walk slower, with more light")
    return sharp


def _sharpest_near(survey: Survey, target: float, reach: float) -> int:
    away = np.abs(survey.travelled - target)
    near = np.flatnonzero(away <= max(reach, float(away.min())))
    return int(near[survey.sharpness[near].argmax()])


def _as_sharp_as_around(sharpness: Float[ndarray, "k"], reach: int = 5) -> ndarray:
    usual = np.array([np.median(sharpness[max(0, i - reach) : i + reach + 1]) for i in range(len(sharpness))])
    return sharpness >= BLURRED * usual
