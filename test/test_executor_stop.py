"""Stops: latched, stale, missing state, lost tracking. Always smooth, within the stated time, and resumable."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from executor_harness import HOME, HOME_POSE, ROBOT, TICK_NS, Rig, chunk, line, violations
from hypothesis import given, settings
from hypothesis import strategies as st

from wam_core.contract import RobotState
from wam_core.errors import ContractError
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings

FAST = line((0.0, 0.03, 0.0))


def moving_rig(ticks: int = 200) -> Rig:
    """A rig in the middle of a 0.3 m/s movement."""
    rig = Rig()
    rig.tick()
    assert rig.send(FAST).accepted
    rig.tick(ticks)
    assert np.abs(rig.velocity[:-1]).max() > 0.1
    return rig


def ticks_in(seconds: float) -> int:
    return int(np.ceil(seconds * 1e9 / TICK_NS))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_latched_stop_comes_to_rest_in_time_and_stays(seed: int) -> None:
    """An emergency stop that takes longer than stated, or that drifts afterwards, is not one."""
    rng = np.random.default_rng(seed)
    rig = Rig()
    rig.tick()
    goal = rng.uniform(ROBOT.limits.lower, ROBOT.limits.upper)
    values = np.append(ROBOT.home + 0.5 * (goal - ROBOT.home), 0.5)
    rig.send(np.tile(values, (5, 1)), space="joint_position", names=(*ROBOT.joints, "gripper"))
    rig.tick(int(rng.integers(20, 150)))
    rig.executor.stop("operator")
    rig.tick(ticks_in(rig.executor.stop_s))
    assert not rig.velocity[:-1].any()
    rest = rig.position[:-1]
    rig.tick(100)
    np.testing.assert_array_equal(rig.position[:-1], rest)
    assert violations(rig.commands) == []


def test_only_clear_opens_the_latch() -> None:
    """A stop undone by the next chunk, by a reset or by a second reason protects nobody."""
    rig = moving_rig()
    rig.executor.stop("operator")
    rig.executor.stop("second")
    rig.tick(300)
    assert rig.send(FAST).reason == "LATCHED"
    rig.executor.reset(rig.state())
    rig.tick(5)
    status = rig.executor.status()
    assert status.latched and status.latch_reason == "operator" and status.mode == "latched"
    rig.executor.clear()
    rig.tick()
    assert not rig.executor.status().latched and rig.executor.status().mode == "holding"


@pytest.mark.parametrize("seam", ["cross_fade", "replace"])
def test_after_clear_a_chunk_starts_from_the_held_reference(seam: str) -> None:
    """A chunk that was planned elsewhere must not make the arm jump when the stop is cleared."""
    rig = Rig(ExecutorSettings(seam=seam))
    rig.tick()
    rig.send(FAST)
    rig.tick(150)
    rig.executor.stop("operator")
    rig.tick(300)
    held = rig.position
    rig.executor.clear()
    rig.tick(100)
    np.testing.assert_array_equal(rig.position, held)
    assert rig.send(line((0.0, -0.03, 0.0))).accepted
    rig.tick(400)
    assert violations(rig.commands) == []
    assert not np.array_equal(rig.position, held)


def test_a_chunk_that_ends_is_settled_then_stale_then_resumed() -> None:
    """A dead model must leave the arm at rest, say why, and a fresh chunk must suffice to go on."""
    rig = moving_rig()
    rig.tick(ticks_in(0.9 + 0.25))
    assert np.abs(rig.velocity[:-1]).max() < 0.05
    rig.tick(ticks_in(ROBOT.staleness.chunk_s))
    assert not rig.velocity[:-1].any()
    status = rig.executor.status()
    assert status.reasons == ("CHUNK_STALE",) and status.mode == "holding" and not status.latched
    assert status.chunk_slack_s < -ROBOT.staleness.chunk_s
    assert rig.send(FAST).accepted
    rig.tick(100)
    status = rig.executor.status()
    assert status.reasons == () and status.mode == "tracking" and status.chunk_slack_s > 0
    assert violations(rig.commands) == []


@pytest.mark.parametrize("lost", ["none", "nan", "shape", "stale"])
def test_state_loss_stops_then_resumes_then_latches(lost: str) -> None:
    """Moving on blindly is the failure; so is needing an operator for ten lost messages."""
    rig = moving_rig()
    frozen = rig.state()

    def broken() -> RobotState | None:
        if lost == "nan":
            return RobotState(rig.now_ns, np.where(np.arange(8) == 3, np.nan, rig.position), rig.velocity)
        if lost == "shape":
            return RobotState(rig.now_ns, rig.position[:5], rig.velocity[:5])
        return frozen if lost == "stale" else None

    code = {"none": "STATE_MISSING", "nan": "STATE_NOT_FINITE", "shape": "STATE_SHAPE", "stale": "STATE_STALE"}[lost]
    patience = ROBOT.staleness.state_s if lost == "stale" else 0.0
    for _ in range(ticks_in(patience + rig.executor.stop_s)):
        rig.tick(state=broken())
    assert not rig.velocity[:-1].any()
    assert code in rig.executor.status().reasons
    assert not rig.executor.status().latched
    gravity = rig.executor._dynamics.gravity(rig.position[:-1])
    np.testing.assert_allclose(rig.commands[-1].effort[:-1], gravity, atol=1e-6)
    rig.tick(20)
    assert rig.executor.status().mode == "tracking"
    for _ in range(ticks_in(rig.executor.settings.state_latch_s + 0.2)):
        rig.tick(state=broken())
    assert rig.executor.status().latched and code in rig.executor.status().latch_reason
    assert violations(rig.commands) == []


def test_coming_to_rest_neither_closes_nor_opens_the_latch() -> None:
    """A fault found while the node deactivates was swallowed by the latch that the deactivation used, then cleared."""
    rig = moving_rig()
    rig.executor.rest()
    rig.tick(ticks_in(rig.executor.stop_s) + 1)
    assert not rig.velocity[:-1].any() and rig.executor.status().mode == "holding"
    rig = moving_rig()
    rig.executor.rest()
    rig.tick(ticks_in(rig.executor.settings.state_latch_s) + 2, state=None)
    rig.executor.rest()
    assert "STATE_MISSING" in rig.executor.status().latch_reason
    assert violations(rig.commands) == []


def test_before_the_first_state_there_is_no_command() -> None:
    """Inventing a pose for an arm never seen would make it jump there."""
    executor = Executor(ROBOT)
    command = executor.tick(None, 1_000_000_000)
    assert np.isnan(command.position).all() and not command.effort.any()
    assert executor.status().mode == "no_state"
    position = HOME + 0.01
    command = executor.tick(RobotState(1_002_000_000, position, np.zeros(8)), 1_002_000_000)
    np.testing.assert_array_equal(command.position[:-1], position[:-1])


def test_reset_refuses_a_state_it_cannot_start_from() -> None:
    """Anchoring the reference at NaN would make every later command NaN."""
    with pytest.raises(ContractError, match="state"):
        Executor(ROBOT).reset(RobotState(0, np.full(8, np.nan), np.zeros(8)))


def hold_at(rig: Rig, position: np.ndarray, seconds: float) -> None:
    """Something stronger than the arm keeps it at ``position [J]``, at rest."""
    for _ in range(ticks_in(seconds)):
        here = {"position": np.append(position, 0.02), "velocity": np.zeros(8)}
        rig.tick(state=replace(rig.state(), stamp_ns=rig.now_ns + TICK_NS, **here))


@pytest.mark.parametrize(("speed_m_s", "noise_rad"), [(0.3, 0.0), (0.04, 1e-3)])
def test_an_arm_held_by_force_is_not_pressed_on(speed_m_s: float, noise_rad: float) -> None:
    """An arm that clamped somebody, or whose encoder froze under live stamps, was pressed on for ever: the reference
    waited beyond the bound at which it stops, and never got to the one at which it latched."""
    rig, rng, pose = Rig(), np.random.default_rng(0), HOME_POSE.copy()
    rig.tick()
    stuck, pressed = rig.position[:-1].copy(), 0
    for i in range(ticks_in(0.3 / speed_m_s + 0.8)):
        if i % 100 == 0 and pose[1] < 0.35:
            rig.send(line((0.0, speed_m_s * 0.1, 0.0), start=pose))
            pose[1] += speed_m_s * 0.2
        hold_at(rig, stuck + noise_rad * rng.normal(size=7), TICK_NS * 1e-9)
        pressed += rig.executor.status().tracking_error_rad > rig.executor.settings.tracking_hold_rad
    status = rig.executor.status()
    assert status.latched and "TRACKING_ERROR" in status.latch_reason
    assert pressed < ticks_in(rig.executor.settings.tracking_latch_s + rig.executor.stop_s)
    hold_at(rig, stuck, 0.1)
    gravity = rig.executor._dynamics.gravity(stuck)
    np.testing.assert_allclose(rig.commands[-1].effort[:-1], gravity, atol=1.0)
    assert violations(rig.commands) == []


def test_brief_pushes_need_no_operator() -> None:
    """Were the time beyond the bound summed over pushes, the second touch of the day would stop the robot."""
    rig = moving_rig()
    for _ in range(3):
        hold_at(rig, rig.position[:-1] + np.eye(7)[3] * 0.2, 0.8 * rig.executor.settings.tracking_latch_s)
        assert "TRACKING_ERROR" in rig.executor.status().reasons
        rig.tick(20)
    assert not rig.executor.status().latched


def test_after_a_latched_tracking_error_the_arm_gives_way_but_does_not_sink() -> None:
    """A clamped person must be able to push the arm off; an arm a little heavier than its model must not drift."""
    rig = moving_rig()
    stuck = rig.position[:-1] + np.eye(7)[1] * 0.3
    hold_at(rig, stuck, 1.0)
    assert rig.executor.status().latched
    relieved = rig.position[:-1]
    hold_at(rig, relieved + np.eye(7)[1] * 0.03, 1.0)
    np.testing.assert_allclose(rig.position[:-1], stuck, atol=1e-3)
    pushed = relieved - np.eye(7)[1] * 0.4
    hold_at(rig, pushed, 1.0)
    np.testing.assert_allclose(rig.position[:-1], pushed, atol=1e-3)
    rig.executor.clear()
    rig.tick(100)
    assert not rig.executor.status().latched
    np.testing.assert_allclose(rig.position[:-1], pushed, atol=1e-3)
    assert violations(rig.commands) == []


def test_starved_ticks_slow_the_reference_down() -> None:
    """After 100 ms without processor time the reference must not leap to where it should be."""
    rig = moving_rig()
    before = rig.position[:-1].copy()
    rig.tick(dt_ns=100_000_000)
    assert np.all(np.abs(rig.position[:-1] - before) <= ROBOT.limits.velocity * 0.02 + 1e-9)
    rig.tick(400)
    assert violations(rig.commands) == []


def test_a_repeated_tick_repeats_the_command() -> None:
    """Two ticks at one stamp must not move the reference twice."""
    rig = moving_rig()
    last = rig.commands[-1]
    again = rig.executor.tick(rig.state(), rig.now_ns)
    np.testing.assert_array_equal(again.position, last.position)
    np.testing.assert_array_equal(again.effort, last.effort)


def test_methods_may_be_called_from_another_thread() -> None:
    """The node receives chunks and services in another thread than it ticks in; a race would kill the control loop."""
    rig = Rig()
    done, failures = threading.Event(), []

    def intrude() -> None:
        try:
            while not done.is_set():
                rig.executor.accept(chunk(FAST, rig.now_ns), rig.now_ns)
                rig.executor.stop("race")
                rig.executor.status()
                rig.executor.clear()
                rig.executor.take_events()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=intrude)
    thread.start()
    rig.tick(300)
    done.set()
    thread.join()
    assert failures == []
    assert violations(rig.commands) == []
