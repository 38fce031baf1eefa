"""A workspace as training finds it: the generated capture with its true poses, masks and mesh, and a few rendered views."""

from __future__ import annotations

import shutil

import pytest
from made_once import made_once

from reconstruction.generated import GeneratedCapture
from reconstruction.scene.view import save_views
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace
from surfemb.samples.synthetic import SYNTHETIC, SyntheticConfig


@pytest.fixture(scope="session")
def training_workspace(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Read-only: tests copy what they change."""
    return Workspace(made_once(tmp_path_factory, "training", lambda folder: _lay_out(Workspace(folder), generated_capture)))


def _lay_out(workspace: Workspace, capture: GeneratedCapture) -> None:
    save_views(workspace.views, capture.undistorted_views(workspace.views.parent))
    workspace.mesh.parent.mkdir(parents=True)
    shutil.copy(capture.root / "truth" / "mesh.ply", workspace.mesh)
    config = SyntheticConfig(views=60, px=96, shading="vertex", backgrounds=24, textures=8)
    run_stage(SYNTHETIC, config, workspace)
