"""ROS 2's own message definitions, by rosbags: a message of dictionaries must fit them, and survive the wire."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

VISION = {  # vision_msgs 4.1, https://github.com/ros-perception/vision_msgs
    "ObjectHypothesis": "string class_id\nfloat64 score\n",
    "ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n",
    "Detection3D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox3D bbox\nstring id\n",
    "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections\n",
}
STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(
    {k: v for name, text in VISION.items() for k, v in get_types_from_msg(text, f"vision_msgs/msg/{name}").items() if "vision" in k}
)


def sent(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """What arrives, as dictionaries again. Raises where a field is missing, unknown or of another kind."""
    return as_dict(STORE.deserialize_cdr(STORE.serialize_cdr(filled(kind, values), kind), kind))


def filled(kind: str, values: Any) -> Any:
    _, fields = STORE.fielddefs[kind]
    assert set(values) == {name for name, _ in fields}, f"{kind} has {[name for name, _ in fields]}, not {list(values)}"
    return STORE.types[kind](**{name: _value(of, values[name]) for name, of in fields})


def _value(of: Any, value: Any) -> Any:
    node, detail = int(of[0]), of[1]
    if node == 1:  # one of a basic type
        expected = {"string": str, "float64": float, "int32": int, "uint32": int}[detail[0]]
        assert type(value) is expected, f"{value!r} is no {detail[0]}"
        return value
    if node == 2:  # another message
        return filled(detail, value)
    inner = detail[0]
    if int(inner[0]) == 1:
        assert all(type(item) is float for item in value)
        return np.array(value, np.float64)
    return [_value(inner, item) for item in value]


def as_dict(message: Any) -> Any:
    if isinstance(message, np.ndarray):
        return message.tolist()
    if isinstance(message, list):
        return [as_dict(item) for item in message]
    if hasattr(message, "__msgtype__"):
        return {name: as_dict(getattr(message, name)) for name, _ in STORE.fielddefs[message.__msgtype__][1]}
    return message
