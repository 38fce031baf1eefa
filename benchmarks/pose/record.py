"""Answers -> the numbers of one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.pose.answers import Answer
from benchmarks.pose.testset import SHARES
from surfemb.bop.average_recall import average_recall
from surfemb.bop.pose_errors import PoseErrors
from surfemb.judging.metrics import recall
from surfemb.judging.trials import RIGHT

THRESHOLDS = {"recall_0_02d": 0.02, "recall_0_05d": 0.05, "recall_0_10d": 0.10}
SURE = 0.9


def summarise(answers: Sequence[Answer], min_score: float) -> dict[str, Any]:
    """Answers below `min_score` would not have been given: they count as missing."""
    given = [answer.score >= min_score for answer in answers]
    errors = [a.add if kept else np.inf for a, kept in zip(answers, given, strict=True)]
    doc: dict[str, Any] = {"images": len(answers), "answered": sum(given)}
    for name, limit in THRESHOLDS.items():
        doc[name] = {"all": round(recall(errors, limit), 4)}
        for share, (low, high) in SHARES.items():
            part = [e for e, a in zip(errors, answers, strict=True) if a.image.visible is not None and low <= a.image.visible < high]
            if part:
                doc[name][share] = round(recall(part, limit), 4)
    ar = average_recall([a.errors if kept else _missed(a.errors) for a, kept in zip(answers, given, strict=True)])
    doc["ar"] = {"ar": round(ar.ar, 4), "mssd": round(ar.mssd, 4), "mspd": round(ar.mspd, 4), "vsd": ar.vsd and round(ar.vsd, 4)}
    right = [e for e in errors if e < RIGHT]
    doc["median_add_of_right"] = round(float(np.median(right)), 5) if right else None
    doc["median_add"] = round(float(np.median([e for e in errors if np.isfinite(e)])), 5) if any(given) else None
    doc["estimate_ms_p50"] = round(float(np.median([a.milliseconds for a in answers])), 1)
    sure = [a.add < RIGHT for a in answers if a.score >= SURE]
    doc["score_0_9"] = {"answers": len(sure), "right": round(float(np.mean(sure)), 4) if sure else None}
    return doc


def _missed(errors: PoseErrors) -> PoseErrors:
    return PoseErrors(errors.mssd[:0], errors.mspd[:0], None if errors.vsd is None else errors.vsd[:0])
