"""Stages in processes of their own: progress, errors, crashes, stopping, resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from stand_in import make_capture

from reconstruction.capture import Capture
from reconstruction.errors import PipelineError
from workers.failures import Canceled, StageCrashed, StageDefect
from workers.pipeline import Recipe, StageEvent
from workers.runner import run_pipeline

HERE = Path(__file__).parent
RECIPE = Recipe(pipeline="stand_in:PIPELINE")


@pytest.fixture(autouse=True)
def _stand_ins_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


def run(object_dir: Path, recipe: Recipe = RECIPE) -> list[StageEvent]:
    events: list[StageEvent] = []
    run_pipeline(object_dir, recipe, events.append)
    return events


def kinds(events: list[StageEvent]) -> list[tuple[str, str]]:
    return [(event.stage, event.kind) for event in events if event.kind != "progress"]


def test_a_run_tells_its_progress_and_publishes(tmp_path: Path) -> None:
    object_dir = make_capture(tmp_path / "object")
    events = run(object_dir)
    assert kinds(events) == [(stage, kind) for stage in ("sfm", "scale", "surface") for kind in ("started", "succeeded")]
    progress = [event.progress for event in events]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    report = json.loads((object_dir / "report.json").read_text())
    assert report["quality"]["sfm"] == {"value": 1.5, "not_a_number": None}
    assert report["seconds"]["total"] > 0
    assert report["versions"]["numpy"]
    assert (object_dir / "mesh.ply").read_bytes() == (object_dir / "surface" / "mesh.ply").read_bytes()
    assert (object_dir / "heldout.png").read_bytes() == (object_dir / "surface" / "preview.png").read_bytes()
    means = {"psnr": 25.0, "psnr_exposed": 29.0, "iou": 0.97}
    assert report["heldout"] == {**means, "photos": [{"photo": "a", **means}], "picture": "heldout.png"}
    assert "chatter" in (object_dir / "logs" / "sfm.log").read_text()


def test_what_a_stage_shows_stays_after_a_failure_and_goes_with_success(tmp_path: Path) -> None:
    object_dir = make_capture(tmp_path / "object", "fail")
    shown = object_dir / "live" / "sfm" / "shown.json"
    stale = object_dir / "live" / "surface" / "mesh.glb"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier run")
    with pytest.raises(PipelineError):
        run(object_dir)
    assert json.loads(shown.read_text())["steps"] == 3
    assert not stale.exists()
    Capture("object").save(object_dir / "capture" / "capture.json")
    run(object_dir)
    assert not (object_dir / "live").exists()


def test_finished_stages_are_skipped_and_changed_ones_are_not(tmp_path: Path) -> None:
    object_dir = make_capture(tmp_path / "object")
    run(object_dir)
    assert [kind for _, kind in kinds(run(object_dir)) if kind != "started"] == ["skipped"] * 3
    changed = Recipe(overrides={"second": {"steps": 2}}, pipeline="stand_in:PIPELINE")
    assert [kind for _, kind in kinds(run(object_dir, changed)) if kind != "started"] == ["skipped", "succeeded", "skipped"]


def test_a_setting_that_does_not_exist_is_said(tmp_path: Path) -> None:
    recipe = Recipe(overrides={"first": {"stepz": 2}}, pipeline="stand_in:PIPELINE")
    with pytest.raises(PipelineError, match="stepz"):
        run(make_capture(tmp_path / "object"), recipe)


def test_a_stages_error_arrives_with_code_and_advice(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="12 of 98") as caught:
        run(make_capture(tmp_path / "object", "fail"))
    assert caught.value.code == "capture-failed"
    assert "overlap" in caught.value.try_next


def test_a_crash_is_tried_again(tmp_path: Path) -> None:
    events = run(make_capture(tmp_path / "object", "crash-once"))
    assert [kind for stage, kind in kinds(events) if stage == "sfm"] == ["started", "failed", "started", "succeeded"]


def test_a_crash_that_stays_is_an_error(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    with pytest.raises(StageCrashed, match="SIGABRT"):
        run_pipeline(make_capture(tmp_path / "object", "crash-always"), RECIPE, events.append)
    assert [event.kind for event in events].count("failed") == 3


def test_a_defect_is_not_tried_again(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    object_dir = make_capture(tmp_path / "object", "defect")
    with pytest.raises(StageDefect, match="KeyError"):
        run_pipeline(object_dir, RECIPE, events.append)
    assert [event.kind for event in events].count("failed") == 1
    assert "Traceback" in (object_dir / "logs" / "sfm.log").read_text()


def wait_for(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def test_canceling_ends_the_stage_and_what_it_started(tmp_path: Path) -> None:
    object_dir = make_capture(tmp_path / "object", "grandchild")
    pid_file = object_dir / "grandchild.pid"
    with pytest.raises(Canceled):
        run_pipeline(object_dir, RECIPE, lambda event: None, pid_file.exists)
    assert not psutil.pid_exists(int(pid_file.read_text()))


def test_a_killed_supervisor_leaves_no_orphans_and_the_next_goes_on(tmp_path: Path) -> None:
    object_dir = make_capture(tmp_path / "object", "grandchild")
    program = (
        "import sys; from pathlib import Path; from workers.pipeline import Recipe; from workers.runner import run_pipeline;"
        "run_pipeline(Path(sys.argv[1]), Recipe(pipeline='stand_in:PIPELINE'), print)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program, str(object_dir)], stdout=subprocess.DEVNULL, cwd=HERE.parents[1])
    pid_file = object_dir / "grandchild.pid"
    wait_for(lambda: pid_file.exists() and pid_file.read_text().isdigit())
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    wait_for(lambda: not psutil.pid_exists(int(pid_file.read_text())))
    make_capture_again = object_dir / "capture" / "capture.json"
    make_capture_again.write_text(make_capture_again.read_text().replace("grandchild", "object"))
    assert ("surface", "succeeded") in kinds(run(object_dir))
