"""Cameras and an arm of which only the messages are real: what the graph costs is measured with any images."""

import itertools
import time
from multiprocessing.connection import Connection

import numpy as np
import rclpy
from sensor_msgs.msg import JointState

from wam_core.contract import RobotState
from wam_core.realtime import favour_process
from wam_core.robot.robot_file import load_robot
from wam_ros import conversion
from wam_ros.polled import PolledSubscription
from wam_ros.qos import COMMAND, SENSOR

#: Joint states between two images.
STATES_PER_IMAGE = 20


def stand_in(robot_file: str, seed: int, told: Connection) -> None:
    """Send images of noise and joint states at the contract's camera rate until ``told`` says anything; answer with
    the number of images sent per camera. None are sent before somebody listens.

    The arm is where it was last commanded to be. Images of one instant have one stamp, taken before they are filled in.
    """
    favour_process(-10)
    robot, rng = load_robot(robot_file), np.random.default_rng(seed)
    rclpy.init(args=[])
    node = rclpy.create_node("stand_in")
    states = node.create_publisher(JointState, robot.topics.joint_states, SENSOR)
    commands = PolledSubscription(node, JointState, robot.topics.joint_command, COMMAND)
    publishers = {c: node.create_publisher(conversion.IMAGE_TYPES[c.transport], c.topic, SENSOR) for c in robot.cameras}
    pixels = {c: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in robot.cameras}
    position = np.concatenate([robot.home, robot.fingers.open])
    velocity = np.zeros_like(position)
    period_s, sent = 1.0 / robot.rates.camera_hz / STATES_PER_IMAGE, 0
    due_s = time.monotonic()
    for count in itertools.count():
        if told.poll():
            break
        command = commands.newest()
        if command is not None and np.isfinite(command.position).all():
            position, velocity = np.array(command.position), np.array(command.velocity)
        stamp_ns = time.time_ns()
        states.publish(conversion.joint_state_message(robot, RobotState(stamp_ns, position, velocity), stamp_ns))
        heard = all(publisher.get_subscription_count() for publisher in publishers.values())
        if heard and count % STATES_PER_IMAGE == 0:
            stamp_ns, sent = time.time_ns(), sent + 1
            for camera, publisher in publishers.items():
                publisher.publish(conversion.camera_message(camera, pixels[camera], stamp_ns))
        due_s += period_s
        time.sleep(max(due_s - time.monotonic(), 0.0))
    told.send({camera.name: sent for camera in robot.cameras})
    node.destroy_node()
    rclpy.try_shutdown()
