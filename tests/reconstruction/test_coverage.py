"""The sides that a capture shows and those it lacks, against the true cameras of the rendered capture."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from flaws_made import defocused, exposed
from posed_capture import region_of, sparse_points

from reconstruction.capture import Capture, Prompt
from reconstruction.coverage.directions import Direction
from reconstruction.coverage.picture import GAP, LEFT_OUT, REFERENCE
from reconstruction.coverage.report import coverage_warnings, describe_gap, find_gaps, report_coverage, spare_photos
from reconstruction.coverage.stage import COVERAGE, CoverageConfig
from reconstruction.errors import CaptureError
from reconstruction.generated import GeneratedCapture
from reconstruction.locate.spread import require_spread
from reconstruction.scene import View
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.scene.view import load_views, save_views
from reconstruction.sdf.stage import sharp_views
from reconstruction.stage import StageResult, run_stage
from reconstruction.verdicts import PhotoFacts, save_rows
from reconstruction.workspace import Workspace

LACKING = (60.0, 150.0)
"""Degrees to the right of the first photo within which every photo is left out."""


def azimuth(view: View, reference: View) -> float:
    """True degrees to the right of the reference, in [0, 360). The object frame has z up."""
    angles = [np.degrees(np.arctan2(v.centre_world[1], v.centre_world[0])) for v in (view, reference)]
    return float((angles[0] - angles[1]) % 360)


@pytest.fixture(scope="module")
def one_sided(generated_capture: GeneratedCapture, posed_views: list[View], tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What the masks stage would have left: true masks, but those from one side called hidden; in one photo the object is out
    of focus, in another one blown out, while the rest of the picture is as it was."""
    space = Workspace(tmp_path_factory.mktemp("one_sided"))
    shutil.copytree(posed_views[0].photo_path.parent, space.root / "sfm" / "photos")
    shutil.copytree(posed_views[0].photo_path.parents[1] / "masks", space.root / "masks")
    views = [
        replace(v, photo_path=space.root / "sfm" / "photos" / v.photo_path.name, mask_path=space.root / "masks" / v.mask_path.name)  # type: ignore[union-attr]
        for v in posed_views
    ]
    for view, flaw in ((used(views)[13], lambda p: defocused(p, 4)), (used(views)[6], lambda p: exposed(p, 8))):
        photo, mask = view.photo(), view.mask()
        photo = np.where(mask[..., None], flaw(photo), photo)  # type: ignore[index]
        write_photo(view.photo_path, photo)
    points = sparse_points(generated_capture, posed_views)
    save_views(space.sfm_views, [replace(view, mask_path=None) for view in views])
    save_views(space.masked_views, used(views))
    points.save(space.sfm_points)
    Capture(prompt=Prompt(f"{views[0].name}.jpg", box=(1, 1, 9, 9))).save(space.capture)
    space.region.parent.mkdir()
    space.region.write_text(json.dumps(region_of(generated_capture, points).to_json()))
    save_rows(space.photo_facts, [PhotoFacts(view.name, 3.0, 0.0, 0.0, True, 5) for view in views])
    kept = {view.name for view in used(views)}
    rows = [
        {"photo": v.name, "used": v.name in kept, "reason": "used" if v.name in kept else "hidden: 60% of the object missing"}
        for v in views
    ]
    space.mask_verdicts.write_text(json.dumps([{**row, "iou": 0.95, "hidden": 0.6, "shown": 1.0} for row in rows]))
    return space


def used(views: list[View]) -> list[View]:
    return [view for view in views if not LACKING[0] < azimuth(view, views[0]) < LACKING[1]]


@pytest.fixture(scope="module")
def result(one_sided: Workspace) -> StageResult:
    return run_stage(COVERAGE, CoverageConfig(), one_sided)


def test_the_side_that_lacks_is_named_as_somebody_sees_it_who_walks_around(one_sided: Workspace, result: StageResult) -> None:
    views = load_views(one_sided.sfm_views)
    angles = sorted(azimuth(view, views[0]) for view in used(views))
    start, end = max(a for a in angles if a <= LACKING[0]), min(a for a in angles if a >= LACKING[1])
    (gap,) = json.loads(one_sided.coverage.read_text())["gaps"]
    assert (gap["from_deg"], gap["to_deg"]) == pytest.approx((start, end), abs=1.5)
    (told,) = [warning for warning in result.quality["warnings"] if warning["code"] == "missing-side"]
    assert told["message"] == f"no photo between {gap['from_deg']:.0f} and {gap['to_deg']:.0f} degrees to the right of {views[0].name}"


def test_heights_and_distances_are_the_true_ones(one_sided: Workspace, result: StageResult) -> None:
    report, views = json.loads(one_sided.coverage.read_text()), load_views(one_sided.sfm_views)
    heights = [np.degrees(np.arcsin(v.centre_world[2] / np.linalg.norm(v.centre_world))) for v in used(views)]
    assert report["elevation_deg"]["highest"] == pytest.approx(max(heights), abs=3)
    assert report["elevation_deg"]["lowest"] == pytest.approx(min(heights), abs=3)
    assert report["photos"] == {"used": len(used(views)), "left_out": len(views) - len(used(views))}
    assert np.sum(report["histogram"]["photos"]) == len(used(views))


