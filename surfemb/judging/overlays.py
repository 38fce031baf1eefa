"""Held-out photos with the poses found in them: what a look tells at once."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from surfemb.estimation.estimator import PoseEstimator
from surfemb.judging.draw import draw_pose
from surfemb.judging.trials import Trial


def overlay_sheet(estimator: PoseEstimator, trials: Sequence[Trial], count: int, tile_px: int = 320) -> UInt8[ndarray, "h w 3"]:
    """Held-out photos with their poses, four in a row: green where right, red where wrong, plain where there is no answer."""
    shown = list(trials)[:: max(1, -(-len(trials) // count))]
    tiles = [_tile(estimator, trial, tile_px) for trial in shown]
    while len(tiles) % 4:
        tiles.append(np.zeros_like(tiles[0]))
    return np.concatenate([np.concatenate(tiles[i : i + 4], 1) for i in range(0, len(tiles), 4)])


def _tile(estimator: PoseEstimator, trial: Trial, tile_px: int) -> UInt8[ndarray, "t t 3"]:
    view = trial.view
    box = estimator.target.box(view.camera, view.cam_from_world)
    assert box is not None, "the object is in front of every camera of its capture"
    crop = view.camera.crop_towards(box, tile_px, 1.8)
    tile = crop.warp(view.photo())
    if trial.answer is not None:
        color = (80, 255, 120) if trial.right else (255, 70, 60)
        tile = draw_pose(tile, crop.camera, estimator.mesh, crop.crop_from_cam @ trial.answer.cam_from_obj, color)
    label = f"{view.name[:18]} {trial.add:.3f} d" if trial.answer else f"{view.name[:18]} none"
    return np.asarray(cv2.putText(tile, label, (6, tile_px - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA))
