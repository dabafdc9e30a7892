"""Inverse dynamics of every arm that has a robot file."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from arms import ARMS

from wam_core.cell.build import arm_spec
from wam_core.robot.contract import Payload, RobotContract
from wam_core.robot.dynamics import Dynamics
from wam_core.robot.robot_file import load_robot


def loaded(robot: RobotContract) -> RobotContract:
    """The robot with half a kilogram in its grasp."""
    return replace(robot, payload=Payload(0.5, np.array([0.01, -0.02, 0.03])))


@pytest.fixture(scope="module", params=[*ARMS, "loaded panda_cell", "loaded so101"])
def arm(request) -> tuple[RobotContract, mujoco.MjModel, np.ndarray]:
    name = request.param.split()[-1]
    robot = load_robot(name) if request.param == name else loaded(load_robot(name))
    spec = arm_spec(robot)
    spec.compiler.balanceinertia = False
    model = spec.compile()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT) | int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    return robot, model, np.array([model.joint(name).id for name in robot.joints])


def test_torque_agrees_with_mujoco(arm) -> None:
    """A wrong inertia, a forgotten Coriolis term, payload, rotor or gravity sign makes the arm sag or fly."""
    robot, model, joints = arm
    data, dynamics = mujoco.MjData(model), Dynamics(robot)
    dofs, rng = model.jnt_dofadr[joints], np.random.default_rng(0)
    for joint in range(model.njnt):  # what is locked stands at the middle of its range
        data.qpos[model.jnt_qposadr[joint]] = model.jnt_range[joint].mean()
    for name, half in zip(robot.fingers.joints, robot.fingers.posture(0.5), strict=True):
        data.qpos[model.joint(name).qposadr[0]] = half
    for _ in range(30):
        q = rng.uniform(robot.limits.lower, robot.limits.upper)
        v = rng.choice([-1, 1], len(q)) * rng.uniform(0.3, 1, len(q)) * robot.limits.velocity
        a = rng.uniform(-1, 1, len(q)) * robot.limits.acceleration
        data.qpos[model.jnt_qposadr[joints]], data.qvel[dofs], data.qacc[dofs] = q, v, a
        mujoco.mj_inverse(model, data)
        theirs = data.qfrc_inverse[dofs] + model.dof_frictionloss[dofs] * np.sign(v)
        assert np.linalg.norm(dynamics.inverse_dynamics(q, v, a) - theirs) <= 1e-6 * np.linalg.norm(theirs)


@pytest.mark.parametrize("name", ARMS)
def test_gravity_is_the_torque_at_rest(name: str) -> None:
    """Gravity compensation that differs from inverse dynamics at rest would move the arm when a stop ends."""
    robot, dynamics = load_robot(name), Dynamics(load_robot(name))
    still = np.zeros(len(robot.joints))
    np.testing.assert_allclose(
        dynamics.gravity(robot.home), dynamics.inverse_dynamics(robot.home, still, still), atol=1e-9
    )


@pytest.mark.parametrize("name", ARMS)
def test_acceleration_inverts_inverse_dynamics(name: str) -> None:
    """The feedback torque passes through this inverse; a wrong triangle of the mass matrix would skew it."""
    robot, dynamics = load_robot(name), Dynamics(load_robot(name))
    wanted = np.linspace(-1.0, 1.0, len(robot.joints))
    still = np.zeros(len(robot.joints))
    torque = dynamics.inverse_dynamics(robot.home, still, wanted) - dynamics.gravity(robot.home)
    np.testing.assert_allclose(dynamics.acceleration(robot.home, torque, still), wanted, atol=1e-9)


def test_friction_is_fed_forward_in_the_direction_of_the_reference() -> None:
    """Of the wrong sign friction would be doubled; left on at rest it would push an arm that holds still."""
    robot = load_robot("panda_four_finger")
    dynamics, smooth = Dynamics(robot), Dynamics(replace(robot, drive=None))
    assert robot.drive is not None
    for direction in (-1.0, 0.0, 1.0):
        v, still = np.full(7, 0.2 * direction), np.zeros(7)
        extra = dynamics.inverse_dynamics(robot.home, v, still) - smooth.inverse_dynamics(robot.home, v, still)
        np.testing.assert_allclose(extra, direction * robot.drive.coulomb, atol=1e-6)
