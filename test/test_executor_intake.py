"""Intake: what the executor refuses, and which field it names."""

from dataclasses import replace

import numpy as np
import pytest
from executor_harness import HOME_POSE, ROBOT, Rig, chunk, line

from wam_core.executor.intake import Intake

NOW = 5_000_000_000
SECOND = 1_000_000_000


def bad(values: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
    out = values.copy()
    out[row, column] = value
    return out


GOOD = line((0.0, 0.01, 0.0))
REFUSED = {
    "names": (chunk(GOOD, NOW, names=("x", "y", "z", "rz", "ry", "rx", "gripper")), "NAMES", "chunk.names"),
    "space": (chunk(GOOD, NOW, space="wrench"), "SPACE", "chunk.space"),
    "columns": (chunk(GOOD[:, :6], NOW), "SHAPE", "chunk.values"),
    "flat": (chunk(GOOD[0], NOW), "SHAPE", "chunk.values"),
    "empty": (chunk(GOOD[:0], NOW), "SHAPE", "chunk.values"),
    "complex": (replace(chunk(GOOD, NOW), values=GOOD.astype(np.complex128)), "SHAPE", "chunk.values.dtype"),
    "nan": (chunk(bad(GOOD, 3, 4, np.nan), NOW), "NOT_FINITE", "chunk.values[3, ry]"),
    "infinity": (chunk(bad(GOOD, 0, 6, -np.inf), NOW), "NOT_FINITE", "chunk.values[0, gripper]"),
    "far away": (chunk(bad(GOOD, 7, 2, -1.0), NOW), "OUT_OF_RANGE", "chunk.values[7, z]"),
    "zero step": (chunk(GOOD, NOW, step_ns=0), "STEP", "chunk.step_ns"),
    "negative step": (chunk(GOOD, NOW, step_ns=-100_000_000), "STEP", "chunk.step_ns"),
    "future stamp": (chunk(GOOD, NOW + SECOND), "STAMP_FUTURE", "chunk.stamp_ns"),
    "negative stamp": (chunk(GOOD, -1), "STAMP_INVALID", "chunk.stamp_ns"),
    "future start": (chunk(GOOD, NOW, start_ns=NOW + 60 * SECOND), "START_FUTURE", "chunk.start_ns"),
    "start before stamp": (chunk(GOOD, NOW, start_ns=NOW - 1), "START_BACKWARD", "chunk.start_ns"),
    "stale": (chunk(GOOD, NOW - 3 * SECOND), "STALE", "chunk.start_ns"),
    "default header": (chunk(GOOD, 0, start_ns=NOW + SECOND // 10), "STALE", "chunk.stamp_ns"),
    "old picture": (chunk(GOOD, NOW - 2 * SECOND, start_ns=NOW), "STALE", "chunk.stamp_ns"),
}


def refused(result: Intake, reason: str, field: str) -> None:
    assert not result.accepted
    assert (result.reason, result.field) == (reason, field)
    assert field in result.message


@pytest.mark.parametrize("case", REFUSED)
def test_bad_chunk_is_refused_by_name(case: str) -> None:
    """A chunk for another robot, or a broken one, must not move the arm; the owner must learn which field it was."""
    rig = Rig(now_ns=NOW)
    rig.tick()
    offered, reason, field = REFUSED[case]
    refused(rig.executor.accept(offered, rig.now_ns), reason, field)
    before = rig.position
    rig.tick(50)
    np.testing.assert_array_equal(rig.position, before)
    assert rig.executor.status().reason_counts[reason] == 1
    assert [e.code for e in rig.executor.take_events()] == [reason]


@pytest.mark.parametrize("latency_s", [0.1, 0.5, 1.0])
def test_a_slow_model_is_heard(latency_s: float) -> None:
    """A bound on the age of the observation that a model on a busy machine exceeds would stop a healthy robot."""
    rig = Rig(now_ns=NOW)
    rig.tick()
    late = chunk(line((0.0, 0.01, 0.0), horizon=16), rig.now_ns - round(latency_s * SECOND))
    assert rig.executor.accept(late, rig.now_ns).accepted


def test_replay_and_backward_stamps_are_refused_per_model() -> None:
    """A late duplicate on the network would make the arm repeat a movement."""
    rig = Rig(now_ns=NOW)
    rig.tick(5)
    assert rig.send(GOOD, model="a").accepted
    sent = chunk(GOOD, rig.now_ns, model="a")
    rig.tick(5)
    refused(rig.executor.accept(sent, rig.now_ns), "REPLAY", "chunk.sequence")
    refused(rig.send(GOOD, sequence=sent.sequence, model="a"), "REPLAY", "chunk.sequence")
    backward = chunk(GOOD, sent.stamp_ns - 1, sequence=sent.sequence + 1, model="a")
    refused(rig.executor.accept(backward, rig.now_ns), "STAMP_BACKWARD", "chunk.stamp_ns")
    assert rig.send(GOOD, model="b").accepted


def test_a_restarted_model_is_heard_again() -> None:
    """After a crash sequences begin at zero; refusing them for ever would need a restart of the executor too."""
    rig = Rig(now_ns=NOW)
    rig.tick()
    assert rig.send(GOOD, sequence=900).accepted
    rig.tick(20)
    assert rig.send(GOOD, sequence=0).reason == "REPLAY"
    rig.tick(round(1.05 * ROBOT.staleness.chunk_s / 0.002))
    assert rig.send(GOOD, sequence=1).accepted
    rig.tick()
    assert rig.send(GOOD, sequence=2).accepted


def test_clock_jump_back_forgets_chunks_and_stamps() -> None:
    """A restarted simulation publishes an earlier clock; old stamps must neither be executed nor block new ones."""
    rig = Rig(now_ns=NOW)
    rig.tick()
    assert rig.send(line((0.0, 0.02, 0.0))).accepted
    rig.tick(100)
    rig.now_ns = SECOND
    rig.tick(300)
    rested = rig.position
    assert not rig.velocity[:-1].any()
    rig.tick(50)
    np.testing.assert_array_equal(rig.position, rested)
    assert "CLOCK_JUMP" in rig.executor.status().reason_counts
    assert rig.send(GOOD).accepted


def test_joint_chunk_names_are_the_robots() -> None:
    """A joint chunk of another arm has the right width but other joints."""
    rig = Rig(now_ns=NOW)
    rig.tick()
    values = np.tile(np.append(ROBOT.home, 1.0), (3, 1))
    result = rig.send(values, space="joint_position", names=("a", *ROBOT.joints[1:], "gripper"))
    refused(result, "NAMES", "chunk.names")
    assert rig.send(values, space="joint_position", names=(*ROBOT.joints, "gripper")).accepted


def test_slightly_outside_is_clipped_not_refused() -> None:
    """A learned chunk that overshoots the box by a centimetre is normal; refusing it stops the robot for nothing."""
    rig = Rig()
    rig.tick()
    over = np.tile(HOME_POSE, (8, 1))
    over[:, 1] = np.linspace(0.05, ROBOT.workspace.upper[1] + 0.02, 8)
    assert rig.send(over).accepted
    rig.tick(800)
    y = rig.tool(rig.commands[-1])[1]
    assert ROBOT.workspace.upper[1] - 0.005 < y <= ROBOT.workspace.upper[1]
