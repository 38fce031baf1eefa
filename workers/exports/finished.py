"""What exports are made from: an object whose surface, scale and symmetry are known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reconstruction.errors import InputError
from reconstruction.scene import Mesh, View
from reconstruction.scene.view import load_views
from reconstruction.sdf.model import SurfaceModel
from reconstruction.workspace import Workspace
from surfemb.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class Finished:
    """mesh, views: in the object frame. scale: source, units ("m", or "object" where it is not known), rel_std."""

    name: str
    mesh: Mesh
    views: list[View]
    scale: dict[str, Any]
    symmetry: Symmetry
    workspace: Workspace

    @classmethod
    def load(cls, workspace: Workspace) -> Finished:
        """An object without validation has no symmetries. Raises InputError where there is no surface yet."""
        for path in (workspace.scale, workspace.views, workspace.mesh, workspace.field):
            if not path.exists():
                raise InputError(
                    f"{workspace.root} has no {path.parent.name}/{path.name}", try_next="onboard the object first, or go on with --resume"
                )
        scale = json.loads(workspace.scale.read_text())
        accuracy = json.loads(workspace.accuracy.read_text()) if workspace.accuracy.exists() else {}
        symmetry = Symmetry.from_bop(accuracy.get("symmetry", {}))
        name = workspace.root.resolve().name
        known = {key: scale[key] for key in ("source", "units", "rel_std")}
        return cls(name, Mesh.load(workspace.mesh), load_views(workspace.views), known, symmetry, workspace)

    @property
    def metric(self) -> bool:
        return bool(self.scale["units"] == "m")

    @cached_property
    def colours(self) -> SurfaceModel:
        return SurfaceModel.load(self.workspace.field)
