"""The surface while it is learnt: a coarse coloured mesh to look at, made of the distances that the training keeps for itself."""

from __future__ import annotations

import fast_simplification
import numpy as np
import torch
from skimage.measure import marching_cubes

from reconstruction.scene import Mesh, Similarity
from reconstruction.sdf.train import Trainer

FACES = 10_000
KEPT = 0.2  # of the faces: their number changes with the surface, so that the size of the file tells a new one
EVERY_S = 30.0


def glimpse(trainer: Trainer, unit_from_obj: Similarity) -> bytes:
    """GLB in the object frame, coloured as seen from straight above each vertex. Draws no random numbers, changes no state."""
    distances = trainer.cached.cpu().numpy()
    vertices, faces, _, _ = marching_cubes(distances, 0.0, spacing=(1 / (len(distances) - 1),) * 3)
    vertices, faces = fast_simplification.simplify(vertices.astype(np.float32), faces, target_count=min(FACES, int(KEPT * len(faces))))
    unit = Mesh(np.asarray(vertices, np.float64), np.asarray(faces, np.int32))
    normals = torch.from_numpy(unit.vertex_normals.astype(np.float32)).to(trainer.device)
    points = torch.from_numpy(unit.vertices.astype(np.float32)).to(trainer.device)
    with torch.no_grad():
        colours = trainer.surface.colour(points, -normals, normals, trainer.active()[1], trainer.sheen())
    shown = (colours * 255).round().to(torch.uint8).cpu().numpy()
    return Mesh(unit_from_obj.inverse().apply(unit.vertices), unit.faces, shown).encoded(".glb")
