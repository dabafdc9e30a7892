"""Hears every command, joint state and chunk of a graph while others wait for it or change it."""

import math
import threading
import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from wam_core.contract import FloatArray
from wam_core.data.predictions import action_chunk, nanoseconds
from wam_core.evaluation.fault_runs import ChunkSpan, Followed, Heard, Measured
from wam_core.evaluation.safety_checker import Commands
from wam_core.robot.contract import RobotContract
from wam_msgs.msg import ActionChunk, ExecutorStatus
from wam_ros.conversion import robot_state
from wam_ros.polled import PolledSubscription
from wam_ros.qos import RECORDED_RELIABLE, RECORDED_SENSOR

#: Time between two looks into the queues (s).
LOOK_S = 0.004


class Witness:
    """Listens in a thread of its own: what is heard must not depend on what the rest of this process waits for."""

    def __init__(
        self, node: Node, robot: RobotContract, states_topic: str, chunk_topic: str, status_topic: str
    ) -> None:
        """``states_topic`` is the arm's own: a fault may lie between it and whoever else listens."""
        self._robot = robot
        self._command_queue = PolledSubscription(
            node, JointState, robot.topics.joint_command, RECORDED_SENSOR, raw=True
        )
        self._state_queue = PolledSubscription(node, JointState, states_topic, RECORDED_SENSOR, raw=True)
        self._chunk_queue = PolledSubscription(node, ActionChunk, chunk_topic, RECORDED_RELIABLE, raw=True)
        self._status_queue = PolledSubscription(node, ExecutorStatus, status_topic, RECORDED_RELIABLE, raw=True)
        self._lock = threading.Lock()
        self.begin()
        self._newest: tuple[int, float] = (0, 0.0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def now_ns(self) -> int:
        """Stamp of the newest joint state."""
        return self._newest[0]

    @property
    def speed(self) -> float:
        """Of the fastest arm joint, rad/s."""
        return self._newest[1]

    def begin(self) -> None:
        """Forget what was heard so far."""
        with self._lock:
            self._commands: list[bytes] = []
            self._states: list[bytes] = []
            self._chunks: list[tuple[bytes, int]] = []
            self._statuses: list[bytes] = []

    def heard(self) -> Heard:
        """Everything since :meth:`begin`."""
        with self._lock:
            commands, states, chunks = self._commands[:], self._states[:], self._chunks[:]
            statuses = self._statuses[:]
        position, velocity, effort, stamps_ns = self._joints(commands)
        where, speeds, _, when_ns = self._joints(states)
        return Heard(
            Commands(stamps_ns, position, velocity, effort, acceleration=None),
            Measured(when_ns, where, speeds),
            tuple(_span(data, heard_ns) for data, heard_ns in chunks),
            tuple(one for data in statuses if (one := _followed(data)) is not None),
        )

    def _joints(self, messages: list[bytes]) -> tuple[FloatArray, FloatArray, FloatArray, Any]:
        states = [robot_state(self._robot, deserialize_message(data, JointState)) for data in messages]
        width = len(self._robot.joint_names)
        rows = [np.array([getattr(s, name) for s in states]).reshape(-1, width) for name in ("position", "velocity")]
        effort = np.array([s.effort for s in states], dtype=np.float64).reshape(-1, width)
        return rows[0], rows[1], effort, np.array([s.stamp_ns for s in states], dtype=np.int64)

    def _run(self) -> None:
        while not self._stopping.is_set():
            queues = self._command_queue, self._state_queue, self._chunk_queue, self._status_queue
            commands, states, chunks, statuses = map(_taken, queues)
            if states:
                state = robot_state(self._robot, deserialize_message(states[-1], JointState))
                self._newest = state.stamp_ns, float(np.abs(state.velocity[: len(self._robot.joints)]).max())
            with self._lock:
                self._commands += commands
                self._states += states
                self._statuses += statuses
                self._chunks += [(data, self._newest[0]) for data in chunks]
            time.sleep(LOOK_S)


def _taken(queue: PolledSubscription) -> list[bytes]:
    messages = []
    while (message := queue.take()) is not None:
        messages.append(message)
    return messages


def _span(data: bytes, heard_ns: int) -> ChunkSpan:
    chunk = action_chunk(deserialize_message(data, ActionChunk))
    end_ns = chunk.start_ns + (len(chunk.values) - 1) * chunk.step_ns
    return ChunkSpan(chunk.sequence, chunk.stamp_ns, end_ns, heard_ns)


def _followed(data: bytes) -> Followed | None:
    status = deserialize_message(data, ExecutorStatus)
    if not math.isfinite(status.chunk_slack_s):
        return None
    return Followed(int(status.sequence), nanoseconds(status.header.stamp) + round(status.chunk_slack_s * 1e9))
