"""Forward kinematics of the arm with Pinocchio, fingers locked (Featherstone, Rigid Body Dynamics Algorithms, 2008)."""

import math

import numpy as np
import pinocchio as pin
from scipy.linalg.lapack import dpotrf

from wam_core.contract import ActionChunk, FloatArray, RobotState
from wam_core.errors import ContractError
from wam_core.paths import share_path
from wam_core.robot.contract import TRACKED_SPACES, RobotContract
from wam_core.robot.tool_pose import decode_tool_pose, encode_tool_pose


def arm_model(robot: RobotContract) -> pin.Model:
    """The robot's URDF with every joint but the arm's locked (fingers at half opening), gravity -9.81 along base z.

    Drive inertia and payload of the contract are part of it; friction is not.

    Raises:
        ContractError: the URDF's joints or frames are not those of the contract.
    """
    full, locked, posture = locked_arm(robot)
    model = pin.buildReducedModel(full, locked, posture)
    if tuple(model.names)[1:] != robot.joints:
        raise ContractError("robot.joints", robot.joints, f"the URDF's joints {tuple(full.names)[1:]} in this order")
    if not model.existFrame(robot.tool_frame):
        raise ContractError("robot.tool_frame", robot.tool_frame, f"a frame of {robot.urdf}")
    if robot.drive is not None:
        model.armature = robot.drive.inertia.copy()
    if robot.payload is not None:
        tool = model.frames[model.getFrameId(robot.tool_frame)]
        load = pin.Inertia(robot.payload.mass, robot.payload.centre, np.zeros((3, 3)))
        model.appendBodyToJoint(tool.parentJoint, load, tool.placement)
    return model


def locked_arm(robot: RobotContract) -> tuple[pin.Model, list[int], FloatArray]:
    """The whole URDF, the joints that are not the arm's, and a posture with those locked: fingers half open, any other
    joint at the middle of its range.

    Raises:
        ContractError: the URDF lacks a finger joint of the contract.
    """
    full = pin.buildModelFromUrdf(str(share_path(robot.urdf)))
    for name, joint in zip(full.names, full.joints, strict=True):
        if name in robot.joints and joint.nq != 1:
            expected = "revolute or prismatic, with ends; `wam urdf` gives ends to continuous ones"
            raise ContractError(f"{robot.urdf}: joint {name}", joint.shortname(), expected)
    posture = pin.neutral(full)
    locked = [i for i in range(1, full.njoints) if full.names[i] not in robot.joints]
    for index in locked:
        joint = full.joints[index]
        low, high = full.lowerPositionLimit[joint.idx_q], full.upperPositionLimit[joint.idx_q]
        if np.isfinite(low + high):
            posture[joint.idx_q] = 0.5 * (low + high)
    for name, half in zip(robot.fingers.joints, robot.fingers.posture(0.5), strict=True):
        if not full.existJointName(name):
            raise ContractError("robot.fingers", name, f"one of the URDF's joints {tuple(full.names)[1:]}")
        posture[full.joints[full.getJointId(name)].idx_q] = half
    return full, locked, posture


def tool_levers(model: pin.Model, tool_frame: str) -> FloatArray:
    """``[J]`` m: the tool is never further than this from the origin of each joint."""
    frame = model.frames[model.getFrameId(tool_frame)]
    beyond = [float(np.linalg.norm(p.translation)) for p in (*list(model.jointPlacements)[2:], frame.placement)]
    return np.cumsum(beyond[::-1])[::-1].copy()


