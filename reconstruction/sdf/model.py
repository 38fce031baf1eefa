"""A trained surface: distances and colours in the object frame, saved as one safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from reconstruction.errors import InputError
from reconstruction.scene import Similarity
from reconstruction.sdf.field import FieldConfig, SurfaceField

_CHUNK = 32768


@dataclass(frozen=True, eq=False)
class SurfaceModel:
    """Lengths are those of the object frame (metres once the scale is known). Photo exposures are left out: neutral colours."""

    field: SurfaceField
    unit_from_obj: Similarity
    encoding: str = "numba"

    def sdf(self, points_obj: Float[ndarray, "n 3"]) -> Float[ndarray, "n"]:
        """Signed distance, negative inside; float32. Only near the surface is it a distance."""
        with torch.no_grad():
            parts = [self.field.distance(part, self._levels[0]) for part in torch.split(self._unit(points_obj), _CHUNK)]
        return (torch.cat(parts) / self.unit_from_obj.scale).cpu().numpy()

    def sdf_and_normals(self, points_obj: Float[ndarray, "n 3"]) -> tuple[Float[ndarray, "n"], Float[ndarray, "n 3"]]:
        """Signed distance and its slope (length about one)."""
        with torch.no_grad():
            parts = [self.field.distance_and_gradient(part, self._levels[0]) for part in torch.split(self._unit(points_obj), _CHUNK)]
        distances, gradients = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
        return distances / self.unit_from_obj.scale, gradients

    def shade(
        self, points_obj: Float[ndarray, "n 3"], directions_obj: Float[ndarray, "n 3"], normals_obj: Float[ndarray, "n 3"]
    ) -> Float[ndarray, "n 3"]:
        """RGB in [0, 1], float32, of surface points seen along unit `directions_obj` (camera to point)."""
        rows = torch.from_numpy(np.concatenate([directions_obj, normals_obj], 1).astype(np.float32)).to(self._device)
        with torch.no_grad():
            parts = [
                self.field.colour(points, row[:, :3], row[:, 3:], self._levels[1])
                for points, row in zip(torch.split(self._unit(points_obj), _CHUNK), torch.split(rows, _CHUNK), strict=True)
            ]
        return torch.cat(parts).cpu().numpy()

    @property
    def _levels(self) -> tuple[int, int]:
        return self.field.config.distance.levels, self.field.config.colour.levels

    @property
    def _device(self) -> torch.device:
        return self.field.log_sharpness.device

    def _unit(self, points_obj: Float[ndarray, "n 3"]) -> torch.Tensor:
        return torch.from_numpy(self.unit_from_obj.apply(np.asarray(points_obj)).astype(np.float32)).to(self._device)

    def save(self, path: Path) -> None:
        about = {
            "config": json.dumps(asdict(self.field.config)),
            "unit_from_obj": json.dumps(self.unit_from_obj.to_json()),
            "encoding": self.encoding,
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.field.state_dict().items()}
        save_file(tensors, str(path), about)

    @classmethod
    def load(cls, path: Path, encoding: str | None = None) -> SurfaceModel:
        """On the CPU. `encoding`: another backend than numba; all but tcnn, which reads only its own, share their tables.

        Raises InputError where the file is no surface, BackendMissing where its encoding is not installed.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                about = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            config = FieldConfig.from_json(json.loads(about["config"]))
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise InputError(f"{path.name} can't be read as a surface ({error})", try_next="run the surface stage again") from error
        chosen = encoding or ("tcnn" if about["encoding"] == "tcnn" else "numba")
        field = SurfaceField(config, chosen).requires_grad_(False)
        field.load_state_dict(tensors)
        return cls(field, Similarity.from_json(json.loads(about["unit_from_obj"])), chosen)
