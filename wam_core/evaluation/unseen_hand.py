"""Episodes in the cell in which an unseen hand moves the object, beside undisturbed ones: what surprise is worth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import mujoco
import numpy as np
import torch

from wam_core.cell.cell import Cell
from wam_core.cell.tasks.drawer import CABINET
from wam_core.contract import ActionChunk, FloatArray, Observation
from wam_core.evaluation.comparison import Comparison, Watch
from wam_core.evaluation.intervals import median_ratio
from wam_core.evaluation.rollout import run_episode
from wam_core.evaluation.surprise import Surprise, Usual, judge, learn
from wam_core.executor.executor import Executor
from wam_core.policy import Policy, checkpoint_folder, load_policy
from wam_core.provenance import checkpoint_digest
from wam_core.robot.robot_file import load_robot

#: The hand moves the object this far sideways, towards the middle (m).
DISTANCE_M = 0.10
#: Where the seeds of the episodes begin from which the usual errors are learned.
REHEARSAL_SEED = 50_000
#: The inference delay that episodes imitate (ns).
DELAY_NS = 100_000_000


@dataclass(frozen=True)
class Hand:
    """When it comes, after the arm has set out and before it touches anything, and what it moves.

    Attributes:
        step: of the episode.
        body: of the scene; empty: the one that the task is about.
    """

    step: int
    body: str = ""


HANDS: Mapping[str, Hand] = {"reach": Hand(9), "push": Hand(5), "drawer": Hand(9, CABINET)}


@dataclass(frozen=True)
class Course:
    """Surprise over one episode.

    Attributes:
        seconds: since its begin, of each of the ``values``.
        moved_s: when the hand came (NaN: never).
        peak: greatest of what was imagined before the moment of the hand for an instant after it.
        highest: greatest of the whole episode.
    """

    task: str
    seed: int
    seconds: list[float]
    values: list[float]
    moved_s: float
    peak: float
    highest: float


class Watched:
    """A policy that imagines every chunk's future, is shown every image, and may have its object moved.

    It is asked at every step, to see every image, and answers as often as the policy does.
    """

    replan_steps = 1

    def __init__(self, policy: Policy, cell: Cell, hand: Hand | None) -> None:
        self.cameras: Sequence[str] = policy.cameras
        self.senses: Sequence[str] = policy.senses
        self.compared: list[Comparison] = []
        self.moved_ns: int | None = None
        self.begin_ns = -1
        self._policy, self._cell, self._hand = policy, cell, hand
        self._watch = Watch(cell.robot)
        self._steps = 0

    def act(self, observation: Observation) -> ActionChunk | None:
        step, self._steps = self._steps, self._steps + 1
        stamp_ns, tool = observation.stamp_ns, self._cell.scene.tool_position()
        if step == 0:
            self.begin_ns = stamp_ns
        for camera in self.cameras:
            self.compared += self._watch.see(camera, stamp_ns, observation.images[camera], tool)
        chunk = None
        if step % self._policy.replan_steps == 0:
            chunk = self._policy.act(observation)
            for future in self._policy.imagine():
                self.compared += self._watch.expect(future)
        if self._hand and step == self._hand.step:
            self.moved_ns = stamp_ns
            _move(self._cell, self._hand)
        return chunk


def rehearse(model: str, robot_name: str, tasks: Sequence[str], episodes: int, renderer: str) -> Usual:
    """What is usual for a model in so many undisturbed episodes of each task."""
    torch.set_num_threads(1)
    cell, policy = _cell(robot_name, renderer), _policy(model, robot_name)
    seeds = range(REHEARSAL_SEED, REHEARSAL_SEED + episodes)
    compared = [_episode(cell, policy, task, seed, None).compared for task in tasks for seed in seeds]
    return learn(compared, checkpoint_digest(checkpoint_folder(model)))


def compare(
    model: str, robot_name: str, task: str, seeds: Sequence[int], renderer: str, usual: Usual
) -> list[tuple[Course, Course]]:
    """(undisturbed, disturbed) courses of each seed."""
    torch.set_num_threads(1)
    cell, policy, hand = _cell(robot_name, renderer), _policy(model, robot_name), HANDS[task]
    pairs = []
    for seed in seeds:
        calm, moved = (_episode(cell, policy, task, seed, which) for which in (None, hand))
        window_ns = (hand.step * cell.robot.step_ns, (hand.step + policy.horizon) * cell.robot.step_ns)
        pairs.append((_course(task, seed, calm, window_ns, usual), _course(task, seed, moved, window_ns, usual)))
    return pairs


def before_the_hand(
    model: str, robot_name: str, task: str, seed: int, renderer: str, usual: Usual
) -> tuple[list[Surprise], list[Surprise]]:
    """What became, undisturbed and disturbed, of the last future that was imagined before the hand came."""
    torch.set_num_threads(1)
    cell, policy, hand = _cell(robot_name, renderer), _policy(model, robot_name), HANDS[task]
    asked_ns = hand.step // policy.replan_steps * policy.replan_steps * cell.robot.step_ns
    found = []
    for which in (None, hand):
        watched = _episode(cell, policy, task, seed, which)
        last = [c for c in watched.compared if c.imagined_ns == watched.begin_ns + asked_ns]
        found.append([judge(comparison, usual) for comparison in last])
    return found[0], found[1]


@dataclass(frozen=True)
class Summary:
    """What a task's pairs come to; intervals are of 95 %, by bootstrap over seeds.

    Attributes:
        ratio: median over seeds of disturbed by undisturbed peak.
        apart: chance that a disturbed episode's peak is above an undisturbed one's (area under the ROC curve).
        apart_whole: that it is above the highest of a whole undisturbed episode.
        noticed: disturbed episodes whose peak is above 1. false_alarms: undisturbed ones above 1 at any time.
    """

    task: str
    episodes: int
    ratio: float
    ratio_interval: tuple[float, float]
    apart: float
    apart_interval: tuple[float, float]
    apart_whole: float
    noticed: int
    false_alarms: int


def summary(task: str, pairs: Sequence[tuple[Course, Course]], seed: int) -> Summary:
    calm, moved = np.array([c.peak for c, _ in pairs]), np.array([m.peak for _, m in pairs])
    highest = np.array([c.highest for c, _ in pairs])
    ratio, ratio_interval = median_ratio(moved / calm, seed)
    rng = np.random.default_rng(seed)
    again = rng.integers(len(pairs), size=(1000, len(pairs)))
    low, high = np.quantile([_told_apart(moved[rows], calm[rows]) for rows in again], (0.025, 0.975))
    return Summary(
        task=task,
        episodes=len(pairs),
        ratio=ratio,
        ratio_interval=ratio_interval,
        apart=_told_apart(moved, calm),
        apart_interval=(float(low), float(high)),
        apart_whole=_told_apart(moved, highest),
        noticed=int((moved > 1.0).sum()),
        false_alarms=int((highest > 1.0).sum()),
    )


def _told_apart(above: FloatArray, below: FloatArray) -> float:
    more, equal = above[:, None] > below[None, :], above[:, None] == below[None, :]
    return float((more + 0.5 * equal).mean())


def _episode(cell: Cell, trained: Policy, task: str, seed: int, hand: Hand | None) -> Watched:
    watched = Watched(Policy(trained.checkpoint, seed), cell, hand)
    run_episode(cell, Executor(cell.robot), watched, task, seed, delay_ns=DELAY_NS)
    return watched


def _course(task: str, seed: int, watched: Watched, window_ns: tuple[int, int], usual: Usual) -> Course:
    found = [(c, judge(c, usual).value) for c in watched.compared]
    moved_ns, end_ns = (watched.begin_ns + since_ns for since_ns in window_ns)
    # Only what was imagined before the hand came, for instants after it: later imagination knows where the object is.
    asked = [value for c, value in found if c.imagined_ns <= moved_ns < c.stamp_ns <= end_ns]
    return Course(
        task=task,
        seed=seed,
        seconds=[(c.stamp_ns - watched.begin_ns) / 1e9 for c, _ in found],
        values=[value for _, value in found],
        moved_s=math.nan if watched.moved_ns is None else (watched.moved_ns - watched.begin_ns) / 1e9,
        peak=max(asked, default=math.nan),
        highest=max((value for _, value in found), default=math.nan),
    )


def _move(cell: Cell, hand: Hand) -> None:
    """Put the object elsewhere; the arm does not feel it and no camera sees who did it."""
    scene, body = cell.scene, hand.body or cell.goal.subject
    position = scene.position(body)
    position[1] -= math.copysign(DISTANCE_M, position[1])
    scene.place(body, position)
    mujoco.mj_forward(scene.model, scene.data)


@cache
def _cell(robot: str, renderer: str) -> Cell:
    return Cell(load_robot(robot), renderer)


@cache
def _policy(model: str, robot: str) -> Policy:
    return load_policy(model, load_robot(robot))
