"""Episodes in the cell in which an unseen hand moves the object, beside undisturbed ones: what surprise is worth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import mujoco
import numpy as np
import torch

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.evaluation.intervals import median_ratio
from wam_core.evaluation.rollout import run_episode
from wam_core.evaluation.surprise import Surprise, Watch
from wam_core.executor.executor import Executor
from wam_core.policy import Policy, load_policy
from wam_core.robot.contract import load_robot

#: The hand moves the object this far sideways, towards the middle (m).
DISTANCE_M = 0.10
#: Task -> the step at which it does so: after the arm has set out, before it touches anything.
MOMENTS = {"reach": 9, "push": 5}
#: Undisturbed episodes from which the usual error is learnt, and where their seeds begin.
REHEARSALS, REHEARSAL_SEED = 8, 50_000
#: The inference delay that episodes imitate (ns).
DELAY_NS = 100_000_000


@dataclass(frozen=True)
class Course:
    """Surprise over one episode: seconds since its begin, values, and when the hand came (NaN: never)."""

    task: str
    seed: int
    seconds: list[float]
    values: list[float]
    moved_s: float
    peak: float


class Watched:
    """A policy that imagines every chunk's future, is shown every image, and may have its object moved.

    It is asked at every step, to see every image, and answers as often as the policy does.
    """

    replan_steps = 1

    def __init__(self, policy: Policy, watch: Watch, cell: Cell, moment: int | None) -> None:
        self.cameras: Sequence[str] = policy.cameras
        self.senses: Sequence[str] = policy.senses
        self.surprises: list[Surprise] = []
        self.moved_ns: int | None = None
        self.begin_ns = -1
        self._policy, self._watch, self._cell, self._moment = policy, watch, cell, moment
        self._steps = 0

    def act(self, observation: Observation) -> ActionChunk | None:
        step, self._steps = self._steps, self._steps + 1
        if step == 0:
            self.begin_ns = observation.stamp_ns
            self._watch.forget()
        for camera in self.cameras:
            self.surprises += self._watch.see(camera, observation.stamp_ns, observation.images[camera])
        chunk = None
        if step % self._policy.replan_steps == 0:
            chunk = self._policy.act(observation)
            for future in self._policy.imagine():
                self._watch.expect(future)
        if step == self._moment:
            self.moved_ns = observation.stamp_ns
            _move(self._cell)
        return chunk


def compare(model: str, robot_name: str, task: str, seeds: Sequence[int], renderer: str) -> list[tuple[Course, Course]]:
    """(undisturbed, disturbed) courses of each seed."""
    torch.set_num_threads(1)
    cell, policy = _cell(robot_name, renderer), _policy(model, robot_name)
    watch = Watch(cell.robot)
    for k in range(REHEARSALS):
        _episode(cell, policy, watch, task, REHEARSAL_SEED + k, None)
    return [
        (_episode(cell, policy, watch, task, seed, None), _episode(cell, policy, watch, task, seed, MOMENTS[task]))
        for seed in seeds
    ]


def ratio_and_interval(pairs: Sequence[tuple[Course, Course]], seed: int) -> tuple[float, tuple[float, float]]:
    """Median over seeds of disturbed by undisturbed peak, with its 95 % bootstrap interval."""
    return median_ratio(np.array([moved.peak / calm.peak for calm, moved in pairs]), seed)


def told_apart(pairs: Sequence[tuple[Course, Course]]) -> float:
    """Chance that a disturbed episode's peak is above an undisturbed one's (area under the ROC curve)."""
    calm, moved = (np.array([pair[i].peak for pair in pairs]) for i in (0, 1))
    above, equal = moved[:, None] > calm[None, :], moved[:, None] == calm[None, :]
    return float((above + 0.5 * equal).mean())


def _episode(cell: Cell, trained: Policy, watch: Watch, task: str, seed: int, moment: int | None) -> Course:
    policy = Policy(trained.checkpoint, seed)
    watched = Watched(policy, watch, cell, moment)
    run_episode(cell, Executor(cell.robot), watched, task, seed, delay_ns=DELAY_NS)
    step_ns, horizon = cell.robot.step_ns, policy.horizon
    moved_ns = watched.begin_ns + MOMENTS[task] * step_ns
    # Only what was imagined before the hand came, for instants after it: later imagination knows where the object is.
    asked = [
        s.value
        for s in watched.surprises
        if s.imagined_ns <= moved_ns < s.stamp_ns <= moved_ns + horizon * step_ns and math.isfinite(s.value)
    ]
    return Course(
        task=task,
        seed=seed,
        seconds=[(s.stamp_ns - watched.begin_ns) / 1e9 for s in watched.surprises],
        values=[s.value for s in watched.surprises],
        moved_s=math.nan if watched.moved_ns is None else (watched.moved_ns - watched.begin_ns) / 1e9,
        peak=max(asked, default=math.nan),
    )


def _move(cell: Cell) -> None:
    """Put the object the task is about elsewhere; the arm does not feel it and no camera sees who did it."""
    scene, subject = cell.scene, cell.goal.subject
    position = scene.position(subject)
    position[1] -= math.copysign(DISTANCE_M, position[1])
    scene.place(subject, position)
    mujoco.mj_forward(scene.model, scene.data)


@cache
def _cell(robot: str, renderer: str) -> Cell:
    return Cell(load_robot(robot), renderer)


@cache
def _policy(model: str, robot: str) -> Policy:
    return load_policy(model, load_robot(robot))
