"""The surface of a rendered object, measured against the mesh it was rendered from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch.nn import functional

from reconstruction.encodings import HashGridConfig
from reconstruction.errors import BackendMissing, InputError, SurfaceError
from reconstruction.generated import GeneratedCapture
from reconstruction.hull import Hull, carve_hull
from reconstruction.scene import Mesh, View
from reconstruction.scene.view import save_views
from reconstruction.sdf.checkpoint import load_checkpoint, save_checkpoint
from reconstruction.sdf.extract import extract_mesh
from reconstruction.sdf.field import FieldConfig, SurfaceField
from reconstruction.sdf.frame import cube_around, hull_distances
from reconstruction.sdf.glimpse import FACES, glimpse
from reconstruction.sdf.labels import EDGE, OBJECT, OUTSIDE
from reconstruction.sdf.model import SurfaceModel
from reconstruction.sdf.pool import RayPool
from reconstruction.sdf.rays import open_window
from reconstruction.sdf.sampling import place_samples, scan
from reconstruction.sdf.stage import SURFACE, Surface, SurfaceConfig, _trainer, reconstruct_surface
from reconstruction.sdf.train import Trainer, TrainingConfig
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace

LOSSES = ("colour", "mask", "eikonal", "unseen", "flat", "exposure")
SMALL = SurfaceConfig(
    training=TrainingConfig(steps=250, rays=512, samples=14, refresh_every=50),
    field=FieldConfig(HashGridConfig(6, 8, 96, 14), HashGridConfig(6, 12, 256, 15), base_cells=64, hidden=32),
    photo_px=200,
    mesh_cells=96,
    faces=8000,
)


@pytest.fixture(scope="module")
def hull(posed_views: list[View], generated_capture: GeneratedCapture) -> Hull:
    lower, upper = generated_capture.mesh.bounds
    room = 0.1 * (upper - lower).max()
    masks = [view.mask() for view in posed_views]
    return carve_hull(posed_views, masks, lower - room * np.array([1, 1, 0]), upper + room, 64)


@pytest.fixture(scope="module")
def surface(posed_views: list[View], hull: Hull) -> Surface:
    return reconstruct_surface(posed_views, hull, SMALL)


def error_share(found: Mesh, truth: Mesh) -> float:
    """Mean distance between two surfaces, both ways, as a share of the true diameter."""
    dense = [cKDTree(mesh.sample(200_000, seed=1)[0]) for mesh in (found, truth)]
    there = dense[1].query(found.sample(10_000, seed=2)[0])[0].mean()
    back = dense[0].query(truth.sample(10_000, seed=2)[0])[0].mean()
    return float(there + back) / 2 / truth.diameter


def test_surface_is_close_to_the_truth(surface: Surface, generated_capture: GeneratedCapture) -> None:
    assert error_share(surface.mesh, generated_capture.mesh) < 0.006
    assert len(surface.mesh.faces) <= SMALL.faces
    a, b, c = (surface.mesh.vertices[surface.mesh.faces[:, i]] for i in range(3))
    assert (a * np.cross(b, c)).sum() > 0, "faces must run counter-clockwise from outside"


def test_heldout_photos_look_right(surface: Surface) -> None:
    assert [score["photo"] for score in surface.quality["heldout"]] == [surface.preview[i].view.name for i in range(len(surface.preview))]
    assert surface.quality["psnr_heldout_exposed"] > 20
    assert surface.quality["iou_heldout"] > 0.95


def test_model_survives_the_disk(surface: Surface, tmp_path: Path) -> None:
    surface.model.save(tmp_path / "field.safetensors")
    points, face = surface.mesh.sample(2000, seed=0)
    normals = surface.mesh.face_normals[face]
    for encoding in ("numba", "torch"):
        loaded = SurfaceModel.load(tmp_path / "field.safetensors", encoding)
        np.testing.assert_allclose(loaded.sdf(points), surface.model.sdf(points), atol=1e-6)
        np.testing.assert_allclose(loaded.shade(points, -normals, normals), surface.model.shade(points, -normals, normals), atol=1e-4)
    away = surface.model.sdf(points + 0.02 * surface.mesh.diameter * normals)
    assert abs(np.median(away) / (0.02 * surface.mesh.diameter) - 1) < 0.25
    (tmp_path / "field.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="surface"):
        SurfaceModel.load(tmp_path / "field.safetensors")


def test_interrupted_training_goes_on_identically(posed_views: list[View], hull: Hull, tmp_path: Path) -> None:
    config = replace(SMALL, training=replace(SMALL.training, steps=12, refresh_every=5))
    windows = [window for view in posed_views[:8] if (window := open_window(view, hull, 120)) is not None]
    whole, first, second = (_trainer(windows, hull, cube_around(hull), config) for _ in range(3))
    for _ in range(12):
        whole.run_step()
    for _ in range(7):
        first.run_step()
    save_checkpoint(tmp_path / "checkpoint.safetensors", first)
    assert load_checkpoint(tmp_path / "checkpoint.safetensors", second)
    for _ in range(5):
        second.run_step()
    for (name, expected), found in zip(whole.surface.state_dict().items(), second.surface.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, msg=name)
    assert second.curve.encoded() == whole.curve.encoded()
    torch.testing.assert_close(second.exposure, whole.exposure, rtol=0, atol=0)


def test_looking_changes_nothing_and_shows_the_surface(
    posed_views: list[View], hull: Hull, generated_capture: GeneratedCapture, tmp_path: Path
) -> None:
    config = replace(SMALL, training=replace(SMALL.training, steps=20, refresh_every=5))
    windows = [window for view in posed_views[:8] if (window := open_window(view, hull, 120)) is not None]
    unit_from_obj = cube_around(hull)
    alone, watched = (_trainer(windows, hull, unit_from_obj, config) for _ in range(2))
    for trainer in (alone, watched):
        torch.manual_seed(7)
        for _ in range(20):
            trainer.run_step()
            if trainer is watched:
                (tmp_path / "mesh.glb").write_bytes(glimpse(watched, unit_from_obj))
        trainer.drawn = torch.rand(4)  # type: ignore[attr-defined]
    for (name, expected), found in zip(alone.surface.state_dict().items(), watched.surface.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, msg=name)
    assert torch.equal(alone.rng.get_state(), watched.rng.get_state())
    assert torch.equal(alone.drawn, watched.drawn)  # type: ignore[attr-defined]
    assert alone.curve.encoded() == watched.curve.encoded()
    assert [row["step"] for row in alone.curve.rows] == list(range(1, 21))
    assert alone.curve.rows[-1]["loss"] == pytest.approx(sum(alone.curve.rows[-1][name] for name in LOSSES), rel=1e-3)  # type: ignore[misc]
    assert (tmp_path / "mesh.glb").stat().st_size < 300_000
    shown = Mesh.load(tmp_path / "mesh.glb")
    assert shown.colors is not None
    obj = Mesh(shown.vertices[:, [0, 2, 1]] * (1, -1, 1), shown.faces)
    assert error_share(obj, generated_capture.mesh) < 0.02


def test_gradient_is_the_slope_of_the_distance(hull: Hull) -> None:
    torch.manual_seed(0)
    config = FieldConfig(HashGridConfig(3, 4, 8, 14), HashGridConfig(2, 4, 8, 14), base_cells=32, hidden=16)
    field = SurfaceField(config, "torch")
    field.set_base(torch.from_numpy(hull_distances(hull, cube_around(hull), 32)))
    torch.nn.init.normal_(field.distance_grid.table, std=0.1)  # type: ignore[arg-type]
    torch.nn.init.normal_(field.distance_out.weight, std=0.1)
    field = field.double()
    points = torch.rand(500, 3, dtype=torch.float64, requires_grad=True)
    distance, gradient = field.distance_and_gradient(points, 3)
    (expected,) = torch.autograd.grad(distance.sum(), points)
    torch.testing.assert_close(gradient, expected)


def test_device_and_encoding_must_fit(posed_views: list[View], hull: Hull) -> None:
    with pytest.raises(InputError, match="triton"):
        reconstruct_surface(posed_views, hull, replace(SMALL, encoding="triton"))
    if not torch.cuda.is_available():
        with pytest.raises(BackendMissing, match="CUDA"):
            reconstruct_surface(posed_views, hull, replace(SMALL, device="cuda", encoding="torch"))


def test_colours_in_bfloat16_are_close(surface: Surface) -> None:
    rough = SurfaceField(replace(SMALL.field, colour_dtype="bfloat16")).requires_grad_(False)
    rough.load_state_dict(surface.model.field.state_dict())
    points, face = surface.mesh.sample(5000, seed=3)
    normals = surface.mesh.face_normals[face]
    models = surface.model, replace(surface.model, field=rough)
    exact, shown = (model.shade(points, -normals, normals) for model in models)
    assert shown.dtype == np.float32
    assert 0 < np.abs(exact - shown).mean() < 1 / 255
    assert np.abs(exact - shown).max() < 6 / 255


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_the_same_surface(posed_views: list[View], hull: Hull, surface: Surface, generated_capture: GeneratedCapture) -> None:
    found = reconstruct_surface(posed_views, hull, replace(SMALL, device="cuda", encoding="triton"))
    truth = generated_capture.mesh
    assert error_share(found.mesh, truth) < 1.2 * error_share(surface.mesh, truth)


@pytest.fixture(scope="module")
def ball() -> torch.Tensor:
    """Distances to a ball of radius 0.3 in the middle of the cube, at the nodes of a grid."""
    axis = torch.linspace(0, 1, 65)
    return (torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1) - 0.5).norm(dim=-1) - 0.3


@pytest.mark.parametrize("place", [place_samples, scan])
def test_samples_surround_the_surface(place: Callable, ball: torch.Tensor) -> None:
    origins = torch.tensor([[0.5, 0.5, -2.0], [0.5, 0.85, -2.0], [0.5, 0.815, -2.0]])
    directions = torch.tensor([[0.0, 0.0, 1.0]]).repeat(3, 1)
    jitter = torch.rand(3, 16, generator=torch.Generator().manual_seed(0))
    lengths, near = place(origins, directions, ball, torch.tensor(0.03), jitter)
    assert near.tolist() == [True, False, True]
    assert (lengths[near].diff(dim=1) >= 0).all()
    assert (lengths[0] - 2.2).abs().max() < 0.04, "the near side of the ball, not its far side"
    assert (lengths[0] - 2.2).abs().median() < 0.015


def test_march_and_scan_place_the_same_samples(ball: torch.Tensor) -> None:
    """One runs on a CPU, the other on a GPU: rays from all around, many of which graze or miss the ball, some inside the cube."""
    rng = torch.Generator().manual_seed(1)
    directions = functional.normalize(torch.randn(2000, 3, generator=rng), dim=1)
    origins = 0.5 + 0.35 * torch.randn(2000, 3, generator=rng) - 0.9 * directions
    jitter = torch.rand(2000, 18, generator=rng)
    (marched, near), (scanned, also_near) = (
        place(origins, directions, ball, torch.tensor(0.025), jitter) for place in (place_samples, scan)
    )
    assert 300 < near.sum() < 1700
    assert (near != also_near).float().mean() < 0.01
    off = (marched - scanned)[near & also_near].abs()
    assert off.median() < 0.5 / 64 / 4
    assert off.quantile(0.99) < 1.5 / 64


def test_a_plain_thing_neither_swells_nor_shrinks(ball: torch.Tensor) -> None:
    """A white ball before nothing, its outline exact: no texture holds its surface where it is, so nothing may pull at it."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(1)
    outward = functional.normalize(torch.randn(12, 1, 3, generator=rng), dim=2)
    aims = 0.5 + 0.36 * functional.normalize(torch.randn(12, 3000, 3, generator=rng), dim=2) * torch.rand(12, 3000, 1, generator=rng)
    centres = 0.5 + 2 * outward
    directions = functional.normalize(aims - centres, dim=2)
    past = (0.5 - centres - ((0.5 - centres) * directions).sum(2, keepdim=True) * directions).norm(dim=2)
    labels = torch.where(past > 0.3, OUTSIDE, torch.where(past > 0.29, EDGE, OBJECT)).to(torch.uint8).reshape(-1)
    window = torch.arange(12, dtype=torch.int32).repeat_interleave(3000)
    white, plain = torch.full((36_000, 3), 240, dtype=torch.uint8), torch.full((36_000,), 255, dtype=torch.uint8)
    surface = SurfaceField(SMALL.field)
    surface.set_base(ball)
    pool = RayPool(centres[:, 0], window, directions.reshape(-1, 3), white, labels, plain)
    trainer = Trainer(surface, pool, replace(SMALL.training, steps=200), torch.empty(0, 3))
    for _ in range(200):
        trainer.run_step()
    around = functional.normalize(torch.randn(2000, 3, generator=rng), dim=1)
    with torch.no_grad():
        swollen = -surface.distance(0.5 + 0.3 * around, SMALL.field.distance.levels)
    assert swollen.mean().abs() < 0.005, "0.147 of a cube of one when light that was left inside counted as darkness"
    assert float(trainer.surface.sharpness) > 0.99 * trainer.config.last_sharpness, "nothing here asks for a sharp surface"


