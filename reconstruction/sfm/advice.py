"""Why too few photos found their place, and what to do: told by what was measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from reconstruction.errors import CaptureError
from reconstruction.sfm.colmap.request import Model
from reconstruction.verdicts import SOFT, PhotoFacts, find_flaws, some

MANY = 0.4  # of the photos without a place: a flaw of so many is taken for the reason
REMEDIES = {
    "blurry": "are blurred: hold still or have more light, and take them again",
    "too dark": "are too dark: switch on a light, or turn the night mode off and the exposure up",
    "too bright": "are too bright: turn the exposure down, or keep lamps and windows out of the picture",
}


def too_few_registered(model: Model, facts: Sequence[PhotoFacts]) -> CaptureError:
    """The error to raise; says which photos hang together where they fell into groups."""
    names = [f.photo for f in facts]
    registered = model.sizes[0] if model.sizes else 0
    what = f"{registered} of {len(facts)} photos registered"
    if len(model.groups) > 1:
        what += f", in {len(model.groups)} unconnected groups: " + "; ".join(spans(group, names) for group in model.groups)
    advice = _flaws(facts)
    if not model.sizes and _alike(facts):
        advice.append("they show the same things, but from nearly one place: walk around the object, a step to the side between two photos")
    elif len(model.groups) > 1:
        advice.append("take photos in between, so that each group shares things with the next (add overlap: one every 10 to 15 degrees)")
    else:
        advice.append("add overlap (a photo every 10 to 15 degrees) or put textured things around the object")
    return CaptureError(what, try_next="; ".join(advice))


def _flaws(facts: Sequence[PhotoFacts]) -> list[str]:
    lost = [f for f in facts if not f.registered]
    details = [f.detail for f in facts if f.detail is not None]
    if len(details) > len(facts) / 2 and median(details) < SOFT:
        return ["nearly all photos are blurred: hold still, have more light, let the camera focus"]
    flaws = find_flaws(facts)
    told = []
    for state, remedy in REMEDIES.items():
        photos = [f.photo for f in lost if f.photo in flaws and flaws[f.photo].state == state]
        if len(photos) >= max(2, MANY * len(lost)):
            told.append(f"{len(photos)} of the {len(lost)} others {remedy} ({some(photos)})")
    return told


def _alike(facts: Sequence[PhotoFacts]) -> bool:
    """Whether most photos match most others: then it is not overlap that is missing."""
    partners = [f.partners for f in facts if f.partners is not None]
    return bool(partners) and median(partners) > 0.5 * (len(facts) - 1)


def spans(group: Sequence[int], names: Sequence[str], most: int = 4) -> str:
    """Photos by index as stretches of the capture: "a to f, k (7 photos)"."""
    stretches: list[list[int]] = []
    for index in sorted(group):
        if stretches and index == stretches[-1][-1] + 1:
            stretches[-1].append(index)
        else:
            stretches.append([index])
    told = [names[s[0]] if len(s) == 1 else f"{names[s[0]]} to {names[s[-1]]}" for s in stretches]
    return f"{some(told, most)} ({len(group)} photo{'s' if len(group) > 1 else ''})"
