"""The last stage and the command: every export that can be made, a word on each that can't, and nothing fails for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
import yaml
import yourdfpy
from typer.testing import CliRunner

from reconstruction.encodings import HashGridConfig
from reconstruction.errors import InputError, StorageError
from reconstruction.generated import GeneratedCapture
from reconstruction.scene import Mesh, Similarity
from reconstruction.scene.view import save_views
from reconstruction.sdf.field import FieldConfig, SurfaceField
from reconstruction.sdf.model import SurfaceModel
from reconstruction.stage import StageContext, run_stage
from reconstruction.workspace import Workspace
from service.objects import ARTIFACTS
from workers.command.cli import app
from workers.exports import stage
from workers.exports.config import ExportsConfig
from workers.exports.finished import Finished
from workers.exports.stage import EXPORTED, OF_THE_STAGE, make_exports, warnings_of
from workers.exports.writers import EXPORTS
from workers.pipeline import PIPELINE

QUICK = ExportsConfig(obj_faces=1500, texture_px=128, bop_photo_px=160)
FILES = {
    "object.obj", "object.mtl", "object.png", "object.glb", "object.urdf", "collision.stl",
    "bop.zip", "pose_stamped.yaml", "detection3d_array.yaml",
}  # fmt: skip


@pytest.fixture(scope="module")
def onboarded(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """As an onboarding leaves it, with the true mesh and a colour field that has learnt nothing. Read-only."""
    workspace = Workspace(tmp_path_factory.mktemp("onboarded") / "jug")
    save_views(workspace.views, generated_capture.undistorted_views(workspace.views.parent)[:5])
    for folder in (workspace.mesh.parent, workspace.accuracy.parent):
        folder.mkdir(parents=True)
    mesh = generated_capture.mesh
    mesh.save(workspace.mesh)
    mesh.save(workspace.mesh_glb)
    torch.manual_seed(0)
    grid = HashGridConfig(levels=2, coarsest=4, finest=8, log2_entries=10)
    field = SurfaceField(FieldConfig(distance=grid, colour=grid, base_cells=8, hidden=16))
    SurfaceModel(field, Similarity(1 / mesh.diameter, np.eye(3), np.full(3, 0.5))).save(workspace.field)
    workspace.accuracy.write_text(json.dumps({"symmetry": {"symmetries_discrete": [np.diag([-1, -1, 1, 1]).reshape(-1).tolist()]}}))
    scale(workspace, "m")
    return workspace


def scale(workspace: Workspace, units: str) -> None:
    workspace.scale.write_text(json.dumps({"source": "board" if units == "m" else "unknown", "units": units, "rel_std": None}))


@pytest.fixture
def copied(onboarded: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(onboarded.root, tmp_path / "jug")))


def test_the_stage_makes_all_of_them_once(copied: Workspace) -> None:
    told: list[float] = []
    result = run_stage(EXPORTED, QUICK, copied, lambda step, steps, message="": told.append(step / steps))
    made = copied.root / "exports"
    assert {path.name for path in made.iterdir()} == FILES | {"exports.json", "manifest.json"}
    assert told == sorted(told)
    assert told[-1] == 1
    document = json.loads((made / "exports.json").read_text())
    assert set(document["files"]) == FILES
    assert (document["left_out"], result.quality["warnings"], result.quality["left_out"]) == ({}, [], [])
    mesh = Mesh.load(copied.mesh)
    assert np.allclose(document["box"]["size"], mesh.extents)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert document["body"]["mass_kg"] == pytest.approx(1000 * solid.volume)
    robot = yourdfpy.URDF.load(str(made / "object.urdf"), load_collision_meshes=True)
    assert robot.link_map["object"].inertial.mass == pytest.approx(document["body"]["mass_kg"])
    assert robot.scene.extents == pytest.approx(mesh.extents, rel=0.03), "object.obj is found beside it"
    pose = yaml.safe_load((made / "pose_stamped.yaml").read_text())
    assert set(pose["pose"]) == {"position", "orientation"}
    assert "&" not in (made / "detection3d_array.yaml").read_text(), "no anchors"
    assert run_stage(EXPORTED, QUICK, copied).skipped
    assert not run_stage(EXPORTED, replace(QUICK, mass_kg=0.3), copied).skipped
    heavier = json.loads((made / "exports.json").read_text())["body"]
    assert heavier["mass_kg"] == pytest.approx(0.3)
    share = heavier["density_kg_m3"] / 1000
    assert np.allclose(heavier["inertia_kg_m2"], share * np.array(document["body"]["inertia_kg_m2"]))


def test_without_a_scale_nothing_in_metres_is_made_and_it_is_said(copied: Workspace) -> None:
    scale(copied, "object")
    quality = run_stage(EXPORTED, QUICK, copied).quality
    made = {path.name for path in (copied.root / "exports").iterdir()}
    assert made == {"object.obj", "object.mtl", "object.png", "object.glb", "exports.json", "manifest.json"}
    assert quality["left_out"] == ["bop", "ros2", "urdf"]
    (warning,) = quality["warnings"]
    assert warning["code"] == "not-exported"
    assert "urdf, bop, ros2" in warning["message"]
    assert "scale is not known" in warning["message"]
    document = json.loads((copied.root / "exports" / "exports.json").read_text())
    assert "known length" in document["left_out"]["urdf"]["try_next"]
    assert document["scale"]["units"] == "object"


def broken(names: tuple[str, ...], how: Callable[..., Any]) -> tuple[Any, ...]:
    return tuple(replace(export, make=how) if export.name in names else export for export in EXPORTS)


def test_a_defect_costs_its_own_export_and_those_that_need_it(
    onboarded: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(finished: Finished, config: ExportsConfig, out: Path, progress: Any) -> Any:
        (out / "object.obj").write_text("half")
        raise KeyError("chart 7")

    monkeypatch.setattr(stage, "EXPORTS", broken(("obj",), fails))
    document = make_exports(Finished.load(onboarded), OF_THE_STAGE, QUICK, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bop.zip", "pose_stamped.yaml", "detection3d_array.yaml", "exports.json"}
    assert "chart 7" in document["left_out"]["obj"]["what"]
    assert "needs obj" in document["left_out"]["urdf"]["what"]
    assert [warning["code"] for warning in warnings_of(document["left_out"])] == ["not-exported"] * 2


def test_a_full_disk_is_no_defect(onboarded: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, "EXPORTS", broken(("obj",), fails))
    context = StageContext(onboarded, tmp_path, tmp_path)
    with pytest.raises(OSError, match="No space"):
        EXPORTED.run(QUICK, context)
    result = CliRunner().invoke(app, ["export", str(onboarded.root), "--to", str(tmp_path / "to"), "--only", "obj"])
    assert (result.exit_code, StorageError.code in result.stderr) == (2, True)


def test_an_export_that_ends_the_process_is_left_out_in_the_end(
    onboarded: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt of the stage is a new process; the scratch folder tells it what the last one did not survive."""

    class Crash(BaseException):
        """Nobody catches it, as nobody catches a segmentation fault."""

    def crashes(*_: Any) -> Any:
        raise Crash

    monkeypatch.setattr(stage, "EXPORTS", broken(("obj",), crashes))
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    for _ in range(stage.MOST_TRIES):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        with pytest.raises(Crash):
            EXPORTED.run(QUICK, StageContext(onboarded, out, scratch))
    quality = EXPORTED.run(QUICK, StageContext(onboarded, out, scratch))
    assert quality["left_out"] == ["obj", "urdf"]
    assert (out / "bop.zip").exists()


