"""One episode in the cell without ROS: the fast path that demonstrations and evaluation share with the live graph."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, JointCommand, Observation
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.messages import POLICY_TOPIC
from wam_core.executor.executor import Executor
from wam_core.preprocess.senses import looked_at

#: Steps that go on after success, so that recordings show the arm at rest at its goal.
HOLD_STEPS = 5
#: Joint states are recorded every so many control ticks.
STATE_TICKS = 10


class Policy(Protocol):
    """Anything that answers observations with chunks."""

    @property
    def cameras(self) -> Sequence[str]:
        """Names of the images it looks at."""

    @property
    def senses(self) -> Sequence[str]:
        """Names of what it needs beside images, joints and taxels."""

    @property
    def replan_steps(self) -> int:
        """Steps between two observations it is asked about."""

    def act(self, observation: Observation) -> ActionChunk | None:
        """Answer one observation, or None to go on with the chunk in progress."""


@dataclass(frozen=True)
class EpisodeResult:
    """How one episode went.

    Attributes:
        success: the task's own test held before the time was over.
        duration_s: simulated time until success, or of the whole episode.
        steps: observations taken.
        chunks: chunks the executor accepted.
        rejected: reason -> chunks it refused.
        safety: reason -> control ticks in which the executor limited, held or stopped.
    """

    task: str
    seed: int
    instruction: str
    success: bool
    duration_s: float
    steps: int
    chunks: int
    rejected: Mapping[str, int]
    safety: Mapping[str, int]


def run_episode(
    cell: Cell,
    executor: Executor,
    policy: Policy,
    task: str,
    seed: int,
    *,
    variation: str = "none",
    writer: EpisodeWriter | None = None,
    recorded_cameras: Sequence[str] = (),
    recorded_senses: Sequence[str] = (),
    chunk_topic: str = POLICY_TOPIC,
    perturb: Callable[[Observation, ActionChunk], ActionChunk] | None = None,
    delay_ns: int = 0,
    watch: Callable[[JointCommand], object] | None = None,
    parted: Callable[[Observation], bool] = lambda observation: False,
    corrected: Callable[[Observation], ActionChunk | None] = lambda observation: None,
) -> EpisodeResult:
    """Reset the cell to ``task`` and ``seed`` and run ``policy`` until shortly after success or until time is over.

    Args:
        variation: how the episode is laid out, a key of :data:`wam_core.cell.variations.VARIATIONS`.
        writer: records states, ``recorded_cameras``, ``recorded_senses``, the instruction, and the policy's chunks on
            ``chunk_topic``.
        perturb: changes the chunk that is executed; the one that is recorded stays as the policy gave it.
        delay_ns: time from an observation to the moment its chunk reaches the executor.
        watch: is shown every command.
        corrected: the rest of the chunk in progress as an observation that asks for no new one changes it, if it does.
        parted: whether an observation asks for a new chunk before the policy's ``replan_steps`` are over.
    """
    robot = cell.robot
    senses = tuple(dict.fromkeys((*policy.senses, *(recorded_senses if writer else ()))))
    cell.attend(senses)
    instruction = cell.reset(task, seed, variation)
    executor.clear()
    executor.reset(cell.robot_state())
    before = Counter(executor.status().reason_counts)
    link = _Link(executor, delay_ns)
    cameras = tuple(dict.fromkeys((*policy.cameras, *(recorded_cameras if writer else ()))))
    start_ns = cell.time_ns
    if writer:
        writer.instruction(instruction, start_ns)
    success_ns: int | None = None
    steps, due, last_step = 0, 0, round(cell.max_seconds * robot.rates.action_hz)
    while steps < last_step:
        now_ns, images = cell.time_ns, {name: cell.image(name) for name in cameras}
        felt = {name: cell.sense(name) for name in senses}
        if writer:
            for name in recorded_cameras:
                writer.image(name, images[name], now_ns)
            for name in recorded_senses:
                writer.sense(name, felt[name], now_ns)
        seen = {name: robot.camera(name).cut(images[name]) for name in policy.cameras}
        needed = {name: looked_at(robot, robot.sense(name), felt[name]) for name in policy.senses}
        observation = Observation(now_ns, seen, cell.tool_pose(), instruction, cell.robot_state().tactile, needed)
        if steps >= due or parted(observation):
            due = steps + policy.replan_steps
            chunk = policy.act(observation)
        else:
            chunk = corrected(observation)
        if chunk is not None:
            if writer:
                writer.chunk(chunk_topic, chunk, now_ns)
            link.send(perturb(observation, chunk) if perturb else chunk, now_ns)
        _control_for_one_step(cell, executor, link, writer, watch)
        steps += 1
        if success_ns is None and cell.success():
            success_ns = cell.time_ns
            last_step = min(last_step, steps + HOLD_STEPS)
    end_ns = cell.time_ns if success_ns is None else success_ns
    return EpisodeResult(
        task=task,
        seed=seed,
        instruction=instruction,
        success=success_ns is not None,
        duration_s=(end_ns - start_ns) / 1e9,
        steps=steps,
        chunks=link.accepted,
        rejected=dict(link.rejected),
        safety=dict(Counter(executor.status().reason_counts) - before),
    )


class _Link:
    """Carries chunks from the policy to the executor, each ``delay_ns`` late, and counts how they are received."""

    def __init__(self, executor: Executor, delay_ns: int) -> None:
        self._executor = executor
        self._delay_ns = delay_ns
        self._on_the_way: deque[tuple[int, ActionChunk]] = deque()
        self.accepted = 0
        self.rejected: Counter[str] = Counter()

    def send(self, chunk: ActionChunk, now_ns: int) -> None:
        self._on_the_way.append((now_ns + self._delay_ns, chunk))

    def deliver(self, now_ns: int) -> None:
        while self._on_the_way and self._on_the_way[0][0] <= now_ns:
            intake = self._executor.accept(self._on_the_way.popleft()[1], now_ns)
            self.accepted += intake.accepted
            if not intake.accepted:
                self.rejected[intake.reason] += 1


def _control_for_one_step(
    cell: Cell,
    executor: Executor,
    link: _Link,
    writer: EpisodeWriter | None,
    watch: Callable[[JointCommand], object] | None,
) -> None:
    """Run the control loop from one observation to the next."""
    rates = cell.robot.rates
    for tick in range(round(rates.control_hz / rates.action_hz)):
        link.deliver(cell.time_ns)
        state = cell.robot_state()
        if writer and tick % STATE_TICKS == 0:
            writer.state(state)
        command = executor.tick(state, cell.time_ns)
        if watch:
            watch(command)
        cell.step(command.effort)
