"""The BOP challenge's files and score, against cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from reconstruction.errors import InputError
from reconstruction.generated.shapes import jug
from reconstruction.scene import Camera, Mesh, RigidTransform
from reconstruction.scene.images import write_photo
from surfemb.bop.average_recall import average_recall, matches
from surfemb.bop.pose_errors import ErrorMeter, PoseErrors
from surfemb.bop.results import BopEstimate, read_results, write_results
from surfemb.bop.scenes import BopObject, load_models, load_scene
from surfemb.judging.metrics import mssd_error, vsd_errors
from surfemb.symmetry import Axis, Symmetry

CAMERA = Camera(320, 240, 300, 300, 159.5, 119.5)
AHEAD = RigidTransform.from_rotvec(np.array([2.0, 0.3, 0.1]), np.array([0.02, -0.01, 0.6]))
UPRIGHT = Axis(np.array([0.0, 0, 1]), np.array([0.01, 0.02, 0.0]))


@pytest.fixture(scope="module")
def meter() -> ErrorMeter:
    mesh = jug()
    return ErrorMeter(BopObject(1, mesh, mesh.diameter, Symmetry()))


def test_visible_surface_discrepancy_by_hand() -> None:
    """Five pixels: one right, one 3 cm off, one missed, one made up, one that something hides in both."""
    truth = np.array([[1.0, 1.0, 1.0, 0.0, 1.0]])
    estimate = np.array([[1.0, 1.03, 0.0, 1.0, 1.0]])
    scene = np.array([[1.0, 1.0, 1.0, 0.0, 0.5]])
    assert_allclose(vsd_errors(estimate, truth, scene, 0.015, [0.02, 0.05]), [3 / 4, 2 / 4])
    assert_allclose(vsd_errors(np.zeros((1, 5)), np.zeros((1, 5)), scene, 0.015, [0.02]), [1.0])


def test_a_true_pose_has_no_error_and_none_is_not_found(meter: ErrorMeter) -> None:
    depth = meter.rasterizer.render(CAMERA, AHEAD).depth
    exact = meter.measure([AHEAD], [AHEAD], CAMERA, depth)
    assert exact.mssd.max() == exact.mspd.max() == 0
    assert exact.vsd is not None
    assert exact.vsd.max() == 0
    nothing = meter.measure([], [AHEAD], CAMERA, depth)
    assert nothing.instances == 1
    both = average_recall([exact, nothing])
    assert (both.mssd, both.mspd, both.vsd, both.ar) == (0.5, 0.5, 0.5, 0.5)


def test_average_recall_by_hand(meter: ErrorMeter) -> None:
    """A shift sideways by 0.12 diameters is below eight of the ten limits, and by 0.12 d / 0.6 m x 300 px in each pixel."""
    shift = 0.12 * meter.obj.diameter
    beside = RigidTransform(AHEAD.rotation, AHEAD.translation + [shift, 0, 0])
    errors = meter.measure([beside], [AHEAD], CAMERA)
    assert_allclose(errors.mssd, 0.12, atol=1e-9)
    nearest = AHEAD.apply(meter.obj.mesh.vertices)[:, 2].min()
    assert_allclose(errors.mspd, 2 * 300 * shift / nearest, rtol=1e-6)  # of an image twice as wide
    found = average_recall([errors])
    assert found.mssd == 0.8
    assert found.vsd is None
    assert_allclose(found.ar, (0.8 + np.mean(np.arange(5, 55, 5) > errors.mspd[0, 0])) / 2)


def test_each_estimate_finds_one_instance_only() -> None:
    two_near_the_first = np.array([[0.01, 0.9], [0.02, 0.9]])
    assert matches(two_near_the_first, 0.05) == 1
    surest_takes_the_nearest = np.array([[0.03, 0.02], [0.9, 0.04]])
    assert matches(surest_takes_the_nearest, 0.05) == 1, "BOP gives no second choice to the surer one"
    assert matches(np.zeros((0, 2)), 0.05) == 0
    assert average_recall([PoseErrors(two_near_the_first, 100 * two_near_the_first)]).mssd == 0.5


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 2 * np.pi), st.floats(-1, 1), st.booleans())
def test_a_turn_by_its_symmetry_is_no_error(angle: float, roll: float, flipped: bool) -> None:
    """A spindle: any turn about its axis, and end for end."""
    end_for_end = RigidTransform.from_rotvec(np.array([np.pi, 0, 0]), np.array([0, 2 * 0.02, 0]))
    symmetry = Symmetry((end_for_end,), (UPRIGHT,))
    ring = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.linspace(0, 2 * np.pi, 8, endpoint=False)])
    points = np.concatenate([UPRIGHT.offset + 0.05 * ring + [0, 0, z] for z in (-0.1, 0.1)])
    points = np.concatenate([UPRIGHT.turned(a).apply(points) for a in np.linspace(0, 2 * np.pi, 200, endpoint=False)])
    truth = RigidTransform.from_rotvec(np.array([roll, 0.2, 0]), np.array([0, 0, 1.0]))
    turned = truth @ UPRIGHT.turned(angle) @ (end_for_end if flipped else RigidTransform())
    assert mssd_error(turned, truth, points[::7], symmetry.transforms()) < 0.5 * 0.01 * 0.225  # half a step at most
    if flipped:
        assert mssd_error(turned, truth, points[::7]) > 0.1


def test_symmetries_in_and_out() -> None:
    symmetry = Symmetry((RigidTransform.from_rotvec(np.array([0, 0, np.pi]), np.array([0.001, 0, 0])),), (UPRIGHT,))
    doc = json.loads(json.dumps(symmetry.to_bop()))
    assert doc["symmetries_continuous"] == [{"axis": [0, 0, 1], "offset": [10, 20, 0]}]
    assert doc["symmetries_discrete"][0][3] == pytest.approx(1.0), "millimetres"
    back = Symmetry.from_bop(doc)
    for one, other in zip(symmetry.transforms(), back.transforms(), strict=True):
        assert_allclose(one.matrix, other.matrix, atol=1e-12)
    assert len(symmetry.transforms()) == 2 * 315, "BOP's number of steps"
    assert Symmetry.from_bop({}).transforms()[0].matrix.tolist() == np.eye(4).tolist()
    with pytest.raises(InputError, match="symmetries"):
        Symmetry.from_bop({"symmetries_discrete": [[1, 2, 3]]})


def test_results_survive_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [BopEstimate(2, 17, 5, 0.75, AHEAD, 0.31)])
    header, row = path.read_text().splitlines()
    assert header == "scene_id,im_id,obj_id,score,R,t,time"
    assert row.split(",")[5].split() == ["20", "-10", "600"]
    (back,) = read_results(path)
    assert (back.scene_id, back.image_id, back.obj_id, back.score, back.seconds) == (2, 17, 5, 0.75, 0.31)
    assert_allclose(back.cam_from_obj.matrix, AHEAD.matrix, atol=1e-8)
    path.write_text(f"{header}\n{row}\n2,17,5,0.7,1 0 0,0 0 0,1\n")
    with pytest.raises(InputError, match="line 3"):
        read_results(path)
    path.write_text("a,b\n")
    with pytest.raises(InputError, match="header"):
        read_results(path)


def test_a_scene_is_read_in_metres(tmp_path: Path) -> None:
    scene, models = tmp_path / "test" / "000002", tmp_path / "models"
    (scene / "rgb").mkdir(parents=True)
    models.mkdir()
    write_photo(scene / "rgb" / "000003.png", np.zeros((240, 320, 3), np.uint8))
    (scene / "scene_camera.json").write_text(json.dumps({"3": {"cam_K": CAMERA.matrix.reshape(-1).tolist(), "depth_scale": 0.1}}))
    row = {"obj_id": 1, "cam_R_m2c": AHEAD.rotation.reshape(-1).tolist(), "cam_t_m2c": (1000 * AHEAD.translation).tolist()}
    (scene / "scene_gt.json").write_text(json.dumps({"3": [row]}))
    (scene / "scene_gt_info.json").write_text(json.dumps({"3": [{"visib_fract": 0.4, "bbox_obj": [10, 20, 30, 40]}]}))
    (image,) = load_scene(scene)
    assert (image.scene_id, image.image_id, image.camera, image.depth_path) == (2, 3, CAMERA, None)
    assert image.depth_unit == pytest.approx(1e-4)
    (instance,) = image.instances
    assert (instance.visible, instance.box) == (0.4, (10, 20, 40, 60))
    assert_allclose(instance.cam_from_obj.matrix, AHEAD.matrix, atol=1e-12)
    mesh = jug()
    Mesh(1000 * mesh.vertices, mesh.faces).save(models / "obj_000001.ply")
    (models / "models_info.json").write_text(json.dumps({"1": {"diameter": 1000 * mesh.diameter}}))
    loaded = load_models(models)[1]
    assert_allclose(loaded.mesh.bounds, mesh.bounds, atol=1e-6)
    assert loaded.diameter == pytest.approx(mesh.diameter)
    with pytest.raises(InputError, match="object 7"):
        load_models(models, [7])
    (scene / "rgb" / "000003.png").unlink()
    with pytest.raises(InputError, match="no image 000003"):
        load_scene(scene)
    with pytest.raises(InputError, match="scene_camera"):
        load_scene(tmp_path)
