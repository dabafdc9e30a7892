"""Each safety filter: what it does to a bad command, and that nothing else in the list would have done it."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from executor_harness import HOME, KINEMATICS, ROBOT
from scipy.spatial.transform import Rotation

from wam_core.contract import RobotState
from wam_core.executor.events import Action
from wam_core.executor.filters import EFFORT_FILTERS, MOTION_FILTERS, apply
from wam_core.executor.filters.context import Context
from wam_core.executor.grasp import Grasp, loosened
from wam_core.executor.guard import make_guards
from wam_core.executor.settings import ExecutorSettings
from wam_core.executor.shaping import Motion, Shaper
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.ik import DifferentialIK, IkSettings
from wam_core.robot.safety import Shape

DT = 0.002
SETTINGS = ExecutorSettings()
STILL = np.zeros(7)


def state_at(position: np.ndarray, wrench: np.ndarray | None = None, tactile: np.ndarray | None = None) -> RobotState:
    """At rest, touching nothing but what is given."""
    felt = np.zeros(6) if wrench is None else wrench
    return RobotState(0, position, np.zeros(8), None, felt, np.zeros(8) if tactile is None else tactile)


HOME_STATE = state_at(HOME)
LIMITS, BOX = ROBOT.limits, ROBOT.workspace
GUARDS = make_guards(ROBOT, KINEMATICS, SETTINGS.clearance)

RESTING = Motion(ROBOT.home, STILL, STILL)


def unit(joint: int, value: float) -> np.ndarray:
    out = np.zeros(7)
    out[joint] = value
    return out


def context(previous: Motion = RESTING, robot: RobotContract = ROBOT, **changes) -> Context:
    shaper = Shaper(ROBOT, SETTINGS)
    fields = {
        "robot": robot,
        "settings": SETTINGS,
        "kinematics": KINEMATICS,
        "guards": GUARDS if robot is ROBOT else make_guards(robot, KINEMATICS, SETTINGS.clearance),
        "plan_stop": shaper.stop,
        "torque_limit": np.append(LIMITS.torque, ROBOT.gripper.force),
        "torque_rate_limit": np.append(LIMITS.torque_rate, np.inf),
        "dt": DT,
        "previous": previous,
        "brake": shaper.stop(previous).at(DT),
        "previous_effort": np.zeros(8),
        "state_usable": True,
        "state_age_s": 0.0,
        "state_lost_s": 0.0,
        "astray_s": 0.0,
        "chunk_age_s": -0.5,
        "overridden": False,
        "dead_man_s": np.inf,
    }
    return Context(**(fields | changes))


@dataclass
class Case:
    """A command that only the filter of this name may catch."""

    command: Motion | np.ndarray
    code: str
    action: Action
    joint: str
    safe: Callable[[Motion | np.ndarray, Context], bool]
    state: RobotState | None = field(default_factory=lambda: HOME_STATE)
    context: Context = field(default_factory=context)


def is_brake(motion: Motion, around: Context) -> bool:
    return motion is around.brake


MOVING = Motion(ROBOT.home, unit(0, 0.1), STILL)
ON = Motion(ROBOT.home + unit(0, 0.1 * DT), unit(0, 0.1), STILL)
NAN_STATE = RobotState(0, np.where(np.arange(8) == 2, np.nan, HOME), np.zeros(8))
FAR_STATE = state_at(HOME + np.append(unit(5, 0.2), 0.0))
AT_LIMIT = Motion(ROBOT.home + unit(6, LIMITS.upper[6] - ROBOT.home[6] - 0.01), unit(6, 0.5), STILL)


def _towards(direction: tuple[float, float, float], speed: float, q: np.ndarray) -> np.ndarray:
    jacobian = KINEMATICS.jacobian(q)
    return speed * (np.linalg.pinv(jacobian) @ np.array([*direction, 0.0, 0.0, 0.0]))


def _reach(position: np.ndarray, tilt: float = 0.0) -> np.ndarray:
    """The arm with its tool at ``position``, leaning by ``tilt`` about x."""
    rotation = Rotation.from_euler("x", tilt).as_matrix() @ KINEMATICS.tool(ROBOT.home)[0]
    ik, q = DifferentialIK(ROBOT, KINEMATICS, IkSettings()), ROBOT.home.copy()
    for _ in range(400):
        q = q + 0.01 * ik.rates(q, rotation, position, np.zeros(6), 1.0)
    return q


def _on(motion: Motion) -> Motion:
    return Motion(motion.q + DT * motion.v, motion.v, motion.a)


#: 5 mm inside the box's left wall, moving at it.
AT_WALL = _reach(np.array([KINEMATICS.tool(ROBOT.home)[1][0], BOX.upper[1] - 0.005, 0.3]))
WALL = Motion(AT_WALL, _towards((0, 1, 0), 0.2, AT_WALL), STILL)
#: Leaning, the hand comes to the table before the tool comes to the bottom of its box.
LEANING = _reach(np.array([0.45, 0.0, 0.040]), 0.7)
DIVE = Motion(LEANING, _towards((0, 0, -1), 0.25, LEANING), STILL)
#: A ball beside the hand that the arm must not enter.
BALL = Shape("ball", "sphere", (0.05,), tuple(KINEMATICS.tool(ROBOT.home)[1] + [0.0, 0.162, 0.078]))
FENCED = replace(ROBOT, safety=replace(ROBOT.safety, keep_out=(BALL,), keep_out_distance=0.01))
HELD_SWITCH = replace(ROBOT, safety=replace(ROBOT.safety, dead_man_topic="/dead_man"))
#: 80 N against +y of the base, as the tool, which points down, feels it.
PUSHED = np.append(KINEMATICS.tool(ROBOT.home)[0].T @ [0.0, -80.0, 0.0], np.zeros(3))
SIDEWAYS = Motion(ROBOT.home, _towards((0, 1, 0), 0.2, ROBOT.home), STILL)
SWING = Motion(ROBOT.home, unit(0, 0.67 / np.linalg.norm(KINEMATICS.jacobian(ROBOT.home)[:3, 0])), STILL)
#: The elbow nearly straight, and straightening.
STRAIGHT = np.array([0.671, 1.25, -0.31, -0.468, 0.0, 1.63, 0.624])
STRETCHING = Motion(STRAIGHT, unit(3, 0.5), STILL)
#: Slow enough now, and still gaining.
HURRY = Motion(ROBOT.home, SWING.v, unit(0, 13.0))

#: The hand folds onto the forearm, which joint 6 brings nearer when it decreases.
FOLDED = np.array([-1.683, -0.449, 1.584, -2.001, 1.173, 0.413, -0.838])
FOLDING = Motion(FOLDED, unit(5, -0.3), STILL)

CASES = {
    "state_finite": Case(
        ON, "STATE_NOT_FINITE", Action.STOPPED, "panda_joint3", is_brake, NAN_STATE, context(MOVING, state_usable=False)
    ),
    "state_age": Case(ON, "STATE_STALE", Action.STOPPED, "", is_brake, context=context(MOVING, state_age_s=0.2)),
    "chunk_age": Case(ON, "CHUNK_STALE", Action.STOPPED, "", is_brake, context=context(MOVING, chunk_age_s=1.5)),
    "tracking_error": Case(
        ON, "TRACKING_ERROR", Action.HELD, "panda_joint6", is_brake, FAR_STATE, context(MOVING)
    ),
    "human_override": Case(
        ON, "HUMAN_OVERRIDE", Action.STOPPED, "", is_brake, context=context(MOVING, overridden=True)
    ),
    "dead_man": Case(
        ON, "DEAD_MAN", Action.STOPPED, "", is_brake, context=context(MOVING, robot=HELD_SWITCH, dead_man_s=0.3)
    ),
    "contact": Case(
        _on(SIDEWAYS), "CONTACT_FORCE", Action.HELD, "panda_tool", is_brake,
        state_at(HOME, wrench=PUSHED), context(SIDEWAYS),
    ),
    "finite": Case(
        Motion(ON.q, ON.v + unit(1, np.nan), ON.a), "COMMAND_NOT_FINITE", Action.STOPPED, "panda_joint2", is_brake,
        context=context(MOVING),
    ),
    "velocity": Case(
        Motion(ROBOT.home, unit(6, 2.7), STILL), "VELOCITY_LIMIT", Action.SCALED, "panda_joint7",
        lambda m, c: m is not c.brake and abs(m.v[6]) <= LIMITS.velocity[6] + 1e-9,
        context=context(Motion(ROBOT.home, unit(6, 2.6), STILL)),
    ),
    "acceleration": Case(
        Motion(ROBOT.home, STILL, unit(6, -22.0)), "ACCELERATION_LIMIT", Action.SCALED, "panda_joint7",
        lambda m, c: abs(m.a[6]) <= LIMITS.acceleration[6] + 1e-9,
        context=context(Motion(ROBOT.home, STILL, unit(6, -19.0))),
    ),
    "jerk": Case(
        Motion(ROBOT.home, STILL, unit(1, 7.4)), "JERK_LIMIT", Action.SCALED, "panda_joint2",
        lambda m, c: abs(m.a[1] - c.previous.a[1]) / DT <= LIMITS.jerk[1] + 1e-6,
        context=context(Motion(ROBOT.home, STILL, unit(1, -0.2))),
    ),
    "tool_speed": Case(
        Motion(ROBOT.home, 1.1 * SWING.v, STILL), "TOOL_SPEED", Action.SCALED, "panda_tool",
        lambda m, c: m is not c.brake and np.linalg.norm(KINEMATICS.jacobian(m.q)[:3] @ m.v) <= BOX.speed + 1e-6,
        context=context(SWING),
    ),
    "singularity": Case(
        _on(STRETCHING), "SINGULARITY", Action.SCALED, "panda_joint4",
        lambda m, c: m.v[3] < STRETCHING.v[3], state_at(np.append(STRAIGHT, 0.0)), context(STRETCHING),
    ),
    "stop_speed": Case(_on(HURRY), "STOP_SPEED", Action.HELD, "panda_tool", is_brake, context=context(HURRY)),
    "environment": Case(
        _on(DIVE), "ENVIRONMENT", Action.HELD, "panda_leftfinger_0, table", is_brake,
        state_at(np.append(LEANING, 0.0)), context(DIVE),
    ),
    "keep_out": Case(
        _on(SIDEWAYS), "KEEP_OUT", Action.HELD, "panda_hand_0, ball", is_brake, context=context(SIDEWAYS, robot=FENCED),
    ),
    "position": Case(
        Motion(AT_LIMIT.q + DT * AT_LIMIT.v, AT_LIMIT.v, STILL), "POSITION_LIMIT", Action.HELD, "panda_joint7",
        is_brake, state_at(np.append(AT_LIMIT.q, 0.0)), context(AT_LIMIT),
    ),
    "workspace": Case(
        Motion(WALL.q + DT * WALL.v, WALL.v, STILL), "WORKSPACE", Action.HELD, "y", is_brake,
        state_at(np.append(WALL.q, 0.0)), context(WALL),
    ),
    "self_collision": Case(
        Motion(FOLDING.q + DT * FOLDING.v, FOLDING.v, STILL), "SELF_COLLISION", Action.HELD,
        "panda_link5_0, panda_hand_0", is_brake, state_at(np.append(FOLDED, 0.0)), context(FOLDING),
    ),
    "finite_effort": Case(
        np.append(unit(3, np.nan), 0.0), "EFFORT_NOT_FINITE", Action.STOPPED, "panda_joint4",
        lambda e, c: bool(np.isfinite(e).all()),
    ),
    "torque": Case(
        np.append(unit(6, 12.5), 0.0), "TORQUE_LIMIT", Action.CLIPPED, "panda_joint7",
        lambda e, c: e[6] <= 12.0, context=context(previous_effort=np.append(unit(6, 11.9), 0.0)),
    ),
    "torque_rate": Case(
        np.append(unit(0, 5.0), 0.0), "TORQUE_RATE", Action.CLIPPED, "panda_joint1",
        lambda e, c: e[0] <= 2.0 + 1e-9,
    ),
}  # fmt: skip
LISTS = {step.__name__: (MOTION_FILTERS, step) for step in MOTION_FILTERS} | {
    step.__name__: (EFFORT_FILTERS, step) for step in EFFORT_FILTERS
}


def test_every_filter_has_a_case() -> None:
    """A filter without a test could be lost in a merge and nobody would know."""
    assert set(CASES) == set(LISTS)


@pytest.mark.parametrize("name", CASES)
def test_filter_acts_and_says_so(name: str) -> None:
    """The bad command is made safe, with code, joint, value, limit and unit; without this filter it would pass."""
    case = CASES[name]
    filters, step = LISTS[name]
    command, events = apply(filters, case.command, case.state, case.context)
    assert case.safe(command, case.context)
    event = next(e for e in events if e.filter == name)
    assert (event.code, event.action, event.joint) == (case.code, case.action, case.joint)
    assert event.unit and event.code in event.message and case.joint in event.message
    others = tuple(other for other in filters if other is not step)
    try:
        unfiltered, missed = apply(others, case.command, case.state, case.context)
    except ValueError:  # not even a filter can compare what is not a number
        return
    assert name not in {e.filter for e in missed}
    assert not case.safe(unfiltered, case.context)


def test_an_arm_that_is_pushed_may_give_way() -> None:
    """Held against what pushes it, it would go on clamping whoever is in its way."""
    away = Motion(ROBOT.home, -SIDEWAYS.v, STILL)
    motion, events = apply(MOTION_FILTERS, _on(away), state_at(HOME, wrench=PUSHED), context(away))
    assert motion is not context(away).brake and events == ()


@pytest.mark.parametrize("felt", [None, np.full(6, np.nan)])
def test_contact_that_cannot_be_felt_stops(felt: np.ndarray | None) -> None:
    """A broken force sensor reads as no force."""
    around = context(MOVING)
    motion, events = apply(MOTION_FILTERS, ON, replace(HOME_STATE, wrench=felt), around)
    assert motion is around.brake and [e.code for e in events] == ["CONTACT_UNKNOWN"]


def test_taxels_pressed_too_hard_hold_the_arm() -> None:
    """Fingertips that press say nothing of the way out."""
    around = context(MOVING)
    motion, events = apply(MOTION_FILTERS, ON, state_at(HOME, tactile=np.eye(8)[2] * 31.0), around)
    assert motion is around.brake
    assert [(e.code, e.joint, e.action) for e in events] == [("TAXEL_FORCE", "left_2", Action.HELD)]


def test_taxels_pressed_too_hard_let_the_fingers_open_only() -> None:
    """Squeezing on would break what is held, and keeping on holding would keep the arm held."""
    fingers, half = ROBOT.fingers, Grasp(np.array([0.02]), np.zeros(1))
    assert loosened(fingers, half, np.array([0.0])) == 0.02
    assert loosened(fingers, half, np.array([0.04])) == 0.04


@pytest.mark.parametrize("held_for", [0.0, 0.19])
def test_a_held_dead_man_switch_lets_the_arm_move(held_for: float) -> None:
    """A switch that stops the arm while it is held would be bridged."""
    around = context(MOVING, robot=HELD_SWITCH, dead_man_s=held_for)
    assert apply(MOTION_FILTERS, ON, HOME_STATE, around) == (ON, ())


@pytest.mark.parametrize("motion", [Motion(ROBOT.home, STILL, STILL), ON])
def test_clean_commands_pass_untouched(motion: Motion) -> None:
    """A filter that alters clean commands is switched off by its users."""
    command, events = apply(MOTION_FILTERS, motion, HOME_STATE, context(MOVING))
    assert command is motion and events == ()
    effort = np.full(8, 1.0)
    command, events = apply(EFFORT_FILTERS, effort, HOME_STATE, context())
    assert command is effort and events == ()


def test_an_arm_outside_its_limits_may_move_back_in() -> None:
    """After being pushed or mounted wrongly the arm must be able to leave the forbidden side by itself."""
    outside = ROBOT.home + unit(6, LIMITS.upper[6] - ROBOT.home[6] + 0.05)
    before = Motion(outside, STILL, STILL)
    inwards = Motion(outside - unit(6, 1e-5), unit(6, -0.01), unit(6, -1.0))
    outwards = Motion(outside + unit(6, 1e-5), unit(6, 0.01), unit(6, 1.0))
    state = state_at(np.append(outside, 0.0))
    assert apply(MOTION_FILTERS, inwards, state, context(before)) == (inwards, ())
    command, events = apply(MOTION_FILTERS, outwards, state, context(before))
    assert command.q is not outwards.q and events[0].code == "POSITION_LIMIT"


def test_tracking_error_lets_the_reference_come_back() -> None:
    """A reference that may not even return to the arm would stay apart from it for ever."""
    behind = state_at(HOME - np.append(unit(0, 0.2), 0.0))
    back = Motion(ROBOT.home - unit(0, 1e-4), unit(0, -0.05), STILL)
    command, events = apply(MOTION_FILTERS, back, behind, context(Motion(ROBOT.home, unit(0, -0.05), STILL)))
    assert command is back and events[0].code == "TRACKING_ERROR"


@pytest.mark.parametrize(("error", "latch"), [(0.2, False), (0.3, True)])
def test_only_the_larger_tracking_error_latches(error: float, latch: bool) -> None:
    """A push that holds the arm for a moment must not need an operator; a collision must."""
    state = replace(HOME_STATE, position=HOME + np.append(unit(3, error), 0.0))
    _, events = apply(MOTION_FILTERS, ON, state, context(MOVING))
    assert [e.latch for e in events] == [latch]


def test_the_documentation_lists_these_filters_in_this_order() -> None:
    """A robot owner who reads of another order, or of a reason that is never given, trusts in something else."""
    text = share_path("docs/safety.md").read_text().split("## The filters")[1].split("## ")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `") and line.count("|") == 5]
    assert [row[1].strip(" `") for row in rows] == list(LISTS)
    verbs = {Action.SCALED: "scales", Action.CLIPPED: "clips", Action.HELD: "holds", Action.STOPPED: "stops"}
    for row in rows:
        case = CASES[row[1].strip(" `")]
        _, step = LISTS[row[1].strip(" `")]
        given = re.findall('"([A-Z][A-Z_]{3,})"', inspect.getsource(step))
        assert re.findall("`([A-Z_]+)`", row[4]) == list(dict.fromkeys(given))
        assert verbs[case.action] in row[3] or "repeats" in row[3]
