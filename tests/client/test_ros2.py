"""Estimates on their way into ROS 2: messages against ROS's own definitions, and the node between a camera and the running service."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ros2_stand_in import Bus, CameraInfo, CompressedImage
from ros2_stand_in import Image as RawImage
from ros2_store import sent
from scipy.spatial.transform import Rotation
from served import Server

from snap6d import Pose, Snap6D
from snap6d.ros2 import messages

TURN = Rotation.from_rotvec([0.3, -1.2, 0.4])
FOUND = Pose(
    "obj_mug", 0.93, tuple(TURN.as_matrix().reshape(-1).tolist()), (0.1, -0.2, 0.6), tuple(TURN.as_quat().tolist()), symmetry="none"
)
AT = messages.header("camera_color_optical_frame", 17, 5)


def test_messages_are_what_ros_defines() -> None:
    box = messages.Box((0.01, 0.0, 0.05), (0.1, 0.2, 0.3))
    (detection,) = sent("vision_msgs/msg/Detection3DArray", messages.detection_array([FOUND], AT, {"obj_mug": box}))["detections"]
    stamped = sent("geometry_msgs/msg/PoseStamped", messages.pose_stamped(FOUND, AT))
    transform = sent("geometry_msgs/msg/TransformStamped", messages.transform_stamped(FOUND, AT, "mug"))
    assert stamped["header"] == detection["header"] == {"stamp": {"sec": 17, "nanosec": 5}, "frame_id": "camera_color_optical_frame"}
    (result,) = detection["results"]
    assert result["hypothesis"] == {"class_id": "obj_mug", "score": 0.93}
    assert result["pose"]["pose"] == stamped["pose"]
    assert transform["child_frame_id"] == "mug"
    assert list(transform["transform"]["translation"].values()) == [0.1, -0.2, 0.6]
    assert detection["bbox"]["size"] == {"x": 0.1, "y": 0.2, "z": 0.3}

    cam_from_obj = np.array(FOUND.cam_from_obj)
    corner = np.array([0.02, 0.03, 0.04])
    turned = Rotation.from_quat(list(stamped["pose"]["orientation"].values())).apply(corner) + list(stamped["pose"]["position"].values())
    np.testing.assert_allclose(turned, (cam_from_obj @ [*corner, 1])[:3], atol=1e-12)
    middle = list(detection["bbox"]["center"]["position"].values())
    np.testing.assert_allclose(middle, (cam_from_obj @ [0.01, 0.0, 0.05, 1])[:3], atol=1e-12)


def test_nothing_found_is_an_empty_array() -> None:
    assert sent("vision_msgs/msg/Detection3DArray", messages.detection_array([], AT, {}))["detections"] == []


def test_each_pose_has_a_frame_of_its_own() -> None:
    other = Pose("obj_cup", 0.8, FOUND.R, FOUND.t, FOUND.quat_xyzw)
    assert list(messages.frames([FOUND, other, FOUND, FOUND])) == ["obj_mug", "obj_cup", "obj_mug_2", "obj_mug_3"]


@pytest.mark.parametrize(("encoding", "mode"), [("rgb8", "RGB"), ("bgr8", "RGB"), ("mono8", "L"), ("rgba8", "RGBA"), ("bgra8", "RGBA")])
def test_images_arrive_as_they_were(encoding: str, mode: str) -> None:
    channels = len(mode)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, channels), dtype=np.uint8)
    stored = pixels[..., [2, 1, 0, *range(3, channels)]] if encoding.startswith("bgr") else pixels
    step = 5 * channels + 3  # rows may be padded
    rows = np.zeros((7, step), np.uint8)
    rows[:, : 5 * channels] = stored.reshape(7, -1)
    with Image.open(io.BytesIO(messages.png(5, 7, encoding, step, rows.tobytes()))) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    with pytest.raises(ValueError, match="16UC1"):
        messages.png(5, 7, "16UC1", 10, b"")


def test_the_camera_is_told_as_it_is() -> None:
    k, p = [500.0, 0, 320, 0, 510, 240, 0, 0, 1], [480.0, 0, 310, 0, 0, 490, 230, 0, 0, 0, 1, 0]
    assert messages.intrinsics(k, [0.1, 0, 0, 0, 0], p, "plumb_bob", False) == (k, [0.1, 0, 0, 0, 0])
    assert messages.intrinsics(k, [0.0] * 5, p, "plumb_bob", False) == (k, None)
    rectified = messages.intrinsics(k, [0.1] * 8, p, "rational_polynomial", True)
    assert rectified == ([480, 0, 310, 0, 490, 230, 0, 0, 1], None)
    with pytest.raises(ValueError, match="rectified"):
        messages.intrinsics(k, [0.1] * 8, p, "rational_polynomial", False)


@pytest.fixture
def bus(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """Beside the running service; a test says which objects its node asks about."""
    found = Bus({"url": str(server.client.base_url)})
    for name, module in found.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "snap6d.ros2.node", raising=False)
    yield found
    sys.modules.pop("snap6d.ros2.node", None)


def node(bus: Bus, *object_ids: str, **parameters: Any) -> None:
    bus.parameters |= {"object_ids": list(object_ids), **parameters}
    import_module("snap6d.ros2.node").Snap6DNode()


def camera() -> CameraInfo:
    return CameraInfo(
        k=[60.0, 0, 32, 0, 60, 24, 0, 0, 1], d=[0.0] * 5, p=[60.0, 0, 32, 0, 0, 60, 24, 0, 0, 0, 1, 0], distortion_model="plumb_bob"
    )


def image() -> RawImage:
    header = SimpleNamespace(frame_id="optical", stamp=SimpleNamespace(sec=3, nanosec=4))
    return RawImage(header=header, width=64, height=48, encoding="rgb8", step=192, data=np.full((48, 64, 3), 90, np.uint8).reshape(-1))


def test_the_node_answers_images_with_poses(bus: Bus, ready: Callable[[str], str]) -> None:
    object_id = ready("object")
    node(bus, object_id)
    bus.callbacks["image"](image())
    assert bus.said == ["no camera_info yet"]
    bus.callbacks["camera_info"](camera())
    bus.callbacks["image"](image())
    (detections,) = bus.published["detections"]
    (pose,) = bus.published["pose"]
    (transform,) = bus.published["tf"]
    (detection,) = sent("vision_msgs/msg/Detection3DArray", detections)["detections"]
    assert detection["results"][0]["hypothesis"]["class_id"] == transform["child_frame_id"] == object_id
    assert sent("geometry_msgs/msg/PoseStamped", pose)["header"] == {"stamp": {"sec": 3, "nanosec": 4}, "frame_id": "optical"}
    assert pose["pose"]["position"] == pytest.approx({"x": 0.1, "y": 0.2, "z": 0.5})
    sent("geometry_msgs/msg/TransformStamped", transform)
    assert len(bus.said) == 1


def test_a_compressed_image_goes_as_it_is(bus: Bus, ready: Callable[[str], str]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 60)).save(file, "JPEG")
    node(bus, ready("object"), compressed=True, publish_tf=False)
    bus.callbacks["camera_info"](camera())
    bus.callbacks["image/compressed"](CompressedImage(header=image().header, data=file.getvalue(), format="jpeg"))
    assert len(bus.published["pose"]) == 1
    assert "tf" not in bus.published


def test_what_is_too_unsure_or_without_metres_is_not_published(bus: Bus, ready: Callable[[str], str]) -> None:
    node(bus, ready("object"), min_score=0.99)
    bus.callbacks["camera_info"](camera())
    bus.callbacks["image"](image())
    assert bus.published["detections"][0]["detections"] == []
    assert "pose" not in bus.published
    node(bus, ready("unscaled"), min_score=0.5)
    bus.callbacks["camera_info"](camera())
    bus.callbacks["image"](image())
    assert len(bus.published["detections"]) == 1
    assert "metres" in bus.said[-1]


def test_an_object_that_is_not_ready_is_said_and_the_node_goes_on(bus: Bus, server: Server) -> None:
    with Snap6D(str(server.client.base_url)) as service:
        node(bus, service.objects.draft(name="empty").id)
    bus.callbacks["camera_info"](camera())
    bus.callbacks["image"](image())
    assert len(bus.said) == 1
    assert not bus.published


def test_messages_need_no_ros() -> None:
    assert util.find_spec("rclpy") is None, "this test is for where there is none"
    for path in (Path(messages.__file__), Path(messages.__file__).with_name("node.py")):
        compile(path.read_text(), str(path), "exec")
