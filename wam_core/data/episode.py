"""What a recording holds once its streams are synchronised."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.data.synchronise import Gap, IntArray
from wam_core.robot.contract import RobotContract


@dataclass(frozen=True)
class Episode:
    """What happened under one instruction, at the contract's action rate; row k of every array is ``stamps_ns[k]``.

    Attributes:
        stamps_ns: ``[T]``; consecutive ones differ by the contract's step except where a gap was left out.
        images: camera name -> uint8 RGB ``[T, H, W, 3]``, the newest not after the instant.
        image_stamps_ns: camera name -> ``[T]``, when those images were taken.
        joint_position: ``[T, J + 1]`` rad, then gripper m.
        proprioception: ``[T, D]`` in the order of ``robot.proprioception``.
        actions: ``[T, A]`` in the order of ``robot.action.names``: the target for instant + step.
        wrench: ``[T, 6]`` N and N m in the tool frame, or None when not recorded.
        tactile: ``[T, taxels]`` N, or None when not recorded.
        sub_instructions: ``[T]`` the part of the task that is being done, empty before the first is named; None when
            not recorded.
        senses: name of a sense -> ``[T, ...]``, one instant of it in each row; those that were asked for and recorded.
        gaps: what was left out, and which stream was missing.
        metadata: episode and outcome records of the recording; ``actions`` says ``recorded`` or
            ``derived from the measured pose``, ``complete`` whether the recording was finished.
    """

    path: Path
    robot: RobotContract
    instruction: str
    stamps_ns: IntArray
    images: Mapping[str, NDArray[np.uint8]]
    image_stamps_ns: Mapping[str, IntArray]
    joint_position: FloatArray
    proprioception: FloatArray
    actions: FloatArray
    wrench: FloatArray | None
    tactile: FloatArray | None
    gaps: tuple[Gap, ...]
    metadata: Mapping[str, str]
    sub_instructions: NDArray[np.str_] | None = None
    senses: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Half-open ranges of rows without a gap inside."""
        breaks = np.flatnonzero(np.diff(self.stamps_ns) != self.robot.step_ns) + 1
        edges = [0, *(int(b) for b in breaks), len(self.stamps_ns)]
        return list(zip(edges[:-1], edges[1:], strict=True))

    def between(self, start: int, end: int) -> "Episode":
        """Rows ``start`` .. ``end - 1``, and the gaps that touch them."""
        rows = slice(start, end)
        first, last = int(self.stamps_ns[start]), int(self.stamps_ns[end - 1])
        return replace(
            self,
            stamps_ns=self.stamps_ns[rows],
            images={name: images[rows] for name, images in self.images.items()},
            image_stamps_ns={name: stamps[rows] for name, stamps in self.image_stamps_ns.items()},
            joint_position=self.joint_position[rows],
            proprioception=self.proprioception[rows],
            actions=self.actions[rows],
            wrench=None if self.wrench is None else self.wrench[rows],
            tactile=None if self.tactile is None else self.tactile[rows],
            sub_instructions=None if self.sub_instructions is None else self.sub_instructions[rows],
            senses={name: values[rows] for name, values in self.senses.items()},
            gaps=tuple(g for g in self.gaps if g.end_ns >= first and g.start_ns <= last),
        )

    @property
    def success(self) -> bool | None:
        """The recorded outcome label, None when the recording has none."""
        label = self.metadata.get("success")
        return None if label is None else label == "true"
