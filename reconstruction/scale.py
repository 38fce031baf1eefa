"""From SfM units to metres, and the object's own frame: origin at the centre of its box, z up from the support plane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.capture import Capture, DepthFrames, KnownLength, SingleTag, TagBoard
from reconstruction.capture_warnings import CaptureWarning
from reconstruction.errors import ImageError, ScaleError
from reconstruction.hull import Hull, carve_hull
from reconstruction.locate.region import Region
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import RigidTransform, Similarity, View
from reconstruction.scene.images import read_depth
from reconstruction.scene.view import load_views, save_views
from reconstruction.sfm.lenses import PhotoLens, load_lenses
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Quality, Stage, StageContext
from reconstruction.tags import Tags, fit_board, metres_per_unit
from reconstruction.workspace import Workspace

Source = Literal["board", "tags", "depth", "known_length", "unknown"]


@dataclass(frozen=True)
class ScaleConfig:
    """hull_resolution: voxels along the longest side. depth_band: inlier band of depth ratios, as a share of their median."""

    hull_resolution: int = 128
    depth_band: float = 0.01
    min_depth_ratios: int = 50


@dataclass(frozen=True)
class Scale:
    """Metres per SfM unit, and how it is known. `rel_std` None: not measured. `board_from_sfm` only with a board."""

    metres_per_unit: float
    source: Source
    rel_std: float | None = None
    board_from_sfm: Similarity | None = None
    warnings: tuple[CaptureWarning, ...] = ()

    @property
    def units(self) -> Literal["m", "object"]:
        return "object" if self.source == "unknown" else "m"


def scale_from_depth(ratios: Float[ndarray, "n"], config: ScaleConfig) -> Scale:
    """Metres per unit from one ratio (sensor depth / SfM depth) per observation: the mean of the band that holds most.

    The published procedure draws bands at random (NeuSurfEmb); sorting the ratios finds the best one exactly.
    Raises ScaleError where too few agree.
    """
    ratios = np.sort(ratios[np.isfinite(ratios) & (ratios > 0)])
    if len(ratios) >= config.min_depth_ratios:
        half = config.depth_band * float(np.median(ratios))
        low, high = np.searchsorted(ratios, ratios - half), np.searchsorted(ratios, ratios + half, side="right")
        best = int((high - low).argmax())
        inliers = ratios[low[best] : high[best]]
        if len(inliers) >= max(config.min_depth_ratios / 2, 0.05 * len(ratios)):
            return Scale(float(inliers.mean()), "depth", float(inliers.std() / inliers.mean() / np.sqrt(len(inliers))))
    raise ScaleError(
        f"the depth frames and the cameras agree on no scale ({len(ratios)} measurements)",
        try_next="check that depth is registered to the photos and that its unit is right (default: 16-bit millimetres)",
    )


def depth_ratios(
    views: Sequence[View], points: SparsePoints, lenses: dict[str, PhotoLens], folder: Path, unit_m: float
) -> Float[ndarray, "n"]:
    """Sensor depth over SfM z-depth, for every sparse observation that has depth. views: all those of the SfM, in its order.

    Raises ScaleError where no photo has depth, ImageError where a frame has another size than its photo.
    """
    ratios = []
    for index, view in enumerate(views):
        path = next((p for p in (folder / f"{view.name}{end}" for end in (".png", ".npy", ".tif", ".tiff")) if p.exists()), None)
        if path is None:
            continue
        depth, lens = read_depth(path, unit_m), lenses[view.name]
        if depth.shape != (lens.camera.height, lens.camera.width):
            raise ImageError(
                f"depth {path.name} is {depth.shape[1]}x{depth.shape[0]}, its photo {lens.camera.width}x{lens.camera.height}",
                try_next="register the depth to the photo and give it the photo's size",
            )
        seen = points.xyz[points.point_index[points.view_index == index]]
        pixels = lens.from_view(view.project(seen), view.camera)
        z = view.cam_from_world.apply(seen)[:, 2]
        inside = lens.camera.contains(pixels)
        column, row = pixels[inside].round().astype(int).T
        measured = depth[row, column]
        ratios.append((measured / z[inside])[measured > 0])
    if not ratios:
        raise ScaleError("no photo has a depth frame", try_next="name depth files like their photos (IMG_1.jpg, IMG_1.png)")
    return np.concatenate(ratios)


def scale_from_length(known: KnownLength, hull: Hull, views: Sequence[View], lenses: dict[str, PhotoLens]) -> Scale:
    """From the height above the table, or two pixels of one photo lifted to the hull. `hull`, `views`: one common frame.

    Raises ScaleError where the photo is not there or the pixels miss the object.
    """
    if known.photo is None:
        top = hull.bounds()[1][2]  # the region frame has z = 0 on the table
        return Scale(known.length_m / float(top), "known_length")
    name = known.photo if known.photo in lenses else known.photo.rsplit(".", 1)[0]
    view = next((v for v in views if v.name == name), None)
    if view is None or known.a_px is None or known.b_px is None:
        raise ScaleError(f"the photo {known.photo} of the known length is not among the used ones", try_next="measure in another photo")
    pixels = lenses[name].to_view(np.array([known.a_px, known.b_px]), view.camera)
    depth = make_rasterizer(hull.mesh()).render(view.camera, view.cam_from_world).depth
    inside = view.camera.contains(pixels)
    column, row = pixels.round().astype(int).clip(0, [view.camera.width - 1, view.camera.height - 1]).T
    if not inside.all() or not (depth[row, column] > 0).all():
        raise ScaleError(
            f"an end of the known length misses the object in {known.photo}", try_next="choose two pixels well inside the object"
        )
    ends = view.camera.unproject(pixels, depth[row, column])
    return Scale(known.length_m / float(np.linalg.norm(ends[1] - ends[0])), "known_length")


def find_scale(capture: Capture, hull: Hull, views: Sequence[View], workspace: Workspace, config: ScaleConfig) -> Scale:
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
        return scale_from_length(source, hull, views, load_lenses(workspace.sfm_lens))
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
    """The hull in the region's frame, carved twice: the region may be far larger than what turns out to be in it."""
    rough = carve_hull(views, masks, region.lower, region.upper, resolution // 2)
    lower, upper = rough.bounds()
    margin = 2 * rough.spacing
    return carve_hull(views, masks, np.maximum(lower - margin, region.lower), np.minimum(upper + margin, region.upper), resolution)


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
    scale = find_scale(capture, hull, in_region, workspace, config)
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


SCALE: Stage[ScaleConfig] = Stage("scale", 3, ("capture", "sfm", "locate", "masks"), run)
