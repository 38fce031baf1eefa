"""Estimates as ROS 2 messages, in dictionaries that `rosidl_runtime_py.set_message_fields` and, as YAML, `ros2 topic pub` take.

Poses are in the camera's optical frame (REP 103: x right, y down, z forward), which is the estimates' own. Imports no ROS.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snap6d.results import Pose

Message = dict[str, Any]
_LAYOUTS = {"mono8": (1, 0, False), "rgb8": (3, 2, False), "bgr8": (3, 2, True), "rgba8": (4, 6, False), "bgra8": (4, 6, True)}
"""Of sensor_msgs/Image: channels, PNG's colour type, whether blue comes first."""


@dataclass(frozen=True)
class Box:
    """An object's own box: its middle in the object frame and the lengths of its sides, metres."""

    centre: Sequence[float] = (0.0, 0.0, 0.0)
    size: Sequence[float] = (0.0, 0.0, 0.0)


def header(frame_id: str, sec: int = 0, nanosec: int = 0) -> Message:
    return {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": frame_id}


def pose_stamped(found: Pose, at: Message) -> Message:
    """geometry_msgs/PoseStamped."""
    return {"header": at, "pose": _pose(found, found.t)}


def transform_stamped(found: Pose, at: Message, child_frame_id: str) -> Message:
    """geometry_msgs/TransformStamped, as TF takes it."""
    transform = {"translation": _xyz(found.t), "rotation": _xyzw(found)}
    return {"header": at, "child_frame_id": child_frame_id, "transform": transform}


def detection_array(found: Sequence[Pose], at: Message, boxes: Mapping[str, Box]) -> Message:
    """vision_msgs/Detection3DArray (version 4): a detection a pose, whose class is the object's id. Covariances are not known: zeros."""
    return {"header": at, "detections": [_detection(pose, at, boxes.get(pose.object_id, Box())) for pose in found]}


def frames(found: Sequence[Pose]) -> dict[str, Pose]:
    """A name of a TF frame for each: the object's id, and for further ones of the same object _2, _3, ... after it."""
    named: dict[str, Pose] = {}
    for pose in found:
        same = sum(other.object_id == pose.object_id for other in named.values())
        named[pose.object_id if not same else f"{pose.object_id}_{same + 1}"] = pose
    return named


def _detection(found: Pose, at: Message, box: Box) -> Message:
    hypothesis = {"class_id": found.object_id, "score": float(found.score)}
    covariance = [0.0] * 36
    middle = [sum(found.R[3 * i + k] * box.centre[k] for k in range(3)) + found.t[i] for i in range(3)]
    return {
        "header": at,
        "results": [{"hypothesis": hypothesis, "pose": {"pose": _pose(found, found.t), "covariance": covariance}}],
        "bbox": {"center": _pose(found, middle), "size": _xyz(box.size)},
        "id": "",
    }


def _pose(found: Pose, position: Sequence[float]) -> Message:
    return {"position": _xyz(position), "orientation": _xyzw(found)}


def _xyz(values: Sequence[float]) -> Message:
    return {axis: float(value) for axis, value in zip("xyz", values, strict=True)}


def _xyzw(found: Pose) -> Message:
    return {axis: float(value) for axis, value in zip("xyzw", found.quat_xyzw, strict=True)}


def intrinsics(
    k: Sequence[float], d: Sequence[float], p: Sequence[float], model: str, rectified: bool
) -> tuple[list[float], list[float] | None]:
    """K and dist as `estimate` takes them, from its sensor_msgs/CameraInfo. Raises ValueError for a lens that it can't be told of."""
    if rectified:
        return [float(p[i]) for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)], None
    if any(d) and model != "plumb_bob":
        raise ValueError(f"a lens of the model {model} can't be told: send rectified images, with the parameter rectified")
    return [float(v) for v in k], [float(v) for v in d] if any(d) else None


def png(width: int, height: int, encoding: str, step: int, data: bytes) -> bytes:
    """A sensor_msgs/Image as a file that the service reads. Raises ValueError for an encoding that is no 8-bit colour or grey."""
    if encoding not in _LAYOUTS:
        raise ValueError(f"images of {encoding} can't be sent: let the camera publish one of {', '.join(_LAYOUTS)}")
    channels, colour_type, blue_first = _LAYOUTS[encoding]
    rows = bytearray()
    for first in range(0, height * step, step):
        row = bytearray(data[first : first + width * channels])
        if blue_first:
            row[0::channels], row[2::channels] = row[2::channels], row[0::channels]
        rows += b"\0" + row  # no filter
    size = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(rows), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)) for kind, content in chunks
    )
