"""The real Segment Anything classes, small and with random weights: prompts, checkpoints, and what is said when they are missing."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reconstruction.backends import load_backend
from reconstruction.errors import BackendMissing, InputError
from reconstruction.masks import MASKERS, Guess
from reconstruction.masks.stage import MaskConfig, make_masker

pytestmark = pytest.mark.skipif(
    find_spec("segment_anything") is None or find_spec("torchvision") is None, reason="segment-anything and torchvision are optional"
)


def build_tiny_sam(checkpoint: str | None = None) -> torch.nn.Module:
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=128, patch_size=16, embed_dim=32, depth=2, num_heads=2, out_chans=32, use_rel_pos=True, window_size=4,
        global_attn_indexes=(1,), norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )  # fmt: skip
    prompt_encoder = PromptEncoder(embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=4)
    transformer = TwoWayTransformer(depth=2, embedding_dim=32, num_heads=2, mlp_dim=64)
    decoder = MaskDecoder(num_multimask_outputs=3, transformer=transformer, transformer_dim=32, iou_head_depth=2, iou_head_hidden_dim=32)
    return Sam(encoder, prompt_encoder, decoder).eval()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MaskConfig:
    """A configuration that names a tiny checkpoint, saved as a state dict like the published ones."""
    load_backend("masker", MASKERS, "sam")  # importing it makes torchvision importable beside a CPU-only torch
    import segment_anything

    monkeypatch.setitem(segment_anything.sam_model_registry, "tiny", build_tiny_sam)
    torch.save(build_tiny_sam().state_dict(), tmp_path / "tiny.pth")
    return MaskConfig(masker="sam", sam_checkpoint=str(tmp_path / "tiny.pth"), sam_model="tiny")


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def guess(name: str = "a", x0: int = 30, **changes: Any) -> Guess:
    likely, limit = np.zeros((90, 120), bool), np.zeros((90, 120), bool)
    likely[20:70, x0 : x0 + 40], limit[10:80, x0 - 10 : x0 + 60] = True, True
    points = np.array([[x0 + 10.0, 30], [x0 + 20.0, 50], [x0 + 30.0, 60]])
    values = {"object_px": points, "background_px": np.zeros((0, 2)), **changes}
    return Guess(name, (x0 - 10, 10, x0 + 60, 80), likely, np.zeros_like(likely), limit, **values)


def test_a_mask_of_the_photos_size_within_the_limit(tiny: MaskConfig, photo: np.ndarray) -> None:
    masker, asked = make_masker(tiny), guess()
    mask = masker.segment(photo, asked)
    assert mask.shape == (90, 120)
    assert mask.dtype == bool
    assert not (mask & ~asked.limit).any()
    np.testing.assert_array_equal(masker.segment(photo, asked), mask)  # from the remembered encoding


def test_the_prompt_reaches_the_network(tiny: MaskConfig, photo: np.ndarray) -> None:
    from reconstruction.masks.sam import prompts

    masker: Any = make_masker(tiny)
    masker._show(photo, "a")
    logits = []
    for asked in (guess(), guess(x0=50), guess(object_px=np.array([[110.0, 80]]))):
        box, points = prompts(asked, 8)
        logits.append(masker.predictor.predict(points, np.ones(len(points), int), box, multimask_output=False, return_logits=True)[0])
    assert np.abs(logits[0] - logits[1]).max() > 1e-4
    assert np.abs(logits[0] - logits[2]).max() > 1e-4


def test_the_weights_come_from_the_checkpoint(tiny: MaskConfig) -> None:
    from reconstruction.masks.sam import load_sam

    state = build_tiny_sam().state_dict()
    state["mask_decoder.mask_tokens.weight"] += 1
    torch.save(state, tiny.sam_checkpoint)
    loaded = load_sam(tiny.sam_checkpoint, "tiny").state_dict()
    torch.testing.assert_close(loaded["mask_decoder.mask_tokens.weight"], state["mask_decoder.mask_tokens.weight"])


def test_without_a_point_the_box_alone_is_asked(tiny: MaskConfig, photo: np.ndarray) -> None:
    assert make_masker(tiny).segment(photo, guess(object_px=np.zeros((0, 2)))).shape == (90, 120)


def test_points_are_few_and_spread_out(tiny: MaskConfig) -> None:
    from reconstruction.masks.sam import prompts

    crowd = np.concatenate([np.full((50, 2), 45.0), [[32.0, 22], [68.0, 68]]])
    box, points = prompts(guess(object_px=crowd), 3)
    assert box is not None
    assert box[0] < 30 < 69 < box[2]
    assert {tuple(p) for p in points} == {(45.0, 45.0), (32.0, 22.0), (68.0, 68.0)}


def test_a_missing_checkpoint_says_what_to_download() -> None:
    for path in ("", "nowhere/sam.pth"):
        with pytest.raises(BackendMissing, match=r"curl .*sam_vit_b_01ec64\.pth"):
            make_masker(MaskConfig(masker="sam", sam_checkpoint=path))


def test_a_checkpoint_of_another_model_is_an_error(tiny: MaskConfig, tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no weights of the SAM model tiny"):
        make_masker(MaskConfig(masker="sam", sam_checkpoint=str(tmp_path / "other.pth"), sam_model="tiny"))
    (tmp_path / "noise.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="no weights"):
        make_masker(MaskConfig(masker="sam", sam_checkpoint=str(tmp_path / "noise.pth"), sam_model="tiny"))
    with pytest.raises(InputError, match="no SAM model called"):
        make_masker(MaskConfig(masker="sam", sam_checkpoint=tiny.sam_checkpoint, sam_model="huge"))
