"""One reconstruction of the generated capture's photos, shared by the tests of what follows it."""

from __future__ import annotations

import shutil

import pytest
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
    workspace = Workspace(tmp_path_factory.mktemp("reconstructed"))
    shutil.copytree(generated_capture.photo_dir, workspace.photos)
    photo = generated_capture.photos[3]
    Capture(prompt=Prompt(photo.path.name, box=generated_capture.box(photo)), scale=generated_capture.board()).save(workspace.capture)
    messages: list[str] = []
    result = run_stage(SFM, SMALL_SFM, workspace, lambda step, steps, message="": messages.append(message))
    return Reconstructed(workspace, generated_capture, result, messages)
