"""One reconstruction of the generated capture's photos, shared by the tests of what follows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from made_once import made_once
from reconstructed_capture import Reconstructed

from reconstruction.capture import Capture, Prompt
from reconstruction.generated import GeneratedCapture
from reconstruction.sfm.stage import SFM, SfmConfig
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace

SMALL_SFM = SfmConfig(feature_px=480, max_features=2048)


@pytest.fixture(scope="session")
def reconstructed(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> Reconstructed:
    """The 24 photos registered by COLMAP, with a box around the object in the fourth and the board as the scale."""
    folder = made_once(tmp_path_factory, "reconstructed", lambda folder: _reconstruct(generated_capture, folder))
    return Reconstructed(Workspace(folder / "object"), generated_capture, json.loads((folder / "messages.json").read_text()))


def _reconstruct(capture: GeneratedCapture, folder: Path) -> None:
    workspace = Workspace(folder / "object")
    shutil.copytree(capture.photo_dir, workspace.photos)
    photo = capture.photos[3]
    Capture(prompt=Prompt(photo.path.name, box=capture.box(photo)), scale=capture.board()).save(workspace.capture)
    messages: list[str] = []
    run_stage(SFM, SMALL_SFM, workspace, lambda step, steps, message="": messages.append(message))
    (folder / "messages.json").write_text(json.dumps(messages))
