"""Any arm by file, on a table: where an arm is tried that the work cell has no tasks for."""

import mujoco
import numpy as np

from wam_core.cell.build import add_surroundings, arm_spec
from wam_core.cell.joints import Joints
from wam_core.contract import FloatArray, JointCommand, RobotState
from wam_core.executor.torque import servo_target
from wam_core.robot.contract import RobotContract


class Bench:
    """A robot file in MuJoCo, driven the way its contract's ``command`` says. Not thread-safe.

    An arm that takes efforts gets them; any other has a position servo per joint with the contract's gains, as its own
    controller would. Efforts saturate at the contract's limits.
    """

    def __init__(self, robot: RobotContract) -> None:
        self.robot = robot
        spec = arm_spec(robot)
        add_surroundings(spec)
        if robot.servo:
            _add_servos(spec, robot)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._joints = Joints(self.model, robot)
        self._limit = robot.effort_limit
        self._ticks = 0
        self._step_ns = round(1e9 / robot.rates.control_hz)
        self.reset(robot.home)

    @property
    def time_ns(self) -> int:
        """Time since construction; resets do not turn it back."""
        return self._ticks * self._step_ns

    def reset(self, q: FloatArray) -> None:
        """The arm at ``q [J]`` (rad), fingers half open, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        start = np.concatenate([q, self.robot.fingers.posture(0.5)])
        self._joints.put(self.data, start)
        self._effort = np.zeros_like(start)
        if self.robot.servo:
            self.data.ctrl[:] = start
        mujoco.mj_forward(self.model, self.data)

    def step(self, command: JointCommand) -> None:
        """Advance by one control tick; a command that asks for nothing (NaN positions) leaves the servos as they
        are."""
        if not self.robot.servo:
            self._effort = np.clip(command.effort, -self._limit, self._limit)
            self._joints.push(self.data, self._effort)
        elif np.isfinite(command.position).all():
            self.data.ctrl[:] = servo_target(self.robot, command)
        mujoco.mj_step(self.model, self.data)
        if self.robot.servo:
            self._effort = self.data.actuator_force.copy()
        self._ticks += 1

    def robot_state(self) -> RobotState:
        """What the joints measure now."""
        position, velocity = self._joints.read(self.data)
        return RobotState(self.time_ns, position, velocity, self._effort.copy())

    def tool(self) -> tuple[FloatArray, FloatArray]:
        """``(R [3, 3], p [3] m)`` of the tool frame in the base frame."""
        body = self.data.body(self.robot.tool_frame)
        return body.xmat.reshape(3, 3).copy(), body.xpos.copy()


def _add_servos(spec: mujoco.MjSpec, robot: RobotContract) -> None:
    stiffness = np.concatenate([robot.gains.stiffness, robot.fingers.stiffness])
    damping = np.concatenate([robot.gains.damping, robot.fingers.damping])
    for name, kp, kv, most in zip(robot.joint_names, stiffness, damping, robot.effort_limit, strict=True):
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=kp, kv=kv)
        servo.forcelimited, servo.forcerange = True, [-most, most]
