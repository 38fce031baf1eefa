"""What the directions amount to: missing sides, heights, distances, in numbers and in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.coverage.directions import Direction, unit_vectors
from reconstruction.locate.spread import angles_between

WIDE_GAP_DEG = 45.0  # of azimuth without a photo: what faces its middle is seen at a slant of 22 degrees and more
STEEP_DEG = 70.0  # photos above this stand on no side
ABOVE_DEG, LOW_DEG = 45.0, 40.0  # a capture needs a photo higher than the one, and one lower than the other
HOLLOW_DEG = 55.0  # from here up the inside of a cup shows its floor
FAR_NEIGHBOUR_DEG = 25.0  # features are matched up to here
NARROW_DEG = 60.0
AZIMUTHS, ELEVATIONS = np.arange(-180, 181, 15), np.arange(-30, 91, 15)


@dataclass(frozen=True)
class Gap:
    """A stretch of azimuth without a used photo, from `from_deg` to the right up to `to_deg`; both in (-180, 180]."""

    from_deg: float
    to_deg: float
    width_deg: float
    message: str


def find_gaps(directions: Sequence[Direction], reference: str) -> list[Gap]:
    """Widest first; none where fewer than two photos show a side."""
    azimuths = sorted(d.azimuth_deg for d in directions if d.used and d.elevation_deg < STEEP_DEG)
    gaps = []
    for start, end in zip(azimuths, azimuths[1:] + azimuths[:1], strict=True):
        width = (end - start) % 360 if len(azimuths) > 1 else 360.0
        if width > WIDE_GAP_DEG:
            gaps.append(Gap(start, end, round(width, 1), describe_gap(start, end, reference)))
    return sorted(gaps, key=lambda gap: -gap.width_deg)


def describe_gap(start: float, end: float, reference: str) -> str:
    """In words of somebody who stands where `reference` was taken and walks around the object."""
    a, b = (round(abs(v)) for v in (start, end))
    sides = ["right" if v >= 0 else "left" for v in (start, end)]
    if start <= end and sides[0] == sides[1]:
        return f"no photo between {min(a, b)} and {max(a, b)} degrees to the {sides[0]} of {reference}"
    far = "" if start <= end else " round the far side"
    return f"no photo from {a} degrees to the {sides[0]} of {reference}{far} to {b} degrees to the {sides[1]} of it"


def spare_photos(directions: Sequence[Direction], blurred: Collection[str]) -> list[str]:
    """Blurred photos that the surface can do without, since a sharp one looks from nearby.

    A quarter of the photos strongly blurred costs half a dB of held-out PSNR; without them nothing is lost (rendered capture).
    """
    used = [d for d in directions if d.used]
    sharp = np.array([d.photo not in blurred for d in used], bool)
    if not sharp.any():
        return []
    nearest = angles_between(unit_vectors(used))[:, sharp].min(1)
    return [d.photo for d, alone, angle in zip(used, sharp, nearest, strict=True) if not alone and angle < FAR_NEIGHBOUR_DEG]


def report_coverage(directions: Sequence[Direction], reference: str, blurred: Collection[str] = ()) -> dict[str, Any]:
    """The coverage as JSON; angles in degrees, distances in sizes of the object."""
    used = [d for d in directions if d.used]
    angles = angles_between(unit_vectors(used))
    spread = float(angles.max())
    np.fill_diagonal(angles, np.inf)
    nearest = angles.min(1)
    elevation, distance = (np.array([getattr(d, name) for d in used]) for name in ("elevation_deg", "distance"))
    gaps = find_gaps(directions, reference)
    counts = np.histogram2d([d.azimuth_deg for d in used], elevation, [AZIMUTHS, ELEVATIONS])[0]
    return {
        "reference": reference,
        "photos": {"used": len(used), "left_out": len(directions) - len(used)},
        "gaps": [asdict(gap) for gap in gaps],
        "azimuth_seen_deg": round(360 - sum(gap.width_deg for gap in gaps), 1),
        "elevation_deg": {"lowest": round(float(elevation.min()), 1), "highest": round(float(elevation.max()), 1)},
        "distance_sizes": {
            "nearest": _rounded(distance.min()),
            "middle": _rounded(np.median(distance)),
            "farthest": _rounded(distance.max()),
        },
        "neighbour_deg": {"middle": _rounded(np.median(nearest)), "farthest": _rounded(nearest.max())},
        "spread_deg": round(spread, 1),
        "spare": spare_photos(directions, blurred),
        "sees_into_hollows": bool(elevation.max() > HOLLOW_DEG),
        "histogram": {"azimuth_deg": AZIMUTHS.tolist(), "elevation_deg": ELEVATIONS.tolist(), "photos": counts.astype(int).tolist()},
        "directions": [asdict(d) for d in directions],
    }


def coverage_warnings(report: dict[str, Any]) -> list[CaptureWarning]:
    """What a second round of photos would better, worst first."""
    told = []
    if report["spread_deg"] < NARROW_DEG:
        message = f"all photos are from within {report['spread_deg']:.0f} degrees of each other: what they do not show is guessed"
        told.append(capture_warning("narrow-coverage", message))
    told += [capture_warning("missing-side", gap["message"]) for gap in report["gaps"]]
    low, high = report["elevation_deg"]["lowest"], report["elevation_deg"]["highest"]
    if high < ABOVE_DEG:
        message = f"no photo from higher than {high:.0f} degrees: the top is seen at a slant, a hollow not at all"
        told.append(capture_warning("nothing-from-above", message))
    if low > LOW_DEG:
        told.append(capture_warning("nothing-from-the-side", f"no photo from lower than {low:.0f} degrees: the sides are seen at a slant"))
    if report["neighbour_deg"]["middle"] > FAR_NEIGHBOUR_DEG:
        apart = report["neighbour_deg"]["middle"]
        told.append(capture_warning("photos-far-apart", f"photos are {apart:.0f} degrees apart: take one every 10 to 15 degrees"))
    return told


def _rounded(value: Any) -> float:
    return round(float(value), 2)
