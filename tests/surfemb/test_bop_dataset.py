"""The data set of an object's own photos, read by a reader of its own: what docs/bop_datasets_format.md of bop_toolkit says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import meshio
import numpy as np
import pytest
from numpy.testing import assert_allclose

from reconstruction.errors import InputError
from reconstruction.generated import GeneratedCapture
from reconstruction.scene import RigidTransform, View
from reconstruction.scene.images import write_mask
from surfemb.bop.dataset import write_dataset
from surfemb.bop.scenes import BopObject, load_models, load_scene
from surfemb.symmetry import Axis, Symmetry

HALF_TURN = Symmetry((RigidTransform.from_rotvec(np.array([0, 0, np.pi]), np.array([0.02, 0, 0])),), ())
SPIN = Symmetry((), (Axis(np.array([0, 0, 1.0]), np.array([0.0, 0.02, 0])),))


def unpacked(path: Path, to: Path) -> Path:
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(to)
    return to


@pytest.fixture(scope="module")
def obj(generated_capture: GeneratedCapture) -> BopObject:
    mesh = generated_capture.mesh
    return BopObject(1, mesh, mesh.diameter, HALF_TURN)


@pytest.fixture(scope="module")
def dataset(obj: BopObject, posed_views: list[View], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bop")
    told: list[tuple[int, int]] = []
    made = write_dataset(
        folder / "bop.zip", obj, posed_views[:6], 1280, "# jug\n", lambda step, steps, message="": told.append((step, steps))
    )
    assert made == {"images": 6, "bytes": (folder / "bop.zip").stat().st_size}
    assert told == [(k, 6) for k in range(1, 7)]
    return unpacked(folder / "bop.zip", folder / "jug")


def rows(dataset: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dataset / "train_real" / "000001" / f"{name}.json").read_text())
    return found


def silhouette(dataset: Path, key: str) -> np.ndarray:
    """By what the files say alone: the PLY's corners in mm, turned, moved, projected, every triangle filled."""
    mesh = meshio.read(dataset / "models" / "obj_000001.ply")
    (truth,) = rows(dataset, "scene_gt")[key]
    K = np.reshape(rows(dataset, "scene_camera")[key]["cam_K"], (3, 3))
    cam = mesh.points @ np.reshape(truth["cam_R_m2c"], (3, 3)).T + truth["cam_t_m2c"]
    assert 200 < cam[:, 2].mean() < 3000, "millimetres"
    pixels = cam @ K.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    height, width = picture(dataset, "mask_visib", f"{int(key):06d}_000000.png").shape[:2]
    fine = np.zeros((8 * height, 8 * width), np.uint8)  # what is filled is a pixel too wide
    for triangle in np.round(8 * (pixels[mesh.cells_dict["triangle"]] + 0.5) - 0.5).astype(np.int32):
        cv2.fillConvexPoly(fine, triangle, 255)
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA) > 127