def test_a_mesh_with_a_hole_weighs_as_much_as_its_hull(copied: Workspace, tmp_path: Path) -> None:
    mesh = Mesh.load(copied.mesh)
    replace(mesh, faces=mesh.faces[5:]).save(copied.mesh)
    document = make_exports(Finished.load(copied), ["urdf"], QUICK, tmp_path)
    hull = trimesh.Trimesh(mesh.vertices, mesh.faces).convex_hull
    assert document["body"]["mass_kg"] == pytest.approx(1000 * hull.volume, rel=1e-6)
    assert "convex hull" in document["files"]["object.urdf"]


def test_the_command_exports_what_is_asked_for(onboarded: Workspace, tmp_path: Path) -> None:
    run = lambda *words: CliRunner().invoke(app, ["export", str(onboarded.root), "--to", str(tmp_path / "to"), *words])  # noqa: E731
    done = run("--only", "ply,glb,ros2", "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    assert set(document["files"]) == {"mesh.ply", "mesh.glb", "pose_stamped.yaml", "detection3d_array.yaml"}
    assert Mesh.load(tmp_path / "to" / "mesh.ply").extents == pytest.approx(Mesh.load(onboarded.mesh).extents)
    assert "there is no export foo" in run("--only", "foo").stderr
    assert "nothing weighs -1" in run("--only", "urdf", "--mass", "-1").stderr
    nothing = CliRunner().invoke(app, ["export", str(tmp_path), "--to", str(tmp_path / "to")])
    assert (nothing.exit_code, "onboard the object first" in nothing.stderr) == (2, True)


def test_the_command_refuses_metres_that_nobody_knows(copied: Workspace, tmp_path: Path) -> None:
    scale(copied, "object")
    refused = CliRunner().invoke(app, ["export", str(copied.root), "--to", str(tmp_path / "to"), "--only", "bop"])
    assert refused.exit_code == 2
    assert "scale is not known" in refused.stderr
    assert "known length" in refused.stderr
    with pytest.raises(InputError):
        stage.make_export(EXPORTS[3], Finished.load(copied), QUICK, tmp_path, lambda *_: None)


def test_the_service_shows_them_all() -> None:
    shown = lambda name: any(PurePath("exports", name).match(pattern) for pattern in ARTIFACTS)  # noqa: E731
    assert all(shown(name) for name in (*FILES, "exports.json"))
    assert not shown("manifest.json")


def test_exports_come_last() -> None:
    assert PIPELINE.names[-1] == EXPORTED.name == "exports"
    assert set(PIPELINE.estimator_needs).isdisjoint({"exports"}), "estimates don't wait for them"
