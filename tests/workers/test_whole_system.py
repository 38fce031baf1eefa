"""The demo in small: photos through the real service, its real stages and the network that they train, to poses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconstruction.generated import CaptureConfig
from workers.demo.run import run_demo


@pytest.mark.timeout(600)
def test_photos_in_poses_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.setenv("SNAP6D_PIPELINE", "small_pipeline:PIPELINE")
    report = run_demo(tmp_path, CaptureConfig(photos=24, held_out=6, width=480, height=360), profile="small")
    assert report["registered"] == report["photos"] == 24
    assert report["mask_iou_mean"] > 0.91
    assert report["scale_error"] < 0.005
    assert report["chamfer_over_diameter"] < 0.012
    assert report["test_images"] == 6
    assert report["recall_0_10d"] >= 2 / 3  # little training, a third of the images partly hidden
    assert report["estimate_ms_median"] > 0
    assert set(report["onboard_seconds"]) > {"total", "sfm", "surface", "correspondence"}
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("mesh.png", "masks.jpg", "estimates.jpg"))
