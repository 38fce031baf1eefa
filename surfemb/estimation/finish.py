"""What comes after the networks' pose: the object's print laid over the image, its outline on the image's edges, its surface on the depth;
and its silhouette."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import Camera, RigidTransform
from surfemb.estimation.appearance import AppearanceConfig, align
from surfemb.estimation.correspondences import Surface
from surfemb.estimation.depth import DepthConfig, DepthWindow, refine_depth
from surfemb.estimation.image_edges import EdgeConfig, fit_outline
from surfemb.estimation.inputs import touches
from surfemb.estimation.solve import Solution, judge
from surfemb.estimation.twins import TwinConfig
from surfemb.samples.viewpoints import projected_box


@dataclass(frozen=True)
class FinishConfig:
    """appearance: of the print laid over the image. twins: of poses of the same outline, None where they are not asked about.
    edges: of the outline on them. depth: of the surface on a depth map."""

    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    twins: TwinConfig | None = field(default_factory=TwinConfig)
    edges: EdgeConfig = field(default_factory=EdgeConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)


def lay_print(
    solution: Solution, image: UInt8[ndarray, "h w 3"], surface: Surface, rasterizer: Rasterizer, config: AppearanceConfig
) -> Solution:
    """The given pose or the one with the object's print laid over the image's, whichever image and networks together like better."""
    evidence, best = solution.evidence, solution
    for aligned in align(rasterizer, image, evidence, solution.cam_from_obj, solution.information, config):
        given = aligned.cam_from_obj is solution.cam_from_obj
        fit = solution.fit if given else judge(evidence, surface, rasterizer, aligned.cam_from_obj)
        found = Solution(aligned.cam_from_obj, replace(fit, likeness=aligned.likeness), aligned.information, evidence)
        if best is solution or found.fit.with_likeness > best.fit.with_likeness:
            best = found
    return best


def lay_on_edges(
    solution: Solution, image: UInt8[ndarray, "h w 3"], surface: Surface, rasterizer: Rasterizer, config: EdgeConfig
) -> Solution:
    """The pose with its outline on the image's edges, unless its print is well laid; the networks are not asked whether they like it."""
    evidence, told = solution.evidence, _print_tells(solution, config.least_print)
    box = None if told else projected_box(evidence.crop.source, solution.cam_from_obj, surface.points)
    if box is None:
        return solution
    pose, information = fit_outline(rasterizer, image, evidence, surface, box, solution.cam_from_obj, solution.information, config)
    return replace(_moved(solution, pose, surface, rasterizer), information=information)


def lay_on_depth(
    solution: Solution, depth: Float[ndarray, "h w"], surface: Surface, rasterizer: Rasterizer, config: DepthConfig
) -> tuple[Solution, float]:
    """The given pose or the one refined by the depth (metres, 0 = none), whichever depth and networks together like better; and what
    the depth was divided by.

    A depth camera may be off by a hundredth everywhere at once, which a print that is well laid tells: then its shape alone counts.
    """
    camera, pose, diameter = solution.evidence.crop.source, solution.cam_from_obj, surface.mesh.diameter
    box = projected_box(camera, pose, surface.points)
    if box is None or not touches(box, camera):
        return solution, 1.0
    window, factor = DepthWindow.around(camera, depth, box, config.max_side_px), 1.0
    if _print_tells(solution, config.least_print):
        visible, tolerance_m = solution.evidence.visible(window.crop), config.tolerance * diameter
        window, factor = window.put_right(rasterizer, pose, visible, tolerance_m, config.believed)
    refined, gain = refine_depth(rasterizer, window, pose, diameter, solution.information, config)
    moved = _moved(solution, refined, surface, rasterizer)
    return (moved if moved.fit.total + gain > solution.fit.total else solution), factor


def _print_tells(solution: Solution, least: float) -> bool:
    """Whether the object's print is laid so well over the image's that nothing says better where the object is."""
    return (solution.fit.likeness.print or 0.0) >= least


def _moved(solution: Solution, pose: RigidTransform, surface: Surface, rasterizer: Rasterizer) -> Solution:
    """The networks are asked about it again; what the colours said stays."""
    fit = judge(solution.evidence, surface, rasterizer, pose)
    return replace(solution, cam_from_obj=pose, fit=replace(fit, likeness=solution.fit.likeness, told=solution.fit.told))


def silhouette(surface: Surface, rasterizer: Rasterizer, camera: Camera, cam_from_obj: RigidTransform) -> Bool[ndarray, "h w"]:
    """Of the whole image; rays are cast where the object can be only."""
    mask = np.zeros((camera.height, camera.width), bool)
    box = projected_box(camera, cam_from_obj, surface.points) or (0.0, 0.0, camera.width - 1.0, camera.height - 1.0)
    x0, y0 = (max(0, int(v) - 3) for v in box[:2])
    x1, y1 = min(camera.width, int(box[2]) + 4), min(camera.height, int(box[3]) + 4)
    if x1 > x0 and y1 > y0:
        mask[y0:y1, x0:x1] = rasterizer.render(camera.cropped(x0, y0, x1 - x0, y1 - y0), cam_from_obj).mask
    return mask
