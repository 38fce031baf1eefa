"""What every source of scale would have said of the same reconstruction."""

from __future__ import annotations

import json

import numpy as np

from reconstruction.capture import KnownLength
from reconstruction.generated import GeneratedCapture
from reconstruction.locate.region import Region
from reconstruction.scale.depth import depth_ratios, scale_from_depth
from reconstruction.scale.length import carve_by_depths, scale_from_length
from reconstruction.scale.source import ScaleConfig
from reconstruction.scale.stage import carve_in_region
from reconstruction.scene import Similarity
from reconstruction.scene.transforms import fit_similarity
from reconstruction.scene.view import load_views
from reconstruction.sfm.lenses import load_lenses
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.workspace import Workspace


def scale_errors(capture: GeneratedCapture, workspace: Workspace) -> dict[str, float]:
    """Relative errors of the scale from the capture's sensor depth, and from the object's known height above the table."""
    views, lenses = load_views(workspace.sfm_views), load_lenses(workspace.sfm_lens)
    truth = {photo.name: photo.cam_from_obj.inverse().translation for photo in capture.photos}
    true = fit_similarity(np.array([truth[v.name] for v in views]), np.array([v.centre_world for v in views])).scale
    ratios = depth_ratios(views, SparsePoints.load(workspace.sfm_points), lenses, capture.depth_dir, 0.001)
    region = Region.from_json(json.loads(workspace.region.read_text()))
    masked = load_views(workspace.masked_views)
    local = [view.in_frame(Similarity.from_rigid(region.region_from_world)) for view in masked]
    config = ScaleConfig()
    hull = carve_in_region(local, [view.mask() for view in masked], region, config.hull_resolution)
    height = KnownLength(float(np.ptp(capture.mesh.vertices[:, 2])))
    found = {
        "depth": scale_from_depth(ratios, config),
        "known_height": scale_from_length(height, carve_by_depths(hull, local, config.stereo), local, lenses),
    }
    return {f"scale_error_{name}": abs(scale.metres_per_unit / true - 1) for name, scale in found.items()}
