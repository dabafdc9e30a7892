"""Intake: is this chunk one the executor may act on? The first failed check names the field."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from wam_core.contract import ACTION_SPACES, ActionChunk, FloatArray
from wam_core.executor.resolve import FOREIGN_SPACES
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract, column_names

LONGEST_HORIZON = 1024
LONGEST_STEP_NS = 2_000_000_000
#: Points on an object, at most.
MOST_POINTS = 1024
#: A rate or a step beyond this many times the arm's speed limit is no motion of this arm.
FASTEST = 2.0
#: A held object and a hand are no further than this outside the workspace box (m).
BODY_REACH = 0.5


class Intake(NamedTuple):
    """Outcome for one chunk: ``reason`` is ``ACCEPTED`` or the code of the check that failed on ``field``."""

    accepted: bool
    reason: str
    field: str = ""
    message: str = ""


class Seen(NamedTuple):
    """The newest accepted chunk of one model: its stamp, sequence, and when it was accepted (ns)."""

    stamp_ns: int
    sequence: int
    accepted_ns: int


def check_chunk(
    chunk: ActionChunk,
    now_ns: int,
    robot: RobotContract,
    settings: ExecutorSettings,
    seen: Mapping[str, Seen],
    others: Mapping[str, RobotContract],
) -> Intake:
    """Check form, time and range, in that order.

    A chunk of another robot is checked against that robot's contract, which must be among ``others``.

    A sequence that does not increase is a replay, unless nothing of that model was accepted for the contract's
    ``chunk_s`` (the model was restarted). Stamps must increase per model. A chunk is stale when its last step was due
    more than ``chunk_s`` ago, or when it answers an observation older than ``image_s + chunk_s``, whenever it is due.
    """
    if chunk.robot not in ("", robot.name, *others):
        return _refuse("ROBOT", "robot", chunk.robot, f"one of {', '.join([robot.name, *others])}")
    body = others.get(chunk.robot, robot)
    if body is not robot and chunk.space not in FOREIGN_SPACES:
        return _refuse("SPACE", "space", chunk.space, f"one of {', '.join(FOREIGN_SPACES)} from another robot")
    return _form(chunk, body) or _time(chunk, now_ns, robot, settings, seen) or _range(chunk, body, settings)


def _refuse(reason: str, field: str, found: object, expected: str) -> Intake:
    return Intake(False, reason, f"chunk.{field}", f"chunk.{field}: got {found!r}, expected {expected}")


def _form(chunk: ActionChunk, robot: RobotContract) -> Intake | None:
    if chunk.space not in ACTION_SPACES:
        return _refuse("SPACE", "space", chunk.space, f"one of {', '.join(sorted(ACTION_SPACES))}")
    points = min(max(len(chunk.names) // 3, 3), MOST_POINTS)
    names = column_names(chunk.space, robot.joints, len(robot.fingers.joints) > 0, points)
    if tuple(chunk.names) != names:
        return _refuse("NAMES", "names", tuple(chunk.names), f"{names}")
    values = chunk.values
    if values.ndim != 2 or values.shape[1] != len(names) or not 0 < values.shape[0] <= LONGEST_HORIZON:
        return _refuse("SHAPE", "values", values.shape, f"[1..{LONGEST_HORIZON}, {len(names)}]")
    if values.dtype.kind not in "fiu":
        return _refuse("SHAPE", "values.dtype", str(values.dtype), "numbers")
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        return _refuse("NOT_FINITE", f"values[{row}, {names[column]}]", float(values[row, column]), "a finite number")
    if not 0 < chunk.step_ns <= LONGEST_STEP_NS:
        return _refuse("STEP", "step_ns", chunk.step_ns, f"in 1..{LONGEST_STEP_NS} ns")
    return None


def _time(
    chunk: ActionChunk, now_ns: int, robot: RobotContract, settings: ExecutorSettings, seen: Mapping[str, Seen]
) -> Intake | None:
    patience = round(robot.staleness.chunk_s * 1e9)
    if chunk.stamp_ns < 0:
        return _refuse("STAMP_INVALID", "stamp_ns", chunk.stamp_ns, "a stamp >= 0")
    if chunk.stamp_ns > now_ns + round(settings.future_s * 1e9):
        return _refuse("STAMP_FUTURE", "stamp_ns", chunk.stamp_ns, f"at most {settings.future_s} s after {now_ns}")
    if chunk.start_ns < chunk.stamp_ns:
        return _refuse("START_BACKWARD", "start_ns", chunk.start_ns, f"not before its stamp {chunk.stamp_ns}")
    if chunk.start_ns > now_ns + round(settings.lead_s * 1e9):
        return _refuse("START_FUTURE", "start_ns", chunk.start_ns, f"at most {settings.lead_s} s after {now_ns}")
    last_ns = chunk.start_ns + (len(chunk.values) - 1) * chunk.step_ns
    if now_ns - last_ns > patience:
        return _refuse("STALE", "start_ns", chunk.start_ns, f"a last step due within {patience} ns before {now_ns}")
    oldest_s = robot.staleness.image_s + robot.staleness.chunk_s
    if now_ns - chunk.stamp_ns > round(oldest_s * 1e9):
        return _refuse("STALE", "stamp_ns", chunk.stamp_ns, f"an observation at most {oldest_s:.4g} s before {now_ns}")
    before = seen.get(chunk.model)
    if before is None:
        return None
    if chunk.stamp_ns <= before.stamp_ns:
        reason = "REPLAY" if chunk.sequence <= before.sequence else "STAMP_BACKWARD"
        field, value = ("sequence", chunk.sequence) if reason == "REPLAY" else ("stamp_ns", chunk.stamp_ns)
        return _refuse(reason, field, value, f"a chunk newer than stamp {before.stamp_ns}, sequence {before.sequence}")
    if chunk.sequence <= before.sequence and now_ns - before.accepted_ns < patience:
        return _refuse("REPLAY", "sequence", chunk.sequence, f"more than {before.sequence}")
    return None


def _range(chunk: ActionChunk, robot: RobotContract, settings: ExecutorSettings) -> Intake:
    low, high = _bounds(chunk, robot, settings.range_margin)
    bad = np.argwhere((chunk.values < low) | (chunk.values > high))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        expected = f"in {low[column]:.4g}..{high[column]:.4g}"
        return _refuse(
            "OUT_OF_RANGE", f"values[{row}, {chunk.names[column]}]", float(chunk.values[row, column]), expected
        )
    return Intake(True, "ACCEPTED")


def _bounds(chunk: ActionChunk, robot: RobotContract, margin: float) -> tuple[FloatArray, FloatArray]:
    """Least and greatest value of each column."""
    limits, box = robot.limits, robot.workspace
    step = FASTEST * chunk.step_ns * 1e-9
    turn = np.full(3, 2.0 * np.pi)
    if chunk.space in ("object_points", "hand_keypoints"):
        points = chunk.values.shape[1] // 3
        return np.tile(box.lower - BODY_REACH, points), np.tile(box.upper + BODY_REACH, points)
    if chunk.space == "tool_pose":
        return (
            np.concatenate([box.lower - BODY_REACH, -turn]),
            np.concatenate([box.upper + BODY_REACH, turn]),
        )
    if chunk.space == "joint_position":
        low, high = limits.lower - margin, limits.upper + margin
    elif chunk.space == "ee_pose":
        low, high = (np.concatenate([box.lower - margin, -turn]), np.concatenate([box.upper + margin, turn]))
    else:
        high = {
            "joint_velocity": FASTEST * limits.velocity,
            "joint_delta": step * limits.velocity,
            "ee_delta": np.concatenate([np.full(3, step * box.speed), 0.5 * turn]),
            "ee_delta_tool": np.concatenate([np.full(3, step * box.speed), 0.5 * turn]),
        }[chunk.space]
        low = -high
    grips = chunk.values.shape[1] - len(low)
    return np.append(low, np.full(grips, -0.5)), np.append(high, np.full(grips, 1.5))
