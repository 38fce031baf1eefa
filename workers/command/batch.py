"""Poses in many images, for the command line: one JSON line a frame, pictures where asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconstruction.capture import Box
from reconstruction.errors import InputError
from reconstruction.scene.images import list_photos, write_photo
from workers.estimates.frames import Frame, load_frame


@dataclass(frozen=True)
class Request:
    """What holds for every image. Boxes and depth are by stem; an image without a box is searched.

    track: the images follow each other; where the last one showed the object, it is looked for nearby first.
    """

    intrinsics: tuple[float, ...] | None = None
    distortion: tuple[float, ...] = ()
    box: Box | None = None
    boxes: dict[str, Box] | None = None
    depth: Path | None = None
    draw: Path | None = None
    track: bool = False


@dataclass(frozen=True)
class FrameResult:
    """`poses` are PoseEstimates, best first; empty: not found."""

    path: Path
    frame: Frame
    poses: list[Any]
    milliseconds: float

    def line(self) -> dict[str, Any] | None:
        """{"frame", "R", "t", "score"} of the best pose, with depth its "depth_factor" too; None where there is none."""
        if not self.poses:
            return None
        best = self.poses[0]
        rotation = [float(v) for v in best.cam_from_obj.rotation.ravel()]
        line = {"frame": self.path.stem, "R": rotation, "t": [float(v) for v in best.cam_from_obj.translation], "score": float(best.score)}
        return line if best.depth_factor is None else {**line, "depth_factor": best.depth_factor}


def collect_images(paths: list[Path]) -> list[Path]:
    """Files as given, folders by the photos in them. Raises ImageError, InputError."""
    images = [image for path in paths for image in (list_photos(path) if path.is_dir() else [path])]
    for image in images:
        if not image.is_file():
            raise InputError(f"{image} does not exist", try_next="check the path")
    return images


def estimate_images(estimator: Any, images: list[Path], request: Request) -> Iterator[FrameResult]:
    """One after another. Raises ImageError and InputError for an image or a box that can't be right."""
    draw = _drawer(estimator, request.draw) if request.draw else None
    last = None
    for path in images:
        box = request.box or (request.boxes or {}).get(path.stem)
        frame = load_frame(path, request.intrinsics, request.distortion, [box] if box else None, _depth_of(path, request.depth))
        found = None
        if request.track and last is not None:
            found = estimator.track(frame.image, frame.camera, last, frame.depth, frame.believe_depth)
        if found is None or not found.poses:
            found = estimator.estimate(frame.image, frame.camera, frame.boxes, frame.depth, believe_depth=frame.believe_depth)
        last = found.poses[0].cam_from_obj if found.poses else None
        result = FrameResult(path, frame, [frame.trusted(pose) for pose in found.poses], found.timing_ms.get("total", 0.0))
        if draw:
            draw(result)
        yield result


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _depth_of(image: Path, depth: Path | None) -> Path | None:
    if depth is None or depth.is_file():
        return depth
    found = sorted(depth.glob(f"{image.stem}.*"))
    if not found:
        raise InputError(f"{depth} holds no depth for {image.name}", try_next=f"put {image.stem}.png (16 bit, millimetres) there")
    return found[0]


def _drawer(estimator: Any, folder: Path) -> Callable[[FrameResult], None]:
    from surfemb.judging.draw import draw_pose

    folder.mkdir(parents=True, exist_ok=True)

    def draw(result: FrameResult) -> None:
        image = result.frame.image
        for pose in result.poses:
            image = draw_pose(image, result.frame.camera, estimator.mesh, pose.cam_from_obj)
        write_photo(folder / f"{result.path.stem}.jpg", image)

    return draw
