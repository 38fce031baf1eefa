"""What is said of each photo, from what was measured on it. Loads nothing that computes: the service answers from here too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.workspace import Workspace

State = Literal[
    "pending",
    "used",
    "blurry",
    "too dark",
    "too bright",
    "not registered",
    "not in view",
    "object cut off",
    "no mask",
    "hidden",
    "mask disagrees",
    "left out",
]

BLURRY, LEAST_BLURRY, OUTLIER = 0.55, 0.35, 4.0  # of the usual detail; and standard deviations of the capture's own spread below it
SOFT = 0.7  # detail below which photos are blurred whatever the others are: an edge is about three pixels wide
DARK, BRIGHT = (0.4, 0.3), (0.25, 0.15)  # share of the pixels, and how much more than in the usual photo of the capture
_MASK_STATES: dict[str, State] = {
    "used": "used",
    "not in view": "not in view",
    "object cut off": "object cut off",
    "no mask found": "no mask",
    "hidden": "hidden",
    "mask disagrees": "mask disagrees",
}
_KINDS = {
    "blurry": "blurred",
    "not registered": "could not be placed",
    "not in view": "without the object in view",
    "object cut off": "with the object cut off",
    "no mask": "in which the object was not found",
    "hidden": "with the object hidden by other things",
    "mask disagrees": "with an outline that the other photos contradict",
}


@dataclass(frozen=True)
class PhotoFacts:
    """What was measured on a photo. Each is None while, or where, it is not known.

    detail: contrast at one pixel against that at three (`sfm/inspection.py`). dark, bright: shares of the pixels.
    partners: photos that show the same things. object_*: inside the mask; sharpness there is relative to the photos from nearby.
    """

    photo: str
    detail: float | None
    dark: float
    bright: float
    registered: bool | None = None
    partners: int | None = None
    object_sharpness: float | None = None
    object_dark: float | None = None
    object_bright: float | None = None


@dataclass(frozen=True)
class PhotoVerdict:
    """What became of a photo, or why it was left out. A used photo may have a flaw, which the message then names.

    number: used, mask disagrees: IoU with the hull of all masks. blurry: sharpness, 1 is usual in the capture. too dark, too bright:
    share of the pixels. not registered: photos that show the same things. object cut off: share in the picture. hidden: share hidden.
    """

    photo: str
    verdict: State
    number: float | None
    message: str


@dataclass(frozen=True)
class Flaw:
    state: Literal["blurry", "too dark", "too bright"]
    number: float
    message: str


def find_flaws(facts: Sequence[PhotoFacts]) -> dict[str, Flaw]:
    """The worst flaw of each photo that has one, told by comparison with the other photos of the capture."""
    flaws: dict[str, Flaw] = {}
    for whole, where in (("object_", "the object"), ("", "the picture")):
        flaws |= _exposed_wrongly(facts, "too bright", f"{whole}bright", f"of {where} is blown out", BRIGHT)
        flaws |= _exposed_wrongly(facts, "too dark", f"{whole}dark", f"of {where} is almost black", DARK)
    return flaws | _blurred(facts)


def _exposed_wrongly(
    facts: Sequence[PhotoFacts], state: Literal["too dark", "too bright"], name: str, what: str, limits: tuple[float, float]
) -> dict[str, Flaw]:
    """limits: the least share of the pixels, and the least by which it exceeds that in the usual photo."""
    shares = {f.photo: share for f in facts if (share := getattr(f, name)) is not None}
    least = max(limits[0], median(shares.values()) + limits[1]) if shares else 1.0
    return {photo: Flaw(state, share, f"{share:.0%} {what}") for photo, share in shares.items() if share > least}


def _blurred(facts: Sequence[PhotoFacts]) -> dict[str, Flaw]:
    usual, limit = sharpness_limit(facts)
    flaws = {}
    for f in facts:
        if f.detail is not None and f.detail < limit * usual:
            share = round(f.detail / usual, 3)
            flaws[f.photo] = Flaw("blurry", share, f"{share:.0%} of the sharpness that is usual in these photos")
        elif f.object_sharpness is not None and f.object_sharpness < BLURRY:
            share = f.object_sharpness
            flaws[f.photo] = Flaw("blurry", share, f"the object has {share:.0%} of the sharpness of the photos beside it")
    return flaws


def sharpness_limit(facts: Sequence[PhotoFacts]) -> tuple[float, float]:
    """The usual detail, and the share of it below which a photo is blurred: stricter where the capture's photos are alike."""
    known = [f.detail for f in facts if f.detail is not None]
    if len(known) < 5:
        return 1.0, 0.0
    usual = max(median(known), 1e-6)
    deviation = 1.4826 * median(abs(d / usual - 1) for d in known)
    return usual, min(BLURRY, max(LEAST_BLURRY, 1 - OUTLIER * deviation))


