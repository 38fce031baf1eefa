"""The state of a training: networks, their running average, Adam; saved and restored whole."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from surfemb.learning.loss import Losses
from surfemb.learning.network import CorrespondenceModel


@dataclass(frozen=True)
class OptimiserConfig:
    """Peak learning rates, reached after `warmup` steps and lowered to nothing along a cosine. average: decay of the running
    average of the weights. clip: largest norm of the gradient."""

    learning_rate: float = 2e-3
    key_learning_rate: float = 5e-4
    warmup: int = 150
    average: float = 0.998
    clip: float = 2.0


class Optimiser:
    """`model` is trained, `averaged` is what to keep."""

    def __init__(self, model: CorrespondenceModel, config: OptimiserConfig, steps: int) -> None:
        self.model, self.config, self.steps, self.step = model, config, steps, 0
        self.averaged = copy.deepcopy(model).eval().requires_grad_(False)
        groups = [
            {"params": list(model.query_net.parameters()), "peak": config.learning_rate},
            {"params": list(model.key_net.parameters()), "peak": config.key_learning_rate},
        ]
        self.adam = torch.optim.Adam(groups, lr=config.learning_rate)

    def update(self, losses: Losses) -> None:
        for group in self.adam.param_groups:
            group["lr"] = group["peak"] * self._schedule()
        self.adam.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.adam.step()
        self.step += 1
        self._average()

    def _schedule(self) -> float:
        warm = min(1.0, (self.step + 1) / self.config.warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * self.step / self.steps))

    @torch.no_grad()
    def _average(self) -> None:
        weight = 1 - min(self.config.average, (1 + self.step) / (10 + self.step))  # a young average forgets its start
        for old, new in zip(self.averaged.state_dict().values(), self.model.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, weight)
            else:
                old.copy_(new)

    def save(self, path: Path, record: dict[str, Any]) -> None:
        """All at once or not at all. `record` is any JSON to find again beside it."""
        tensors = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in self._tensors().items()}
        partial = path.with_suffix(".partial")
        save_file(tensors, partial, {"step": str(self.step), "record": json.dumps(record)})
        partial.replace(path)

    def restore(self, path: Path) -> dict[str, Any]:
        """Goes on where `save` was called; returns its record."""
        self._touch_adam()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            with torch.no_grad():
                for name, tensor in self._tensors().items():
                    tensor.copy_(file.get_tensor(name))
        self.step = int(metadata["step"])
        return json.loads(metadata["record"])

    def _tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state, by a stable name."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            tensors |= {f"adam.{name}.{key}": value for key, value in self.adam.state.get(parameter, {}).items()}
        return tensors

    def _touch_adam(self) -> None:
        """Adam makes its moments at the first step only."""
        for parameter in self.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        kept = copy.deepcopy(self.model.state_dict())
        self.adam.step()
        self.model.load_state_dict(kept)
