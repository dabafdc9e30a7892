"""From the spaces that an arm is controlled in to its joint rates. One table; what else chunks may be in is resolved to
these (resolve.py). Columns are those of the arm, then one per finger joint, which pass through.

Each retargeter integrates its own joint position towards the sampled target, with the target's rate as feed-forward,
so that its output is continuous whatever the target does.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import pinocchio as pin

from wam_core.contract import FloatArray
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.timeline import Sample
from wam_core.robot.contract import RobotContract
from wam_core.robot.ik import DifferentialIK, approach
from wam_core.robot.kinematics import Kinematics


class Retargeter(Protocol):
    """One tracked space of one robot."""

    def rates(self, q: FloatArray, target: Sample) -> FloatArray:
        """Joint rates ``[J]`` (rad/s) at ``q [J]`` that follow ``target``, within joint and tool speed limits."""

    def sample(self, q: FloatArray, v: FloatArray, fingers: FloatArray) -> Sample:
        """The space's values and rates at joint positions ``q``, rates ``v`` and finger positions ``[K]``."""


class ToolPose:
    """``ee_pose``: differential IK; targets outside the workspace box are brought to its surface."""

    def __init__(self, robot: RobotContract, kinematics: Kinematics, settings: ExecutorSettings) -> None:
        self._kinematics = kinematics
        self._ik = DifferentialIK(robot, kinematics, settings.ik)
        self._scale = settings.velocity_share
        self._reference = pin.rpy.rpyToMatrix(*robot.tool_reference_rpy)
        inset = np.minimum(0.001, 0.5 * (robot.workspace.upper - robot.workspace.lower))
        self._lower, self._upper = robot.workspace.lower + inset, robot.workspace.upper - inset

    def rates(self, q: FloatArray, target: Sample) -> FloatArray:
        vector = target.values[3:6]
        rotation = self._reference @ pin.exp3(vector)
        twist = target.rates[:6].copy()
        position = np.minimum(np.maximum(target.values[:3], self._lower), self._upper)
        twist[:3][position != target.values[:3]] = 0.0
        twist[3:] = rotation @ (pin.Jexp3(vector) @ target.rates[3:6])
        return self._ik.rates(q, rotation, position, twist, self._scale)

    def sample(self, q: FloatArray, v: FloatArray, fingers: FloatArray) -> Sample:
        rotation, position, jacobian = self._kinematics.tool_and_jacobian(q)
        turned, twist = self._reference.T @ rotation, jacobian @ v
        spin = pin.Jlog3(turned) @ (rotation.T @ twist[3:])
        return Sample(
            np.concatenate([position, pin.log3(turned), fingers]),
            np.concatenate([twist[:3], spin, np.zeros_like(fingers)]),
        )


class JointPosition:
    """``joint_position``: pass-through, clipped to the joint limits."""

    def __init__(self, robot: RobotContract, kinematics: Kinematics, settings: ExecutorSettings) -> None:
        self._kinematics = kinematics
        self._lower, self._upper, self._velocity = robot.limits.lower, robot.limits.upper, robot.limits.velocity
        self._deceleration = 0.5 * float(np.min(robot.limits.acceleration))
        self._gain, self._scale, self._speed = settings.ik.gain, settings.velocity_share, robot.workspace.speed

    def rates(self, q: FloatArray, target: Sample) -> FloatArray:
        wanted = target.values[: len(q)]
        clipped = np.minimum(np.maximum(wanted, self._lower), self._upper)
        feed = np.where(clipped == wanted, target.rates[: len(q)], 0.0)
        rates = feed + approach(clipped - q, self._gain, self._deceleration)
        tool = self._kinematics.jacobian(q)[:3] @ rates
        share = max(float(np.max(np.abs(rates) / self._velocity)), float(np.sqrt(tool @ tool)) / self._speed, 1e-9)
        return rates * min(1.0, self._scale / share)

    def sample(self, q: FloatArray, v: FloatArray, fingers: FloatArray) -> Sample:
        return Sample(np.concatenate([q, fingers]), np.concatenate([v, np.zeros_like(fingers)]))


SPACES: Mapping[str, Callable[[RobotContract, Kinematics, ExecutorSettings], Retargeter]] = {
    "joint_position": JointPosition,
    "ee_pose": ToolPose,
}
