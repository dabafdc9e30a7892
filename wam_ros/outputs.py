"""What the executor sends: one output per ``command`` of a robot file, in one table.

What the controllers of ros2_control subscribe to is sent reliably, as they ask for it; references with efforts are not,
as only the newest counts.
"""

from array import array
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from wam_core.contract import FloatArray, JointCommand
from wam_core.executor.executor import SHORTEST_TICK_NS, Executor
from wam_core.executor.torque import servo_target
from wam_ros.conversion import command_message, duration_message, header
from wam_ros.qos import COMMAND, RELIABLE

#: A trajectory is sent this often, and begins this much later than its first reference was computed (ns).
TRAJECTORY_NS = 20_000_000
#: Time between the points of the stop at its end (s).
STOP_STEP_S = 0.02

#: The message for a command, or None where none is due.
Encode = Callable[[JointCommand], Any]


class Output(NamedTuple):
    """A type of message, its quality of service, and how to make its encoder."""

    message: type[Any]
    qos: QoSProfile
    encoder: Callable[[Executor], Encode]


def _reference(executor: Executor) -> Encode:
    return lambda command: command_message(executor.robot, command)


def _efforts(executor: Executor) -> Encode:
    return lambda command: Float64MultiArray(data=_doubles(command.effort))


def _positions(executor: Executor) -> Encode:
    return lambda command: Float64MultiArray(data=_doubles(servo_target(executor.robot, command)))


class _Trajectory:
    """The references since the last message, then the verified stop from the last of them.

    As each message ends in a stop that was checked, an arm whose executor is starved, hung or gone comes to rest by it.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._commands: list[JointCommand] = []

    def __call__(self, command: JointCommand) -> JointTrajectory | None:
        since_ns = command.stamp_ns - self._commands[-1].stamp_ns if self._commands else -1
        if 0 <= since_ns < SHORTEST_TICK_NS:
            return None  # the command before, repeated
        if not 0 < since_ns <= TRAJECTORY_NS:
            # The first one, or the arm is on its way to rest already: it joins ahead of now, not in the past.
            self._commands.clear()
        self._commands.append(command)
        begin_ns = self._commands[0].stamp_ns
        if 0 < command.stamp_ns - begin_ns < TRAJECTORY_NS:
            return None
        points = [_point(c, begin_ns) for c in (*self._commands, *self._executor.stop_ahead(STOP_STEP_S))]
        self._commands = [command]
        names, stamp = list(self._executor.robot.joint_names), header(begin_ns + TRAJECTORY_NS, "")
        return JointTrajectory(header=stamp, joint_names=names, points=points)


def _point(command: JointCommand, begin_ns: int) -> JointTrajectoryPoint:
    return JointTrajectoryPoint(
        positions=_doubles(command.position),
        velocities=_doubles(command.velocity),
        accelerations=_doubles(command.acceleration),
        time_from_start=duration_message(command.stamp_ns - begin_ns),
    )


def _doubles(values: FloatArray) -> array:
    return array("d", values.tolist())


OUTPUTS: Mapping[str, Output] = {
    "effort": Output(JointState, COMMAND, _reference),
    "forward_effort": Output(Float64MultiArray, RELIABLE, _efforts),
    "position": Output(Float64MultiArray, RELIABLE, _positions),
    "trajectory": Output(JointTrajectory, RELIABLE, _Trajectory),
}
