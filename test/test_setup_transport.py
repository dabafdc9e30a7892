"""Camera images through the shipped Fast DDS profile, between two real processes."""

import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

FRAMES, RATE_HZ, HEIGHT, WIDTH = 100, 30.0, 480, 640

PUBLISHER = f"""
import time
import numpy as np, rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
deadline = time.monotonic() + 20.0
while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
    rclpy.spin_once(node, timeout_sec=0.05)
started = time.monotonic()
for number in range({FRAMES}):
    message = Image(height={HEIGHT}, width={WIDTH}, encoding="rgb8", step=3 * {WIDTH})
    message.data.frombytes(np.full({HEIGHT} * {WIDTH} * 3, number, np.uint8).data)
    message.header.stamp.nanosec = number
    publisher.publish(message)
    time.sleep(max(0.0, started + (number + 1) / {RATE_HZ} - time.monotonic()))
print("sent", flush=True)
rclpy.spin_once(node, timeout_sec=1.0)
"""


@pytest.mark.slow
def test_full_size_images_arrive_at_camera_rate() -> None:
    """Without the profile a 0.9 MB image does not fit the shared-memory segment and nearly all frames are lost."""
    rclpy.init()
    node = rclpy.create_node("viewer")
    frames: dict[int, int] = {}

    def receive(message: Image) -> None:
        pixels = np.frombuffer(message.data, np.uint8)
        assert pixels.size == HEIGHT * WIDTH * 3
        frames[message.header.stamp.nanosec] = int(pixels[-1])

    node.create_subscription(Image, "image", receive, qos_profile_sensor_data)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    camera = subprocess.Popen([sys.executable, "-c", PUBLISHER], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 40.0
        while len(frames) < FRAMES and camera.poll() is None and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.2)
        assert camera.communicate(timeout=20.0)[0] == "sent\n"
    finally:
        camera.kill()
        camera.wait()
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    assert len(frames) >= 0.95 * FRAMES
    assert all(value == number for number, value in frames.items())
