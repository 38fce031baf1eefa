"""Where the second capture lies in the frame of the first, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from reconstruction.errors import JoinError
from reconstruction.joining.carving import carve_joined, outline_iou
from reconstruction.joining.colours import chroma_difference
from reconstruction.joining.features import Features, find_features, match_features
from reconstruction.joining.half import Half
from reconstruction.joining.outlines import Fit, Outlines, place_by_shape
from reconstruction.joining.placing import place_by_features, refine_placement
from reconstruction.scene import Similarity
from reconstruction.stage import Progress, silent

RETAKE = "put textured things around the object in both captures, change nothing on it between them, and leave a side that both see well"
SIGNS = "stick a few small printed things on the object for both captures, so that one side can be told from another"


@dataclass(frozen=True)
class JoinConfig:
    """views: photos of each capture whose features are compared. features: in each, its object shrunk to `feature_px`.

    ratio: of the best match's distance to the next best's. reach: over the diameter, within which matched points agree.
    min_inliers, min_places: matches that agree after refinement, and parts (a twelfth of the diameter wide) that they lie in.
    max_rival: support of the best other placement over that of the best. max_gap: root mean square over the diameter, see Outlines;
    features that agree may have worse masks than outlines alone, hence `loose_gap` for them.
    clear_gap: by how much the best shape must be better than any other. min_iou: of the joined hull's outlines with the masks.
    """

    views: int = 28
    feature_px: int = 640
    features: int = 500
    ratio: float = 0.85
    reach: float = 0.03
    triples: int = 100_000
    min_inliers: int = 30
    min_places: int = 8
    max_rival: float = 0.6
    outline_views: int = 24
    rays: int = 1500
    search_rays: int = 300
    rotations: int = 2500
    searches: int = 60
    max_gap: float = 0.02
    loose_gap: float = 0.04
    clear_gap: float = 0.01
    min_iou: float = 0.8
    check_resolution: int = 64
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Joint:
    """What was found. inliers, places, rival: of the features. gap: of the outlines. iou: of the joined hull with each capture's masks."""

    first_from_second: Similarity
    method: Literal["features", "shape"]
    inliers: int
    places: int
    rival: float
    gap: float
    iou: tuple[float, float] = (0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("method", "inliers", "places", "rival", "gap", "iou")}
        return {"first_from_second": self.first_from_second.to_json(), **numbers}


def join_captures(first: Half, second: Half, config: JoinConfig, progress: Progress = silent) -> Joint:
    """Where `second` lies in the frame of `first`: by features where the object has them, else by its outlines.

    Raises JoinError, with the numbers, where neither holds or more than one placement does.
    """
    progress(0, 100, "tracing the outlines of both captures")
    outlines = Outlines.of(first, second, config.outline_views, config.rays, config.seed)
    joint = _by_features(first, second, outlines, config, lambda step, message: progress(step, 100, message))
    if not _holds(joint, config):
        progress(50, 100, "too few features agree: comparing outlines")
        joint = _by_shape(first, second, joint, outlines, config, lambda step, message: progress(step, 100, message))
    progress(95, 100, "checking the join against every mask")
    return _checked(joint, first, second, config)


