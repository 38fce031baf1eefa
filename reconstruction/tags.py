"""Printed tags: found in the views, triangulated in the SfM frame, matched with what is known of their size and layout."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.capture import TagBoard
from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.corners import refine_corners
from reconstruction.errors import InputError, ScaleError
from reconstruction.scene import Similarity, View
from reconstruction.scene.transforms import fit_similarity
from reconstruction.stage import Progress, silent

FAMILIES = {
    "tag36h11": cv2.aruco.DICT_APRILTAG_36h11,
    "tag36h10": cv2.aruco.DICT_APRILTAG_36h10,
    "tag25h9": cv2.aruco.DICT_APRILTAG_25h9,
    "tag16h5": cv2.aruco.DICT_APRILTAG_16h5,
    "aruco4x4_50": cv2.aruco.DICT_4X4_50,
    "aruco5x5_100": cv2.aruco.DICT_5X5_100,
    "aruco6x6_250": cv2.aruco.DICT_6X6_250,
}
_MAX_RESIDUAL_PX = 2.0
# Layouts list a tag's corners as their own detector does: from any corner, either way round. Several tags tell which.
CORNER_ORDERS = [list(np.roll(way, -start)) for way in ([0, 1, 2, 3], [0, 3, 2, 1]) for start in range(4)]
_SIDE_TOLERANCE = 0.03  # five times what the edges' own error makes of it
_EDGE_ERROR = 0.005  # of a tag's side: what print, light and the camera's tone curve add to every edge alike


@dataclass(frozen=True, eq=False)
class Tags:
    """corners: tag id -> (4, 3) in the views' world frame, in the detector's corner order. residual_px: RMS over all sightings."""

    corners: dict[int, Float[ndarray, "4 3"]]
    residual_px: float

    def save(self, path: Path) -> None:
        rows = {str(tag): corners.tolist() for tag, corners in self.corners.items()}
        path.write_text(json.dumps({"residual_px": self.residual_px, "corners": rows}, indent=1))

    @classmethod
    def load(cls, path: Path) -> Tags:
        doc = json.loads(path.read_text())
        return cls({int(tag): np.array(corners) for tag, corners in doc["corners"].items()}, doc["residual_px"])


@dataclass(frozen=True)
class BoardFit:
    """`rel_std`: standard deviation of the scale over the scale. `agreeing`: the tags the fit rests on.

    `stray_m`: the others, each with how far it lies from where the layout says. `side_ratio`: the side of the agreeing tags
    as measured over that of the layout, at the scale of the whole board.
    """

    board_from_world: Similarity
    rel_std: float
    agreeing: list[int]
    residual_m: float
    stray_m: dict[int, float]
    side_ratio: float

    def warnings(self) -> list[CaptureWarning]:
        """What a user should know of a board that is not quite as its layout says."""
        found = []
        if self.stray_m:
            named = ", ".join(f"{tag} ({1000 * away:.0f} mm)" for tag, away in list(self.stray_m.items())[:8])
            more = f" and {len(self.stray_m) - 8} more" if len(self.stray_m) > 8 else ""
            found.append(
                f"{len(self.stray_m)} of {len(self.agreeing) + len(self.stray_m)} tags do not lie where the board layout says: "
                f"{named}{more}; the scale rests on the others"
            )
        if len(self.agreeing) > 1 and abs(self.side_ratio - 1) > _SIDE_TOLERANCE:
            found.append(
                f"the printed tags have {100 * self.side_ratio:.0f} % of the size that the layout says, while their places fit: "
                "the scale follows the places; measure the distance between two tags to be sure"
            )
        return [capture_warning("board-disagrees", message) for message in found]


def load_board(path: Path, family: str = "tag36h11") -> TagBoard:
    """Reads `{"0": [[x, y, z] * 4], ...}` in mm; other keys (tag_size_mm, paper size) are ignored, `family` is taken where it stands there.

    Raises InputError where the file holds no such layout.
    """
    try:
        doc = json.loads(path.read_text())
        return board_from_json(doc, family)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path.name} can't be read as a board layout ({error})", try_next='give {"0": [[x, y, z] * 4], ...} in mm'
        ) from error


def board_from_json(doc: dict, family: str = "tag36h11") -> TagBoard:
    """As `load_board`, of a parsed document."""
    corners = {int(key): np.array(value, float).reshape(4, -1) for key, value in doc.items() if str(key).isdigit()}
    if not corners:
        raise InputError("the board layout names no tags", try_next='give {"0": [[x, y, z] * 4], ...} in mm')
    padded = {tag: np.pad(c, ((0, 0), (0, 3 - c.shape[1]))).tolist() for tag, c in corners.items()}
    return TagBoard(str(doc.get("family", family)), padded)


def make_detector(family: str) -> cv2.aruco.ArucoDetector:
    """Raises InputError for a family that is not known."""
    if family not in FAMILIES:
        raise InputError(f"there is no tag family called {family!r}", try_next=f"choose one of {', '.join(FAMILIES)}")
    parameters = cv2.aruco.DetectorParameters()
    return cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(FAMILIES[family]), parameters)


def find_tags(views: Sequence[View], family: str, progress: Progress = silent) -> Tags:
    """Every tag seen in at least three views, triangulated from all of them."""
    detector = make_detector(family)
    sightings: dict[int, list[tuple[View, ndarray]]] = defaultdict(list)
    for index, view in enumerate(views):
        grey = cv2.cvtColor(view.photo(), cv2.COLOR_RGB2GRAY)
        corners, ids, _ = detector.detectMarkers(grey)
        for tag, pixels in zip([] if ids is None else ids.ravel().tolist(), corners, strict=True):
            sightings[tag].append((view, refine_corners(grey, pixels.reshape(4, 2).astype(float))))
        progress(index + 1, len(views), f"tags in {len(sightings)} places")
    found: dict[int, ndarray] = {}
    residuals: list[float] = []
    for tag, seen in sorted(sightings.items()):
        fits = [triangulate([view for view, _ in seen], np.stack([pixels[k] for _, pixels in seen])) for k in range(4)]
        if all(fit is not None for fit in fits):
            found[tag] = np.stack([fit[0] for fit in fits if fit is not None])
            residuals += [fit[1] for fit in fits if fit is not None]
    return Tags(found, float(np.sqrt(np.mean(np.square(residuals)))) if residuals else 0.0)


def triangulate(views: Sequence[View], pixels: Float[ndarray, "n 2"], min_views: int = 3) -> tuple[Float[ndarray, "3"], float] | None:
    """The world point that projects to `pixels`, and its RMS error in pixels; None where fewer than `min_views` agree.

    Linear triangulation (Hartley and Zisserman, section 12.2), the worst view dropped until all are within two pixels.
    """
    projections = np.stack([view.camera.matrix @ view.cam_from_world.matrix[:3] for view in views])
    keep = np.arange(len(views))
    while len(keep) >= min_views:
        p, uv = projections[keep], pixels[keep]
        rows = np.concatenate([uv[:, :1] * p[:, 2] - p[:, 0], uv[:, 1:] * p[:, 2] - p[:, 1]])
        rows /= np.linalg.norm(rows[:, :3], axis=1, keepdims=True)
        solution = np.linalg.svd(rows)[2][-1]
        projected = p @ solution
        errors = np.linalg.norm(projected[:, :2] / projected[:, 2:] - uv, axis=1)
        if errors.max() < _MAX_RESIDUAL_PX:
            return solution[:3] / solution[3], float(np.sqrt((errors**2).mean()))
        keep = np.delete(keep, errors.argmax())
    return None


def fit_board(tags: Tags, board: TagBoard) -> BoardFit:
    """`board_from_world` in metres, resting on the largest set of tags that agree with the layout.

    Raises ScaleError where no tag of the layout was found, or fewer than half of those found lie where it says.
    """
    shared = sorted(set(tags.corners) & set(board.corners_mm))
    if not shared:
        seen = f"tags {', '.join(map(str, sorted(tags.corners)))} are" if tags.corners else "no tags are"
        raise ScaleError(
            f"{seen} in the photos, none of the board's", try_next="give the layout of the board that was photographed, and its tag family"
        )
    world = {tag: tags.corners[tag] for tag in shared}
    metres = {tag: np.array(board.corners_mm[tag]) / 1000 for tag in shared}
    side = float(np.median([np.linalg.norm(c[1] - c[0]) for c in metres.values()]))
    for order in CORNER_ORDERS:
        metres = {tag: np.array(board.corners_mm[tag])[order] / 1000 for tag in shared}
        agreeing = _agreeing_tags(shared, world, metres, tolerance=0.1 * side)
        if len(agreeing) > max(1, len(shared) / 2) or len(shared) < 3:
            break
    if len(agreeing) < max(1, len(shared) / 2):
        stray = sorted(set(shared) - set(agreeing))
        raise ScaleError(
            f"only {len(agreeing)} of {len(shared)} tags lie where the board layout says; {', '.join(map(str, stray[:8]))} do not",
            try_next="check the layout file against the printed board: ids, places, millimetres",
        )
    a = np.concatenate([metres[tag] for tag in agreeing])
    b = np.concatenate([world[tag] for tag in agreeing])
    fit = fit_similarity(a, b)
    residual = float(np.sqrt(((fit.apply(b) - a) ** 2).sum(1).mean()))
    spread = float(np.sqrt(((a - a.mean(0)) ** 2).sum()))  # the scale's deviation: residual over the root of the summed squares
    away = {tag: float(np.linalg.norm(fit.apply(world[tag]) - metres[tag], axis=1).max()) for tag in shared if tag not in agreeing}
    measured, said = (float(np.mean([_sides(c[tag]) for tag in agreeing])) for c in (world, metres))
    return BoardFit(fit, residual / spread, agreeing, residual, away, fit.scale * measured / said)


def _sides(corners: Float[ndarray, "4 3"]) -> Float[ndarray, "4"]:
    return np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)


def _agreeing_tags(shared: list[int], world: dict[int, ndarray], metres: dict[int, ndarray], tolerance: float) -> list[int]:
    """The largest set of tags whose corners one similarity explains, tried from every pair of tags (or each alone)."""
    starts: list[tuple[int, ...]] = [*combinations(shared, 2)] or [(shared[0],)]
    if len(starts) > 400:
        order = np.random.default_rng(0).permutation(len(starts))[:400]
        starts = [starts[i] for i in order]
    best: list[int] = []
    for start in starts:
        fit = fit_similarity(np.concatenate([metres[t] for t in start]), np.concatenate([world[t] for t in start]))
        agree = [t for t in shared if np.linalg.norm(fit.apply(world[t]) - metres[t], axis=1).max() < tolerance]
        if len(agree) > len(best):
            best = agree
    return best


def metres_per_unit(tags: Tags, side_m: float) -> tuple[float, float]:
    """The scale from the sides of all tags of one known size, and its relative standard deviation. Raises ScaleError without tags."""
    if not tags.corners:
        raise ScaleError("no tag is in the photos", try_next="print a tag of the named family, keep it flat and in sight of several photos")
    sides = np.concatenate([_sides(corners) for corners in tags.corners.values()])
    middle = np.median(sides)
    close = sides[np.abs(sides - middle) < 0.05 * middle]
    if len(close) < len(sides) / 2:
        raise ScaleError(
            "the tags in the photos have different sizes", try_next="give a board layout, or leave only tags of one size in sight"
        )
    return float(side_m / close.mean()), float(np.hypot(close.std() / close.mean() / np.sqrt(len(close)), _EDGE_ERROR))
