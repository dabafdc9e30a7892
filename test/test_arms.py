"""Every arm that has a robot file, closed loop in MuJoCo: it holds, follows and stays within its limits."""

import numpy as np
import pinocchio as pin
import pytest
from arms import ARMS, Loop

from wam_core.contract import FloatArray
from wam_core.robot.kinematics import proprioception


@pytest.mark.parametrize("name", ARMS)
def test_holds_against_gravity(name: str) -> None:
    """An arm that sags under its own weight starts every chunk somewhere else than it was seen."""
    loop = Loop(name)
    arms = len(loop.robot.joints)
    error = np.abs(loop.run(2.0) - np.concatenate([loop.robot.home, loop.robot.fingers.posture(0.5)]))
    assert error[:, :arms].max() < 1e-3
    assert error[:, arms:].max() < 0.05  # fingers have no feed-forward


@pytest.mark.parametrize("name", ARMS)
def test_follows_a_tool_pose_chunk(name: str) -> None:
    """Reference, gains, friction and inertia of a robot file must fit together on an integrator that is not ours."""
    loop = Loop(name)
    home = proprioception(loop.kinematics, loop.bench.robot_state())
    reference = pin.rpy.rpyToMatrix(*loop.robot.tool_reference_rpy)

    def wave(t: float) -> FloatArray:
        ramp, phase = min(t / 0.5, 1.0), 2.5 * t
        pose = home.copy()
        pose[0] += 0.03 * ramp * (1.0 - np.cos(phase))
        pose[1] += 0.06 * ramp * np.sin(phase)
        pose[5:] += ramp * np.sin(phase) * np.array([0.2, 0.4])
        return pose

    measured, errors = loop.run(3.0, wave, "ee_pose"), []
    for tick in range(300, 1500):
        rotation, position = loop.kinematics.tool(measured[tick, : len(loop.robot.joints)])
        wanted = wave((tick + 1) / loop.robot.rates.control_hz)
        turn = pin.log3(rotation.T @ reference @ pin.exp3(wanted[3:6]))
        errors.append((np.linalg.norm(position - wanted[:3]), np.linalg.norm(turn)))
    distance, angle = np.max(errors, axis=0)
    assert distance < 1e-3
    assert angle < np.radians(0.3 if len(loop.robot.joints) >= 6 else 5.0)


@pytest.mark.parametrize("name", ARMS)
def test_follows_a_joint_chunk(name: str) -> None:
    """All joints at once, by 0.2 rad, and the fingers from half open to a quarter."""
    loop = Loop(name)
    arms = len(loop.robot.joints)

    def swing(t: float) -> FloatArray:
        shift = 0.1 * (1.0 - np.cos(2.0 * min(t, 0.5 * np.pi)))
        inwards = np.sign(0.5 * (loop.robot.limits.lower + loop.robot.limits.upper) - loop.robot.home)
        return np.append(loop.robot.home + shift * np.where(inwards == 0.0, 1.0, inwards), 0.5 - 1.25 * shift)

    measured = loop.run(3.0, swing, "joint_position")
    wanted = np.array([swing((k + 1) / 500) for k in range(len(measured))])
    assert np.abs(measured[:, :arms] - wanted[:, :arms]).max() < 5e-3
    assert np.abs(measured[-1, :arms] - wanted[-1, :arms]).max() < 2e-3
    np.testing.assert_allclose(measured[-1, arms:], loop.robot.fingers.posture(0.25), atol=0.05)
