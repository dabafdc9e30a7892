"""How well a recovery reads the arm's motion off a future, when that is the true one: `wam bench recovery`.

Experts do the cell's tasks; what is seen from every few steps on is encoded and decoded as the future's substrate holds
it, and what is recovered from that is held against where the tool went. No model takes part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, FloatArray, Observation
from wam_core.errors import look_up
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.preprocess.images import ImageLayout, lay_out
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.presets import load_preset
from wam_core.recovery.heatmap import HeatmapSpec
from wam_core.recovery.jacobian import JacobianSpec
from wam_core.recovery.recovery import Foreseen, RecoverySpec
from wam_core.robot.contract import RobotContract
from wam_core.robot.geometry import Geometry
from wam_core.substrates.substrate import Clip, Scenes, SubstrateSpec
from wam_core.substrates.tool_heatmap import ToolHeatmapSpec
from wam_core.substrates.tool_points import ToolPointsSpec

#: Action steps between two futures of an episode.
EVERY = 4
#: Fingers that are opened further let go (share of the opening).
OPEN = 0.9


@dataclass(frozen=True)
class Reading:
    """A recovery and the future that it reads.

    Attributes:
        horizon, stride: in action steps.
        off: what points are wrong by (pixels, standard deviation), as those of a detector would be.
    """

    recovery: RecoverySpec
    substrate: SubstrateSpec
    layout: ImageLayout
    horizon: int
    stride: int
    off: float = 0.0


@dataclass(frozen=True)
class Agreement:
    """One recovery on one task: medians over futures at their last instant, 95 % intervals over episodes (bootstrap).

    A task in which nothing is held has no row of a recovery that follows what is held.

    Attributes:
        moved: how far the tool goes (mm). miss, turn: how far what is recovered is from where it is then (mm, degrees).
        worst: the miss that nine in ten do not reach. half_way: the miss in the middle of the horizon.
        trust: mean over all instants.
    """

    recovery: str
    task: str
    futures: int
    episodes: int
    moved: float
    half_way: float
    miss: float
    miss_interval: tuple[float, float]
    worst: float
    turn: float
    turn_interval: tuple[float, float]
    trust: float


def readings() -> dict[str, Reading]:
    """What is tried, by name: presets with a recovery as they are, and those that no preset has."""
    beside = ImageLayout(("front", "side"), 64, 64)
    heat, points = ToolHeatmapSpec("tool_heatmap", 2, 4, 1.5), ToolPointsSpec("tool_points", 0.08)
    return {
        "rigid_motion (avdc)": _of_preset("avdc"),
        "object_pose (rigvid)": _of_preset("rigvid"),
        "heatmap": Reading(HeatmapSpec("heatmap", "future"), heat, beside, 16, 4),
        "jacobian": Reading(JacobianSpec("jacobian", "future", points.length), points, beside, 16, 4, off=1.0),
    }


def _of_preset(name: str) -> Reading:
    preset = load_preset(name)
    assert preset.recovery is not None
    group = next(g for g in preset.groups if g.name == preset.basis)
    spec = preset.substrates[group.substrate]
    return Reading(preset.recovery, spec, preset.layout, preset.horizon, preset.frame_stride)


class Watched(ExpertPolicy):
    """An expert, and everything that was sensed while it worked."""

    def __init__(self, cell: Cell, rng: np.random.Generator, cameras: tuple[str, ...], senses: tuple[str, ...]) -> None:
        super().__init__(cell, rng)
        self.cameras, self.senses = cameras, senses
        self.seen: list[Observation] = []

    def act(self, observation: Observation) -> ActionChunk:
        self.seen.append(observation)
        return super().act(observation)


def measure(
    robot: RobotContract, names: Sequence[str], tasks: Sequence[str], seeds: range, renderer: str
) -> list[Agreement]:
    """Try each of ``names`` on each task, with an episode of the expert for each seed.

    Raises:
        ContractError: an unknown reading, task or renderer.
    """
    known = readings()
    tried = {name: look_up(known, name, "recoveries") for name in names}
    cell, executor = Cell(robot, renderer), Executor(robot)
    cameras = tuple(dict.fromkeys(c for reading in tried.values() for c in reading.layout.cameras))
    channels = tuple(dict.fromkeys(c for reading in tried.values() for c in reading.recovery.channels))
    senses = tuple(s.name for s in needed_senses(robot, channels, ImageLayout(cameras, 64, 64)))
    rows = []
    for task in tasks:
        found: dict[str, list[FloatArray]] = {name: [] for name in tried}
        for seed in seeds:
            watched = Watched(cell, np.random.default_rng(seed), cameras, senses)
            run_episode(cell, executor, watched, task, seed)
            for name, reading in tried.items():
                found[name].append(_scores(robot, reading, watched.seen, np.random.default_rng(seed)))
        rows += [_agreement(name, task, e, seeds.start) for name, e in found.items() if any(len(s) for s in e)]
    return rows


def _scores(
    robot: RobotContract, reading: Reading, seen: Sequence[Observation], rng: np.random.Generator
) -> FloatArray:
    """``[futures, 5]``: moved, missed half-way and at the end (mm), turned off (degrees), trust, of one episode.

    Where a recovery says nothing because the object is not held, or is let go within the horizon, nothing is scored.
    """
    states = np.array([o.proprioception for o in seen])
    images = np.array([lay_out(robot, o.images, reading.layout) for o in seen])
    geometry = Geometry(robot, reading.layout)
    clip = Clip(reading.layout, reading.horizon // reading.stride, reading.stride, robot)
    substrate, observed = reading.substrate.build(clip), reading.substrate.shape(clip).tokens("present")
    scores = []
    for begin in range(0, len(seen) - reading.horizon, EVERY):
        rows = np.arange(begin, begin + reading.horizon + 1, reading.stride)
        whole = Scenes(images, {"proprioception": states})
        features = substrate.encode(whole, rows[None])
        future = substrate.decode(features[:, :observed], features[:, observed:])[0]
        if reading.off:
            future = future + rng.normal(0.0, reading.off, future.shape) / reading.layout.size[::-1]
        scenes = Scenes(images[[begin]], _channels(robot, reading, seen[begin]))
        found = reading.recovery.way_points(Foreseen(scenes, future, geometry, robot))
        carried = found.opening is None and found.trust.any() and states[rows, 6].max() < OPEN
        if "object" in reading.recovery.channels and not carried:
            continue
        true = states[rows[1:]]
        missed = 1e3 * np.linalg.norm(found.poses[:, :3] - true[:, :3], axis=1)
        turned = Rotation.from_rotvec(found.poses[-1, 3:]).inv() * Rotation.from_rotvec(true[-1, 3:6])
        moved = 1e3 * np.linalg.norm(true[-1, :3] - states[begin, :3])
        off = float(np.degrees(turned.magnitude()))
        scores.append([moved, missed[len(missed) // 2 - 1], missed[-1], off, found.trust.mean()])
    return np.array(scores).reshape(-1, 5)


def _channels(robot: RobotContract, reading: Reading, seen: Observation) -> Mapping[str, NDArray[np.generic]]:
    sensed = channels_of(robot, reading.recovery.channels, seen.senses, reading.layout)
    channels = {name: values[None] for name, values in sensed.items()}
    return {**channels, "proprioception": seen.proprioception[None]}


def _agreement(name: str, task: str, episodes: Sequence[FloatArray], seed: int) -> Agreement:
    kept = [scores for scores in episodes if len(scores)]
    every = np.concatenate(kept)
    moved, half_way, miss, turn, trust = every.T
    return Agreement(
        recovery=name,
        task=task,
        futures=len(every),
        episodes=len(kept),
        moved=float(np.median(moved)),
        half_way=float(np.median(half_way)),
        miss=float(np.median(miss)),
        miss_interval=_interval(kept, 2, seed),
        worst=float(np.quantile(miss, 0.9)),
        turn=float(np.median(turn)),
        turn_interval=_interval(kept, 3, seed),
        trust=float(trust.mean()),
    )


def _interval(episodes: Sequence[FloatArray], column: int, seed: int) -> tuple[float, float]:
    """95 % interval of the median of a column: whole episodes are drawn, since futures of one are alike."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(episodes), size=(1000, len(episodes)))
    medians = [np.median(np.concatenate([episodes[i][:, column] for i in draw])) for draw in draws]
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)