def test_no_surface_is_an_error(surface: Surface, hull: Hull) -> None:
    coarse = np.full((65, 65, 65), 0.5, np.float32)
    with pytest.raises(SurfaceError, match="masks"):
        extract_mesh(surface.model, hull, coarse, 32, 1000)


def test_too_few_masks_is_an_error(posed_views: list[View], hull: Hull) -> None:
    with pytest.raises(SurfaceError, match="2 photos"):
        reconstruct_surface(posed_views[:2], hull, SMALL)


def test_stage_writes_its_artifacts(posed_views: list[View], hull: Hull, tmp_path: Path) -> None:
    root = posed_views[0].mask_path.parent.parent.parent  # type: ignore[union-attr]
    workspace = Workspace(root)
    save_views(workspace.views, posed_views)
    hull.save(workspace.hull)
    config = replace(SMALL, training=replace(SMALL.training, steps=5))
    result = run_stage(SURFACE, config, workspace)
    assert result.quality["steps"] == 5
    assert Mesh.load(workspace.mesh).colors is not None
    assert len(Mesh.load(workspace.mesh_glb).faces) == result.quality["faces"]
    assert (root / "surface" / "preview.png").stat().st_size > 10_000
    curve = (root / "surface" / "curve.json").read_bytes()
    assert [row["step"] for row in json.loads(curve)["rows"]] == [1, 2, 3, 4, 5]
    assert (workspace.live("surface") / "curve.json").read_bytes() == curve
    assert len(Mesh.load(workspace.live("surface") / "mesh.glb").faces) <= FACES
    assert SurfaceModel.load(workspace.field).sdf(np.zeros((1, 3))).shape == (1,)
