"""The core's own types onto a recorder, on the topics that the robot contract names."""

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import ActionChunk, RobotState
from wam_core.data import messages
from wam_core.data.recorder import Recorder
from wam_core.data.senses import encode_sense
from wam_core.robot.contract import RobotContract


class EpisodeWriter:
    """Serializes what the cell senses and what a policy answers, and hands it to a :class:`Recorder`."""

    def __init__(self, recorder: Recorder, robot: RobotContract) -> None:
        self.recorder = recorder
        self._robot = robot

    def instruction(self, text: str, stamp_ns: int) -> None:
        self._write(messages.INSTRUCTION_TOPIC, messages.encode_text(text), stamp_ns)

    def sub_instruction(self, text: str, stamp_ns: int) -> None:
        """What is being done from now on, as a part of the task."""
        self._write(messages.SUB_INSTRUCTION_TOPIC, messages.encode_text(text), stamp_ns)

    def image(self, camera: str, image: NDArray[np.uint8], stamp_ns: int) -> None:
        """uint8 RGB ``[H, W, 3]`` of a camera of the contract."""
        found = self._robot.camera(camera)
        self._write(found.topic, messages.encode_image(found, image, stamp_ns), stamp_ns)

    def sense(self, name: str, values: NDArray[np.generic], stamp_ns: int) -> None:
        """What a sense of the contract says of the instant; of sound, a block that ends at it."""
        found = self._robot.sense(name)
        self._write(found.topic, encode_sense(self._robot, found, values, stamp_ns), stamp_ns)

    def state(self, state: RobotState) -> None:
        """Joint state, and wrench and tactile where they were measured."""
        robot, stamp_ns = self._robot, state.stamp_ns
        self._write(robot.topics.joint_states, messages.encode_joint_state(robot, state), stamp_ns)
        if state.wrench is not None:
            self._write(robot.topics.wrench, messages.encode_wrench(robot, state.wrench, stamp_ns), stamp_ns)
        if state.tactile is not None:
            self._write(robot.topics.tactile, messages.encode_tactile(robot, state.tactile, stamp_ns), stamp_ns)

    def chunk(self, topic: str, chunk: ActionChunk, stamp_ns: int) -> None:
        self._write(topic, messages.encode_chunk(self._robot, chunk), stamp_ns)

    def _write(self, topic: str, message: messages.Encoded, stamp_ns: int) -> None:
        self.recorder.write(topic, message.type_name, message.data, stamp_ns)