def _by_features(first: Half, second: Half, outlines: Outlines, config: JoinConfig, tell: Callable[[int, str], None]) -> Joint:
    """The best placement by features, whatever it is worth."""
    found: list[Features] = []
    for k, half in enumerate((first, second)):
        chosen = half.spread(config.views)
        told = f"of {len(chosen)} photos of the {('first', 'second')[k]} capture looked at for features"
        seen = lambda n, k=k, told=told: tell(15 * k + 15 * n // config.views, f"{n} {told}")  # noqa: E731
        found.append(find_features(half, chosen, config.feature_px, config.features, seen))
    features = (found[0], found[1])
    matches = match_features(*features, config.ratio, lambda n, of: tell(30 + 10 * n // of, f"matching photo {n} of {of}"))
    reach = config.reach * first.diameter
    placements = place_by_features(*features, matches, believed_scales(first, second), reach, config.triples, config.seed)
    if not placements:
        return Joint(Similarity(1.0), "features", 0, 0, 0.0, np.inf)
    rival = placements[1].support / placements[0].support if len(placements) > 1 else 0.0
    refined, agree = refine_placement(placements[0].first_from_second, (first, second), features, matches, outlines, reach)
    places = np.unique((features[0].points[matches.first[agree]] / (first.diameter / 12)).round().astype(int), axis=0)
    return Joint(refined, "features", int(agree.sum()), len(places), round(rival, 3), outlines.gap(refined))


def believed_scales(first: Half, second: Half) -> tuple[float, float]:
    """Smallest and largest `first_from_second.scale`: hulls of one object are about the same size, whatever their units."""
    likely = 1.0 if first.metric and second.metric else first.diameter / second.diameter
    return 0.6 * likely, 1.6 * likely


def _holds(joint: Joint, config: JoinConfig) -> bool:
    enough = joint.inliers >= config.min_inliers and joint.places >= config.min_places
    return enough and joint.rival <= config.max_rival and joint.gap <= config.loose_gap


def _by_shape(
    first: Half, second: Half, features: Joint, outlines: Outlines, config: JoinConfig, tell: Callable[[int, str], None]
) -> Joint:
    """Raises JoinError where no placement fits the outlines, or several do and the colours don't tell them apart."""
    few = Outlines.of(first, second, config.outline_views, config.search_rays, config.seed)
    with_scale = not (first.metric and second.metric)
    scale = float(np.sqrt(np.prod(believed_scales(first, second)) / (0.6 * 1.6)))
    tried = lambda n, of: tell(50 + 45 * n // of, f"outlines: placement {n} of {of} tried")  # noqa: E731
    fits = place_by_shape(few, scale, with_scale, config.rotations, config.searches, config.seed, tried)
    best = _clearest(fits, first, second, features, config)
    refined = outlines.refined(best.first_from_second, with_scale, 30)
    return Joint(refined, "shape", features.inliers, features.places, features.rival, outlines.gap(refined))


def _clearest(fits: list[Fit], first: Half, second: Half, features: Joint, config: JoinConfig) -> Fit:
    best = fits[0]
    if best.gap > config.max_gap:
        raise JoinError(
            f"the two captures don't fit: {features.inliers} features agree (at least {config.min_inliers} are needed), and the "
            f"outlines are {100 * best.gap:.1f} % of the diameter off at best (at most {100 * config.max_gap:.1f} %)",
            try_next=f"check that both show the same object in the same state; {RETAKE}",
        )
    alike = [fit for fit in fits if fit.gap < best.gap + config.clear_gap]
    if best.scatter_deg < MOST_SCATTER_DEG and len(alike) > 1:
        alike = _by_colour(alike, first, second)
    if len(alike) > 1 or best.scatter_deg >= MOST_SCATTER_DEG:
        raise JoinError(
            f"the object looks alike from several sides: {features.inliers} features agree (at least {config.min_inliers} are needed), and "
            f"{max(2, len(alike))} placements or more fit the outlines equally well",
            try_next=SIGNS,
        )
    return alike[0]


def _by_colour(alike: list[Fit], first: Half, second: Half) -> list[Fit]:
    """The one placement that brings like colours together, where there is one; else all."""
    scored = [(chroma_difference(first, second, fit.first_from_second), k) for k, fit in enumerate(alike)]
    known = sorted((difference, k) for difference, k in scored if difference is not None)
    if len(known) < len(alike) or known[0][0] > SAME_COLOURS or known[1][0] < known[0][0] + OTHER_COLOURS:
        return alike
    return [alike[known[0][1]]]


MOST_SCATTER_DEG = 4.0  # searches that end farther apart slid along a symmetry
SAME_COLOURS, OTHER_COLOURS = 0.7, 0.3  # chroma difference of the right placement at most, and by how much any other's is larger


def _checked(joint: Joint, first: Half, second: Half, config: JoinConfig) -> Joint:
    """With the outlines' agreement. Raises JoinError where the joined hull does not fill the masks."""
    hull = carve_joined(first, second, Similarity(1.0), joint.first_from_second, config.check_resolution)
    frames = (Similarity(1.0), joint.first_from_second)
    iou = [outline_iou(hull, half, frame, config.outline_views) for half, frame in zip((first, second), frames, strict=True)]
    if min(iou) < config.min_iou:
        raise JoinError(
            f"the joined shape fills the masks badly: IoU {iou[0]:.2f} with those of the first capture, {iou[1]:.2f} with those of the "
            f"second (at least {config.min_iou:.2f}), after {joint.inliers} features agreed",
            try_next=f"look at the masks of both captures; {RETAKE}",
        )
    return Joint(joint.first_from_second, joint.method, joint.inliers, joint.places, joint.rival, joint.gap, (iou[0], iou[1]))
