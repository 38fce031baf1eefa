"""One of the two captures: its masked views and its hull, in its own object frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from reconstruction.hull import Hull
from reconstruction.scene import View
from reconstruction.scene.view import load_views
from reconstruction.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Half:
    """`views` have masks. metric: whether the frame is in metres; else its unit means nothing."""

    views: list[View]
    hull: Hull
    metric: bool = True

    @classmethod
    def load(cls, workspace: Workspace) -> Half:
        views = [view for view in load_views(workspace.views) if view.mask_path is not None]
        return cls(views, Hull.load(workspace.hull), json.loads(workspace.scale.read_text())["units"] == "m")

    @cached_property
    def masks(self) -> list[Bool[ndarray, "h w"]]:
        return [mask for view in self.views if (mask := view.mask()) is not None]

    @cached_property
    def diameter(self) -> float:
        return self.hull.mesh().diameter

    def spread(self, most: int) -> list[int]:
        """Indices of at most `most` views, evenly over the capture's order."""
        return [int(i) for i in np.unique(np.linspace(0, len(self.views) - 1, min(most, len(self.views))).round())]
