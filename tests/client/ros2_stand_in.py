"""As much of ROS 2 as the node touches: topics are lists, parameters a dictionary. For `sys.modules`."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Message:
    """Of any kind: its fields are put in by `set_message_fields`."""

    values: dict[str, Any]


class PoseStamped(Message): ...


class TransformStamped(Message): ...


class Detection3DArray(Message): ...


class CameraInfo(types.SimpleNamespace): ...


class Image(types.SimpleNamespace): ...


class CompressedImage(types.SimpleNamespace): ...


@dataclass
class Bus:
    """What runs over the topics, and what the node said."""

    parameters: dict[str, Any]
    published: dict[str, list[Any]] = field(default_factory=dict)
    callbacks: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def modules(self) -> dict[str, types.ModuleType]:
        """By name, as imports find them."""
        bus = self

        class Publisher:
            def __init__(self, topic: str) -> None:
                self._topic = topic

            def publish(self, message: Any) -> None:
                bus.published.setdefault(self._topic, []).append(message.values)

        class Logger:
            def warning(self, text: str, throttle_duration_sec: float) -> None:
                bus.said.append(text)

            error = warning

        class Node:
            def __init__(self, name: str) -> None:
                self._parameters: dict[str, Any] = {}

            def declare_parameter(self, name: str, default: Any) -> None:
                self._parameters[name] = bus.parameters.get(name, default)

            def get_parameter(self, name: str) -> Any:
                return types.SimpleNamespace(value=self._parameters[name])

            def create_publisher(self, kind: type, topic: str, depth: int) -> Publisher:
                return Publisher(topic)

            def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
                bus.callbacks[topic] = callback

            def get_logger(self) -> Logger:
                return Logger()

        class TransformBroadcaster(Publisher):
            def __init__(self, node: Node) -> None:
                super().__init__("tf")

            sendTransform = Publisher.publish

        def set_message_fields(message: Message, values: dict[str, Any]) -> None:
            message.values = values

        found = {
            "rclpy": {},
            "rclpy.node": {"Node": Node},
            "rclpy.qos": {"QoSProfile": lambda **_: None, "ReliabilityPolicy": types.SimpleNamespace(BEST_EFFORT=0)},
            "geometry_msgs": {},
            "geometry_msgs.msg": {"PoseStamped": PoseStamped, "TransformStamped": TransformStamped},
            "sensor_msgs": {},
            "sensor_msgs.msg": {"CameraInfo": CameraInfo, "Image": Image, "CompressedImage": CompressedImage},
            "vision_msgs": {},
            "vision_msgs.msg": {"Detection3DArray": Detection3DArray},
            "tf2_ros": {"TransformBroadcaster": TransformBroadcaster},
            "rosidl_runtime_py": {"set_message_fields": set_message_fields},
        }
        modules = {name: types.ModuleType(name) for name in found}
        for name, attributes in found.items():
            vars(modules[name]).update(attributes)
        return modules
