"""The sparse points of a reconstruction, and which view saw which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class SparsePoints:
    """xyz: (n, 3) world. rgb: (n, 3). Observation k: the view `view_index[k]` of sfm/views.json saw the point `point_index[k]`."""

    xyz: Float[ndarray, "n 3"]
    rgb: UInt8[ndarray, "n 3"]
    view_index: Int[ndarray, "m"]
    point_index: Int[ndarray, "m"]

    def seen_by(self, view: int) -> Bool[ndarray, "n"]:
        """Which points the view with this index observed."""
        seen = np.zeros(len(self.xyz), bool)
        seen[self.point_index[self.view_index == view]] = True
        return seen

    def save(self, path: Path) -> None:
        np.savez_compressed(path, xyz=self.xyz, rgb=self.rgb, view_index=self.view_index, point_index=self.point_index)

    @classmethod
    def load(cls, path: Path) -> SparsePoints:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in ("xyz", "rgb", "view_index", "point_index")})
