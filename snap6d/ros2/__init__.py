"""For robots that speak ROS 2: `messages` turns estimates into messages, `node` is a node that does so for a camera's images."""