def judge_photos(facts: Sequence[PhotoFacts], masks: Sequence[dict[str, Any]] = ()) -> list[PhotoVerdict]:
    """One verdict a photo. `masks`: the rows of masks/verdicts.json, where there are some yet.

    A photo that was left out and has a visible flaw is called by the flaw: that is what its photographer can change.
    """
    flaws, mask_of = find_flaws(facts), {row["photo"]: row for row in masks}
    verdicts = []
    for f in facts:
        verdict, flaw = _fate(f, mask_of.get(f.photo)), flaws.get(f.photo)
        if flaw and verdict.verdict in ("used", "pending"):
            verdict = replace(verdict, message=f"{verdict.message}, though {flaw.state}: {flaw.message}")
        elif flaw:
            verdict = PhotoVerdict(f.photo, flaw.state, flaw.number, f"{flaw.message}; {verdict.message}")
        verdicts.append(verdict)
    return verdicts


def _fate(facts: PhotoFacts, mask: dict[str, Any] | None) -> PhotoVerdict:
    if facts.registered is False:
        return PhotoVerdict(facts.photo, "not registered", facts.partners, f"its camera could not be placed{_shared(facts.partners)}")
    if mask is None:
        return PhotoVerdict(facts.photo, "pending", None, "registered" if facts.registered else "not judged yet")
    state = _MASK_STATES.get(mask["reason"].split(":")[0], "mask disagrees")
    numbers = {"object cut off": mask["shown"], "hidden": mask["hidden"], "used": mask["iou"], "mask disagrees": mask["iou"]}
    return PhotoVerdict(facts.photo, state, numbers.get(state), mask["reason"])


def _shared(partners: int | None) -> str:
    if partners is None:
        return ""
    return f": {partners or 'no'} other photo{'s show' if partners > 1 else ' shows'} enough of the same things"


def photo_warnings(verdicts: Sequence[PhotoVerdict], flaws: dict[str, Flaw]) -> list[CaptureWarning]:
    """One warning a kind: of flawed photos, used or not, and of those that could not be used though they have no visible flaw."""
    kinds: dict[str, list[str]] = {}
    for verdict in verdicts:
        flaw = flaws.get(verdict.photo)
        kind = flaw.state if flaw else verdict.verdict
        if kind not in ("used", "pending", "left out"):
            kinds.setdefault(kind, []).append(verdict.photo)
    return [_about(kind, photos, len(verdicts)) for kind, photos in kinds.items()]


def _about(kind: str, photos: Sequence[str], count: int) -> CaptureWarning:
    told = f"{len(photos)} of {count} photos {_KINDS.get(kind, kind)}: {some(photos)}"
    return capture_warning(f"photos-{kind.replace(' ', '-')}", told, photos[0] if len(photos) == 1 else None)


def some(names: Sequence[str], most: int = 5) -> str:
    """The first few names in words."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def save_rows(path: Path, rows: Sequence[PhotoFacts] | Sequence[PhotoVerdict]) -> None:
    """Whole or not at all: the service may be reading."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    partial.replace(path)


def load_facts(path: Path) -> list[PhotoFacts]:
    return [PhotoFacts(**row) for row in json.loads(path.read_text())]


def left_out(workspace: Workspace, known: Sequence[PhotoVerdict]) -> list[PhotoVerdict]:
    """Verdicts of photos that never got as far as being measured: what sfm warned of them."""
    warnings = (workspace.manifest("sfm") or {}).get("quality", {}).get("warnings", [])
    names = {verdict.photo for verdict in known}
    return [PhotoVerdict(w["photo"], "left out", None, w["message"]) for w in warnings if w["photo"] and w["photo"] not in names]


VERDICT_FILES = (".sfm.scratch/photos.json", "coverage/photos.json", "sfm/photos.json", "sfm/manifest.json", "masks/verdicts.json")
"""What `latest_verdicts` reads, below the object's folder."""


def latest_verdicts(workspace: Workspace) -> list[PhotoVerdict]:
    """What is known by now: of a running or failed sfm, else as far as the stages have come. Empty where nothing is known yet."""
    attempted = _rows(workspace.attempted_photo_facts)
    if attempted is not None:
        return judge_photos([PhotoFacts(**row) for row in attempted])
    judged = _rows(workspace.photo_verdicts)
    if judged is not None:
        return [PhotoVerdict(**row) for row in judged]
    verdicts = judge_photos([PhotoFacts(**row) for row in _rows(workspace.photo_facts) or []], _rows(workspace.mask_verdicts) or [])
    return verdicts + left_out(workspace, verdicts)


def _rows(path: Path) -> list[dict[str, Any]] | None:
    """None where there is no such file: stages come and go while the service reads."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return rows
