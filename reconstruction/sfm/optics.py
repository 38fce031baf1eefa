"""Which photos one lens took, as far as EXIF tells: a zoom, or a phone's other lens, makes another camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reconstruction.formats import Optics

SAME_FOCAL = 1.01  # ratio: rounding in EXIF stays below, another step of a zoom does not
_Kind = tuple[str, bool, float]


def group_by_lens(optics: Sequence[Optics]) -> list[int]:
    """The number of the lens that took each photo, from 0 on.

    Photos that say nothing of their lens go with the others where those agree on one, and form a group of their own where
    they don't.
    """
    labels = [_label(o, optics) for o in optics]
    known = sorted({label for label in labels if label is not None})
    silent = 0 if len(known) == 1 else len(known)
    return [silent if label is None else known.index(label) for label in labels]


def describe_lenses(optics: Sequence[Optics], group: Sequence[int]) -> str:
    """Such as `26 mm (20 photos), 52 mm (4 photos)`."""
    parts = []
    for lens, count in sorted(Counter(group).items()):
        members = [o for o, g in zip(optics, group, strict=True) if g == lens]
        focal = next((f"{_focal(o):.3g} mm" for o in members if _focal(o)), "unknown")
        zoom = next((f" zoomed {o.zoom:g}x" for o in members if _zoom(o) != 1), "")
        devices = {o.device for o in optics if o.device}
        device = f"{members[0].device} " if len(devices) > 1 and members[0].device else ""
        parts.append(f"{device}{focal}{zoom} ({count} photo{'s' if count > 1 else ''})")
    return ", ".join(parts)


def _label(optics: Optics, everyone: Sequence[Optics]) -> tuple[_Kind, float] | None:
    """Of all focal lengths of the same kind that differ by hardly anything, in steps, the least: it names the group."""
    focal = _focal(optics)
    if focal is None:
        return None
    kind = _kind(optics)
    for value in sorted({f for o in everyone if (f := _focal(o)) and _kind(o) == kind and f <= focal}, reverse=True):
        if focal > SAME_FOCAL * value:
            break
        focal = value
    return kind, focal


def _kind(optics: Optics) -> _Kind:
    return optics.device, optics.focal_35mm is not None, _zoom(optics)


def _focal(optics: Optics) -> float | None:
    return optics.focal_35mm or optics.focal_mm


def _zoom(optics: Optics) -> float:
    return round(optics.zoom or 1.0, 2)