class Kinematics:
    """Pose and Jacobian of the tool frame in the base frame; asking again for the posture last asked for costs next to
    nothing. Not thread-safe: it owns one Pinocchio workspace."""

    def __init__(self, robot: RobotContract) -> None:
        self.robot = robot
        self._model = arm_model(robot)
        self._data = self._model.createData()
        self._frame = self._model.getFrameId(robot.tool_frame)
        levers = tool_levers(self._model, robot.tool_frame)
        joint = np.arange(len(levers))
        self._levers = levers[np.maximum(joint[:, None], joint)]
        self._last: tuple[bytes, tuple[FloatArray, FloatArray, FloatArray]] | None = None

    def tool(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``(R [3, 3], p [3] m)`` of the tool in the base frame for joint positions ``q [J]`` (rad)."""
        pin.forwardKinematics(self._model, self._data, q)
        pose = pin.updateFramePlacement(self._model, self._data, self._frame)
        return pose.rotation.copy(), pose.translation.copy()

    def tool_poses(self, chunk: ActionChunk) -> list[tuple[FloatArray, FloatArray]]:
        """``(R, p)`` at each step of a finite chunk of joints or tool poses of this arm; of any other chunk, none."""
        own = chunk.robot in ("", self.robot.name) and chunk.space in TRACKED_SPACES
        if not own or not np.isfinite(chunk.values).all():
            return []
        if chunk.space == "ee_pose":
            return [decode_tool_pose(self.robot, row)[:2] for row in chunk.values]
        return [self.tool(np.ascontiguousarray(row[: len(self.robot.joints)])) for row in chunk.values]

    def jacobian(self, q: FloatArray) -> FloatArray:
        """``[6, J]``: joint rates to tool velocity at the tool point, base-aligned axes, linear (m) then angular."""
        return self.tool_and_jacobian(q)[2]

    def speed_bound(self, q: FloatArray, v: FloatArray) -> FloatArray:
        """``[N]`` m/s that the tool's speed does not exceed at ``q [N, J]`` moving with ``v [N, J]``.

        From one Jacobian, that of ``q[0]``: its column i changes by at most ``sum_j |dq_j| * lever_max(i, j)``.
        """
        near = np.linalg.norm(v @ self.jacobian(q[0])[:3].T, axis=1)
        return near + ((np.abs(v) @ self._levers) * np.abs(q - q[0])).sum(axis=1)

    def speed_within(self, q: FloatArray, reach: FloatArray, slowest: FloatArray, fastest: FloatArray) -> float:
        """m/s that the tool's speed does not exceed while each joint is within ``reach [J]`` (rad) of ``q [J]`` and
        moves with any velocity between ``slowest`` and ``fastest [J]`` (rad/s); see :meth:`speed_bound`."""
        jacobian = self.jacobian(q)[:3]
        middle, half = 0.5 * (slowest + fastest), 0.5 * (fastest - slowest)
        near = np.abs(jacobian @ middle) + np.abs(jacobian) @ half
        return math.sqrt(near @ near) + float(((np.abs(middle) + half) @ self._levers) @ reach)

    def manipulability(self, q: FloatArray) -> float:
        """Product of the singular values of the tool's Jacobian (Yoshikawa 1985), zero at a singularity."""
        jacobian = self.jacobian(q)
        factor, singular = dpotrf(jacobian @ jacobian.T if len(q) >= 6 else jacobian.T @ jacobian)
        return 0.0 if singular else math.prod(factor.diagonal().tolist())

    def tool_and_jacobian(self, q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """``(R, p, J)`` in one pass; see :meth:`tool` and :meth:`jacobian`."""
        asked = q.tobytes()
        if self._last is None or self._last[0] != asked:
            pin.computeJointJacobians(self._model, self._data, q)
            pose = pin.updateFramePlacement(self._model, self._data, self._frame)
            jacobian = pin.getFrameJacobian(self._model, self._data, self._frame, pin.LOCAL_WORLD_ALIGNED)
            self._last = asked, (pose.rotation.copy(), pose.translation.copy(), jacobian)
        return self._last[1]


def proprioception(kinematics: Kinematics, state: RobotState) -> FloatArray:
    """The measured ``ee_pose`` vector ``[7]`` of ``state`` (m, rad, opening), ``[6]`` for an arm without fingers."""
    robot, arms = kinematics.robot, len(kinematics.robot.joints)
    rotation, position = kinematics.tool(np.ascontiguousarray(state.position[:arms]))
    return encode_tool_pose(robot, rotation, position, state.position[arms:])
