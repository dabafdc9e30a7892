"""Where the tool is going to be: how much successive chunks disagree about it, and how one goes over into the next."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from wam_core.contract import ActionChunk, FloatArray
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics

#: Chunks that are held against each other.
REMEMBERED = 8


@dataclass(frozen=True)
class Seam:
    """Where a chunk takes over from the one before.

    Attributes:
        position: ``[3]`` m, base frame: where the new chunk begins.
        before: ``[3]`` m: where the old one would have the tool at that instant.
    """

    stamp_ns: int
    position: FloatArray
    before: FloatArray

    @property
    def gap(self) -> float:
        """m between the two."""
        return float(np.linalg.norm(self.position - self.before))


@dataclass(frozen=True)
class ToolPath:
    """The tool's way through a chunk.

    Attributes:
        stamp_ns: of the observation that the chunk answers.
        stamps_ns: when each of T steps is due.
        rotations: ``[T, 3, 3]``; positions: ``[T, 3]`` m, base frame.
        radii: ``[T]`` m: twice the RMS distance from their mean of the places that this chunk and those before it give
            for the instant; NaN where no other speaks of it.
        seam: None for a chunk that no other precedes.
    """

    stamp_ns: int
    stamps_ns: tuple[int, ...]
    rotations: FloatArray
    positions: FloatArray
    radii: FloatArray
    seam: Seam | None


class PlanWatch:
    """Holds each chunk against those before it."""

    def __init__(self, robot: RobotContract) -> None:
        self._kinematics = Kinematics(robot)
        self._before: deque[ToolPath] = deque(maxlen=REMEMBERED)

    def forget(self) -> None:
        """Another task or scene: chunks of before say nothing about it."""
        self._before.clear()

    def tool_at(self, instant_ns: int) -> tuple[FloatArray, FloatArray] | None:
        """``(R [3, 3], p [3] m)`` of the step of the newest chunk that is due nearest to the instant."""
        if not self._before:
            return None
        path = self._before[-1]
        k = int(np.argmin([abs(stamp - instant_ns) for stamp in path.stamps_ns]))
        return path.rotations[k], path.positions[k]

    def take(self, chunk: ActionChunk) -> ToolPath | None:
        """The way of this chunk; None for one that is not of this arm's joints or tool poses."""
        poses = self._kinematics.tool_poses(chunk)
        if not poses:
            return None
        rotations, positions = (np.array(part) for part in zip(*poses, strict=True))
        stamps = tuple(chunk.start_ns + k * chunk.step_ns for k in range(len(poses)))
        others = np.array([_at(path, stamps) for path in self._before]).reshape(-1, len(stamps), 3)
        follows = bool(len(others)) and bool(np.isfinite(others[-1, 0]).all())
        seam = Seam(stamps[0], positions[0], others[-1, 0]) if follows else None
        path = ToolPath(chunk.stamp_ns, stamps, rotations, positions, _spread(positions, others), seam)
        self._before.append(path)
        return path


def _at(path: ToolPath, stamps_ns: tuple[int, ...]) -> FloatArray:
    """``[T, 3]`` positions of a path at these instants, NaN outside of it."""
    begin = path.stamps_ns[0]
    own, asked = (np.array([stamp - begin for stamp in s], np.float64) for s in (path.stamps_ns, stamps_ns))
    return np.stack([np.interp(asked, own, column, np.nan, np.nan) for column in path.positions.T], axis=-1)


def _spread(positions: FloatArray, others: FloatArray) -> FloatArray:
    """``[T]`` m: twice the RMS distance from the mean of a path and of N ``others [N, T, 3]``; NaN where alone."""
    everyone = np.concatenate([others, positions[None]])
    known = np.isfinite(everyone).all(axis=2)
    count = known.sum(axis=0)
    mean = np.where(known[..., None], everyone, 0.0).sum(axis=0) / count[:, None]
    squares = np.where(known, ((everyone - mean) ** 2).sum(axis=2), 0.0).sum(axis=0)
    return np.where(count > 1, 2.0 * np.sqrt(squares / count), np.nan)
