"""The masks stage: the object's pixels in every photo that can be trusted, and why the others were left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from reconstruction.backends import load_backend
from reconstruction.hull import carve_reaching
from reconstruction.locate.region import Region
from reconstruction.masks import MASKERS, Masker
from reconstruction.masks.given import read_given_masks
from reconstruction.masks.ground import find_doubtful
from reconstruction.masks.guessing import Round, Subject
from reconstruction.masks.overlays import write_overlays
from reconstruction.masks.rounds import Agreement, carve_masks, having_a_say, segment_views
from reconstruction.masks.verdicts import judge, require_enough
from reconstruction.scene import Similarity, View
from reconstruction.scene.images import write_mask
from reconstruction.scene.view import load_views, save_views
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent
from reconstruction.stereo import StereoConfig

# The third lets the hull keep what a quarter of the photos cut off, so that thin rims are looked at again; two strict ones follow.
ROUNDS = (
    Round(0.0, 0.35, 0.3),
    Round(0.12, 0.15, 0.2),
    Round(0.08, 0.08, 0.25, depths=True),
    Round(0.06, 0.05, 0.04),
    Round(0.06, 0.05, 0.04),
)


@dataclass(frozen=True)
class MaskConfig:
    """masker: "geometry" (no weights) or "sam" (needs `sam_checkpoint`). crop_px: longest side of what is cut at once.

    The user's own masks, where the capture has them, come before either.
    """

    masker: str = "geometry"
    rounds: tuple[Round, ...] = ROUNDS
    crop_px: int = 288
    hull_resolution: int = 96
    stereo: StereoConfig = field(default_factory=StereoConfig)
    threads: int = 2
    sam_checkpoint: str = ""
    sam_model: str = "vit_b"
    device: str = "cpu"


def segment_object(
    views: Sequence[View], region: Region, points: SparsePoints, masker: Masker, config: MaskConfig, progress: Progress = silent
) -> Agreement:
    """Masks of all views (SfM frame), with the hull in the region's frame. Raises MaskError where too few can be used."""
    subject, local_views = in_region(views, region, points)
    agreement = segment_views(
        local_views,
        subject,
        masker,
        config.rounds,
        resolution=config.hull_resolution,
        stereo=config.stereo,
        threads=config.threads,
        progress=progress,
    )
    require_enough(agreement.verdicts)
    return replace(agreement, doubtful=find_doubtful(local_views, agreement.masks, agreement.hull, progress))


def accept_given(views: Sequence[View], region: Region, points: SparsePoints, folder: Path, lens: Path, config: MaskConfig) -> Agreement:
    """The user's masks, judged by the hull that they carve. A photo without one is left out. Raises ImageError, MaskError."""
    subject, local_views = in_region(views, region, points)
    masks = read_given_masks(views, folder, lens)
    _, lower, upper = carve_reaching(local_views, having_a_say(masks), subject.lower, subject.upper)
    subject = replace(subject, lower=lower, upper=upper)
    hull = carve_masks(local_views, masks, subject, config.hull_resolution, config.rounds[-1].tolerance, 2)
    verdicts = [judge(view, mask, hull, min_iou=0.6) for view, mask in zip(local_views, masks, strict=True)]
    offered = [verdict for verdict, mask in zip(verdicts, masks, strict=True) if mask.any()]
    require_enough(offered)
    return Agreement(masks, hull, verdicts)


def in_region(views: Sequence[View], region: Region, points: SparsePoints) -> tuple[Subject, list[View]]:
    """Subject and views in the region's own frame: z up, the support plane at z = 0."""
    move = region.region_from_world.apply
    own = replace(points, xyz=move(points.xyz))
    frame = Similarity.from_rigid(region.region_from_world)
    return Subject(region.lower, region.upper, own, move(region.points)), [view.in_frame(frame) for view in views]


def make_masker(config: MaskConfig) -> Masker:
    """Raises InputError for an unknown name, BackendMissing where its package or checkpoint is missing."""
    masker: Masker = load_backend("masker", MASKERS, config.masker).from_config(config)
    return masker


def _run(config: MaskConfig, context: StageContext) -> Quality:
    space = context.workspace
    views, points = load_views(space.sfm_views), SparsePoints.load(space.sfm_points)
    region = Region.from_json(json.loads(space.region.read_text()))
    if space.given_masks.is_dir() and any(space.given_masks.iterdir()):
        agreement = accept_given(views, region, points, space.given_masks, space.sfm_lens, config)
    else:
        agreement = segment_object(views, region, points, make_masker(config), config, context.progress)
    used = []
    doubts = agreement.doubtful or [np.zeros_like(mask) for mask in agreement.masks]
    for view, mask, doubtful, verdict in zip(views, agreement.masks, doubts, agreement.verdicts, strict=True):
        if verdict.used:
            path = context.out / f"{view.name}.png"
            write_mask(path, mask, doubtful)
            used.append(replace(view, mask_path=path))
    save_views(context.out / "views.json", used)
    write_overlays(context.out / "overlays", views, agreement.masks)
    (context.out / "verdicts.json").write_text(json.dumps([asdict(v) for v in agreement.verdicts], indent=1))
    iou = [v.iou for v in agreement.verdicts if v.used]
    return {"used": len(used), "dropped": len(views) - len(used), "mask_hull_iou_mean": round(float(np.mean(iou)), 4)}


MASKS = Stage("masks", 10, ("capture", "sfm", "locate"), _run)
