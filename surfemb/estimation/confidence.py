"""From how well a pose fits to a score in [0, 1] that means the same for every object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from reconstruction.errors import InputError
from surfemb.estimation.scoring import Fit, Likeness

UNKNOWN = Likeness(print=0.5, colour=0.5)  # where there is nothing to compare: neither for the pose nor against it


@dataclass(frozen=True)
class Confidence:
    """A logistic of the fit: `1 / (1 + exp(-(weights . features + bias)))`; every weight is >= 0, so more evidence never lowers it.
    Times how sure the pose is among its twins.

    The default was fitted to a scanned bottle's and a scanned box's answers on rendered images, and images of the other
    (`benchmarks.pose`); validation fits one to each object from its held-out photos.
    """

    weights: tuple[float, ...] = (4.0, 1.7, 2.9, 2.7, 2.8, 3.6)
    bias: float = -9.8

    def score(self, fit: Fit) -> float:
        return float(fit.told / (1 + np.exp(-(np.dot(self.weights, features(fit)) + self.bias))))

    def to_json(self) -> dict[str, Any]:
        return {"weights": list(self.weights), "bias": self.bias}

    @classmethod
    def from_json(cls, doc: dict[str, Any]) -> Confidence:
        """Raises InputError for weights of another version's features."""
        weights = tuple(float(w) for w in doc["weights"])
        if len(weights) != len(cls.weights):
            raise InputError("the object's score was calibrated by an earlier version", try_next="go on with the onboarding by --resume")
        return cls(weights, float(doc["bias"]))


def features(fit: Fit) -> Float[ndarray, "6"]:
    """Silhouette overlap, share of the mask inside the silhouette, share of agreeing pixels, gain of the correspondences, likeness of
    print and colours."""
    print_ = UNKNOWN.print if fit.likeness.print is None else fit.likeness.print
    colour = UNKNOWN.colour if fit.likeness.colour is None else max(fit.likeness.colour, -1.0)
    return np.array([fit.iou, fit.inside, fit.agreement, fit.correspondence, print_, colour])


def fit_confidence(right: Sequence[Fit], wrong: Sequence[Fit], prior: Confidence = Confidence()) -> Confidence:
    """Logistic regression on right and wrong poses, pulled towards `prior` so that few samples change little.

    Each side counts as one half, whatever their numbers.
    """
    if not right or not wrong:
        return prior
    x = np.array([features(f) for f in (*right, *wrong)])
    sign = np.array([1.0] * len(right) + [-1.0] * len(wrong))
    share = np.array([0.5 / len(right)] * len(right) + [0.5 / len(wrong)] * len(wrong)) * min(len(right), len(wrong))
    start = np.array([*prior.weights, prior.bias])

    def loss(parameters: ndarray) -> float:
        margin = sign * (x @ parameters[:-1] + parameters[-1])
        return float((share * np.logaddexp(0, -margin)).sum() + 0.02 * ((parameters - start) ** 2).sum())

    best = minimize(loss, start, method="L-BFGS-B", bounds=[(0, None)] * len(prior.weights) + [(None, None)]).x
    return Confidence(tuple(float(w) for w in best[:-1]), float(best[-1]))
