"""What a score is worth: of answers with about one score, how many are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers with a score from `low` to `high`: their mean score and the share of them that is right; None where there are none."""

    low: float
    high: float
    answers: int
    score: float | None
    right: float | None


def reliability(scored: Sequence[tuple[float, bool]]) -> list[ReliabilityBin]:
    """A reliability diagram as numbers (score, whether right -> bins): in a calibrated one `score` and `right` are alike."""
    bins = []
    for low, high in pairwise(EDGES):
        part = [(score, right) for score, right in scored if low <= score < high or score == high == EDGES[-1]]
        score, right = np.mean(part, axis=0).round(4).tolist() if part else (None, None)
        bins.append(ReliabilityBin(low, high, len(part), score, right))
    return bins


def to_json(bins: Sequence[ReliabilityBin]) -> list[dict[str, Any]]:
    return [asdict(each) for each in bins]
