"""Adversarial chunks against the executor, judged by an independent checker: `wam bench safety`."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from wam_core.contract import ActionChunk, FloatArray, JointCommand, RobotState
from wam_core.evaluation.safety_checker import Checker, Violation
from wam_core.evaluation.safety_chunks import ADVERSARIES, Adversary, Situation
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import load_robot
from wam_core.robot.tool_pose import encode_tool_pose

#: Chunks that one arm is sent without a break.
CHUNKS_PER_RUN = 25
#: Ticks that a chunk has at least (those refused, those followed), at most while a reason is still owed, and the chance
#: that it has a second, in which it gets to where it leads. Most are short: what is hard is the next chunk's beginning
#: in the middle of the movement to this one, and a million chunks are to be had in hours.
TICKS_REFUSED, TICKS_FOLLOWED, TICKS_OWED, TO_THE_END = (1, 4), (2, 40), 750, 0.03
#: Chances per chunk: an emergency stop, joint states that stay away, an executor that is starved.
STOPPED, BLIND, STARVED = 0.03, 0.03, 0.05
STARVED_NS = 50_000_000
#: Reasons that say nothing about the chunk: any quick movement may need them.
EFFORT = frozenset({"TORQUE_LIMIT", "TORQUE_RATE"})
#: Postures known to touch, per robot; and how far random starts are from home (rad).
POSTURES, START_RAD = 400, 0.6


@dataclass(frozen=True)
class Run:
    """One arm, one stretch of chunks; determined by robot, seam, seed and index alone."""

    robot: str
    seam: str
    seed: int
    index: int


@dataclass
class Findings:
    """What happened, as counts; ``+=`` adds another run's.

    Attributes:
        chunks, refused, unexplained: per adversary; ``refused`` also per reason, as ``adversary: reason``.
        reasons: code -> times it began. violations: kind -> commands beyond that limit. ticks: commands sent.
        examples: the first violations, with the run in which they happened.
    """

    chunks: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    examples: list[tuple[Run, Violation]] = field(default_factory=list)

    def __iadd__(self, other: "Findings") -> "Findings":
        for name in ("chunks", "refused", "unexplained", "reasons", "violations"):
            getattr(self, name).update(getattr(other, name))
        self.ticks += other.ticks
        self.examples = (self.examples + other.examples)[:20]
        return self


def runs(robots: Sequence[str], seam: str, seed: int, chunks: int) -> list[Run]:
    """Enough runs for at least ``chunks`` chunks, robots in turn."""
    count = -(-chunks // CHUNKS_PER_RUN)
    return [Run(robots[index % len(robots)], seam, seed, index) for index in range(count)]


def attack_all(todo: Sequence[Run], jobs: int, report: Callable[[Findings], None]) -> Findings:
    """Do all runs in ``jobs`` processes of one thread each; ``report`` gets each run's findings, in order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    total = Findings()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for findings in pool.imap(attack, todo, chunksize=4):
            report(findings)
            total += findings
    return total


def attack(run: Run) -> Findings:
    """One run in this process: an arm that follows its reference exactly, and chunks that mean harm."""
    arena = _arena(run.robot, run.seam)
    rng = np.random.default_rng((run.seed, run.index))
    arm = _Arm(arena.executor, arena.start(rng))
    found, last = Findings(), None
    for sequence in range(CHUNKS_PER_RUN):
        name = str(rng.choice(list(ADVERSARIES)))
        last = _send(arm, arena, rng, ADVERSARIES[name], name, sequence, last, found)
        _disturb(arm, rng)
    found.ticks = len(arm.commands)
    for violation in arena.checker.check(arm.start, arm.commands):
        found.violations[violation.kind] += violation.ticks
        found.examples.append((run, violation))
    return found


class _Arm:
    """Is always where the last reference was, and feels nothing."""

    def __init__(self, executor: Executor, start: RobotState) -> None:
        self.executor, self.start, self.state = executor, start, start
        self.now_ns = start.stamp_ns
        self.commands: list[JointCommand] = []
        executor.clear()
        executor.reset(start)
        executor.take_events()

    def tick(self, dt_ns: int, sees: bool = True) -> None:
        self.now_ns += dt_ns
        command = self.executor.tick(self.state if sees else None, self.now_ns)
        self.commands.append(command)
        if np.isfinite(command.position + command.velocity).all():
            self.state = replace(self.start, stamp_ns=self.now_ns, position=command.position, velocity=command.velocity)


