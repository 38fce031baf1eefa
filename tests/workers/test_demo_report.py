"""The demo's measuring, given answers whose errors are known: the truth itself, and the truth made wrong on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reconstruction.generated import GeneratedCapture
from reconstruction.generated.truth import Reconstructed, obj_from_truth
from reconstruction.scene import Mesh, RigidTransform, Similarity, View
from reconstruction.scene.images import write_mask
from reconstruction.sfm.lenses import PhotoLens
from workers.demo.pictures import framed, grid, mask_sheet, turntable
from workers.demo.report import Answer, measure

SECONDS = {"sfm": 12.0, "surface": 40.0, "early": 3.0, "correspondence": 5.0}
JOB = {"started_at": 100.0, "finished_at": 160.0, "stages": [{"name": name, "seconds": taken} for name, taken in SECONDS.items()]}
MOVE = RigidTransform.from_rotvec(np.array([0.2, -0.4, 2.0]), np.array([0.01, 0.03, -0.02]))  # the system's own choice of frame


@pytest.fixture
def perfect(generated_capture: GeneratedCapture, posed_views: list[View]) -> Reconstructed:
    """What a flawless system would have made, in an object frame of its own."""
    views = [view.in_frame(Similarity.from_rigid(MOVE)) for view in posed_views]
    lens = PhotoLens(generated_capture.camera, generated_capture.lens)
    mesh = generated_capture.mesh.transformed(MOVE)
    board_from_obj = generated_capture.board_from_obj @ MOVE.inverse()
    return Reconstructed(len(views), views, {view.name: lens for view in views}, views, mesh, board_from_obj)


def _true_answers(capture: GeneratedCapture) -> list[Answer]:
    return [Answer(photo.name, photo.cam_from_obj @ MOVE.inverse(), 0.9, 150.0) for photo in capture.held_out]


def test_flawless_results_score_flawless(generated_capture: GeneratedCapture, perfect: Reconstructed) -> None:
    report = measure(generated_capture, perfect, JOB, _true_answers(generated_capture))
    assert (report["photos"], report["registered"], report["masks_kept"]) == (24, 24, 24)
    assert report["mask_iou_mean"] > 0.999
    assert report["chamfer_over_diameter"] < 1e-5
    assert report["scale_error"] < 1e-9
    assert (report["recall_0_10d"], report["recall_0_05d"]) == (1, 1)
    assert report["onboard_seconds"] == {"total": 60.0, **SECONDS}
    assert report["first_answers_s"] == 55.0
    assert report["estimate_ms_median"] == 150.0


def test_a_wrong_scale_shows_in_scale_surface_and_poses(generated_capture: GeneratedCapture, perfect: Reconstructed) -> None:
    grown = Similarity(1.04)
    mesh = Mesh(perfect.mesh.vertices * 1.04, perfect.mesh.faces)
    wrong = replace(perfect, mesh=mesh, metric_views=[view.in_frame(grown) for view in perfect.metric_views])
    answers = [replace(a, cam_from_obj=_pushed(a.cam_from_obj, 1.2)) for a in _true_answers(generated_capture)]
    report = measure(generated_capture, wrong, JOB, answers)
    assert report["scale_error"] == pytest.approx(0.04)
    assert report["chamfer_over_diameter"] > 0.004
    assert report["recall_0_10d"] == 0


def test_missing_answers_count_as_wrong(generated_capture: GeneratedCapture, perfect: Reconstructed) -> None:
    answers = _true_answers(generated_capture)
    answers[0] = replace(answers[0], cam_from_obj=None)
    report = measure(generated_capture, perfect, JOB, answers)
    assert report["recall_0_10d"] == pytest.approx(5 / 6)
    assert (report["answered"], report["test_images"]) == (5, 6)
    assert report["add_over_diameter"][answers[0].name] is None


def test_swollen_masks_cost_iou(generated_capture: GeneratedCapture, perfect: Reconstructed, tmp_path: Path) -> None:
    swollen = []
    for view in perfect.masked_views:
        mask = view.mask()
        assert mask is not None
        write_mask(tmp_path / f"{view.name}.png", mask | np.roll(mask, 8, 1))
        swollen.append(replace(view, mask_path=tmp_path / f"{view.name}.png"))
    report = measure(generated_capture, replace(perfect, masked_views=swollen), JOB, [])
    assert 0.75 < report["mask_iou_mean"] < 0.97
    assert report["recall_0_10d"] == 0


def test_frames_meet_on_the_board(generated_capture: GeneratedCapture, perfect: Reconstructed) -> None:
    np.testing.assert_allclose(obj_from_truth(perfect, generated_capture).matrix, MOVE.matrix, atol=1e-9)


def test_pictures_show_the_mesh_and_the_masks(generated_capture: GeneratedCapture, perfect: Reconstructed) -> None:
    table = turntable(generated_capture.mesh, count=3, size=64)
    assert table.shape == (128, 192, 3)
    assert 0.1 < (table < 250).any(-1).mean() < 0.8
    sheet = mask_sheet(perfect.masked_views, 6)
    assert sheet.shape == (600, 1600, 3)
    assert framed(grid([sheet], 1), "text", True).shape == (150, 400, 3)


def _pushed(cam_from_obj: RigidTransform | None, factor: float) -> RigidTransform:
    assert cam_from_obj is not None
    return RigidTransform(cam_from_obj.rotation, cam_from_obj.translation * factor)
