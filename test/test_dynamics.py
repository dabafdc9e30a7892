"""Inverse dynamics of the cell's arm."""

import mujoco
import numpy as np
import pytest

from wam_core.paths import share_path
from wam_core.robot.contract import load_robot
from wam_core.robot.dynamics import Dynamics

ROBOT = load_robot("panda_cell")
DYNAMICS = Dynamics(ROBOT)


@pytest.fixture(scope="module")
def mujoco_arm() -> tuple[mujoco.MjModel, mujoco.MjData, np.ndarray]:
    spec = mujoco.MjSpec.from_file(str(share_path(ROBOT.urdf)))
    spec.compiler.fusestatic = False
    spec.compiler.balanceinertia = False
    model = spec.compile()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT) | int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    data = mujoco.MjData(model)
    for joint in range(model.njnt):  # fingers at half opening, as the locked model has them
        data.qpos[model.jnt_qposadr[joint]] = model.jnt_range[joint].mean()
    return model, data, np.array([model.joint(name).dofadr[0] for name in ROBOT.joints])


@pytest.mark.parametrize("seed", range(30))
def test_torque_agrees_with_mujoco(mujoco_arm, seed: int) -> None:
    """A wrong inertia, a forgotten Coriolis term or gravity sign makes the arm sag or fly."""
    model, data, dofs = mujoco_arm
    rng = np.random.default_rng(seed)
    q = rng.uniform(ROBOT.limits.lower, ROBOT.limits.upper)
    v = rng.uniform(-1, 1, 7) * ROBOT.limits.velocity
    a = rng.uniform(-1, 1, 7) * ROBOT.limits.acceleration
    data.qpos[dofs], data.qvel[dofs], data.qacc[dofs] = q, v, a
    mujoco.mj_inverse(model, data)
    theirs, ours = data.qfrc_inverse[dofs], DYNAMICS.inverse_dynamics(q, v, a)
    assert np.linalg.norm(ours - theirs) <= 1e-6 * np.linalg.norm(theirs)


def test_gravity_is_the_torque_at_rest() -> None:
    """Gravity compensation that differs from inverse dynamics at rest would move the arm when a stop ends."""
    still = np.zeros(7)
    np.testing.assert_allclose(
        DYNAMICS.gravity(ROBOT.home), DYNAMICS.inverse_dynamics(ROBOT.home, still, still), atol=1e-9
    )


def test_acceleration_inverts_inverse_dynamics() -> None:
    """The feedback torque passes through this inverse; a wrong triangle of the mass matrix would skew it."""
    wanted = np.linspace(-1.0, 1.0, 7)
    still = np.zeros(7)
    torque = DYNAMICS.inverse_dynamics(ROBOT.home, still, wanted) - DYNAMICS.gravity(ROBOT.home)
    np.testing.assert_allclose(DYNAMICS.acceleration(ROBOT.home, torque, still), wanted, atol=1e-9)
