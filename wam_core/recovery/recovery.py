"""Between a future that was predicted without an action, and the motion of the arm that makes it come true."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.recovery.tracking import sound_depth
from wam_core.robot.contract import RobotContract
from wam_core.robot.geometry import Geometry
from wam_core.robot.tool_pose import tool_frames
from wam_core.substrates.substrate import Scenes


@dataclass(frozen=True)
class Foreseen:
    """One predicted future and what was sensed when it was predicted.

    Attributes:
        scenes: the observed instant alone, with the channels that the recovery names.
        future: ``[T, ...]`` as ``Future.values`` holds it: the instants follow each other in equal steps.
        geometry: of the cameras that ``scenes`` are laid out from.
    """

    scenes: Scenes
    future: NDArray[np.generic]
    geometry: Geometry
    robot: RobotContract

    @property
    def state(self) -> FloatArray:
        """``[1, P]``: what the arm measures of itself."""
        return np.asarray(self.scenes.channel("proprioception"), np.float64)

    @property
    def pose(self) -> FloatArray:
        """``[6]``: where the tool is, ``ee_pose`` columns."""
        return self.state[0, :6]

    @property
    def tool(self) -> tuple[FloatArray, FloatArray]:
        """``(R [3, 3], p [3] m)`` of the tool in the base frame."""
        rotations, positions = tool_frames(self.robot, self.state)
        return rotations[0], positions[0]

    def surface(self) -> tuple[FloatArray, NDArray[np.bool_]]:
        """``[H, W*, 3]`` m, base frame: where each pixel's depth lies, and ``[H, W*]``: where it is that of one body.

        Raises:
            ContractError: the scene has no depth.
        """
        depth = np.asarray(self.scenes.channel("depth"), np.float64)
        return self.geometry.unproject(depth, self.state)[0], sound_depth(depth[0], self.geometry.views.values())


@dataclass(frozen=True)
class WayPoints:
    """Where the tool is to be at the predicted instants.

    Attributes:
        poses: ``[T, 6]`` x y z (m, base frame), rotation vector from the robot's tool reference (rad).
        trust: ``[T]`` 0..1: how well the future says so. Nothing is known of an instant of trust 0.
        opening: ``[T]`` of the fingers, 0..1; None: what they hold is not let go, and nothing else is taken.
    """

    poses: FloatArray
    trust: FloatArray
    opening: FloatArray | None = None


class RecoverySpec(ABC):
    """A recovery as a preset names it: a frozen dataclass whose field ``kind`` is its name in the table.

    Attributes:
        future: the generated group that it reads.
        reads: what that group's substrate must show, as ``Future.substrate`` has it.
        channels: keys of ``CHANNELS`` that the robot must give of the observed instant, beside proprioception.
        cameras: how many it needs at least.
    """

    reads: ClassVar[str]
    channels: ClassVar[tuple[str, ...]] = ()
    cameras: ClassVar[int] = 1
    kind: str
    future: str

    @abstractmethod
    def way_points(self, foreseen: Foreseen) -> WayPoints:
        """What the arm does in that future.

        Raises:
            ContractError: the scene lacks a channel, or the future has another shape than the layout says.
        """
