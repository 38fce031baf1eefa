"""The two networks of SurfEmb (Haugaard and Buch, CVPR 2022): a query per pixel, a key per surface point, compared by dot product."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reconstruction.errors import InputError


@dataclass(frozen=True)
class NetworkConfig:
    """`widths`: channels at 1/stem, 1/(2 stem), ... of the crop's resolution. `blocks`: residual blocks of each further level.

    The defaults train on two CPU cores; `FULL_NETWORK` has the size of a ResNet18 encoder.
    """

    crop_px: int = 128
    embedding_dim: int = 12
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: int = 1
    stem: int = 2
    key_width: int = 256
    key_layers: int = 3
    key_omega: float = 30.0


FULL_NETWORK = NetworkConfig(crop_px=224, widths=(64, 128, 256, 512), blocks=2)


class CorrespondenceModel(nn.Module):
    """`radius` scales object coordinates (metres, origin at the centre of the object's box) into [-1, 1] for the key network."""

    def __init__(self, config: NetworkConfig, radius: float) -> None:
        super().__init__()
        self.config = config
        self.radius = radius
        self.query_net = QueryNet(config)
        self.key_net = KeyNet(config)

    def query(self, crops: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w e"]]:
        """Mask logits (of the object's visible part) and query embeddings at every pixel, float32.

        crops: RGB in [0, 1], any h and w that are multiples of 16.
        """
        out = F.pixel_shuffle(self.query_net(crops), self.config.stem).float()
        return out[:, 0], out[:, 1:].permute(0, 2, 3, 1)

    def query_at(
        self, crops: Float[Tensor, "b 3 h w"], pixels: Int[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b n e"]]:
        """As `query`, with the embeddings of `pixels` (flat indices) alone: spares a training step the full map and its gradient."""
        folded, stem = self.query_net(crops), self.config.stem
        mask = F.pixel_shuffle(folded[:, : stem**2], stem)[:, 0].float()
        row, column = pixels // crops.shape[-1], pixels % crops.shape[-1]
        cell = row // stem * folded.shape[-1] + column // stem
        cells = folded.permute(0, 2, 3, 1).flatten(1, 2)
        picked = cells.gather(1, cell[..., None].expand(-1, -1, cells.shape[-1])).float().unflatten(-1, (-1, stem**2))[..., 1:, :]
        within = (row % stem * stem + column % stem)[..., None, None].expand(*picked.shape[:-1], 1)
        return mask, picked.gather(-1, within)[..., 0]

    def key(self, points_obj: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n e"]:
        """Key embeddings of object points in metres."""
        return self.key_net(points_obj / self.radius)

    def save(self, model_json: Path, weights: Path, extra: dict[str, Any]) -> None:
        """`extra` is kept beside the network's own record in `model_json`."""
        save_file({name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}, weights)
        model_json.write_text(json.dumps({"network": asdict(self.config), "radius": self.radius, **extra}, indent=1))

    @classmethod
    def load(cls, model_json: Path, weights: Path) -> CorrespondenceModel:
        """In evaluation mode, on the CPU. Raises InputError where the two files are missing or don't belong together."""
        try:
            doc = json.loads(model_json.read_text())
            config = NetworkConfig(**{**doc["network"], "widths": tuple(doc["network"]["widths"])})
            model = cls(config, float(doc["radius"]))
            model.load_state_dict(load_file(weights))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"no trained correspondence model in {model_json.parent} ({error})", try_next="run the correspondence stage again"
            ) from error
        return model.eval()


class QueryNet(nn.Module):
    """A residual encoder and an additive U-Net decoder. The stem folds `stem` x `stem` pixels into channels.

    Gives them folded, as `F.pixel_shuffle` unfolds them: one channel of mask logits, then those of the embedding.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths, self.stem_px = config.widths, config.stem
        self.stem = ConvNorm(3 * config.stem**2, widths[0])
        self.encoder = nn.ModuleList(
            nn.Sequential(ResidualBlock(before, after, stride=2), *(ResidualBlock(after, after) for _ in range(config.blocks - 1)))
            for before, after in pairwise(widths)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(deep, wide, 1) for wide, deep in reversed(list(pairwise(widths))))
        self.decoder = nn.ModuleList(ConvNorm(width, width) for width in widths[-2::-1])
        self.head = nn.Conv2d(widths[0], (1 + config.embedding_dim) * config.stem**2, 3, padding=1)

    def forward(self, crops: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h2 w2"]:
        folded = F.pixel_unshuffle(crops * 4 - 2, self.stem_px)  # about zero mean, unit variance
        x = self.stem(folded.contiguous(memory_format=torch.channels_last))
        skips = []
        for level in self.encoder:
            skips.append(x)
            x = level(x)
        for lateral, block, skip in zip(self.lateral, self.decoder, reversed(skips), strict=True):
            x = block(F.interpolate(lateral(x), scale_factor=2.0, mode="nearest") + skip)
        return self.head(x)


class ConvNorm(nn.Sequential):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """The basic block of ResNet (He et al., CVPR 2016)."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvNorm(before, after, stride)
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Identity() if before == after and stride == 1 else nn.Conv2d(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class KeyNet(nn.Module):
    """SIREN (Sitzmann et al., NeurIPS 2020): sine layers, always in float32, since omega leaves bfloat16 no digits."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.omega = config.key_omega
        sizes = (3, *(config.key_width,) * config.key_layers)
        layers = [nn.Linear(before, after) for before, after in pairwise(sizes)]
        for depth, layer in enumerate(layers):
            bound = 1 / 3 if depth == 0 else (6 / config.key_width) ** 0.5 / self.omega
            nn.init.uniform_(layer.weight, -bound, bound)
        self.layers = nn.ModuleList(layers)
        self.last = nn.Linear(config.key_width, config.embedding_dim)

    def forward(self, unit_points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n e"]:
        with torch.autocast(unit_points.device.type, enabled=False):
            x = unit_points.float()
            for layer in self.layers:
                x = torch.sin(self.omega * layer(x))
            return self.last(x)
