"""A workspace as training finds it: the generated capture with its true poses, masks and mesh, and a few rendered views."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconstruction.generated import GeneratedCapture
from reconstruction.scene import View
from reconstruction.scene.view import save_views
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace
from surfemb.synthetic import SYNTHETIC, SyntheticConfig


@pytest.fixture(scope="session")
def training_workspace(generated_capture: GeneratedCapture, posed_views: list[View]) -> Workspace:
    """Read-only: tests copy what they change."""
    scale: Path = posed_views[0].photo_path.parent.parent
    save_views(scale / "views.json", posed_views)
    workspace = Workspace(scale.parent)
    workspace.mesh.parent.mkdir(parents=True)
    shutil.copy(generated_capture.root / "truth" / "mesh.ply", workspace.mesh)
    config = SyntheticConfig(views=60, px=96, shading="vertex", backgrounds=24, textures=8)
    run_stage(SYNTHETIC, config, workspace)
    return workspace
