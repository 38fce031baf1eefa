"""A training's whole state in one file, so that a killed one goes on exactly where it was."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from reconstruction.sdf.train import Trainer


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Replaces the file only once the new one is complete."""
    tensors = {f"field.{name}": tensor for name, tensor in trainer.surface.state_dict().items()}
    tensors |= {"exposure": trainer.exposure.data, "cached": trainer.cached, "rng": trainer.rng.get_state()}
    for index, moments in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    about = {"step": trainer.step, "curve": trainer.curve.rows}
    partial = path.with_suffix(".partial")
    save_file(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, str(partial), {"state": json.dumps(about)}
    )
    partial.replace(path)


def load_checkpoint(path: Path, trainer: Trainer) -> bool:
    """Takes the trainer to where it was saved; False where there is no usable file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            about = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
        return False
    trainer.surface.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("field.")})
    trainer.exposure.data.copy_(tensors["exposure"])
    trainer.cached.copy_(tensors["cached"])
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name in (name for name in tensors if name.startswith("adam.")):
        _, index, moment = name.split(".")
        moments.setdefault(int(index), {})[moment] = tensors[name]
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    trainer.step = about["step"]
    trainer.curve.go_on(about.get("curve", []))  # one of an earlier version has none
    trainer.rng.set_state(tensors["rng"])
    return True