def picture(dataset: Path, kind: str, name: str) -> np.ndarray:
    found = cv2.imread(str(dataset / "train_real" / "000001" / kind / name), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_model_lies_on_its_masks(dataset: Path, posed_views: list[View]) -> None:
    for number, key in enumerate(rows(dataset, "scene_gt")):
        drawn, name = silhouette(dataset, key), f"{number:06d}_000000.png"
        whole, visible = (picture(dataset, kind, name) for kind in ("mask", "mask_visib"))
        assert set(np.unique(visible)) == {0, 255}
        assert iou(drawn, visible > 0) > 0.95
        assert iou(drawn, whole > 0) > 0.97
        assert not (visible > whole).any()
        assert iou(posed_views[number].mask(), visible > 0) > 0.97
        assert picture(dataset, "rgb", f"{number:06d}.jpg").shape == (*drawn.shape, 3)


def test_the_records_have_what_the_format_asks_for(dataset: Path, obj: BopObject) -> None:
    for key, (info,) in rows(dataset, "scene_gt_info").items():
        assert set(info) == {"bbox_obj", "bbox_visib", "px_count_all", "px_count_valid", "px_count_visib", "visib_fract"}
        visible = picture(dataset, "mask_visib", f"{int(key):06d}_000000.png") > 0
        ys, xs = np.nonzero(visible)
        assert info["bbox_visib"] == [xs.min(), ys.min(), xs.max() - xs.min(), ys.max() - ys.min()]
        assert info["px_count_visib"] == visible.sum()
        assert info["visib_fract"] == pytest.approx(visible.sum() / info["px_count_all"])
    assert {*rows(dataset, "scene_camera")["0"]} >= {"cam_K", "depth_scale"}
    assert {*json.loads((dataset / "camera.json").read_text())} == {"cx", "cy", "depth_scale", "fx", "fy", "height", "width"}
    (model,) = json.loads((dataset / "models" / "models_info.json").read_text()).values()
    points = meshio.read(dataset / "models" / "obj_000001.ply").points
    assert model["diameter"] == pytest.approx(1000 * obj.diameter)
    assert_allclose([model[f"min_{axis}"] for axis in "xyz"], points.min(0), atol=1e-3)
    assert_allclose([model[f"size_{axis}"] for axis in "xyz"], np.ptp(points, axis=0), atol=1e-3)
    assert model["symmetries_discrete"][0][3] == pytest.approx(20), "millimetres, of a turn about an axis 10 mm away"
    assert (dataset / "dataset_info.md").read_text() == "# jug\n"


def test_our_own_reader_gets_back_what_was_written(dataset: Path, obj: BopObject, posed_views: list[View]) -> None:
    images = load_scene(dataset / "train_real" / "000001")
    for image, view in zip(images, posed_views, strict=False):
        assert image.camera == view.camera
        assert_allclose(image.instances[0].cam_from_obj.matrix, view.cam_from_world.matrix, atol=1e-9)
    model = load_models(dataset / "models")[1]
    assert_allclose(model.mesh.vertices, obj.mesh.vertices, atol=1e-7)
    assert len(model.symmetry.discrete) == 1


def test_large_photos_are_shrunk_with_their_cameras(obj: BopObject, posed_views: list[View], tmp_path: Path) -> None:
    write_dataset(tmp_path / "bop.zip", replace(obj, symmetry=SPIN), posed_views[:1], 240)
    small = unpacked(tmp_path / "bop.zip", tmp_path / "small")
    assert picture(small, "rgb", "000000.jpg").shape == (180, 240, 3)
    assert iou(silhouette(small, "0"), picture(small, "mask_visib", "000000_000000.png") > 0) > 0.93
    (model,) = json.loads((small / "models" / "models_info.json").read_text()).values()
    assert model["symmetries_continuous"] == [{"axis": [0, 0, 1], "offset": [0, 20, 0]}]


def test_what_leaves_the_image_is_counted_and_what_hides_is_not_visible(obj: BopObject, posed_views: list[View], tmp_path: Path) -> None:
    """The image moved by 60 pixels to the right of the object's middle, and its mask cleared in the lower half."""
    view = posed_views[0]
    middle = float(view.project(np.zeros((1, 3)))[0, 0])
    camera = replace(view.camera, cx=view.camera.cx - middle)
    mask = view.mask()
    assert mask is not None
    mask[view.camera.height // 2 :] = False
    write_mask(tmp_path / "mask.png", mask)
    cut = replace(view, camera=camera, mask_path=tmp_path / "mask.png")
    write_dataset(tmp_path / "bop.zip", obj, [cut], 1280)
    (info,) = rows(unpacked(tmp_path / "bop.zip", tmp_path / "cut"), "scene_gt_info")["0"]
    assert info["bbox_obj"][0] < -20
    assert info["px_count_visib"] < 0.6 * info["px_count_all"]
    inside = (picture(tmp_path / "cut", "mask", "000000_000000.png") > 0).sum()
    assert info["px_count_visib"] < inside < 0.8 * info["px_count_all"]


def test_the_same_object_gives_the_same_bytes(obj: BopObject, posed_views: list[View], tmp_path: Path) -> None:
    """Or a stage that runs again would make all that reads it run again."""
    for name in ("a.zip", "b.zip"):
        write_dataset(tmp_path / name, obj, posed_views[:2], 320)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_photos_without_masks_are_no_data_set(obj: BopObject, posed_views: list[View], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no photo has a mask"):
        write_dataset(tmp_path / "bop.zip", obj, [replace(posed_views[0], mask_path=None)], 1280)
