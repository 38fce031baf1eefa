"""Where the object is: one box or point in one photo, or none, lifted to 3-D; then a prompt for every photo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from reconstruction.capture import Box, Capture, Prompt, SingleTag, TagBoard
from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.errors import PromptError
from reconstruction.locate.cluster import cluster_around, largest_cluster, spacing
from reconstruction.locate.framed import SAMPLES, flatness, region_under_box, spanned
from reconstruction.locate.region import Region
from reconstruction.locate.spread import require_spread
from reconstruction.locate.support import SupportPlane, camera_centres, looked_at, plane_from_points, plane_from_tags
from reconstruction.scene import View
from reconstruction.scene.view import load_views
from reconstruction.sfm.lenses import PhotoLens, load_lenses
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Quality, Stage, StageContext
from reconstruction.tags import Tags, find_tags


@dataclass(frozen=True)
class LocateConfig:
    """Lengths are shares of the object's rough size (with a prompt), else of the cameras' distance.

    `linkage`: points closer than this belong together. `min_height`: what lies lower is table. `margin`: the region
    reaches beyond the points found by this much. `sparse_points`: with fewer points on the object, with points that span less than
    `least_spanned` of the box's width or height, or `flat` ones (spread across their plane over the largest) that span less than
    `spanned` of it, box and outlines tell its shape.
    """

    linkage: float = 0.13
    min_height: float = 0.03
    margin: float = 0.3
    min_points: int = 12
    sparse_points: int = 30
    spanned: float = 0.85
    least_spanned: float = 0.4
    flat: float = 0.15
    seed: int = 0


def locate_object(
    views: Sequence[View], points: Float[ndarray, "n 3"], plane: SupportPlane, prompt: Prompt | None, config: LocateConfig
) -> Region:
    """The region of the thing that `prompt` names (pixels of the undistorted view), or that the cameras look at.

    Raises PromptError where too few points stand there.
    """
    height = plane.height(points)
    focus = looked_at(views)
    distance = float(np.median(np.linalg.norm(camera_centres(views) - focus, axis=1)))
    size, view = 0.0, views[0]
    if prompt is None:
        linkage = 0.3 * config.linkage * distance
        near = np.linalg.norm(points - focus, axis=1) < 0.7 * distance
        candidates = points[near & (height < distance) & (height > 0.3 * config.min_height * distance)]
        _require(len(candidates), config, "stand above the table where the cameras look")
        cluster = candidates[largest_cluster(candidates, linkage, focus)]
    else:
        view = next(v for v in views if v.name == prompt.photo)
        if prompt.box is not None:
            inside, size = _under_box(view, points, height, prompt.box)
            candidates = points[inside & (height > config.min_height * size)]
            _require(len(candidates), config, "stand above the table inside the box")
            linkage = max(config.linkage * size, min(4 * spacing(candidates), 0.35 * size))  # few points lie further apart
            cluster = candidates[largest_cluster(candidates, linkage, None)]
        else:
            assert prompt.point is not None
            candidates = points[(height > 0.2 * config.min_height * distance) & (height < distance)]
            _require(len(candidates), config, "stand above the table")
            cluster = candidates[_under_point(view, candidates, prompt.point, distance, config)]
    _require(len(cluster), config, "belong to the largest thing there")
    box = None if prompt is None else prompt.box
    return Region.around(cluster, plane, view, box, size, config.margin)


def _require(count: int, config: LocateConfig, where: str) -> None:
    if count < config.min_points:
        raise PromptError(
            f"only {count} scene points {where}",
            try_next="draw the box around the whole object, or click on it, in a sharp photo where it is large; or add texture to it",
        )


def _under_box(view: View, points: Float[ndarray, "n 3"], height: Float[ndarray, "n"], box: Box) -> tuple[Bool[ndarray, "n"], float]:
    """Which points lie under the box, and the object's rough size: the box's longer side at their depth."""
    pixels, depth = view.project(points), view.cam_from_world.apply(points)[:, 2]
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= box[:2]) & (pixels <= box[2:])).all(1)
    if not inside.any():
        raise PromptError(
            f"no scene points lie under the box in {view.name}", try_next="put it on the object, in pixels of the upright photo"
        )
    # What stands in the box is nearer than the table and the room behind it.
    lifted = inside & (height > 0.01 * np.median(depth[inside]))
    near = float(np.percentile(depth[lifted if lifted.sum() >= 5 else inside], 30))
    size = max(box[2] - box[0], box[3] - box[1]) / view.camera.fx * near
    return inside & (height < 2.5 * size), float(size)


def _under_point(
    view: View, candidates: Float[ndarray, "n 3"], point: tuple[float, float], distance: float, config: LocateConfig
) -> Int[ndarray, "k"]:
    """Indices of the thing under the click: what the front-most points near it belong to."""
    away = np.linalg.norm(view.project(candidates) - point, axis=1)  # NaN behind the camera
    radius = 0.03 * max(view.camera.width, view.camera.height)
    with np.errstate(invalid="ignore"):
        under = np.flatnonzero(away < radius)
    if len(under) == 0:
        raise PromptError(f"no scene points stand under the click in {view.name}", try_next="click on a textured part of the object")
    depth = view.cam_from_world.apply(candidates[under])[:, 2]
    front = under[depth < np.percentile(depth, 25) + 0.05 * distance]
    seed = int(front[away[front].argmin()])
    return cluster_around(candidates, seed, 0.15 * distance, config.min_points)


def undistort_prompt(prompt: Prompt | None, views: Sequence[View], lenses: dict[str, PhotoLens]) -> Prompt | None:
    """The prompt in pixels of its view. Raises PromptError where that photo is not among the registered ones, or the box is off it."""
    if prompt is None:
        return None
    name = prompt.photo.rsplit(".", 1)[0] if prompt.photo.rsplit(".", 1)[0] in lenses else prompt.photo
    view = next((v for v in views if v.name == name), None)
    if view is None:
        raise PromptError(f"the photo {prompt.photo} of the prompt was not registered", try_next="draw the box in another photo")
    lens = lenses[name]
    given = np.array([prompt.point]) if prompt.box is None else np.reshape(prompt.box, (2, 2))
    if not lens.camera.contains(given).all() and (prompt.box is None or not _overlaps(prompt.box, lens)):
        raise PromptError(
            f"the prompt lies outside the {lens.camera.width}x{lens.camera.height} photo {prompt.photo}",
            try_next="give pixels of the upright photo as it was uploaded",
        )
    pixels = lens.to_view(given, view.camera)
    if prompt.box is None:
        return Prompt(name, point=(float(pixels[0, 0]), float(pixels[0, 1])))
    if (pixels[1] <= pixels[0]).any():
        raise PromptError(f"the box {prompt.box} has no area", try_next="give x0,y0,x1,y1 with x0 < x1 and y0 < y1")
    return Prompt(name, box=(*map(float, pixels[0]), *map(float, pixels[1])))  # type: ignore[arg-type]


def _overlaps(box: Box, lens: PhotoLens) -> bool:
    return box[0] < lens.camera.width and box[1] < lens.camera.height and box[2] > 0 and box[3] > 0


def find_support(
    views: Sequence[View], capture: Capture, points: SparsePoints, config: LocateConfig, context: StageContext
) -> tuple[SupportPlane, Tags]:
    """The support plane, and the tags where the capture says that there are some."""
    tags = Tags({}, 0.0)
    if isinstance(capture.scale, TagBoard | SingleTag):
        tags = find_tags(views, capture.scale.family, context.progress)
        if isinstance(capture.scale, TagBoard):
            tags = replace(tags, corners={k: v for k, v in tags.corners.items() if k in capture.scale.corners_mm})
        if tags.corners:
            return plane_from_tags(tags, views), tags
    return plane_from_points(points.xyz, views, config.seed), tags


def find_region(
    views: Sequence[View], points: Float[ndarray, "n 3"], plane: SupportPlane, prompt: Prompt | None, config: LocateConfig
) -> tuple[Region, list[CaptureWarning]]:
    """The region, and a warning where the object's points are few, or all on a part of it, so that they don't tell its shape."""
    view = None if prompt is None or prompt.box is None else next(v for v in views if v.name == prompt.photo)
    own = np.zeros((0, 3))
    try:
        region = locate_object(views, points, plane, prompt, config)
        own = region.points
    except PromptError:
        if view is None or plane.source != "tags":
            raise
    if view is None or prompt is None or prompt.box is None:
        return region, []
    few = len(own) < config.sparse_points
    a_part = not few and spanned(view, prompt.box, own) < (config.spanned if flatness(own) < config.flat else config.least_spanned)
    if not a_part and not (few and plane.source == "tags"):
        return region, []
    region = region_under_box(views, view, prompt.box, plane, own[:0] if few else own)
    message = f"the {len(own)} scene points on the object do not tell its shape: the box in {view.name} and the outlines do"
    return region, [capture_warning("few-points-on-object", message, view.name)]


def run(config: LocateConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    capture, views = Capture.load(workspace.capture), load_views(workspace.sfm_views)
    points = SparsePoints.load(workspace.sfm_points)
    prompt = undistort_prompt(capture.prompt, views, load_lenses(workspace.sfm_lens))
    plane, tags = find_support(views, capture, points, config, context)
    region, warnings = find_region(views, points.xyz, plane, prompt, config)
    spread = require_spread(region.centre_world, views)
    tags.save(context.out / workspace.tags.name)
    (context.out / workspace.region.name).write_text(json.dumps(region.to_json()))
    return {
        "points_on_object": len(region.points) - (SAMPLES if warnings else 0),
        "tags": len(tags.corners),
        "tag_residual_px": round(tags.residual_px, 3),
        "plane": region.plane_source,
        "spread_deg": round(spread, 1),
        "warnings": warnings,
    }


LOCATE: Stage[LocateConfig] = Stage("locate", 7, ("capture", "sfm"), run)
