"""Two captures of one object with true cameras and masks: joined exactly where it can be told, refused with a reason where not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from captured_halves import TrueHalf, in_units, outlined, photographed, turned

from reconstruction.errors import InputError, JoinError
from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.generated.shapes import jug, mug
from reconstruction.hull import Hull
from reconstruction.joining.carving import carve_joined
from reconstruction.joining.colours import chroma_difference
from reconstruction.joining.join import JoinConfig, Joint, join_captures
from reconstruction.joining.stage import JOIN, JOINED_SCALE, common_frame, compare_scales
from reconstruction.metrics import mask_iou
from reconstruction.scale.source import ScaleConfig
from reconstruction.scene import Mesh, Similarity, View
from reconstruction.scene.images import read_mask, write_mask
from reconstruction.scene.transforms import rotation_error_deg
from reconstruction.scene.view import load_views, save_views
from reconstruction.sdf.frame import cube_around, hull_distances, unseen_nodes
from reconstruction.stage import fingerprint, run_stage
from reconstruction.workspace import Workspace
from workers.command.joining import prepare_join

QUICK = JoinConfig(views=16, rotations=500, searches=24, search_rays=150, outline_views=12, rays=400, check_resolution=48)


@pytest.fixture(scope="module")
def captures(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrueHalf, TrueHalf]:
    """The jug standing, and lying on another table under another light."""
    folder = tmp_path_factory.mktemp("turned")
    config = CaptureConfig(photos=12, held_out=0, width=480, height=360, turned_deg=(105, 0, 20), setting=1)
    second = render_capture(folder / "capture", config)
    return photographed(generated_capture, folder / "first"), photographed(second, folder / "second")


@pytest.fixture(scope="module")
def joint(captures: tuple[TrueHalf, TrueHalf]) -> Joint:
    return join_captures(captures[0].half, captures[1].half, QUICK)


def truth(first: TrueHalf, second: TrueHalf) -> Similarity:
    return first.from_truth @ second.from_truth.inverse()


def assert_close(found: Similarity, true: Similarity, degrees: float, metres: float) -> None:
    assert rotation_error_deg(found.rotation, true.rotation) < degrees
    assert np.linalg.norm(found.translation - true.translation) < metres
    assert found.scale == pytest.approx(true.scale, rel=0.005)


def test_a_painted_object_is_joined_by_its_features(captures: tuple[TrueHalf, TrueHalf], joint: Joint) -> None:
    assert joint.method == "features"
    assert joint.inliers > 3 * QUICK.min_inliers
    assert joint.rival < 0.3
    assert min(joint.iou) > 0.9
    assert_close(joint.first_from_second, truth(*captures), 0.5, 0.0008)


def test_the_joined_hull_has_what_the_table_hid(captures: tuple[TrueHalf, TrueHalf], joint: Joint) -> None:
    """From above alone, all that overhangs stands on a pedestal. The second capture's views take it away, and face the bottom."""
    first, second = (captured.half for captured in captures)
    whole = carve_joined(first, second, Similarity(1.0), joint.first_from_second, 64)
    shape = jug(0.004)
    solid = trimesh.Trimesh(captures[0].from_truth.apply(shape.vertices), shape.faces)
    alone, joined = first.hull.volume / solid.volume, whole.volume / solid.volume
    assert alone > 1.03
    assert joined == pytest.approx(1, abs=0.02)
    assert whole.bounds()[0][2] == pytest.approx(solid.bounds[0][2], abs=2 * whole.spacing)
    below = [view.in_frame(joint.first_from_second) for view in second.views]
    unseen = _unseen(first.hull, first.views), _unseen(whole, [*first.views, *below])
    assert unseen[0] > 0.04
    assert unseen[1] < 0.1 * unseen[0]


def _unseen(hull: Hull, views: list[View]) -> float:
    """Share of the nodes at the surface that no camera faces: there the surface stage has nothing to go by."""
    unit_from_obj = cube_around(hull)
    centres = [view.centre_world for view in views]
    distances = hull_distances(hull, unit_from_obj, 48)
    return len(unseen_nodes(distances, unit_from_obj.apply(np.array(centres)))) / int((np.abs(distances) < 2 / 48).sum())


def test_a_second_capture_without_scale_finds_its_units(captures: tuple[TrueHalf, TrueHalf]) -> None:
    first, second = captures
    joint = join_captures(first.half, in_units(second.half, 5.3, metric=False), QUICK)
    assert_close(joint.first_from_second, truth(first, second) @ Similarity(1 / 5.3), 0.5, 0.0008)


def test_metres_come_from_the_capture_that_has_them(captures: tuple[TrueHalf, TrueHalf]) -> None:
    first, second = (c.half for c in captures)
    unknown = replace(first, metric=False)
    obj_from_first, obj_from_second = common_frame(unknown, second, Similarity(0.2))
    assert (obj_from_first.scale, obj_from_second.scale) == (pytest.approx(5), pytest.approx(1))
    assert common_frame(first, second, Similarity(1.01))[0].scale == 1


def test_scales_that_disagree(captures: tuple[TrueHalf, TrueHalf]) -> None:
    first, second = (c.half for c in captures)
    assert compare_scales(first, second, Similarity(1.015)) == ""
    assert "5.0 %" in compare_scales(first, second, Similarity(1.05))
    with pytest.raises(JoinError, match="differ by 15 %"):
        compare_scales(first, second, Similarity(0.85))
    assert compare_scales(first, replace(second, metric=False), Similarity(0.2)) == ""


