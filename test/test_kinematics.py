"""Forward kinematics and differential inverse kinematics of the cell's arm."""

from dataclasses import replace

import mujoco
import numpy as np
import pinocchio as pin
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wam_core.contract import RobotState
from wam_core.errors import ContractError
from wam_core.paths import share_path
from wam_core.robot.ik import DifferentialIK, IkSettings
from wam_core.robot.kinematics import Kinematics, arm_model, proprioception
from wam_core.robot.robot_file import load_robot
from wam_core.robot.tool_pose import decode_tool_pose

ROBOT = load_robot("panda_cell")
KINEMATICS = Kinematics(ROBOT)
WHOLE = np.zeros(6)


def some_q(seed: int, share: float = 1.0) -> np.ndarray:
    middle, half = 0.5 * (ROBOT.limits.lower + ROBOT.limits.upper), 0.5 * (ROBOT.limits.upper - ROBOT.limits.lower)
    return middle + share * half * np.random.default_rng(seed).uniform(-1, 1, len(half))


@pytest.fixture(scope="module")
def mujoco_arm() -> tuple[mujoco.MjModel, mujoco.MjData]:
    spec = mujoco.MjSpec.from_file(str(share_path(ROBOT.urdf)))
    spec.compiler.fusestatic = False
    model = spec.compile()
    return model, mujoco.MjData(model)


@pytest.mark.parametrize("seed", range(20))
def test_tool_pose_agrees_with_mujoco(mujoco_arm, seed: int) -> None:
    """A frame or joint read differently by the two libraries would make every demonstration wrong by a constant."""
    model, data = mujoco_arm
    q = some_q(seed)
    for name, angle in zip(ROBOT.joints, q, strict=True):
        data.qpos[model.joint(name).qposadr[0]] = angle
    mujoco.mj_kinematics(model, data)
    rotation, position = KINEMATICS.tool(q)
    np.testing.assert_allclose(position, data.body(ROBOT.tool_frame).xpos, atol=1e-9)
    np.testing.assert_allclose(rotation, data.body(ROBOT.tool_frame).xmat.reshape(3, 3), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_jacobian_is_the_derivative_of_the_pose(seed: int) -> None:
    """A Jacobian in other axes makes IK converge in one orientation and diverge in another."""
    q, step = some_q(seed), 1e-6
    rotation, position = KINEMATICS.tool(q)
    jacobian = KINEMATICS.jacobian(q)
    for joint in range(len(q)):
        moved = q.copy()
        moved[joint] += step
        after_rotation, after = KINEMATICS.tool(moved)
        numeric = np.concatenate([after - position, pin.log3(after_rotation @ rotation.T)]) / step
        np.testing.assert_allclose(jacobian[:, joint], numeric, atol=1e-5)


def test_another_robots_joint_names_are_refused() -> None:
    """A contract with joints in another order would send each torque to the wrong motor."""
    swapped = replace(ROBOT, joints=(ROBOT.joints[1], ROBOT.joints[0], *ROBOT.joints[2:]))
    with pytest.raises(ContractError, match=r"robot\.joints"):
        arm_model(swapped)
    with pytest.raises(ContractError, match=r"robot\.tool_frame"):
        arm_model(replace(ROBOT, tool_frame="nowhere"))


def test_proprioception_is_the_pose_that_decodes_to_the_tool() -> None:
    """If proprioception and action vectors meant different poses, the policy would learn an offset."""
    state = RobotState(0, np.append(ROBOT.home, 0.01), np.zeros(8))
    rotation, position, finger = decode_tool_pose(ROBOT, proprioception(KINEMATICS, state))
    there_rotation, there = KINEMATICS.tool(ROBOT.home)
    np.testing.assert_allclose(rotation, there_rotation, atol=1e-9)
    np.testing.assert_allclose(position, there, atol=1e-12)
    np.testing.assert_allclose(finger, [0.01])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ik_reaches_reachable_poses(seed: int) -> None:
    """Round trip: a pose in the box made by forward kinematics near home is reached to 0.1 mm within four seconds."""
    goal = ROBOT.home + np.random.default_rng(seed).uniform(-0.4, 0.4, 7)
    goal = np.clip(goal, ROBOT.limits.lower + 0.1, ROBOT.limits.upper - 0.1)
    rotation, position = KINEMATICS.tool(goal)
    assume(np.all((position > ROBOT.workspace.lower) & (position < ROBOT.workspace.upper)))
    ik, q = DifferentialIK(ROBOT, KINEMATICS, IkSettings()), ROBOT.home.copy()
    for _ in range(400):
        q = q + 0.01 * ik.rates(q, rotation, position, WHOLE, 1.0)
    there_rotation, there = KINEMATICS.tool(q)
    assert np.linalg.norm(there - position) < 1e-4
    assert np.linalg.norm(pin.log3(rotation @ there_rotation.T)) < 1e-3


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), reach=st.floats(0.1, 5.0))
def test_ik_rates_keep_limits_wherever_the_target_is(seed: int, reach: float) -> None:
    """Singularities and unreachable targets are answered by scaling: finite rates within joint and tool speed."""
    rng = np.random.default_rng(seed)
    q = some_q(seed)
    rotation = pin.exp3(rng.uniform(-3, 3, 3))
    ik = DifferentialIK(ROBOT, KINEMATICS, IkSettings())
    rates = ik.rates(q, rotation, reach * rng.uniform(-1, 1, 3), 3.0 * rng.uniform(-1, 1, 6), 0.95)
    assert np.all(np.isfinite(rates))
    assert np.all(np.abs(rates) <= ROBOT.limits.velocity)
    ahead = q + rates * 0.1
    assert np.all((ahead >= ROBOT.limits.lower - 1e-9) & (ahead <= ROBOT.limits.upper + 1e-9))
