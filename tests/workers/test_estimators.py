"""Models kept by an estimate worker, and the process in which it answers."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import trimesh
from PIL import Image
from pycocotools import mask as coco
from stand_in import PIPELINE, make_capture

from reconstruction.scene import Camera, Mesh, RigidTransform
from reconstruction.workspace import Workspace
from surfemb.estimation.estimates import PoseEstimate
from surfemb.estimation.finish import silhouette
from surfemb.learning.network import CorrespondenceModel, NetworkConfig
from workers.estimates import estimate_process
from workers.estimates.estimate_process import EstimateCrashed, EstimateProcess
from workers.estimates.estimating import Estimators, answer, pose_to_json
from workers.estimates.frames import Frame
from workers.files.storage import FolderStorage
from workers.settings import Settings

loaded: list[str] = []


class Slow:
    """Remembers that it was loaded, in a time in which another thread may try the same."""

    @classmethod
    def load(cls, object_dir: Path, early: bool) -> Slow:
        time.sleep(0.05)
        loaded.append(object_dir.name)
        return cls()


@pytest.fixture
def objects(tmp_path: Path) -> list[Path]:
    """Four, whose networks take 1 MiB each."""
    loaded.clear()
    for name in "abcd":
        weights = Workspace(tmp_path / name).weights
        weights.parent.mkdir(parents=True)
        weights.write_bytes(bytes(2**20))
    return [tmp_path / name for name in "abcd"]


def test_the_last_few_are_kept(objects: list[Path]) -> None:
    estimators = Estimators(f"{__name__}:Slow", (), kept=2, kept_mib=1000)
    for k in (0, 1, 0, 2, 0, 1):
        estimators.get(objects[k])
    assert loaded == ["a", "b", "c", "b"], "a was never the one unused for longest"


@pytest.mark.parametrize(("kept_mib", "expected"), [(6, "abcda"), (4, "abcdba"), (0.5, "abcdcba")])
def test_their_memory_is_bounded(objects: list[Path], kept_mib: float, expected: str) -> None:
    estimators = Estimators(f"{__name__}:Slow", (), kept=10, kept_mib=kept_mib)
    for k in (0, 1, 2, 3, 3, 2, 1, 0):
        estimators.get(objects[k])
    assert "".join(loaded) == expected, "each counts 2 MiB: twice its files"


def test_two_questions_at_once_load_once(objects: list[Path]) -> None:
    estimators = Estimators(f"{__name__}:Slow", (), kept=4, kept_mib=1000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(estimators.get, objects[:2] * 8))
    assert sorted(loaded) == ["a", "b"]
    assert len({id(one.estimator) for one in found}) == 2


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a data folder with an image and ready objects that stand-ins know."""
    tmp_path = tmp_path_factory.mktemp("data")
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "image.png")
    for name in ("object", "late", "crash-later"):
        scale = Workspace(make_capture(tmp_path / "objects" / name, name)).scale
        scale.parent.mkdir()
        scale.write_text('{"source": "board", "units": "m", "rel_std": 0.004}')
    return Settings(data=tmp_path)


@pytest.fixture(scope="module")
def process(settings: Settings) -> Iterator[EstimateProcess]:
    process = EstimateProcess(settings, PIPELINE)
    yield process
    process.stop()


def question(name: str) -> dict[str, Any]:
    return {"image": "image.png", "object_ids": [name], "K": [60, 60, 32, 24]}


def is_answered(process: EstimateProcess) -> bool:
    return len(process.ask(question("object"), time.time() + 30)["answer"]["poses"]) == 1


def test_a_crash_is_told_and_the_next_question_answered(process: EstimateProcess) -> None:
    with pytest.raises(EstimateCrashed, match="SIGABRT"):
        process.ask(question("crash-later"), time.time() + 30)
    assert is_answered(process)
    child = multiprocessing.active_children()[0]
    child.kill()  # between two questions, as when memory runs out
    child.join()
    assert is_answered(process)


def test_a_question_that_never_ends_is_ended(process: EstimateProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    process.start()
    monkeypatch.setattr(estimate_process, "STUCK_S", 0.3)
    with pytest.raises(EstimateCrashed, match="stuck"):
        process.ask(question("late"), time.time() + 0.3)
    assert is_answered(process)


def test_the_process_ends_with_its_worker(settings: Settings) -> None:
    program = (
        "import multiprocessing, sys\n"
        "from stand_in import PIPELINE\n"
        "from workers.estimates.estimate_process import EstimateProcess\n"
        "from workers.settings import Settings\n"
        "if __name__ == '__main__':\n"
        "    EstimateProcess(Settings(), PIPELINE).start()\n"
        "    print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    script = settings.data / "hold.py"
    script.write_text(program)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": path}
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as worker:
        assert worker.stdout
        child = psutil.Process(int(worker.stdout.readline()))
        worker.kill()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_an_answer_of_the_real_estimator(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "objects" / "ball")
    for path in (workspace.scale, workspace.mesh, workspace.model, workspace.accuracy):
        path.parent.mkdir(parents=True, exist_ok=True)
    workspace.scale.write_text('{"source": "board", "units": "m", "rel_std": 0.004}')
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    mesh = Mesh(np.asarray(ball.vertices, float), np.asarray(ball.faces))
    mesh.save(workspace.mesh)
    CorrespondenceModel(NetworkConfig(), 0.05).save(workspace.model, workspace.weights, {})
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "image.png")
    estimators = Estimators("surfemb.estimation.estimator:PoseEstimator", (), kept=1, kept_mib=100)
    asked = {"image": "image.png", "object_ids": ["ball"], "K": [60, 60, 32, 24], "boxes": []}
    document = answer(estimators, FolderStorage(Settings(data=tmp_path)), asked, time.time() + 30)["answer"]
    assert (document["backend"], document["device"], document["units"]) == ("cpu", "cpu", "m")
    loaded = estimators.get(workspace.root)
    assert 10 < loaded.mib < 20
    camera, pose = Camera(64, 48, 60, 60, 32, 24), RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.3]))
    mask = silhouette(loaded.estimator.target.surface, loaded.estimator.target.rasterizer, camera, pose)
    told = pose_to_json(
        "ball", Frame(np.zeros((48, 64, 3), np.uint8), camera, "given"), PoseEstimate(pose, 0.9, 0.9, (0, 0, 1, 1), mask), "none"
    )
    assert np.array_equal(coco.decode(told["mask_rle"]), mask)
    assert told["bbox_xywh"] == pytest.approx([22, 14, 20, 20], abs=1)