def test_photos_whose_object_alone_is_spoilt_say_so(one_sided: Workspace, result: StageResult) -> None:
    views = load_views(one_sided.sfm_views)
    blurred, bright = used(views)[13].name, used(views)[6].name
    verdicts = {row["photo"]: row for row in json.loads(one_sided.photo_verdicts.read_text())}
    flawed = {photo for photo, row in verdicts.items() if "though" in row["message"]}
    assert flawed == {blurred, bright}
    assert verdicts[blurred]["verdict"] == "used"
    assert "of the sharpness of the photos beside it" in verdicts[blurred]["message"]
    assert "of the object is blown out" in verdicts[bright]["message"]
    left_out = {view.name for view in views} - {view.name for view in used(views)}
    assert {photo for photo, row in verdicts.items() if row["verdict"] == "hidden"} == left_out
    assert result.quality["verdicts"] == {"hidden": len(left_out), "used": len(used(views))}


def test_the_picture_shows_the_gap_and_what_was_left_out(one_sided: Workspace, result: StageResult) -> None:
    picture = read_photo(one_sided.coverage_picture).astype(int)
    assert picture.shape[1] == CoverageConfig().picture_px
    shown = {color: int((np.abs(picture - color).max(-1) < 6).sum()) for color in (GAP, LEFT_OUT, REFERENCE)}
    share = (LACKING[1] - LACKING[0]) / 360 * np.pi * (0.385 * picture.shape[1]) ** 2
    assert 0.5 * share < shown[GAP] < 2 * share
    assert shown[LEFT_OUT] > 50
    assert shown[REFERENCE] > 100


def ring(azimuths: list[float], elevation: float = 30.0) -> list[Direction]:
    return [Direction(f"p{i}", a, elevation, 4.0, True) for i, a in enumerate(azimuths)]


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (120, 170, "no photo between 120 and 170 degrees to the right of p"),
        (-170, -120, "no photo between 120 and 170 degrees to the left of p"),
        (-20, 40, "no photo from 20 degrees to the left of p to 40 degrees to the right of it"),
        (150, -130, "no photo from 150 degrees to the right of p round the far side to 130 degrees to the left of it"),
        (20, 10, "no photo from 20 degrees to the right of p round the far side to 10 degrees to the right of it"),
    ],
)
def test_gaps_in_words(start: float, end: float, said: str) -> None:
    assert describe_gap(start, end, "p") == said


def test_photos_all_round_leave_no_gap() -> None:
    assert find_gaps(ring(list(np.arange(-170.0, 181, 10))), "p17") == []
    assert coverage_warnings(report_coverage([*ring(list(np.arange(-170.0, 181, 10))), *ring([0.0], 60)], "p17")) == []


def test_a_blurred_photo_is_spared_only_where_a_sharp_one_looks_from_nearby(one_sided: Workspace, result: StageResult) -> None:
    circle = ring(list(np.arange(-180.0, 180, 20)))
    assert spare_photos(circle, {"p3", "p9"}) == ["p3", "p9"]
    assert spare_photos(circle, {"p3", "p4", "p5"}) == ["p3", "p5"], "nobody else sees what is before p4"
    assert spare_photos(circle, {d.photo for d in circle}) == []
    views = load_views(one_sided.sfm_views)
    (one_sided.root / "scale").mkdir()
    save_views(one_sided.views, used(views))
    blurred = used(views)[13].name
    assert [view.name for view in sharp_views(one_sided)] == [view.name for view in used(views) if view.name != blurred]


@pytest.mark.parametrize(
    ("directions", "codes"),
    [
        (ring([0.0, 15, 30, 45]), {"narrow-coverage", "missing-side", "nothing-from-above"}),
        (ring(list(np.arange(-170.0, 181, 10)), 65), {"narrow-coverage", "nothing-from-the-side"}),
        (ring(list(np.arange(-160.0, 181, 40)), 20), {"nothing-from-above", "photos-far-apart"}),
    ],
)
def test_weak_captures_are_told_what_they_lack(directions: list[Direction], codes: set[str]) -> None:
    assert {warning["code"] for warning in coverage_warnings(report_coverage(directions, "p0"))} == codes


def test_photos_from_nearly_one_side_stop_the_capture(posed_views: list[View]) -> None:
    assert require_spread(np.zeros(3), posed_views) > 90
    first = posed_views[0]
    shifted = [
        replace(first, name=str(i), cam_from_world=replace(first.cam_from_world, translation=first.cam_from_world.translation + step))
        for i, step in enumerate(np.array([[0, 0, 0], [0.03, 0, 0], [0, 0.03, 0.05]]))
    ]
    with pytest.raises(CaptureError, match=r"all 3 photos .* within \d+ degrees") as caught:
        require_spread(np.zeros(3), shifted)
    assert "walk around" in caught.value.try_next
