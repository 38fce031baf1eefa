"""`snap6d view`: what it shows, and that it shows it to this machine only."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from reconstruction.errors import BackendMissing, InputError
from reconstruction.generated import GeneratedCapture
from reconstruction.scene import Similarity
from reconstruction.scene.view import save_views
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.workspace import Workspace
from workers.command.view import show_object


def test_mesh_points_and_cameras_are_served(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    views = generated_capture.undistorted_views(workspace.views.parent)[:3]
    save_views(workspace.views, views)
    workspace.mesh.parent.mkdir()
    workspace.sfm_points.parent.mkdir()
    generated_capture.mesh.save(workspace.mesh)
    workspace.scale.write_text(json.dumps({"obj_from_sfm": Similarity(0.1).to_json()}))
    points = np.array([[0.1, 0, 0], [1e6, 0, 0]])
    SparsePoints(points, np.full((2, 3), 200, np.uint8), np.zeros(0, int), np.zeros(0, int)).save(workspace.sfm_points)
    told: list[int] = []
    server = show_object(tmp_path, "127.0.0.1", 8080, lambda step, steps, message="": told.append(step))
    try:
        assert server.get_host() == "127.0.0.1"
        assert "<!doctype html>" in httpx.get(f"http://127.0.0.1:{server.get_port()}").text
        shown = server.scene._handle_from_node_name
        assert {"/mesh", "/points", "/cameras", "/axes", *(f"/cameras/{one.name}" for one in views)} <= set(shown)
        assert shown["/points"].points.tolist() == pytest.approx(np.array([[0.01, 0, 0]]))
        eye = np.array(shown[f"/cameras/{views[0].name}"].position)
        np.testing.assert_allclose(eye, views[0].centre_world, atol=1e-6)
        assert told == [1, 2, 3]
    finally:
        server.stop()


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no cameras"):
        show_object(tmp_path, "127.0.0.1", 8080)
    monkeypatch.setattr("workers.command.view.find_spec", lambda name: None)
    with pytest.raises(BackendMissing, match=r"\[view\]"):
        show_object(tmp_path, "127.0.0.1", 8080)
