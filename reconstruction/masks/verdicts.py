"""Which masks can be trusted, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool
from numpy import ndarray

from reconstruction.errors import MaskError
from reconstruction.hull import Hull, find_bites
from reconstruction.scene import View


@dataclass(frozen=True)
class Verdict:
    """What became of one photo. iou: of mask and hull silhouette, bites left out. hidden: the bites' share of the silhouette.

    shown: share of the hull in the picture. strange: share of the mask in colours of the surroundings that the object has not.
    """

    photo: str
    used: bool
    reason: str
    iou: float
    hidden: float
    shown: float
    strange: float = 0.0


def judge(view: View, mask: Bool[ndarray, "h w"], hull: Hull, strange: float = 0.0, min_iou: float = 0.8) -> Verdict:
    """Whether the mask can be trusted, told by the hull that all masks agree on and by the object's colours in the other photos.

    The colours matter because the hull seeds the cut: where a photo's pose is wrong, the cut follows the hull all the same.
    """
    max_hidden, min_shown, max_strange = 0.4, 0.5, 0.2
    silhouette = hull.silhouette(view)
    shown = float(view.camera.contains(view.project(hull.mesh().vertices)).mean())
    bites = find_bites(mask, silhouette)
    hidden = float(bites.sum() / max(1, silhouette.sum()))
    union = float(((mask | silhouette) & ~bites).sum())
    iou = float((mask & silhouette).sum() / union) if union else 0.0
    reason = "used"
    if not silhouette.any():
        reason = "not in view"
    elif shown < min_shown:
        reason = f"object cut off: {shown:.0%} of it in the picture"
    elif not mask.any():
        reason = "no mask found"
    elif hidden > max_hidden:
        reason = f"hidden: {hidden:.0%} of the object missing"
    elif iou < min_iou:
        reason = f"mask disagrees: IoU {iou:.2f} with the other photos"
    elif strange > max_strange:
        reason = f"mask disagrees: {strange:.0%} of it in colours of the surroundings"
    return Verdict(view.name, reason == "used", reason, round(iou, 4), round(hidden, 4), round(shown, 4), round(strange, 4))


def require_enough(verdicts: Sequence[Verdict], min_views: int = 8) -> None:
    """Raises MaskError where fewer than half of the photos, or fewer than `min_views`, have a usable mask."""
    used = sum(v.used for v in verdicts)
    if used >= max(min_views, len(verdicts) / 2):
        return
    reasons = [v.reason.split(":")[0] for v in verdicts if not v.used]
    told = ", ".join(f"{reasons.count(r)} {r}" for r in sorted(set(reasons), key=reasons.count, reverse=True))
    raise MaskError(
        f"only {used} of {len(verdicts)} photos have a usable mask ({told})",
        try_next="draw the box tightly around one object that stands free, or give masks of your own with --masks DIR",
    )
