"""A ROS 2 node: images in, poses of objects out, asked of a Snap6D service. Jazzy or newer (Python 3.11), vision_msgs.

    python3 -m snap6d.ros2.node --ros-args -p url:=http://192.168.1.20:8000 -p object_ids:="['obj_...']" \\
        -r image:=/camera/color/image_raw -r camera_info:=/camera/color/camera_info

Listens to `image` (sensor_msgs/Image; with `compressed` to `image/compressed`) and `camera_info`. Publishes `detections`
(vision_msgs/Detection3DArray), empty where nothing is found, `pose` (geometry_msgs/PoseStamped) of the best one, and TF.
While an image is asked about, newer ones wait and all but the newest are dropped.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped, TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosidl_runtime_py import set_message_fields
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection3DArray

from snap6d import Estimate, NotFound, Snap6D, Snap6DError
from snap6d.ros2 import messages

PARAMETERS: dict[str, Any] = {
    "url": "http://127.0.0.1:8000",  # of the service
    "api_key": "",  # where it asks for one
    "object_ids": [""],  # of onboarded objects, up to 8
    "min_score": 0.5,  # poses below it are not published
    "max_instances": 1,  # of each object in an image
    "deadline_ms": 5000,  # an answer that takes longer is not waited for
    "rectified": False,  # the image is: then P of camera_info counts, else K and D
    "compressed": False,  # listen to image/compressed: a JPEG goes to the service as it is
    "publish_tf": True,  # from the camera's frame to one named by the object's id, _2 and so on for further ones
}
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Snap6DNode(Node):
    def __init__(self) -> None:
        super().__init__("snap6d")
        for name, default in PARAMETERS.items():
            self.declare_parameter(name, default)
        self._service = Snap6D(self._given("url"), self._given("api_key") or None, patience=10.0)
        self._object_ids = [one for one in self._given("object_ids") if one]
        self._boxes = {object_id: self._box(object_id) for object_id in self._object_ids}
        self._camera: CameraInfo | None = None
        self._detections = self.create_publisher(Detection3DArray, "detections", 10)
        self._poses = self.create_publisher(PoseStamped, "pose", 10)
        self._tf = TransformBroadcaster(self)
        self.create_subscription(CameraInfo, "camera_info", self._keep_camera, NEWEST)
        kind, topic = (CompressedImage, "image/compressed") if self._given("compressed") else (Image, "image")
        self.create_subscription(kind, topic, self._look, NEWEST)

    def _given(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _box(self, object_id: str) -> messages.Box:
        """Of the object's size; zero where it was onboarded before there were exports."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self._service.objects.download(object_id, "exports/exports.json", Path(folder) / "exports.json")
            except NotFound:
                return messages.Box()
            return messages.Box(**json.loads(path.read_text())["box"])

    def _keep_camera(self, camera: CameraInfo) -> None:
        self._camera = camera

    def _look(self, image: Any) -> None:
        """Asks about one image and publishes what is found; the next one comes when this is done."""
        if self._camera is None:
            self.get_logger().warning("no camera_info yet", throttle_duration_sec=5.0)
            return
        try:
            self._publish(image.header, self._estimate(image, self._camera))
        except (Snap6DError, ValueError) as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def _estimate(self, image: Any, camera: CameraInfo) -> Estimate:
        data = bytes(image.data)
        K, dist = messages.intrinsics(camera.k, camera.d, camera.p, camera.distortion_model, self._given("rectified"))
        found = self._service.estimate(
            data if isinstance(image, CompressedImage) else messages.png(image.width, image.height, image.encoding, image.step, data),
            self._object_ids,
            K=K,
            dist=dist,
            max_instances=self._given("max_instances"),
            deadline_ms=self._given("deadline_ms"),
        )
        if found.units != "m":
            raise ValueError("the object's scale is not known, and ROS wants metres: onboard it with tags, a board, depth or a length")
        return found

    def _publish(self, stamped: Any, estimate: Estimate) -> None:
        at = messages.header(stamped.frame_id, stamped.stamp.sec, stamped.stamp.nanosec)
        found = [pose for pose in estimate.poses if pose.score >= self._given("min_score")]
        self._detections.publish(_filled(Detection3DArray(), messages.detection_array(found, at, self._boxes)))
        if found:
            self._poses.publish(_filled(PoseStamped(), messages.pose_stamped(found[0], at)))
        if self._given("publish_tf"):
            for name, pose in messages.frames(found).items():
                self._tf.sendTransform(_filled(TransformStamped(), messages.transform_stamped(pose, at, name)))


def _filled(message: Any, values: messages.Message) -> Any:
    set_message_fields(message, values)
    return message


def main() -> None:
    rclpy.init()
    try:
        rclpy.spin(Snap6DNode())
    except KeyboardInterrupt:
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