def test_an_unpainted_object_is_joined_by_its_outlines(tmp_path: Path) -> None:
    first, second = (outlined(jug(0.004), turned(*turn), tmp_path / str(turn)) for turn in ((0, 0, 10), (170, 10, 20)))
    joint = join_captures(first.half, second.half, QUICK)
    assert joint.method == "shape"
    assert_close(joint.first_from_second, truth(first, second), 1.0, 0.0015)


def test_colours_tell_placements_apart_that_outlines_can_not(captures: tuple[TrueHalf, TrueHalf], tmp_path: Path) -> None:
    first, second = (captured.half for captured in captures)
    right = truth(*captures)
    over = Similarity(1.0, turned(0, 0, 180)) @ right
    found, other = (chroma_difference(first, second, placement) for placement in (right, over))
    assert found is not None
    assert other is not None
    assert found < 0.6
    assert other > found + 0.3
    plain = outlined(jug(0.004), turned(0, 0, 10), tmp_path).half
    assert chroma_difference(plain, plain, Similarity(1.0)) is None, "grey tells nothing"


def test_an_object_that_looks_alike_from_all_sides_is_refused(tmp_path: Path) -> None:
    tube = trimesh.creation.cylinder(0.035, 0.1)
    can = Mesh(np.asarray(tube.vertices), np.asarray(tube.faces, np.int32))
    first, second = (outlined(can, turned(*turn), tmp_path / str(turn)) for turn in ((0, 0, 0), (90, 0, 0)))
    with pytest.raises(JoinError, match="looks alike from several sides") as refused:
        join_captures(first.half, second.half, QUICK)
    assert "printed" in refused.value.try_next


def test_two_different_objects_are_refused(captures: tuple[TrueHalf, TrueHalf], tmp_path: Path) -> None:
    with pytest.raises(JoinError, match=r"don't fit: \d+ features agree"):
        join_captures(captures[0].half, outlined(mug(0.004), turned(105, 0, 20), tmp_path).half, QUICK)


@pytest.fixture
def folders(captures: tuple[TrueHalf, TrueHalf], tmp_path: Path) -> tuple[Path, Path]:
    """Objects' folders as an onboarding up to the scale leaves them; the second has no metres."""
    made = []
    for name, captured in zip(("first", "second"), captures, strict=True):
        workspace = Workspace(tmp_path / name)
        photos, masks = workspace.root / "sfm" / "photos", workspace.root / "masks"
        photos.mkdir(parents=True)
        masks.mkdir()
        workspace.views.parent.mkdir()
        views = []
        for view in captured.half.views:
            assert view.mask_path is not None
            photo, mask = photos / view.photo_path.name, masks / view.mask_path.name
            photo.write_bytes(view.photo_path.read_bytes())
            mask.write_bytes(view.mask_path.read_bytes())
            views.append(replace(view, photo_path=photo, mask_path=mask))
        save_views(workspace.views, views)
        captured.half.hull.save(workspace.hull)
        units = "m" if name == "first" else "object"
        workspace.scale.write_text(json.dumps({"source": name, "units": units, "rel_std": 0.1, "obj_from_sfm": Similarity(2.0).to_json()}))
        workspace.views.with_name("manifest.json").write_text("{}")
        made.append(workspace.root)
    return made[0], made[1]


def test_a_joined_object_stands_on_its_own_and_follows_its_sources(folders: tuple[Path, Path], tmp_path: Path) -> None:
    whole = prepare_join(*folders, tmp_path / "whole")
    stages = ((JOIN, QUICK), (JOINED_SCALE, ScaleConfig(hull_resolution=48)))
    first_run = [run_stage(stage, config, whole) for stage, config in stages]
    assert [r.skipped for r in first_run] == [False, False]
    before = whole.digest("scale")
    views = load_views(whole.views)
    assert len({view.name for view in views}) == len(views) == 24 + 12
    assert all(path.is_relative_to(whole.root) and path.exists() for view in views for path in (view.photo_path, view.mask_path) if path)
    assert json.loads(whole.scale.read_text())["units"] == "m"
    hull = Hull.load(whole.hull)
    overlaps = [mask_iou(mask, hull.silhouette(view)) for view in views if (mask := view.mask()) is not None]
    assert np.median(overlaps) > 0.93, "photos and poses belong together; in a few photos something stands before the object"

    prepare_join(*folders, whole.root, resume=True)
    assert all(run_stage(stage, config, whole).skipped for stage, config in stages)
    mask = folders[1] / "masks" / sorted((folders[1] / "masks").iterdir())[0].name
    write_mask(mask, np.roll(read_mask(mask), 1, axis=0))
    prepare_join(*folders, whole.root, resume=True)
    assert fingerprint(JOIN, QUICK, whole) != (whole.manifest("join") or {})["fingerprint"]
    assert not run_stage(*stages[1], whole).skipped
    assert whole.digest("scale") != before, "the surface will run again"


def test_what_can_not_be_joined_is_said_before_anything_runs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="named twice"):
        prepare_join(folders[0], folders[0], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="--until scale"):
        prepare_join(folders[0], tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputError, match="--resume"):
        prepare_join(*folders, folders[0])
