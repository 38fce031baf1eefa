"""The networks: shapes, files, and the loss at points where its value is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reconstruction.errors import InputError
from surfemb.learning.loss import Batch, correspondence_losses, info_nce
from surfemb.learning.network import FULL_NETWORK, CorrespondenceModel, NetworkConfig

SMALL = NetworkConfig(crop_px=64, widths=(8, 16, 16, 24), key_width=32)


@pytest.fixture
def model() -> CorrespondenceModel:
    torch.manual_seed(0)
    return CorrespondenceModel(SMALL, radius=0.1).eval()


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (16, 128)])
def test_queries_come_at_every_pixel_of_any_size(model: CorrespondenceModel, size: tuple[int, int]) -> None:
    mask, queries = model.query(torch.rand(2, 3, *size))
    assert mask.shape == (2, *size)
    assert queries.shape == (2, *size, 12)
    assert mask.dtype == queries.dtype == torch.float32


def test_queries_of_some_pixels_are_those_of_the_whole_map(model: CorrespondenceModel) -> None:
    crops, pixels = torch.rand(2, 3, 32, 48), torch.randint(0, 32 * 48, (2, 100))
    mask, queries = model.query(crops)
    mask_again, some = model.query_at(crops, pixels)
    assert torch.equal(mask, mask_again)
    for row in range(2):
        assert torch.equal(queries[row].flatten(0, 1)[pixels[row]], some[row])


def test_full_network_has_the_size_of_a_resnet18_encoder() -> None:
    model = CorrespondenceModel(FULL_NETWORK, 1.0)
    encoder = sum(p.numel() for p in model.query_net.encoder.parameters())
    assert 9e6 < encoder < 13e6
    assert model.query(torch.rand(1, 3, 224, 224))[1].shape == (1, 224, 224, 12)


def test_saved_model_answers_the_same(model: CorrespondenceModel, tmp_path: Path) -> None:
    json_path, weights = tmp_path / "model.json", tmp_path / "weights.safetensors"
    model.save(json_path, weights, {"diameter": 0.2})
    again = CorrespondenceModel.load(json_path, weights)
    crops, points = torch.rand(1, 3, 32, 32), torch.rand(5, 3) * 0.1
    assert torch.equal(model.query(crops)[1], again.query(crops)[1])
    assert torch.equal(model.key(points), again.key(points))
    assert again.radius == 0.1
    assert not again.training
    assert json.loads(json_path.read_text())["diameter"] == 0.2


def test_files_that_do_not_belong_together_are_an_input_error(model: CorrespondenceModel, tmp_path: Path) -> None:
    json_path, weights = tmp_path / "model.json", tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match="run the correspondence stage again"):
        CorrespondenceModel.load(json_path, weights)
    model.save(json_path, weights, {})
    CorrespondenceModel(replace(SMALL, embedding_dim=6), 0.1).save(json_path, tmp_path / "other.safetensors", {})
    with pytest.raises(InputError, match="run the correspondence stage again"):
        CorrespondenceModel.load(json_path, weights)
    weights.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="run the correspondence stage again"):
        CorrespondenceModel.load(json_path, weights)


def test_keys_depend_on_the_point_over_the_radius_only(model: CorrespondenceModel) -> None:
    points = torch.rand(7, 3) * 0.1
    larger = CorrespondenceModel(SMALL, radius=1.0)
    larger.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.key(points), larger.key(points * 10), atol=1e-4, rtol=1e-4)


def test_contrast_of_a_network_that_knows_nothing_is_the_log_of_the_choices() -> None:
    queries = torch.zeros(50, 12)
    assert info_nce(queries, torch.randn(50, 12), torch.randn(99, 12)).item() == pytest.approx(math.log(100), abs=1e-5)


def test_contrast_is_the_cross_entropy_of_own_key_among_all() -> None:
    queries, own, others = torch.randn(20, 4), torch.randn(20, 4), torch.randn(30, 4)
    logits = torch.cat([(queries * own).sum(1, keepdim=True), queries @ others.T], 1)
    expected = torch.nn.functional.cross_entropy(logits, torch.zeros(20, dtype=torch.long))
    torch.testing.assert_close(info_nce(queries, own, others), expected)


def test_crops_without_the_object_train_the_mask_alone(model: CorrespondenceModel) -> None:
    model.train()
    batch = Batch(
        torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8),
        torch.zeros(2, 32, 32, dtype=torch.bool),
        torch.zeros(2, 10, dtype=torch.long),
        torch.zeros(2, 10, 3),
        torch.tensor([False, False]),
        torch.rand(20, 3),
    )
    losses = correspondence_losses(model, batch)
    losses.total.backward()
    assert losses.contrast.item() == 0
    assert losses.mask.item() > 0
    assert all(p.grad is None for p in model.key_net.parameters())
