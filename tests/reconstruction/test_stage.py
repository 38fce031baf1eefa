"""A stage is skipped when nothing changed and only then; a half-written folder never looks finished."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconstruction.errors import StorageError, SurfaceError
from reconstruction.stage import Quality, Stage, StageContext, run_stage
from reconstruction.workspace import Workspace


@dataclass(frozen=True)
class DoubleConfig:
    factor: int = 2


class Doubler:
    """A stage that reads the capture's number and writes its multiple; counts its runs, fails on request."""

    def __init__(self) -> None:
        self.runs = 0
        self.fail: Exception | None = None

    def run(self, config: DoubleConfig, context: StageContext) -> Quality:
        self.runs += 1
        number = json.loads((context.workspace.root / "capture" / "capture.json").read_text())
        (context.out / "number.json").write_text(json.dumps(number * config.factor))
        (context.scratch / "checkpoint.json").write_text(str(self.runs))
        context.progress(1, 1)
        if self.fail:
            raise self.fail
        return {"number": number * config.factor}

    def stage(self, version: int = 1) -> Stage[DoubleConfig]:
        return Stage("sfm", version, ("capture",), self.run)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "capture").mkdir()
    (tmp_path / "capture" / "capture.json").write_text("21")
    return Workspace(tmp_path)


def test_second_run_is_skipped_and_gives_the_same_quality(workspace: Workspace) -> None:
    doubler = Doubler()
    first = run_stage(doubler.stage(), DoubleConfig(), workspace)
    second = run_stage(doubler.stage(), DoubleConfig(), workspace)
    assert (first.skipped, second.skipped, doubler.runs) == (False, True, 1)
    assert first.quality == second.quality == {"number": 42}


@pytest.mark.parametrize("change", ["config", "input", "version", "deleted"])
def test_runs_again_when_something_changed(workspace: Workspace, change: str) -> None:
    doubler = Doubler()
    run_stage(doubler.stage(), DoubleConfig(), workspace)
    if change == "input":
        workspace.capture.write_text("4")
    if change == "deleted":
        (workspace.root / "sfm" / "manifest.json").unlink()
    config = DoubleConfig(3) if change == "config" else DoubleConfig()
    result = run_stage(doubler.stage(version=2 if change == "version" else 1), config, workspace)
    assert not result.skipped
    number = json.loads((workspace.root / "sfm" / "number.json").read_text())
    assert number == {"config": 63, "input": 8, "version": 42, "deleted": 42}[change]


def test_a_later_stage_notices_that_an_earlier_one_changed(workspace: Workspace) -> None:
    doubler, reader = Doubler(), Doubler()
    later = Stage("locate", 1, ("capture", "sfm"), reader.run)
    for factor in (2, 3):
        run_stage(doubler.stage(), DoubleConfig(factor), workspace)
        assert not run_stage(later, DoubleConfig(), workspace).skipped
    run_stage(doubler.stage(), DoubleConfig(3), workspace)
    assert run_stage(later, DoubleConfig(), workspace).skipped


def test_failed_stage_leaves_the_old_result_and_its_own_checkpoint(workspace: Workspace) -> None:
    doubler = Doubler()
    run_stage(doubler.stage(), DoubleConfig(), workspace)
    doubler.fail = SurfaceError("it broke", try_next="mend it")
    with pytest.raises(SurfaceError, match="it broke: mend it"):
        run_stage(doubler.stage(), DoubleConfig(5), workspace)
    assert json.loads((workspace.root / "sfm" / "number.json").read_text()) == 42
    manifest = workspace.manifest("sfm")
    assert manifest is not None
    assert manifest["config"] == {"factor": 2}
    assert (workspace.root / ".sfm.scratch" / "checkpoint.json").exists()


def test_first_failure_leaves_nothing_that_looks_finished(workspace: Workspace) -> None:
    doubler = Doubler()
    doubler.fail = RuntimeError("killed")
    with pytest.raises(RuntimeError):
        run_stage(doubler.stage(), DoubleConfig(), workspace)
    assert not (workspace.root / "sfm").exists()
    doubler.fail = None
    assert not run_stage(doubler.stage(), DoubleConfig(), workspace).skipped


def test_half_written_folder_is_not_taken_for_a_result(workspace: Workspace) -> None:
    (workspace.root / "sfm").mkdir()
    (workspace.root / "sfm" / "number.json").write_text("13")
    (workspace.root / "sfm" / "manifest.json").write_text('{"fingerprint": ')
    (workspace.root / ".sfm.partial").mkdir()
    (workspace.root / ".sfm.partial" / "stale.json").write_text("1")
    run_stage(Doubler().stage(), DoubleConfig(), workspace)
    assert json.loads((workspace.root / "sfm" / "number.json").read_text()) == 42
    assert not (workspace.root / "sfm" / "stale.json").exists()


def test_checkpoints_survive_only_for_the_same_inputs(workspace: Workspace) -> None:
    seen: list[bool] = []

    def run(config: DoubleConfig, context: StageContext) -> Quality:
        seen.append((context.scratch / "step.txt").exists())
        (context.scratch / "step.txt").write_text("100")
        raise RuntimeError("killed")

    for factor in (2, 2, 3):
        with pytest.raises(RuntimeError):
            run_stage(Stage("surface", 1, ("capture",), run), DoubleConfig(factor), workspace)
    assert seen == [False, True, False]


def test_scratch_is_gone_after_success(workspace: Workspace) -> None:
    run_stage(Doubler().stage(), DoubleConfig(), workspace)
    assert {p.name for p in workspace.root.iterdir()} == {"capture", "sfm"}


def test_full_disk_is_a_retryable_storage_error_that_says_what_to_do(workspace: Workspace) -> None:
    doubler = Doubler()
    doubler.fail = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StorageError, match=r"No space left on device.*--resume") as caught:
        run_stage(doubler.stage(), DoubleConfig(), workspace)
    assert caught.value.retryable
    assert not (workspace.root / "sfm").exists()


def test_progress_reaches_the_caller(workspace: Workspace) -> None:
    steps: list[tuple[int, int]] = []
    run_stage(Doubler().stage(), DoubleConfig(), workspace, lambda step, of, message="": steps.append((step, of)))
    assert steps == [(1, 1)]
