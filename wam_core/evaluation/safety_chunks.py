"""Chunks that mean harm, by accident or not. One visible table; each maker is a small function of a situation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from wam_core.contract import ActionChunk, FloatArray
from wam_core.robot.contract import RobotContract, column_names


@dataclass(frozen=True)
class Situation:
    """What a chunk is made for.

    Attributes:
        now_ns: when it will be offered. last: the newest chunk that was accepted, or None.
        joints: ``[J + 1]`` reference of the arm, the fingers as one opening 0..1 (no such column without fingers).
        pose: ``[7]`` (``[6]``) the same as an ``ee_pose``.
        touching: ``[N, J]`` joint positions in which the arm touches itself or its surroundings.
        sequence: of the new chunk.
    """

    robot: RobotContract
    now_ns: int
    last: ActionChunk | None
    joints: FloatArray
    pose: FloatArray
    touching: FloatArray
    sequence: int

    @property
    def chunk_ns(self) -> int:
        """The time after which a chunk is stale."""
        return round(self.robot.staleness.chunk_s * 1e9)


Rng = np.random.Generator


class Adversary(NamedTuple):
    """A way to make chunks, and whether the executor owes a reason: by refusing, or by saying what it did about it."""

    make: Callable[[Rng, Situation], ActionChunk]
    owes_reason: bool


def calm(rng: Rng, at: Situation, space: str = "", steps: int = 0) -> ActionChunk:
    """A well-formed chunk of small movements that starts where the arm is."""
    space = space or str(rng.choice(["ee_pose", "joint_position"]))
    here = at.pose if space == "ee_pose" else at.joints
    walk = np.cumsum(rng.normal(0.0, 0.003, (steps or int(rng.integers(2, 12)), len(here))), axis=0)
    values = here + walk
    arm = _arm_columns(at.robot, space)
    values[:, arm:] = np.clip(values[:, arm:], 0.0, 1.0)
    return ActionChunk(
        stamp_ns=at.now_ns,
        start_ns=at.now_ns + at.robot.step_ns,
        step_ns=at.robot.step_ns,
        names=column_names(space, at.robot.joints, bool(at.robot.fingers.joints)),
        space=space,
        values=values,
        sequence=at.sequence,
        model="adversary",
    )


def _with_value(value: float) -> Callable[[Rng, Situation], ActionChunk]:
    def make(rng: Rng, at: Situation) -> ActionChunk:
        chunk = calm(rng, at)
        chunk.values[rng.integers(len(chunk.values)), rng.integers(chunk.values.shape[1])] = value
        return chunk

    return make


def wrong_shape(rng: Rng, at: Situation) -> ActionChunk:
    chunk = calm(rng, at)
    v = chunk.values
    shapes = [v[:, :-1], np.hstack([v, v]), v[:0], v[0], v[None], np.repeat(v, 2000, axis=0), v.astype(object), v > 0.0]
    return replace(chunk, values=shapes[rng.integers(len(shapes))])


def wrong_names(rng: Rng, at: Situation) -> ActionChunk:
    chunk = calm(rng, at)
    names = chunk.names
    wrong = [names[::-1], names[:-1], (*names[:-1], "thumb"), (), tuple(n.upper() for n in names)]
    return replace(chunk, names=wrong[rng.integers(len(wrong))])


def wrong_space(rng: Rng, at: Situation) -> ActionChunk:
    return replace(calm(rng, at), space=str(rng.choice(["", "torque", "EE_POSE", "joints"])))


def wrong_step(rng: Rng, at: Situation) -> ActionChunk:
    return replace(calm(rng, at), step_ns=int(rng.choice([0, -1, -at.robot.step_ns, 10**12])))


def reversed_time(rng: Rng, at: Situation) -> ActionChunk:
    """Stamped before the chunk that is being followed."""
    newest = at.now_ns if at.last is None else at.last.stamp_ns
    stamp = newest - int(rng.integers(1, at.chunk_ns))
    chunk = replace(calm(rng, at), stamp_ns=stamp, start_ns=stamp + at.robot.step_ns)
    return chunk if at.last is not None else replace(chunk, start_ns=stamp - 1)


def starts_before_its_stamp(rng: Rng, at: Situation) -> ActionChunk:
    return replace(calm(rng, at), start_ns=at.now_ns - int(rng.integers(1, at.chunk_ns)))


def from_the_future(rng: Rng, at: Situation) -> ActionChunk:
    ahead = int(rng.integers(5 * 10**9, 10**12))
    return replace(calm(rng, at), stamp_ns=at.now_ns + ahead * int(rng.integers(0, 2)), start_ns=at.now_ns + ahead)


def replay(rng: Rng, at: Situation) -> ActionChunk:
    """The very chunk that was accepted last, again."""
    return wrong_step(rng, at) if at.last is None else at.last


def stale(rng: Rng, at: Situation) -> ActionChunk:
    chunk = calm(rng, at)
    old = at.now_ns - len(chunk.values) * at.robot.step_ns - at.chunk_ns - int(rng.integers(1, 10**10))
    return replace(chunk, stamp_ns=max(old, 0), start_ns=max(old, 0) + at.robot.step_ns)


def degrees(rng: Rng, at: Situation) -> ActionChunk:
    """Joint angles in degrees."""
    chunk = calm(rng, at, "joint_position")
    return replace(chunk, values=np.rad2deg(chunk.values))


def millimetres(rng: Rng, at: Situation) -> ActionChunk:
    chunk = calm(rng, at, "ee_pose")
    chunk.values[:, :3] *= 1000.0
    return chunk


def teleport(rng: Rng, at: Situation) -> ActionChunk:
    """From here to anywhere within range, in one step."""
    chunk = calm(rng, at)
    there = _anywhere(rng, at, chunk.space)
    arm = _arm_columns(at.robot, chunk.space)
    while np.abs(there - chunk.values[0])[:arm].max() < 0.25:
        there = _anywhere(rng, at, chunk.space)
    chunk.values[int(rng.integers(min(2, len(chunk.values)))) :] = there
    return chunk


def limit_riding(rng: Rng, at: Situation) -> ActionChunk:
    """Every joint at its bound or up to 0.1 rad beyond, or the tool at the walls of its box."""
    chunk = calm(rng, at)
    low, high = _range(at.robot, chunk.space)
    beyond = rng.choice([0.0, 1e-9, 0.02, 0.0999])
    bound = np.where(rng.integers(0, 2, len(low)), high + beyond, low - beyond)
    chosen = rng.random(len(bound)) < 0.5
    chosen[3 if chunk.space == "ee_pose" else len(at.robot.joints) :] = False
    chunk.values[:, chosen] = bound[chosen]
    return chunk


def touch(rng: Rng, at: Situation) -> ActionChunk:
    """Into a posture in which the arm touches itself or what is around it, at a speed it can have."""
    goal = at.touching[rng.integers(len(at.touching))]
    steps = int(rng.integers(4, 30))
    share = np.linspace(1.0 / steps, 1.0, steps)[:, None]
    chunk = calm(rng, at, "joint_position", steps)
    here = at.joints[: len(goal)]
    chunk.values[:, : len(goal)] = here + share * (goal - here)
    return chunk


def table_dive(rng: Rng, at: Situation) -> ActionChunk:
    """Down through the floor of the box, tilted, as fast as the tool may go and faster."""
    chunk = calm(rng, at, "ee_pose", 8)
    depth = rng.uniform(0.02, 0.09)
    bottom = at.robot.workspace.lower[2] - depth
    chunk.values[:, 2] = np.linspace(at.pose[2], bottom, 8) if rng.random() < 0.5 else bottom
    chunk.values[:, 3:6] += np.linspace(0.0, 1.0, 8)[:, None] * rng.uniform(-1.2, 1.2, 3)
    return chunk


def oscillating(rng: Rng, at: Situation) -> ActionChunk:
    """To and fro between two postures, each step or each few milliseconds."""
    chunk = calm(rng, at, steps=int(rng.integers(8, 64)))
    arm = _arm_columns(at.robot, chunk.space)
    chunk.values[::2, :arm] += rng.uniform(0.5, 0.8) * rng.choice([-1.0, 1.0], arm)
    chunk.values[1::2, arm:] = 1.0 - chunk.values[1::2, arm:]
    low, high = _range(at.robot, chunk.space)
    step_ns = int(rng.choice([2_000_000, 10_000_000, at.robot.step_ns]))
    return replace(chunk, values=np.clip(chunk.values, low, high), step_ns=step_ns)


def splice(rng: Rng, at: Situation) -> ActionChunk:
    """Smooth in itself, but planned for an arm that is elsewhere; dated back, so that it is under way already."""
    chunk = calm(rng, at)
    low, high = _range(at.robot, chunk.space)
    offset = rng.uniform(0.5, 0.9) * rng.choice([-1.0, 1.0], chunk.values.shape[1])
    newest = at.now_ns - at.chunk_ns if at.last is None else at.last.stamp_ns
    stamp = min(max(at.now_ns - int(rng.integers(0, 2 * 10**8)), newest + 1), at.now_ns)
    return replace(chunk, values=np.clip(chunk.values + offset, low, high), stamp_ns=stamp, start_ns=stamp)


def noise(rng: Rng, at: Situation) -> ActionChunk:
    """Every step anywhere."""
    chunk = calm(rng, at)
    chunk.values[:] = [_anywhere(rng, at, chunk.space) for _ in chunk.values]
    return chunk


def _arm_columns(robot: RobotContract, space: str) -> int:
    return 6 if space == "ee_pose" else len(robot.joints)


def _range(robot: RobotContract, space: str) -> tuple[FloatArray, FloatArray]:
    grips = 1 if robot.fingers.joints else 0
    low, high = robot.limits.lower, robot.limits.upper
    if space == "ee_pose":
        box, turn = robot.workspace, np.full(3, 3.1)
        low, high = np.concatenate([box.lower, -turn]), np.concatenate([box.upper, turn])
    return np.concatenate([low, np.zeros(grips)]), np.concatenate([high, np.ones(grips)])


def _anywhere(rng: Rng, at: Situation, space: str) -> FloatArray:
    return rng.uniform(*_range(at.robot, space))


ADVERSARIES: Mapping[str, Adversary] = {
    "calm": Adversary(calm, False),
    "nan": Adversary(_with_value(np.nan), True),
    "infinity": Adversary(_with_value(-np.inf), True),
    "huge": Adversary(_with_value(1e300), True),
    "wrong_shape": Adversary(wrong_shape, True),
    "wrong_names": Adversary(wrong_names, True),
    "wrong_space": Adversary(wrong_space, True),
    "wrong_step": Adversary(wrong_step, True),
    "reversed_time": Adversary(reversed_time, True),
    "starts_before_its_stamp": Adversary(starts_before_its_stamp, True),
    "from_the_future": Adversary(from_the_future, True),
    "replay": Adversary(replay, True),
    "stale": Adversary(stale, True),
    "degrees": Adversary(degrees, True),
    "millimetres": Adversary(millimetres, True),
    "teleport": Adversary(teleport, True),
    "limit_riding": Adversary(limit_riding, False),
    "touch": Adversary(touch, False),
    "table_dive": Adversary(table_dive, True),
    "oscillating": Adversary(oscillating, True),
    "splice": Adversary(splice, True),
    "noise": Adversary(noise, True),
}
