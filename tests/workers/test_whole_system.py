"""The demo in small: photos through the real service, its real stages and the network that they train, to poses."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh

from reconstruction.generated import CaptureConfig, GeneratedCapture
from reconstruction.generated.truth import Reconstructed, obj_from_truth
from reconstruction.scene.images import read_photo
from reconstruction.workspace import Workspace
from surfemb.estimation.config import EstimatorConfig
from surfemb.estimation.estimator import PoseEstimator
from surfemb.judging.metrics import recall
from workers.demo.report import Answer, add_over_diameter
from workers.demo.run import run_demo


@pytest.mark.timeout(1200)  # it shares two cores with everything else
def test_photos_in_poses_out(
    generated_capture: GeneratedCapture, capture_config: CaptureConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.setenv("SNAP6D_PIPELINE", "small_pipeline:PIPELINE")
    shutil.copytree(generated_capture.root, tmp_path / "capture")  # which the demo need not render again
    report = run_demo(tmp_path, capture_config, profile="small")
    assert report["registered"] == report["photos"] == 24
    assert report["mask_iou_mean"] > 0.91
    assert report["scale_error"] < 0.005
    assert report["chamfer_over_diameter"] < 0.012
    assert report["test_images"] == 6
    assert report["recall_0_10d"] >= 2 / 3  # little training, a third of the images partly hidden
    assert report["estimate_ms_median"] > 0
    assert set(report["onboard_seconds"]) > {"total", "sfm", "surface", "early", "correspondence"}
    (exports,) = (tmp_path / "service" / "objects").glob("*/exports")
    assert early_recall(generated_capture, exports.parent) >= 2 / 3
    assert json.loads((exports / "exports.json").read_text())["left_out"] == {}
    assert texture_off_vertex_colours(exports / "object.obj", exports.parent / "mesh.ply") < 20
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("mesh.png", "masks.jpg", "estimates.jpg"))


def early_recall(capture: GeneratedCapture, object_dir: Path) -> float:
    """At 0.10 d of the networks that answered while the rest of the training went on, which want a box and are not sure of much."""
    from_truth = obj_from_truth(Reconstructed.load(Workspace(object_dir)), capture)
    estimator, answers = PoseEstimator.load(object_dir, EstimatorConfig(min_score=0), early=True), []
    for photo in capture.held_out:
        image = capture.lens.undistort(read_photo(photo.path), capture.camera)
        found = estimator.estimate(image, capture.camera, [capture.box(photo)]).poses
        answers.append(Answer(photo.name, found[0].cam_from_obj if found else None, 0.0, 0.0))
    return recall(add_over_diameter(capture, from_truth, answers), 0.10)


def texture_off_vertex_colours(textured: Path, coloured: Path) -> float:
    """Mean difference of the two meshes' colours at places of the surface, grey levels."""
    obj, ply = (trimesh.load(path, force="mesh", process=False) for path in (textured, coloured))
    points, faces = trimesh.sample.sample_surface(obj, 3000, seed=0)
    corners = trimesh.triangles.points_to_barycentric(obj.triangles[faces], points)
    uv = np.einsum("nk,nki->ni", corners, obj.visual.uv[obj.faces[faces]])
    shown = trimesh.visual.color.uv_to_interpolated_color(uv, obj.visual.material.image)[:, :3].astype(float)
    nearest = np.asarray(ply.kdtree.query(points)[1])
    return float(np.abs(shown - ply.visual.vertex_colors[nearest, :3]).mean())
