"""What a fault did to an arm, from what was heard of it: commands, joint states and chunks, each with its stamp."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, RobotState
from wam_core.evaluation.intervals import wilson_interval
from wam_core.evaluation.safety_checker import Checker, Commands
from wam_core.robot.contract import RobotContract

#: An arm joint slower than this is at rest (rad/s): when it holds, what is measured stays below.
REST = 0.01
#: The arm is at rest at most this much later than its reference has to be (s). Feedback settles with the quotient of
#: damping and stiffness, at most 0.1 s for the cell's arm; this is three times that.
SETTLES_S = 0.3
#: A tick sooner than this after the one before repeats its command (ns), and says nothing new.
REPEATED_NS = 400_000


class Measured(NamedTuple):
    """Joint states as the arm itself sent them: ``stamps_ns [T]``, ``position`` and ``velocity [T, J + K]``."""

    stamps_ns: NDArray[np.int64]
    position: FloatArray
    velocity: FloatArray


class ChunkSpan(NamedTuple):
    """Stamps of the observation that a chunk answers and of its last step, and when it was heard, ns of ROS time."""

    sequence: int
    stamp_ns: int
    end_ns: int
    heard_ns: int


class Followed(NamedTuple):
    """By its own word the executor follows this chunk, whose last step is due then, ns of ROS time."""

    sequence: int
    end_ns: int


class Heard(NamedTuple):
    """Everything of one run, begun at rest."""

    commands: Commands
    measured: Measured
    chunks: tuple[ChunkSpan, ...]
    followed: tuple[Followed, ...]


@dataclass(frozen=True)
class Point:
    """Where a fault is injected: ``share`` of the time that the task takes undisturbed, 0..1."""

    task: str
    seed: int
    share: float


@dataclass(frozen=True)
class Finding:
    """What became of one fault at one point; it holds when there are no ``problems``.

    Attributes:
        moving: whether the arm moved when the fault began.
        shares: kind of limit -> greatest share of it that was commanded; ``measured_*`` of what the arm did.
        gap_s: longest time between two commands.
        rest_s, measured_rest_s: from the fault until the reference, the arm was at rest; None where it need not be.
        allowed_s: within which it must be.
        back_s: from the fault's end until the arm moved under a new task, wall time; None when it did not.
    """

    fault: str
    point: Point
    moving: bool
    commands: int
    shares: dict[str, float]
    gap_s: float
    rest_s: float | None
    measured_rest_s: float | None
    allowed_s: float | None
    back_s: float | None = None
    problems: tuple[str, ...] = ()


def points(tasks: Sequence[str], count: int, seed: int) -> list[Point]:
    """``count`` points, tasks in turn: one from each of as many equal parts of a task's time as the task has points."""
    rng = np.random.default_rng(seed)
    rounds = -(-count // len(tasks))
    order = {task: rng.permutation(rounds) for task in tasks}
    return [
        Point(task, seed, float((order[task][k // len(tasks)] + rng.random()) / rounds))
        for k, task in ((k, tasks[k % len(tasks)]) for k in range(count))
    ]


def judge(
    fault: str,
    point: Point,
    robot: RobotContract,
    checker: Checker,
    heard: Heard,
    fault_ns: int,
    rest_by_ns: int | None,
) -> Finding:
    """Whether the arm stayed within its limits throughout and, with ``rest_by_ns``, was at rest from then on.

    Of what is commanded every limit counts, of what is measured the joints' positions and velocities.

    Args:
        fault_ns: ROS time at which the fault began.
    """
    problems: list[str] = []
    arms = len(robot.joints)
    commands = without_repeats(heard.commands)
    stamps_ns, measured = commands.stamps_ns, heard.measured
    if len(stamps_ns) < 2 or len(measured.stamps_ns) < 2:
        return Finding(fault, point, False, len(stamps_ns), {}, 0.0, None, None, None, None, ("nothing was heard",))
    start = RobotState(int(stamps_ns[0]), commands.position[0], np.zeros(commands.position.shape[1]))
    violations, shares = checker.judge(start, _taken(commands, slice(1, None)))
    problems += [
        f"commanded {v.kind} {v.where}: {v.value:.6g}, limit {v.limit:.6g}, {v.ticks} times" for v in violations
    ]
    for kind, used in _measured_shares(robot, measured).items():
        shares[f"measured_{kind}"] = float(used.max())
        if used.max() > 1.0:
            row, joint = np.unravel_index(np.argmax(used), used.shape)
            after_s = (measured.stamps_ns[row] - fault_ns) * 1e-9
            where = f"{robot.joints[joint]} {after_s:+.3f} s after the fault"
            problems.append(f"measured {kind} {where}: {used.max():.1%} of the limit")
    speed = np.abs(measured.velocity[:, :arms]).max(axis=1)
    before = speed[measured.stamps_ns <= fault_ns]
    rest_s = measured_rest_s = allowed_s = None
    if rest_by_ns is not None:
        allowed_s = (rest_by_ns - fault_ns) * 1e-9
        moved = np.abs(commands.velocity[:, :arms]).max(axis=1) > 0.0
        rest_s = seconds_to_last(stamps_ns, moved, fault_ns)
        measured_rest_s = seconds_to_last(measured.stamps_ns, speed > REST, fault_ns)
        for name, seconds, more_s in (("reference", rest_s, 0.0), ("arm", measured_rest_s, SETTLES_S)):
            if seconds > allowed_s + more_s:
                problems.append(f"{name} at rest after {seconds:.3f} s instead of {allowed_s + more_s:.3f} s")
        if measured.stamps_ns[-1] <= rest_by_ns + round(SETTLES_S * 1e9):
            problems.append("the arm was not watched until it had to be at rest")
    return Finding(
        fault,
        point,
        moving=bool(len(before) and before[-1] > REST),
        commands=len(stamps_ns),
        shares=shares,
        gap_s=float(np.diff(stamps_ns).max() * 1e-9),
        rest_s=rest_s,
        measured_rest_s=measured_rest_s,
        allowed_s=allowed_s,
        problems=tuple(problems),
    )


def chunk_end_ns(heard: Heard, fault_ns: int) -> int:
    """Until when an arm may follow what a model said of what it saw before ``fault_ns``.

    A process that is killed while it sends a chunk has sent it to some and not to others. The executor's word is taken
    for such a chunk, but not that it ends later than one that answers what was seen at ``fault_ns``.
    """
    ends = [chunk.end_ns for chunk in heard.chunks if chunk.stamp_ns <= fault_ns]
    newest = max((chunk.sequence for chunk in heard.chunks), default=0)
    latest_ns = fault_ns + max((chunk.end_ns - chunk.stamp_ns for chunk in heard.chunks), default=0)
    ends += [min(one.end_ns, latest_ns) for one in heard.followed if one.sequence > newest]
    return max(ends, default=fault_ns)


def without_repeats(commands: Commands) -> Commands:
    """The commands without those that only repeat the one before because their tick came too soon."""
    kept = [0] if len(commands.stamps_ns) else []
    for k, stamp_ns in enumerate(commands.stamps_ns.tolist()):
        if stamp_ns - commands.stamps_ns[kept[-1]] >= REPEATED_NS:
            kept.append(k)
    return _taken(commands, kept)


def _taken(commands: Commands, which: slice | list[int]) -> Commands:
    rows = commands._replace(
        stamps_ns=commands.stamps_ns[which],
        position=commands.position[which],
        velocity=commands.velocity[which],
        effort=commands.effort[which],
    )
    return rows if rows.acceleration is None else rows._replace(acceleration=rows.acceleration[which])


def seconds_to_last(stamps_ns: NDArray[np.int64], true: NDArray[np.bool_], since_ns: int) -> float:
    """From ``since_ns`` to the last stamp ``[T]`` after it at which ``true [T]``; zero when there is none."""
    late = stamps_ns[true & (stamps_ns > since_ns)]
    return float((late[-1] - since_ns) * 1e-9) if len(late) else 0.0


def _measured_shares(robot: RobotContract, measured: Measured) -> dict[str, FloatArray]:
    """``[T, J]`` of each kind of limit."""
    limits, arms = robot.limits, len(robot.joints)
    middle, half = 0.5 * (limits.lower + limits.upper), 0.5 * (limits.upper - limits.lower)
    return {
        "position": np.abs(measured.position[:, :arms] - middle) / half,
        "velocity": np.abs(measured.velocity[:, :arms]) / limits.velocity,
    }


@dataclass(frozen=True)
class Row:
    """All findings of one fault.

    Attributes:
        held, interval: points at which everything that must hold did, and the 95 % interval of their share.
        moving: points at which the arm moved when the fault began.
        shares: kind of limit -> greatest share of it.
        rest_s, measured_rest_s: median and greatest; None where the arm need not come to rest. used: greatest part of
            the allowed time that the arm needed.
        back_s: median and greatest.
    """

    fault: str
    points: int
    held: int
    interval: tuple[float, float]
    moving: int
    commands: int
    shares: dict[str, float]
    gap_s: float
    rest_s: tuple[float, float] | None
    measured_rest_s: tuple[float, float] | None
    used: float | None
    back_s: tuple[float, float] | None
    problems: tuple[str, ...] = field(default=())


def summarise(fault: str, findings: Sequence[Finding]) -> Row:
    """One row of the table; ``findings`` are of one fault, at least one."""
    held = sum(not finding.problems for finding in findings)
    kinds = dict.fromkeys(kind for finding in findings for kind in finding.shares)
    allowed = [(f.measured_rest_s, f.allowed_s) for f in findings if f.measured_rest_s is not None and f.allowed_s]
    return Row(
        fault,
        points=len(findings),
        held=held,
        interval=wilson_interval(held, len(findings)),
        moving=sum(f.moving for f in findings),
        commands=sum(f.commands for f in findings),
        shares={kind: max(f.shares.get(kind, 0.0) for f in findings) for kind in kinds},
        gap_s=max(f.gap_s for f in findings),
        rest_s=_median_and_most([f.rest_s for f in findings]),
        measured_rest_s=_median_and_most([f.measured_rest_s for f in findings]),
        used=max((took / most for took, most in allowed), default=None),
        back_s=_median_and_most([f.back_s for f in findings]),
        problems=tuple(dict.fromkeys(problem for f in findings for problem in f.problems)),
    )


def _median_and_most(values: Sequence[float | None]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    return (float(np.median(known)), max(known)) if known else None
