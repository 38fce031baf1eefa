"""The coverage stage: after the masks, before anything that takes long, what the capture lacks and what became of each photo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import cKDTree

from reconstruction.capture import Capture
from reconstruction.coverage.directions import find_directions, unit_vectors
from reconstruction.coverage.looks import ObjectLook, look_at_object, relative_sharpness
from reconstruction.coverage.picture import draw_coverage
from reconstruction.coverage.report import coverage_warnings, report_coverage
from reconstruction.locate.region import Region
from reconstruction.scene import View
from reconstruction.scene.images import write_photo
from reconstruction.scene.view import load_views
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Quality, Stage, StageContext
from reconstruction.verdicts import PhotoFacts, find_flaws, judge_photos, left_out, load_facts, photo_warnings, save_rows


@dataclass(frozen=True)
class CoverageConfig:
    """neighbours: photos from the nearest directions that a photo's sharpness on the object is compared with."""

    neighbours: int = 6
    picture_px: int = 960


def _reference(capture: Capture, views: Sequence[View]) -> str:
    """The prompt's photo, which the user has looked at; else the first."""
    names = [view.name for view in views]
    named = Path(capture.prompt.photo).stem if capture.prompt else names[0]
    return named if named in names else names[0]


def _with_object(fact: PhotoFacts, look: ObjectLook | None, sharpness: float | None) -> PhotoFacts:
    return fact if look is None else replace(fact, object_sharpness=sharpness, object_dark=look.dark, object_bright=look.bright)


def _observed(
    points: SparsePoints, views: Sequence[View], masked: Sequence[View], region: Region
) -> tuple[Float[ndarray, "n 3"], Bool[ndarray, "v n"]]:
    """The sparse points on the object, and which masked view observed which."""
    own = cKDTree(region.points).query(points.xyz)[0] < 1e-9 * np.abs(region.points).max()
    names = [view.name for view in views]
    return points.xyz[own], np.stack([points.seen_by(names.index(view.name))[own] for view in masked])


def run(config: CoverageConfig, context: StageContext) -> Quality:
    space = context.workspace
    views, masked = load_views(space.sfm_views), load_views(space.masked_views)
    region = Region.from_json(json.loads(space.region.read_text()))
    reference = _reference(Capture.load(space.capture), views)
    directions = find_directions(views, region, {view.name for view in masked}, reference)
    towards = dict(zip((d.photo for d in directions), unit_vectors(directions), strict=True))
    points, observed = _observed(SparsePoints.load(space.sfm_points), views, masked, region)
    looks = look_at_object(masked, points, context.progress)
    sharpness = relative_sharpness(looks, observed, np.stack([towards[view.name] for view in masked]), config.neighbours)
    on_object = {view.name: pair for view, *pair in zip(masked, looks, sharpness, strict=True)}
    facts = [_with_object(fact, *on_object.get(fact.photo, (None, None))) for fact in load_facts(space.photo_facts)]
    verdicts = judge_photos(facts, json.loads(space.mask_verdicts.read_text()))
    verdicts += left_out(space, verdicts)
    flaws = find_flaws(facts)
    report = report_coverage(directions, reference, {photo for photo, flaw in flaws.items() if flaw.state == "blurry"})
    save_rows(context.out / space.photo_verdicts.name, verdicts)
    (context.out / space.coverage.name).write_text(json.dumps(report, indent=1))
    write_photo(context.out / space.coverage_picture.name, draw_coverage(directions, report, config.picture_px))
    states = [verdict.verdict for verdict in verdicts]
    return {
        "verdicts": {state: states.count(state) for state in sorted(set(states))},
        **{name: report[name] for name in ("azimuth_seen_deg", "elevation_deg", "spread_deg")},
        "warnings": photo_warnings(verdicts, flaws) + coverage_warnings(report),
    }


COVERAGE = Stage("coverage", 1, ("capture", "sfm", "locate", "masks"), run)
