"""What is said of photos that are blurred, badly exposed, of something else, or from one place; on real reconstructions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flaws_made import defocused, exposed, moved

from reconstruction.capture import Capture, GivenCameras
from reconstruction.capture_warnings import collect_warnings
from reconstruction.errors import CaptureError
from reconstruction.generated import GeneratedCapture
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.sfm.advice import too_few_registered
from reconstruction.sfm.colmap.request import Model
from reconstruction.sfm.inspection import inspect
from reconstruction.sfm.stage import SfmConfig, SfmResult, estimate_cameras
from reconstruction.verdicts import (
    PhotoFacts,
    PhotoVerdict,
    find_flaws,
    judge_photos,
    latest_verdicts,
    load_facts,
    save_rows,
)
from reconstruction.workspace import MANIFEST, Workspace

SMALL = SfmConfig(feature_px=480, max_features=2048, matching="sequential", overlap=5, min_registered=0.0)
FLAWS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    3: partial(moved, length_px=9, angle_rad=0.6),
    5: partial(defocused, radius_px=4),
    7: partial(exposed, gain=6),
    9: partial(exposed, gain=0.015),
}


def given_camera(capture: GeneratedCapture) -> GivenCameras:
    c, k = capture.camera, capture.lens
    return GivenCameras(c.width, c.height, c.fx, c.fy, c.cx, c.cy, (k.k1, k.k2, k.p1, k.p2, k.k3))


@pytest.fixture(scope="module")
def careless(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> SfmResult:
    """Eleven neighbouring photos, four of them taken again with a flaw, and one of another place."""
    folder = tmp_path_factory.mktemp("careless")
    for index in range(1, 12):
        photo = generated_capture.photos[index]
        write_photo(folder / f"{index:02}.jpg", read_photo(photo.path))
        if index in FLAWS:
            write_photo(folder / f"{index:02}_flawed.jpg", FLAWS[index](read_photo(photo.path)))
    rng = np.random.default_rng(0)
    layers = [cv2.resize(rng.uniform(0, 255, (360 // k, 480 // k, 3)), (480, 360)) * share for k, share in ((1, 0.2), (3, 0.3), (9, 0.5))]
    write_photo(folder / "another_place.jpg", np.sum(layers, 0).astype(np.uint8))
    photos = sorted(folder.glob("*.jpg"))
    return estimate_cameras(photos, Capture(cameras=given_camera(generated_capture)), SMALL, tmp_path_factory.mktemp("scratch"))


def test_flawed_photos_are_told_from_good_ones_and_from_strangers(careless: SfmResult) -> None:
    verdicts = {v.photo: v for v in judge_photos(careless.facts)}
    placed = {view.name for view in careless.views}
    flaws = {photo: flaw.state for photo, flaw in find_flaws(careless.facts).items()}
    assert flaws == {"03_flawed": "blurry", "05_flawed": "blurry", "07_flawed": "too bright", "09_flawed": "too dark"}
    assert (verdicts["another_place"].verdict, verdicts["another_place"].number) == ("not registered", 0)
    assert "no other photo" in verdicts["another_place"].message
    assert len(placed) >= 10
    for photo, flaw in flaws.items():  # used for what they are worth where they could be placed, else called by their flaw
        assert verdicts[photo].verdict == ("pending" if photo in placed else flaw)
        assert flaw in verdicts[photo].message or photo not in placed


def test_the_warnings_of_sfm_name_the_photos(careless: SfmResult) -> None:
    told = {warning["code"]: warning for warning in careless.quality["warnings"]}
    assert told["photos-blurry"]["message"].endswith("03_flawed, 05_flawed")
    assert told["photos-too-bright"]["photo"] == "07_flawed"
    assert told["photos-too-dark"]["photo"] == "09_flawed"
    assert "another_place" in told["photos-not-registered"]["message"]


def test_no_photo_as_it_was_taken_is_called_flawed(generated_capture: GeneratedCapture) -> None:
    assert find_flaws(seen([read_photo(p.path) for p in generated_capture.photos])) == {}


@pytest.mark.parametrize(
    "flaw", [partial(moved, length_px=10, angle_rad=0.0), partial(moved, length_px=10, angle_rad=2.0), partial(defocused, radius_px=4)]
)
def test_strong_blur_is_seen_on_every_photo(generated_capture: GeneratedCapture, flaw: Callable[[np.ndarray], np.ndarray]) -> None:
    photos = [read_photo(p.path) for p in generated_capture.photos]
    for index in range(0, len(photos), 5):
        blurred = [flaw(photo) if i == index else photo for i, photo in enumerate(photos)]
        assert list(find_flaws(seen(blurred))) == [str(index)]


def seen(photos: list[np.ndarray]) -> list[PhotoFacts]:
    return [PhotoFacts(str(i), **asdict(inspect(photo))) for i, photo in enumerate(photos)]


def test_photos_from_one_place_are_told_to_walk(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    """The camera only turns: everything matches, and nothing has a depth."""
    photo, camera = read_photo(generated_capture.photos[0].path), generated_capture.camera
    few = SfmConfig(feature_px=480, max_features=500, upsample=False)
    for index in range(8):
        turn, _ = cv2.Rodrigues(np.array([0.03 * np.sin(index), 0.02 * index, 0.05 * np.cos(index)]))
        turned = cv2.warpPerspective(photo, camera.matrix @ turn @ np.linalg.inv(camera.matrix), (camera.width, camera.height))
        write_photo(tmp_path / f"{index}.jpg", turned)
    with pytest.raises(CaptureError, match="nearly one place"):
        estimate_cameras(sorted(tmp_path.glob("*.jpg")), Capture(cameras=given_camera(generated_capture)), few, tmp_path / "scratch")
    assert {f.registered for f in load_facts(tmp_path / "scratch" / "photos.json")} == {False}, "a failure can be looked into"


def facts(count: int, placed: int, **values: Any) -> list[PhotoFacts]:
    return [PhotoFacts(f"IMG_{i:02}", 3.0 + 0.01 * i, 0.0, 0.0, i < placed, 2, **values) for i in range(count)]


def test_groups_are_named_by_their_photos() -> None:
    model = Model([4, 3], [[0, 1, 2, 3], [6, 7, 9]], [2] * 12)
    error = too_few_registered(model, facts(12, 4))
    assert error.what == (
        "4 of 12 photos registered, in 2 unconnected groups: IMG_00 to IMG_03 (4 photos); IMG_06 to IMG_07, IMG_09 (3 photos)"
    )
    assert "photos in between" in error.try_next


@pytest.mark.parametrize(
    ("change", "advice"),
    [({"detail": 0.9}, "are blurred"), ({"dark": 0.8}, "are too dark"), ({"bright": 0.7}, "are too bright")],
)
def test_the_advice_fits_what_was_measured(change: dict[str, float], advice: str) -> None:
    rows = [replace(f, **change) if i >= 9 else f for i, f in enumerate(facts(14, 6))]  # type: ignore[arg-type]
    assert advice in too_few_registered(Model([6], [list(range(6))]), rows).try_next
    assert advice not in too_few_registered(Model([6], [list(range(6))]), facts(14, 6)).try_next


def test_a_later_stage_knows_more() -> None:
    early = {"code": "photos-blurry", "photo": "a", "message": "early"}
    other, late = {**early, "code": "x"}, {**early, "message": "late"}
    assert collect_warnings([{"warnings": [early, other]}, {}, {"warnings": [late]}]) == [other, late]


def test_what_is_known_grows_with_the_stages(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    assert latest_verdicts(space) == []
    for folder in (space.photo_facts.parent, space.attempted_photo_facts.parent, space.mask_verdicts.parent):
        folder.mkdir()
    save_rows(space.attempted_photo_facts, [replace(f, registered=None) for f in facts(3, 3)])
    assert {v.verdict for v in latest_verdicts(space)} == {"pending"}
    save_rows(space.attempted_photo_facts, facts(3, 2))
    assert [v.verdict for v in latest_verdicts(space)] == ["pending", "pending", "not registered"]
    space.attempted_photo_facts.rename(space.photo_facts)
    row = {"photo": "IMG_00", "used": False, "reason": "hidden: 55% of the object missing", "iou": 0.4, "hidden": 0.55, "shown": 1.0}
    space.mask_verdicts.write_text(json.dumps([row]))
    first = latest_verdicts(space)[0]
    assert (first.verdict, first.number, first.message) == ("hidden", 0.55, row["reason"])
    warning = {"code": "duplicate-photo", "photo": "IMG_09", "message": "IMG_09 shows the very same as IMG_00 and was left out"}
    (space.root / "sfm" / MANIFEST).write_text(json.dumps({"quality": {"warnings": [warning]}}))
    assert latest_verdicts(space)[-1] == PhotoVerdict("IMG_09", "left out", None, warning["message"])
