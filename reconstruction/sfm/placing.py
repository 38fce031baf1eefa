"""Where the cameras come from: the features that photos share, or a printed board alone. What came of it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reconstruction.capture import ScaleSource, TagBoard, require_camera_source
from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.errors import CaptureError, InputError
from reconstruction.sfm.board.cameras import BoardCameras, board_requests, cameras_from_board, with_corners
from reconstruction.sfm.colmap.request import Model, Request, run_colmap
from reconstruction.sfm.photos import Photo
from reconstruction.stage import Progress, Quality, part_of


@dataclass(frozen=True)
class Placement:
    """The model, the request that it answers, and what is to be told of where it comes from."""

    model: Model
    request: Request
    told: Quality = field(default_factory=dict)
    warnings: list[CaptureWarning] = field(default_factory=list)

    def tell(self, quality: Quality) -> Quality:
        """`quality` with what this placement adds to it."""
        return {**quality, **self.told, "warnings": [*quality.get("warnings", []), *self.warnings]}


def place_photos(
    request: Request, photos: Sequence[Photo], scale: ScaleSource | None, cameras_from: str, enough: float, progress: Progress
) -> Placement:
    """cameras_from: features, board, or auto: features, and the board where they place fewer than `enough` photos.

    Raises CaptureError where the board can't place the photos either, or what turns on a turntable can't; InputError where there is
    no board to place them by.
    """
    require_camera_source(cameras_from)
    board = scale if isinstance(scale, TagBoard) and request.poses is None else None
    if cameras_from == "board":
        if board is None:
            raise InputError("cameras can't come from the board without its layout, or with poses given", try_next="give --board LAYOUT")
        return _by_board(request, photos, board, progress)
    model = run_colmap(request, progress)
    registered = model.sizes[0] if model.sizes else 0
    if registered >= enough or (model.turntable is None and (board is None or cameras_from == "features")):
        return Placement(model, request, _told(model, "features"), _turntable_warnings(model))
    if board is None or cameras_from == "features":
        raise CaptureError(
            f"{registered} of {len(photos)} photos registered: the camera stood still before a turning object, and what turns has too"
            f" little texture ({_left(model)} features a photo)",
            try_next="lay a printed tag board or a patterned cloth on the turntable and give more turns of it, or walk round the object",
        )
    return _instead_of_features(model, request, photos, board, progress)


def _instead_of_features(model: Model, request: Request, photos: Sequence[Photo], board: TagBoard, progress: Progress) -> Placement:
    few = f"the features place {model.sizes[0] if model.sizes else 0} of {len(photos)} photos"
    try:
        placement = _by_board(replace(request, matched=True), photos, board, part_of(progress, 1.0, 1.0))
    except CaptureError as error:
        raise CaptureError(f"{few}, and {error.what}", try_next=error.try_next) from error
    warning = capture_warning("cameras-from-board", f"{few}: the cameras come from the tag board instead")
    found = replace(placement.model, turntable=model.turntable)
    return Placement(
        found, placement.request, {**placement.told, **_told(found, "board")}, [warning, *_turntable_warnings(found), *placement.warnings]
    )


def _by_board(request: Request, photos: Sequence[Photo], board: TagBoard, progress: Progress) -> Placement:
    """The board's poses are kept; COLMAP adds the points that photos share."""
    found = cameras_from_board(photos, request.cameras, request.camera_of, board, part_of(progress, 0.0, 0.15))
    poses = [None if p is None else p.matrix[:3].reshape(-1).tolist() for p in found.cam_from_board]
    request = replace(request, cameras=board_requests(request.cameras, found), poses=poses)
    model = run_colmap(request, part_of(progress, 0.15, 1.0))
    assert model.points is not None
    model = replace(model, points=with_corners(model.points, found, [row.image for row in model.registered]))
    told = {**_told(model, "board"), "board": {"error_px": round(found.error_px, 3), "lens_told": found.lens_told}}
    return Placement(model, request, told, _turntable_warnings(model) + _lens_warnings(found))


def _told(model: Model, cameras_from: str) -> Quality:
    return {"cameras_from": cameras_from, "turntable": model.turntable is not None}


def _turntable_warnings(model: Model) -> list[CaptureWarning]:
    if model.turntable is None:
        return []
    stations = " and ".join(map(str, model.turntable["stations"]))
    message = (
        f"the camera stood still before a turning object ({stations} photos from one place each): the still background"
        f" ({model.turntable['still']:.0%} of the features) was left out, and the cameras are relative to what turns"
    )
    return [capture_warning("turntable", message)]


def _lens_warnings(found: BoardCameras) -> list[CaptureWarning]:
    if found.lens_told:
        return []
    message = "the photos show the board from too few slants to tell where the lens has its middle: it is taken to be the photo's"
    return [capture_warning("weak-calibration", message)]


def _left(model: Model) -> int:
    return 0 if model.turntable is None else int(model.turntable["features_left"])
