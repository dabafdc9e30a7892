"""What `wam faults` makes of what it heard: a judge that overlooks something would make every fault harmless."""

from dataclasses import replace

import numpy as np
import pytest
from executor_harness import HOME, ROBOT, TICK_NS

from wam_core.evaluation.fault_runs import (
    ChunkSpan,
    Finding,
    Followed,
    Heard,
    Measured,
    Point,
    chunk_end_ns,
    judge,
    points,
    summarise,
    without_repeats,
)
from wam_core.evaluation.safety_checker import Checker, Commands

CHECKER = Checker(ROBOT)
POINT = Point("reach", 0, 0.5)
START_NS, FAULT_NS = 10**12, 10**12 + 300_000_000
#: The last joint moves for this long, then all is at rest.
MOVES_S = 0.5


def heard(seconds: float = 1.5) -> Heard:
    """One smooth movement of joint 7 by 0.02 rad, followed exactly."""
    stamps_ns = START_NS + TICK_NS * np.arange(round(seconds * 1e9 / TICK_NS))
    t = np.minimum((stamps_ns - START_NS) * 1e-9, MOVES_S)
    pace = 2.0 * np.pi / MOVES_S
    axis = np.eye(8)[6]
    position = HOME + np.outer(0.02 * (t / MOVES_S - np.sin(pace * t) / (2.0 * np.pi)), axis)
    speed = np.where(t < MOVES_S, 0.04 * (1.0 - np.cos(pace * t)), 0.0)
    velocity = np.outer(speed, axis)
    commands = Commands(stamps_ns, position, velocity, np.zeros_like(position), None)
    return Heard(commands, Measured(stamps_ns, position, velocity), (), ())


def judged(what: Heard, rest_by_s: float | None) -> Finding:
    rest_by_ns = None if rest_by_s is None else START_NS + round(rest_by_s * 1e9)
    return judge("e_stop", POINT, ROBOT, CHECKER, what, FAULT_NS, rest_by_ns)


def test_a_stop_in_time_holds_and_its_time_is_told() -> None:
    """Nothing is learnt from a judge that complains about everything, or that has no figures."""
    found = judged(heard(), 0.6)
    assert found.problems == () and found.moving
    assert found.rest_s == pytest.approx(MOVES_S - 0.3 - TICK_NS * 1e-9, abs=1e-6)
    assert 0.1 < found.measured_rest_s < found.rest_s and found.allowed_s == pytest.approx(0.3)
    assert 0.0 < found.shares["jerk"] < 0.2 and found.shares["measured_velocity"] == pytest.approx(0.08 / 2.61)


def test_a_stop_too_late_is_found() -> None:
    """An arm that takes longer than promised is what the whole campaign looks for."""
    (late,) = judged(heard(), 0.4).problems
    assert "reference at rest after 0.198 s instead of 0.100 s" in late


def test_an_arm_that_goes_on_alone_is_found() -> None:
    """A reference at rest proves nothing about the arm."""
    what = heard()
    drifting = replace_speed(what, 0.02)
    assert judged(what, 0.6).problems == ()
    assert any("arm at rest" in problem for problem in judged(drifting, 0.6).problems)


def replace_speed(what: Heard, speed: float) -> Heard:
    velocity = what.measured.velocity.copy()
    velocity[-20:, 3] = speed
    return what._replace(measured=what.measured._replace(velocity=velocity))


def test_a_judge_does_not_answer_for_what_was_not_watched() -> None:
    """A run that was cut off before the arm had to be at rest would otherwise count as held."""
    assert any("not watched" in problem for problem in judged(heard(0.55), 0.6).problems)
    nothing = heard()._replace(commands=Commands(*(part[:0] for part in heard().commands[:4]), None))
    assert judged(nothing, None).problems == ("nothing was heard",)


@pytest.mark.parametrize("kind", ["velocity", "torque", "not_finite", "contact", "measured position"])
def test_each_limit_counts(kind: str) -> None:
    """A limit that nobody looks at is kept by every fault."""
    what = heard()
    position, velocity, effort = (what.commands[k].copy() for k in (1, 2, 3))
    if kind == "velocity":
        velocity[200:, 6] += 3.0
    elif kind == "torque":
        effort[200, 4] = 12.1
    elif kind == "not_finite":
        velocity[200, 0] = np.nan
    elif kind == "contact":
        position[200, :7] = [-1.683, -0.449, 1.584, -2.001, 1.173, 0.0, -0.838]
    else:
        far = what.measured.position.copy()
        far[200, 5] = 3.8
        what = what._replace(measured=what.measured._replace(position=far))
    commands = what.commands._replace(position=position, velocity=velocity, effort=effort)
    found = judged(what._replace(commands=commands), None)
    assert any(kind in problem for problem in found.problems)


def test_a_tick_that_repeats_its_command_is_no_jump() -> None:
    """The command after a repeated one would seem to go the same way in a fraction of the time."""
    commands = heard().commands
    doubled = Commands(*(np.repeat(part, 2, axis=0) for part in commands[:4]), None)
    doubled.stamps_ns[1::2] += 300_000
    assert judged(heard()._replace(commands=doubled), None).problems == ()
    np.testing.assert_array_equal(without_repeats(doubled).stamps_ns, commands.stamps_ns)


def test_only_what_was_seen_before_the_fault_may_be_followed() -> None:
    """Chunks of a model that should be silent would extend the time they are allowed."""
    chunks = (ChunkSpan(1, 90, 190, 95), ChunkSpan(2, 100, 200, 130), ChunkSpan(3, 101, 300, 140))
    assert chunk_end_ns(heard()._replace(chunks=chunks), 100) == 200
    assert chunk_end_ns(heard(), 100) == 100


def test_a_chunk_that_the_executor_alone_was_sent_may_be_followed() -> None:
    """A model killed in the middle of sending had the executor stand where nobody else had heard that it may; with any
    word of the executor believed, none that follows a chunk for ever would be found."""
    chunks = (ChunkSpan(6, 40, 140, 50), ChunkSpan(7, 60, 160, 70))
    for followed, end_ns in (((7, 160),), 160), (((7, 180),), 160), (((8, 190),), 190), (((6, 140), (8, 900)), 200):
        said = tuple(Followed(*one) for one in followed)
        assert chunk_end_ns(heard()._replace(chunks=chunks, followed=said), 100) == end_ns


def test_points_cover_the_task() -> None:
    """Points drawn at random leave out what happens rarely."""
    chosen = points(("reach", "push"), 20, 3)
    for task in ("reach", "push"):
        parts = sorted(int(point.share * 10) for point in chosen if point.task == task)
        assert parts == list(range(10))
    assert chosen == points(("reach", "push"), 20, 3) != points(("reach", "push"), 20, 4)


def test_a_row_counts_what_held() -> None:
    """A table that hides one point in a hundred."""
    good = judged(heard(), 0.6)
    row = summarise("e_stop", [good] * 9 + [replace(good, problems=("late",), measured_rest_s=0.6)])
    assert (row.held, row.points, row.problems) == (9, 10, ("late",))
    assert row.interval[0] < 0.9 < row.interval[1] < 1.0
    assert row.measured_rest_s == (good.measured_rest_s, 0.6) and row.used == pytest.approx(2.0)
