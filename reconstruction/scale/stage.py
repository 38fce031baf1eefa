"""From SfM units to metres, and the object's own frame: origin at the centre of its box, z up from the support plane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.capture import Capture, DepthFrames, KnownLength, SingleTag, TagBoard
from reconstruction.hull import Hull, carve_hull, carve_reaching
from reconstruction.locate.region import Region
from reconstruction.scale.depth import depth_ratios, scale_from_depth
from reconstruction.scale.length import carve_by_depths, scale_from_length
from reconstruction.scale.source import Scale, ScaleConfig
from reconstruction.scene import RigidTransform, Similarity, View
from reconstruction.scene.view import load_views, save_views
from reconstruction.sfm.lenses import load_lenses
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress, Quality, Stage, StageContext
from reconstruction.tags import Tags, fit_board, metres_per_unit
from reconstruction.workspace import Workspace


def find_scale(capture: Capture, hull: Hull, views: Sequence[View], workspace: Workspace, config: ScaleConfig, progress: Progress) -> Scale:
    """By the capture's source. hull, views: in the region frame (SfM units, z = 0 on the support plane)."""
    source = capture.scale
    if isinstance(source, TagBoard):
        fit = fit_board(Tags.load(workspace.tags), source)
        return Scale(fit.board_from_world.scale, "board", fit.rel_std, fit.board_from_world, tuple(fit.warnings()))
    if isinstance(source, SingleTag):
        scale, rel_std = metres_per_unit(Tags.load(workspace.tags), source.side_m)
        return Scale(scale, "tags", rel_std)
    if isinstance(source, DepthFrames):
        all_views, points = load_views(workspace.sfm_views), SparsePoints.load(workspace.sfm_points)
        ratios = depth_ratios(all_views, points, load_lenses(workspace.sfm_lens), workspace.given_depth, source.unit_m)
        return scale_from_depth(ratios, config)
    if isinstance(source, KnownLength):
        tight = carve_by_depths(hull, views, config.stereo, lambda photos: progress(1, 3, f"{photos} photos looked at for depths"))
        return scale_from_length(source, tight, views, load_lenses(workspace.sfm_lens))
    return Scale(1 / hull.mesh().diameter, "unknown")


def object_frame(hull: Hull, region_from_sfm: RigidTransform, metres_per_unit: float) -> Similarity:
    """`obj_from_sfm`: z stays up, x runs along the smallest rectangle around the footprint, the box's centre is the origin.

    `hull` is in the region frame. Of the rectangle's four directions x takes the one nearest to the region's own x.
    """
    footprint = hull.mesh().vertices[:, :2].astype(np.float32)
    angle = np.deg2rad(cv2.minAreaRect(footprint)[2])
    yaw = -((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    turn = Rotation.from_euler("z", yaw).as_matrix()
    turned = hull.mesh().vertices @ turn.T
    centre = (turned.min(0) + turned.max(0)) / 2
    return Similarity(metres_per_unit, turn, -metres_per_unit * centre) @ Similarity.from_rigid(region_from_sfm)


def carve_in_region(views: Sequence[View], masks: Sequence[Bool[ndarray, "h w"] | None], region: Region, resolution: int) -> Hull:
    """The hull in the region's frame, carved twice: the region may be far larger than what turns out to be in it, or cut it off."""
    rough, least, most = carve_reaching(views, masks, region.lower, region.upper, resolution // 2)
    lower, upper = rough.bounds()
    margin = 2 * rough.spacing
    return carve_hull(views, masks, np.maximum(lower - margin, least), np.minimum(upper + margin, most), resolution)


def run(config: ScaleConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    capture = Capture.load(workspace.capture)
    region = Region.from_json(json.loads(workspace.region.read_text()))
    views = load_views(workspace.masked_views)
    masks = [view.mask() for view in views]

    context.progress(0, 3, "carving the hull")
    in_region = [view.in_frame(Similarity.from_rigid(region.region_from_world)) for view in views]
    hull = carve_in_region(in_region, masks, region, config.hull_resolution)
    context.progress(1, 3, "finding the scale")
    scale = find_scale(capture, hull, in_region, workspace, config, context.progress)
    obj_from_sfm = object_frame(hull, region.region_from_world, scale.metres_per_unit)

    context.progress(2, 3, "carving the hull in the object frame")
    in_object = [view.in_frame(obj_from_sfm) for view in views]
    rough = obj_from_sfm.apply(region.region_from_world.inverse().apply(hull.mesh().vertices))
    margin = 0.03 * np.ptp(rough, axis=0).max()
    lower, upper = rough.min(0) - margin, rough.max(0) + margin
    lower[2] = rough[:, 2].min()  # nothing of the object is below the support plane
    final = carve_hull(in_object, masks, lower, upper, config.hull_resolution)

    save_views(context.out / workspace.views.name, in_object)
    final.save(context.out / workspace.hull.name)
    doc: dict[str, Any] = {"source": scale.source, "units": scale.units, "rel_std": scale.rel_std, "obj_from_sfm": obj_from_sfm.to_json()}
    (context.out / workspace.scale.name).write_text(json.dumps(doc, indent=1))
    if scale.board_from_sfm is not None:
        board_from_obj = scale.board_from_sfm @ obj_from_sfm.inverse()
        rigid = RigidTransform(board_from_obj.rotation, board_from_obj.translation)
        (context.out / workspace.board_from_obj.name).write_text(json.dumps(rigid.to_json()))
    low, high = final.bounds()
    extents = [round(float(v), 5) for v in high - low]
    quality: Quality = {"source": scale.source, "units": scale.units, "rel_std": scale.rel_std, "hull_extents": extents}
    return {**quality, "warnings": list(scale.warnings)}


SCALE: Stage[ScaleConfig] = Stage("scale", 5, ("capture", "sfm", "locate", "masks"), run)
