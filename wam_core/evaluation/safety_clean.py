"""Clean chunks through the executor: how many of them it stops or alters without need."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, JointCommand, Observation
from wam_core.evaluation.clean_truth import due, overreaches, presses
from wam_core.evaluation.demonstrations import episode_rng
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.rollout import Policy, run_episode
from wam_core.evaluation.safety import EFFORT
from wam_core.executor.events import Action
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.robot_file import load_robot


@dataclass(frozen=True)
class CleanRun:
    """One episode of a scripted expert, or of a model when ``model`` is not empty."""

    robot: str
    seam: str
    task: str
    seed: int
    model: str = ""


@dataclass
class Clean:
    """Counts over episodes; ``+=`` adds another's.

    Attributes:
        chunks: sent. stopped: refused, or held or stopped while they were followed, however briefly. altered: not
            stopped, but scaled or clipped, however little. due: of these two, those that by themselves asked for more
            than the robot file allows, or pressed harder. torque_clipped: moved as asked, but an effort was clipped.
        reasons: code -> chunks in whose time it was given.
        episodes, succeeded: of the task.
    """

    chunks: int = 0
    stopped: int = 0
    altered: int = 0
    due: int = 0
    torque_clipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    episodes: int = 0
    succeeded: int = 0

    def __iadd__(self, other: "Clean") -> "Clean":
        for name in ("chunks", "stopped", "altered", "due", "torque_clipped", "episodes", "succeeded"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons.update(other.reasons)
        return self


class _Watched:
    """A policy whose chunks are counted by what became of the one before."""

    def __init__(self, policy: Policy, executor: Executor, cell: Cell) -> None:
        self._policy, self._executor, self._cell = policy, executor, cell
        self.cameras, self.senses, self.replan_steps = policy.cameras, policy.senses, policy.replan_steps
        self.clean = Clean()
        self._lasting: dict[str, Action] = {}
        self._pressed = self._overreached = False

    def act(self, observation: Observation) -> ActionChunk | None:
        self.settle()
        chunk = self._policy.act(observation)
        self.clean.chunks += chunk is not None
        here = observation.proprioception[:3]
        self._overreached = chunk is not None and overreaches(self._cell.robot, chunk, here)
        return chunk

    def look(self, command: JointCommand) -> None:
        """See how hard the hand presses, in every tick."""
        self._pressed = self._pressed or presses(self._cell.robot, self._cell.scene)

    def settle(self) -> None:
        """Count what happened since the last chunk was sent."""
        now = {event.code: event.action for event in self._executor.take_events()}
        found = now | {code: action for code, action in self._lasting.items() if code not in now}
        self._lasting = {code: found[code] for code in self._executor.status().reasons if code in found}
        pressed, self._pressed = self._pressed, False
        if not self.clean.chunks or not found:
            return
        self.clean.reasons.update(found.keys())
        stopped, moved = max(found.values()) >= Action.HELD, found.keys() - EFFORT
        self.clean.stopped += stopped
        self.clean.altered += not stopped and bool(moved)
        self.clean.due += bool(moved) and due(moved, pressed, self._overreached)
        self.clean.torque_clipped += not stopped and not moved


def clean_runs(robot: str, seam: str, model: str, tasks: Sequence[str], seed: int, episodes: int) -> list[CleanRun]:
    """``episodes`` of them, tasks in turn."""
    return [CleanRun(robot, seam, tasks[k % len(tasks)], seed + k // len(tasks), model) for k in range(episodes)]


def watch_all(todo: Sequence[CleanRun], jobs: int, report: Callable[[Clean], None]) -> Clean:
    """Run all episodes in ``jobs`` processes of one thread each; ``report`` gets each one's counts, in order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    total = Clean()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for clean in pool.imap(watch, todo):
            report(clean)
            total += clean
    return total


def watch(run: CleanRun) -> Clean:
    """One episode in this process."""
    cell = _cell(run.robot)
    executor = Executor(cell.robot, ExecutorSettings(seam=run.seam))
    watched = _Watched(_policy(run, cell), executor, cell)
    result = run_episode(cell, executor, watched, run.task, run.seed, watch=watched.look)
    watched.settle()
    watched.clean.episodes, watched.clean.succeeded = 1, int(result.success)
    return watched.clean


def _policy(run: CleanRun, cell: Cell) -> Policy:
    if not run.model:
        return ExpertPolicy(cell, episode_rng(run.task, run.seed, "expert"))
    import torch

    from wam_core.policy import load_policy

    torch.set_num_threads(1)
    return load_policy(run.model, cell.robot, run.seed)


@cache
def _cell(robot: str) -> Cell:
    return Cell(load_robot(robot), "auto")