@dataclass(frozen=True)
class _Arena:
    robot: RobotContract
    executor: Executor
    checker: Checker
    touching: FloatArray

    def start(self, rng: np.random.Generator) -> RobotState:
        """At rest in a posture around home that touches nothing, tool inside its box."""
        robot, box = self.robot, self.robot.workspace
        while True:
            arm = np.clip(robot.home + rng.uniform(-START_RAD, START_RAD, len(robot.home)), *_inside(robot))
            position = np.concatenate([arm, robot.fingers.posture(rng.uniform(0.0, 1.0))])
            tool = self.checker.tool(position)
            if (
                (tool > box.lower + 0.02).all()
                and (tool < box.upper - 0.02).all()
                and not self.checker.touches(position)
            ):
                return RobotState(
                    stamp_ns=10**12,
                    position=position,
                    velocity=np.zeros(len(position)),
                    wrench=np.zeros(6),
                    tactile=np.zeros(len(robot.tactile)),
                )

    def situation(self, arm: _Arm, last: ActionChunk | None, sequence: int) -> Situation:
        position, arms = arm.state.position, len(self.robot.joints)
        rotation, tool = self.checker.tool_rotation(position), self.checker.tool(position)
        pose = encode_tool_pose(self.robot, rotation, tool, position[arms:])
        joints = np.concatenate([position[:arms], self.robot.fingers.opening(position[arms:])])
        return Situation(self.robot, arm.now_ns, last, joints, pose, self.touching, sequence)


def _inside(robot: RobotContract) -> tuple[FloatArray, FloatArray]:
    return robot.limits.lower + 0.05, robot.limits.upper - 0.05


@cache
def _arena(robot_name: str, seam: str) -> _Arena:
    robot = load_robot(robot_name)
    checker = Checker(robot)
    rng = np.random.default_rng(0)
    touching: list[FloatArray] = []
    while len(touching) < POSTURES:
        posture = rng.uniform(robot.limits.lower, robot.limits.upper)
        if checker.touches(np.concatenate([posture, robot.fingers.open])):
            touching.append(posture)
    return _Arena(robot, Executor(robot, ExecutorSettings(seam=seam)), checker, np.array(touching))


def _send(
    arm: _Arm,
    arena: _Arena,
    rng: np.random.Generator,
    adversary: Adversary,
    name: str,
    sequence: int,
    last: ActionChunk | None,
    found: Findings,
) -> ActionChunk | None:
    """Offer one chunk and let the arm go on for a while; the newest accepted chunk."""
    executor = arm.executor
    chunk = adversary.make(rng, arena.situation(arm, last, sequence))
    intake = executor.accept(chunk, arm.now_ns)
    found.chunks[name] += 1
    if not intake.accepted:
        found.refused[f"{name}: {intake.reason}"] += 1
    explained = not intake.accepted and bool(intake.reason)
    least = int(rng.integers(*(TICKS_FOLLOWED if intake.accepted else TICKS_REFUSED)))
    least = 500 if intake.accepted and rng.random() < TO_THE_END else least
    for tick in range(TICKS_OWED):
        if tick >= least and (explained or not adversary.owes_reason):
            break
        arm.tick(int(rng.integers(1_000_000, 8_000_000)) if rng.random() < 0.05 else 2_000_000)
        events = executor.take_events()
        found.reasons.update(event.code for event in events)
        explained |= not EFFORT.issuperset({*(event.code for event in events), *executor.status().reasons})
    if adversary.owes_reason and not explained:
        found.unexplained[name] += 1
    return chunk if intake.accepted else last


def _disturb(arm: _Arm, rng: np.random.Generator) -> None:
    """What may happen beside chunks."""
    what = rng.random()
    if what < STOPPED:
        arm.executor.stop("test")
        for _ in range(int(rng.integers(1, 200))):
            arm.tick(2_000_000)
    elif what < STOPPED + BLIND:
        for _ in range(int(rng.integers(1, 40))):
            arm.tick(2_000_000, sees=False)
    elif what < STOPPED + BLIND + STARVED:
        arm.tick(STARVED_NS)
    if arm.executor.status().latched:
        arm.executor.clear()
