"""A box, a click or nothing, against scenes whose points are known."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from reconstructed_capture import Reconstructed

from reconstruction.capture import Capture, Prompt
from reconstruction.errors import CaptureError, PromptError
from reconstruction.locate.cluster import cluster_around
from reconstruction.locate.region import Region
from reconstruction.locate.stage import LOCATE, LocateConfig, find_region, locate_object, undistort_prompt
from reconstruction.locate.support import SupportPlane, looked_at, plane_from_points
from reconstruction.scene import Camera, Lens, View
from reconstruction.scene.transforms import look_at
from reconstruction.scene.view import load_views
from reconstruction.sfm.lenses import PhotoLens
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)


@dataclass(frozen=True)
class Table:
    """Two boxes on a table that is tilted in its frame: the left one 6 x 4 x 10 units, the right one 3 x 3 x 3, 14 units apart."""

    views: list[View]
    points: np.ndarray
    left: np.ndarray
    right: np.ndarray
    plane: SupportPlane


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    up = np.array([0.1, -0.2, 0.97]) / np.linalg.norm([0.1, -0.2, 0.97])
    x = np.cross([0, 1.0, 0], up) / np.linalg.norm(np.cross([0, 1.0, 0], up))
    frame = np.stack([x, np.cross(up, x), up])  # rows: the table's axes

    def shell(size: tuple[float, float, float], count: int) -> np.ndarray:
        points = rng.uniform(0, 1, (count, 3))
        side = rng.integers(0, 5, count)
        points[side < 2, 0] = side[side < 2]
        points[(side == 2) | (side == 3), 1] = side[(side == 2) | (side == 3)] - 2
        points[side == 4, 2] = 1
        return (points - (0.5, 0.5, 0)) * size

    left = (shell((6, 4, 10), 400) - (7, 0, 0)) @ frame
    right = (shell((3, 3, 3), 80) + (7, 0, 0)) @ frame
    ground = np.concatenate([rng.uniform(-40, 40, (1500, 2)), rng.normal(0, 0.05, (1500, 1))], 1) @ frame
    room = rng.uniform(-80, 80, (200, 3)) + 60 * up
    views = []
    for k in range(24):
        eye = np.array([50 * np.cos(k / 24 * 2 * np.pi), 50 * np.sin(k / 24 * 2 * np.pi), 30]) @ frame
        views.append(View(f"{k:02d}", CAMERA, look_at(eye, 3 * up, up), Path("none.png")))
    points = np.concatenate([left, right, ground, room])
    return Table(views, points, left, right, SupportPlane(up, 0.0, "tags"))


def _box_around(view: View, points: np.ndarray) -> tuple[float, float, float, float]:
    pixels = view.project(points)
    (x0, y0), (x1, y1) = pixels.min(0) - 2, pixels.max(0) + 2
    return float(x0), float(y0), float(x1), float(y1)


def _holds(region: Region, points: np.ndarray) -> float:
    local = region.region_from_world.apply(points)
    return float(((local >= region.lower - 0.2) & (local <= region.upper)).all(1).mean())


@pytest.mark.parametrize("which", ["left", "right"])
@pytest.mark.parametrize("photo", [0, 7, 13])
def test_a_box_singles_out_the_object(table: Table, which: str, photo: int) -> None:
    wanted, other = (table.left, table.right) if which == "left" else (table.right, table.left)
    prompt = Prompt(f"{photo:02d}", box=_box_around(table.views[photo], wanted))
    region = locate_object(table.views, table.points, table.plane, prompt, LocateConfig())
    assert _holds(region, wanted) == 1.0, "the region holds all of it"
    assert _holds(region, other) == 0.0, "and nothing of its neighbour"
    assert len(region.points) > 0.8 * len(wanted)


@pytest.mark.parametrize("which", ["left", "right"])
def test_a_click_finds_the_whole_thing_under_it(table: Table, which: str) -> None:
    wanted, other = (table.left, table.right) if which == "left" else (table.right, table.left)
    x, y = table.views[5].project(wanted.mean(0))
    region = locate_object(table.views, table.points, table.plane, Prompt("05", point=(float(x), float(y))), LocateConfig())
    assert _holds(region, wanted) > 0.99
    assert _holds(region, other) == 0.0


def test_without_a_prompt_it_is_what_the_cameras_look_at(table: Table) -> None:
    region = locate_object(table.views, table.points, table.plane, None, LocateConfig())
    assert _holds(region, table.left) > 0.99
    np.testing.assert_allclose(looked_at(table.views), 3 * table.plane.up, atol=1e-6)


def test_the_region_frame_stands_on_the_plane(table: Table) -> None:
    prompt = Prompt("00", box=_box_around(table.views[0], table.left))
    region = locate_object(table.views, table.points, table.plane, prompt, LocateConfig())
    heights = region.region_from_world.apply(table.left)[:, 2]
    assert heights.min() == pytest.approx(0, abs=0.01)
    assert heights.max() == pytest.approx(10, abs=0.01)
    assert region.lower[2] == 0
    again = Region.from_json(json.loads(json.dumps(region.to_json())))
    np.testing.assert_allclose(again.region_from_world.matrix, region.region_from_world.matrix, atol=1e-12)
    np.testing.assert_array_equal(again.points, region.points)


def test_the_region_holds_what_the_box_frames_though_it_has_no_points(table: Table) -> None:
    view = table.views[0]
    x0, y0, x1, y1 = _box_around(view, table.left)
    wide = (x0 - (x1 - x0), y0, x1 + (x1 - x0), y1)  # a spout and a handle without texture
    middle, right = table.left.mean(0), view.cam_from_world.rotation[0]
    region = Region.around(table.left, table.plane, view, wide, 0.0, 0.0)
    depth = view.cam_from_world.apply(middle)[2]
    for side in (wide[0], wide[2]):
        at_edge = middle + right * ((side - view.project(middle[None])[0, 0]) / view.camera.fx * depth)
        assert region.lower[0] < region.region_from_world.apply(at_edge)[0] < region.upper[0]
    assert region.region_from_world.rotation[0] @ right > 0.9


@pytest.mark.parametrize("which", ["left", "right"])
def test_box_and_tags_hold_an_object_without_points_of_its_own(table: Table, which: str) -> None:
    thing, ground = getattr(table, which), table.points[480:1980]
    for view in table.views[::3]:
        prompt = Prompt(view.name, box=_box_around(view, thing))
        region, (warning,) = find_region(table.views, ground, table.plane, prompt, LocateConfig())
        assert (warning["code"], warning["photo"]) == ("few-points-on-object", view.name)
        assert _holds(region, thing) > 0.99
        assert ((region.upper - region.lower) < 4 * np.ptp(thing, axis=0).max()).all(), "generous, but no room for the whole table"
        framed = region.prompt(view)
        assert framed is not None
        assert framed.box[0] < prompt.box[0]
    seen, warnings = find_region(table.views, table.points, table.plane, prompt, LocateConfig())
    assert warnings == []
    assert len(seen.points) > 30
    with pytest.raises(PromptError, match="above the table"):
        find_region(table.views, ground, replace(table.plane, source="points"), prompt, LocateConfig())


def test_points_on_one_face_only_do_not_cut_the_others_off(table: Table) -> None:
    """As of a metal block with ink on one side."""
    across = np.cross(table.plane.up, [0, 1.0, 0])
    place = table.left @ across
    face = table.left[place < np.quantile(place, 0.02) + 0.1]
    points = np.concatenate(
        [np.repeat(face, 3, axis=0) + np.random.default_rng(0).normal(0, 0.02, (3 * len(face), 3)), table.points[480:1980]]
    )
    view = table.views[3]
    region, warnings = find_region(table.views, points, table.plane, Prompt(view.name, box=_box_around(view, table.left)), LocateConfig())
    assert [w["code"] for w in warnings] == ["few-points-on-object"]
    assert _holds(region, table.left) > 0.99


def test_points_on_its_foot_only_do_not_cut_the_rest_off(table: Table) -> None:
    """As of a black drill whose base is the only thing with texture: the base and what lies beside it are neither flat nor few."""
    height = table.plane.height(table.left)
    foot = table.left[height < height.min() + 0.25 * np.ptp(height)]
    rng = np.random.default_rng(0)
    points = np.concatenate([np.repeat(foot, 3, axis=0) + rng.normal(0, 0.05, (3 * len(foot), 3)), table.points[480:1980]])
    view = table.views[3]
    region, warnings = find_region(table.views, points, table.plane, Prompt(view.name, box=_box_around(view, table.left)), LocateConfig())
    assert [w["code"] for w in warnings] == ["few-points-on-object"]
    assert _holds(region, table.left) > 0.99


def test_every_photo_gets_a_prompt(table: Table) -> None:
    region = locate_object(
        table.views, table.points, table.plane, Prompt("00", box=_box_around(table.views[0], table.left)), LocateConfig()
    )
    for view in table.views:
        prompt = region.prompt(view)
        assert prompt is not None
        x0, y0, x1, y1 = prompt.box
        inner = _box_around(view, table.left)
        assert x0 <= inner[0] + 2
        assert y0 <= inner[1] + 2
        assert x1 >= inner[2] - 2
        assert y1 >= inner[3] - 2
        assert (x1 - x0) < 3 * (inner[2] - inner[0])
        assert len(prompt.points_px) > 100
    eye = table.views[0].centre_world
    away = View("away", CAMERA, look_at(eye, 2 * eye, table.plane.up), Path("none.png"))
    assert region.prompt(away) is None, "the object is behind this camera"


def test_the_table_is_found_from_points_alone(table: Table) -> None:
    plane = plane_from_points(table.points, table.views)
    assert np.degrees(np.arccos(min(1.0, plane.up @ table.plane.up))) < 0.2
    assert abs(plane.offset) < 0.1


def test_no_table_at_all_is_said(table: Table) -> None:
    points = np.random.default_rng(0).normal(0, 10, (2000, 3))
    with pytest.raises(CaptureError, match="no plane"):
        plane_from_points(points, table.views)


def test_prompts_that_hit_nothing_say_so(table: Table) -> None:
    config = LocateConfig()
    empty = _box_around(table.views[0], np.array([20 * table.plane.up, 21 * table.plane.up]))
    with pytest.raises(PromptError, match="scene points"):
        locate_object(table.views, table.points[:480], table.plane, Prompt("00", box=empty), config)
    x, y = table.views[0].project(25 * table.plane.up)
    with pytest.raises(PromptError, match="under the click"):
        locate_object(table.views, table.points[:480], table.plane, Prompt("00", point=(float(x), float(y))), config)
    ground = table.points[480:1980]
    with pytest.raises(PromptError, match="above the table"):
        locate_object(table.views, ground, table.plane, Prompt("00", box=(200, 150, 440, 330)), config)


def test_a_prompt_is_in_pixels_of_the_photo_as_uploaded(table: Table) -> None:
    uploaded = PhotoLens(CAMERA.resized(1280, 960), Lens(k1=-0.1))
    pixel = np.array([[500.0, 300.0]])
    given = uploaded.from_view(pixel, CAMERA)[0]
    prompt = undistort_prompt(Prompt("03.jpg", point=(float(given[0]), float(given[1]))), table.views, {"03": uploaded})
    assert prompt is not None
    assert prompt.photo == "03"
    assert prompt.point == pytest.approx((500.0, 300.0), abs=0.01)
    lenses = {"03": uploaded}
    with pytest.raises(PromptError, match=r"99.jpg of the prompt was not registered"):
        undistort_prompt(Prompt("99.jpg", point=(3, 3)), table.views, lenses)
    with pytest.raises(PromptError, match="outside the 1280x960 photo"):
        undistort_prompt(Prompt("03.jpg", point=(1500, 3)), table.views, lenses)
    with pytest.raises(PromptError, match="no area"):
        undistort_prompt(Prompt("03.jpg", box=(100, 100, 90, 200)), table.views, lenses)


def test_a_cluster_grows_until_the_leap_to_its_neighbour() -> None:
    rng = np.random.default_rng(0)
    for spread, gap in ((0.3, 2.0), (1.0, 4.0)):
        here, there = rng.uniform(0, spread, (150, 3)), rng.uniform(0, spread, (150, 3)) + (gap, 0, 0)
        found = cluster_around(np.concatenate([here, there]), 17, reach=5.0, min_points=12)
        assert sorted(found) == list(range(150))
    lonely = np.concatenate([np.zeros((1, 3)), rng.uniform(0, 1, (50, 3)) + 100])
    assert len(cluster_around(lonely, 0, reach=5.0, min_points=12)) == 0


def test_photos_in_region_out(reconstructed: Reconstructed, tmp_path: Path) -> None:
    workspace = reconstructed.copy(tmp_path / "object")
    result = run_stage(LOCATE, LocateConfig(), workspace)
    assert (result.quality["plane"], result.quality["warnings"]) == ("tags", [])
    region = Region.from_json(json.loads(workspace.region.read_text()))
    _assert_holds_the_object(region, workspace, reconstructed)


def test_photos_in_region_out_without_any_hint(reconstructed: Reconstructed, tmp_path: Path) -> None:
    workspace = reconstructed.copy(tmp_path / "object")
    Capture().save(workspace.capture)
    result = run_stage(LOCATE, LocateConfig(), workspace)
    assert result.quality["plane"] == "points"
    region = Region.from_json(json.loads(workspace.region.read_text()))
    _assert_holds_the_object(region, workspace, reconstructed)


def _assert_holds_the_object(region: Region, workspace: Workspace, reconstructed: Reconstructed) -> None:
    truth = {p.name: p for p in reconstructed.truth.photos}
    for view in load_views(workspace.sfm_views):
        prompt, pixels = region.prompt(view), view.camera.project(truth[view.name].cam_from_obj.apply(reconstructed.truth.mesh.vertices))
        assert prompt is not None
        x0, y0, x1, y1 = prompt.box
        pixels = pixels.clip(0, (view.camera.width - 1, view.camera.height - 1))
        inside = ((pixels >= (x0 - 2, y0 - 2)) & (pixels <= (x1 + 2, y1 + 2))).all(1)
        assert inside.mean() > 0.99, f"the box of {view.name} holds the object"
