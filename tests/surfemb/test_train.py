"""Training on the generated capture: it learns, it can be stopped, it says what it wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reconstruction.live import Curve
from reconstruction.scene import Mesh, View
from reconstruction.scene.images import read_photo
from reconstruction.scene.view import load_views, save_views
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace
from surfemb.learning.batches import BatchRecipe, load_batches
from surfemb.learning.held_out import HeldOut
from surfemb.learning.loss import Batch
from surfemb.learning.network import CorrespondenceModel, NetworkConfig
from surfemb.learning.optimiser import OptimiserConfig
from surfemb.learning.stages import CORRESPONDENCE, EARLY
from surfemb.learning.train import Part, TrainConfig, TrainingError, pick_device, train_model
from surfemb.samples.crops import CropConfig
from surfemb.samples.looks import LOOKS
from surfemb.split import split_views

SMALL = TrainConfig(
    steps=160,
    batch=8,
    pixels=96,
    others=256,
    network=NetworkConfig(crop_px=64, widths=(24, 48, 64, 96), key_width=128),
    crops=CropConfig(stored_px=128),
    optimiser=OptimiserConfig(learning_rate=4e-3, key_learning_rate=1e-3, warmup=20, average=0.94),
    threads=1,
    validate_every=80,
)
TINY = replace(SMALL, steps=6, batch=2, network=NetworkConfig(crop_px=32, widths=(8, 8, 8), key_width=16), validate_every=3, workers=0)


@pytest.fixture(scope="module")
def trained(training_workspace: Workspace) -> tuple[Workspace, dict[str, float], list[str]]:
    messages: list[str] = []
    for stage in (EARLY, CORRESPONDENCE):
        result = run_stage(stage, SMALL, training_workspace, lambda step, steps, message="": messages.append(message))
    return training_workspace, result.quality, messages


def test_training_learns_held_out_photos(trained: tuple[Workspace, dict[str, float], list[str]]) -> None:
    """A network that knows nothing errs by about 0.4 of the diameter and has a contrast of log(2000) = 7.6."""
    _, quality, messages = trained
    assert quality["mask_iou"] > 0.45
    assert quality["coordinate_error"] < 0.2
    assert quality["contrast"] < 6.6
    assert quality["held_out"] == 3
    assert "contrast" in messages[-1]


def test_the_stage_writes_a_model_that_says_what_it_was_made_for(trained: tuple[Workspace, dict[str, float], list[str]]) -> None:
    workspace, _, _ = trained
    model = CorrespondenceModel.load(workspace.model, workspace.weights)
    mesh = Mesh.load(workspace.mesh)
    about = json.loads(workspace.model.read_text())
    assert model.radius == pytest.approx(np.linalg.norm(mesh.vertices, axis=1).max())
    assert about["diameter"] == pytest.approx(mesh.diameter)
    assert about["held_out"] == [view.name for view in split_views(load_views(workspace.views))[1]]
    assert set(about["view_range"]) == {"elevation_deg", "distance_m", "object_px"}
    assert read_photo(workspace.model.parent / "preview.png").shape == (3 * 64, 4 * 64, 3)
    early = CorrespondenceModel.load(workspace.early_model, workspace.early_weights)
    assert model.config == early.config
    assert json.loads((workspace.early_model.parent / "curve.json").read_bytes())["rows"][-1]["step"] == 80
    history = json.loads((workspace.model.parent / "history.json").read_text())
    assert [row["step"] for row in history] == [80, 160]
    assert history[1]["contrast"] < history[0]["contrast"]
    curve = (workspace.model.parent / "curve.json").read_bytes()
    assert len(json.loads(curve)["rows"]) == json.loads(curve)["steps"] == SMALL.steps
    assert (workspace.live("correspondence") / "curve.json").read_bytes() == curve


def _tiny_parts(workspace: Workspace) -> tuple[Mesh, BatchRecipe, HeldOut]:
    mesh = Mesh.load(workspace.mesh)
    looks = LOOKS[TINY.looks]
    recipe = BatchRecipe(workspace.root, TINY.network.crop_px, TINY.crops, looks, TINY.batch, TINY.pixels, TINY.others, TINY.seed)
    crop = recipe.make_sampler().plain(load_views(workspace.views)[0], 1.3)
    assert crop is not None
    return mesh, recipe, HeldOut(mesh, [crop], points=100)


def test_a_stopped_training_goes_on_to_the_same_weights(training_workspace: Workspace, tmp_path: Path) -> None:
    mesh, recipe, held_out = _tiny_parts(training_workspace)
    config = replace(TINY, checkpoint_s=0.0)
    asked: list[int] = []

    def batches(first: int) -> Iterator[Batch]:
        asked.append(first)
        return load_batches(recipe, first, config.steps, 0)

    def stopped(first: int) -> Iterator[Batch]:
        for step, batch in enumerate(batches(first)):
            if step == 4:
                raise KeyboardInterrupt
            yield batch

    whole, whole_history, whole_curve = train_model(mesh, batches, held_out, config)
    with pytest.raises(KeyboardInterrupt):
        train_model(mesh, stopped, held_out, config, tmp_path)
    resumed, history, curve = train_model(mesh, batches, held_out, config, tmp_path)
    assert asked == [0, 0, 4]
    assert [row["step"] for row in history] == [3, 6] == [row["step"] for row in whole_history]
    assert [row["step"] for row in curve.rows] == [1, 2, 3, 4, 5, 6] == [row["step"] for row in whole_curve.rows]
    assert curve.rows[:4] == whole_curve.rows[:4]
    assert "held_out_mask_iou" in curve.rows[3]
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, resumed.state_dict()[name], atol=1e-5, rtol=1e-4)


def test_the_two_parts_of_a_training_end_as_the_whole(training_workspace: Workspace, tmp_path: Path) -> None:
    mesh, recipe, held_out = _tiny_parts(training_workspace)

    def trained(part: Part) -> tuple[CorrespondenceModel, list[dict[str, Any]], Curve]:
        return train_model(mesh, lambda first: load_batches(recipe, first, part.until, 0), held_out, TINY, part=part)

    whole, whole_history, whole_curve = trained(Part(6))
    _, early_history, _ = trained(Part(3, end=tmp_path / "training.safetensors"))
    both, history, curve = trained(Part(6, start=tmp_path / "training.safetensors"))
    assert [row["step"] for row in early_history] == [3]
    assert [row["step"] for row in history] == [row["step"] for row in whole_history] == [3, 6]
    assert len(curve.rows) == len(whole_curve.rows) == 6
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, both.state_dict()[name], atol=1e-5, rtol=1e-4)


def test_batches_are_the_same_from_any_process(training_workspace: Workspace) -> None:
    _, recipe, _ = _tiny_parts(training_workspace)
    here, there = list(load_batches(recipe, 2, 4, 0)), list(load_batches(recipe, 2, 4, 1))
    assert len(here) == len(there) == 2
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.points, b.points)
        assert torch.equal(a.pixels, b.pixels)
        assert torch.equal(a.others, b.others)


def test_no_point_of_the_surface_comes_twice(training_workspace: Workspace) -> None:
    """The key network learns by heart what comes again, and knows nothing of the places between."""
    _, recipe, _ = _tiny_parts(training_workspace)
    drawn = [batch.others.double().numpy() for batch in load_batches(recipe, 0, 3, 0)]
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 3 * TINY.others


def test_points_of_a_batch_are_those_of_its_pixels(training_workspace: Workspace) -> None:
    _, recipe, _ = _tiny_parts(training_workspace)
    exact = replace(recipe, crops=replace(recipe.crops, coordinate_noise=0.0))
    batch, sampler = next(load_batches(exact, 0, 1, 0)), exact.make_sampler()
    for row in range(exact.batch):
        sample = sampler.sample(row)
        assert np.array_equal(batch.mask[row].numpy(), sample.mask)
        if batch.has_object[row]:
            assert np.array_equal(batch.points[row].numpy(), sample.coordinates.reshape(-1, 3)[batch.pixels[row].numpy()])


def test_a_diverging_loss_stops_the_training(training_workspace: Workspace) -> None:
    mesh, recipe, held_out = _tiny_parts(training_workspace)

    def spoiled(first: int) -> Iterator[Batch]:
        for batch in load_batches(recipe, first, 3, 0):
            yield replace(batch, points=batch.points * float("nan"), has_object=torch.ones_like(batch.has_object))

    with pytest.raises(TrainingError, match="learning_rate"):
        train_model(mesh, spoiled, held_out, TINY)


def test_photos_without_masks_are_an_error_that_says_where_to_look(
    training_workspace: Workspace, posed_views: list[View], tmp_path: Path
) -> None:
    root = tmp_path / "bare"
    shutil.copytree(training_workspace.root / "surface", root / "surface")
    shutil.copytree(posed_views[0].photo_path.parent, root / "scale" / "photos")
    views = [replace(view, photo_path=root / "scale" / "photos" / view.photo_path.name, mask_path=None) for view in posed_views[:3]]
    save_views(root / "scale" / "views.json", views)
    with pytest.raises(TrainingError, match="masks stage"):
        run_stage(CORRESPONDENCE, TINY, Workspace(root))


def test_cuda_is_never_replaced_in_silence() -> None:
    assert pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="no CUDA"):
            pick_device("cuda")
