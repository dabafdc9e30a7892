"""The independent checker: it must see every kind of wrong command, or its zero means nothing."""

from dataclasses import replace

import numpy as np
import pytest
from executor_harness import HOME, ROBOT, TICK_NS

from wam_core.contract import JointCommand, RobotState
from wam_core.evaluation.safety_checker import Checker, derivative

CHECKER = Checker(ROBOT)
START = RobotState(10**12, HOME, np.zeros(8))
GRAVITY = np.append(np.zeros(7), 0.0)


def gentle(ticks: int = 300) -> list[JointCommand]:
    """Joint 7 swings by 0.02 rad and comes to rest."""
    t = np.arange(1, ticks + 1) * TICK_NS * 1e-9
    pace = 2.0 * np.pi / (ticks * TICK_NS * 1e-9)
    swing = 0.02 * (1.0 - np.cos(pace * t)) / 2.0, 0.01 * pace * np.sin(pace * t), 0.01 * pace**2 * np.cos(pace * t)
    axis = np.eye(8)[6]
    return [
        JointCommand(START.stamp_ns + (k + 1) * TICK_NS, HOME + q * axis, v * axis, a * axis, GRAVITY)
        for k, (q, v, a) in enumerate(zip(*swing, strict=True))
    ]


def moved(field: str, joint: int, change: float, first: int = 20, last: int | None = None) -> list[JointCommand]:
    """The gentle commands, with ``change`` added to one joint of ``field`` from tick ``first`` on."""
    out = gentle()
    for k in range(first, len(out) if last is None else last):
        values = getattr(out[k], field).copy()
        values[joint] += change
        out[k] = replace(out[k], **{field: values})
    return out


def teleported(position: np.ndarray) -> list[JointCommand]:
    return [*gentle(), replace(gentle()[-1], stamp_ns=gentle()[-1].stamp_ns + TICK_NS, position=position)]


FOLDED = np.array([-1.683, -0.449, 1.584, -2.001, 1.173, 0.0, -0.838, 0.02])
#: The fingers below the top of the table.
LOW = np.append(ROBOT.home + [0.0, 1.05, 0.0, 0.0, 0.0, 0.7, 0.0], 0.02)

WRONG = {
    "not_finite": moved("velocity", 2, np.nan),
    "position": teleported(HOME + 4.0 * np.eye(8)[6]),
    "velocity": moved("velocity", 6, 2.7),
    "acceleration": moved("position", 0, 1e-4),
    "jerk": moved("acceleration", 6, 20.1, 30, 31),
    "torque": moved("effort", 4, 12.1),
    "torque_rate": moved("effort", 4, 2.1),
    "tool_speed": moved("position", 0, 0.004),
    "workspace": teleported(np.append(ROBOT.home + [1.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.02)),
    "contact": teleported(FOLDED),
    "finger_position": moved("position", 7, 0.03),
    "finger_velocity": moved("position", 7, 0.0005),
    "finger_force": moved("effort", 7, 41.0),
}


def test_gentle_commands_are_not_accused() -> None:
    """A checker that cries wolf would be corrected until it says nothing."""
    assert CHECKER.check(START, gentle()) == []


@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_of_wrong_command_is_seen(kind: str) -> None:
    """A kind that is not looked at could be broken for ever."""
    assert kind in {violation.kind for violation in CHECKER.check(START, WRONG[kind])}


def test_jerk_hidden_in_the_positions_is_seen() -> None:
    """Positions that do not belong to the accelerations sent with them would otherwise pass."""
    found = {v.kind for v in CHECKER.check(START, moved("position", 6, 2e-4, 30, 31))}
    assert {"acceleration", "jerk"} <= found


def test_contact_with_what_the_robot_file_names() -> None:
    """The table is no part of the URDF."""
    assert CHECKER.touches(LOW) and not CHECKER.touches(HOME)
    assert any("table" in v.where for v in CHECKER.check(START, teleported(LOW)))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_uneven_ticks(order: int) -> None:
    """Late ticks must not look like acceleration."""
    dt = np.random.default_rng(0).uniform(0.001, 0.008, (40, 1))
    t = np.concatenate([np.zeros((1, 1)), np.cumsum(dt, axis=0)])
    found = derivative(t**order, dt, order)[order:]
    np.testing.assert_allclose(found, [1.0, 2.0, 6.0][order - 1], rtol=1e-6)
