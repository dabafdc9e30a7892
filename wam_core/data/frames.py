"""A set of episodes as the compact arrays that training samples windows from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.body import Body
from wam_core.substrates.substrate import Scenes

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Row numbers of M windows, into the arrays of one :class:`TrainingFrames`.

    Attributes:
        start: ``[M]`` the observed row.
        action: ``[M, horizon]`` rows whose actions make the chunk.
        frame: ``[M, horizon // frame_stride]`` rows that show the future at every ``frame_stride``-th step.
    """

    start: IntArray
    action: IntArray
    frame: IntArray

    @property
    def clip(self) -> IntArray:
        """``[M, 1 + horizon // frame_stride]`` the observed row, then those of the future."""
        return np.concatenate((self.start[:, None], self.frame), axis=1)


@dataclass(frozen=True)
class TrainingFrames:
    """All steps of all episodes in one row each.

    Attributes:
        images: uint8 ``[N, H, W*, 3]``, laid out as the model sees them.
        proprioception: ``[N, D]``; ``actions``: ``[N, A]``; both in the units of the contract.
        bounds: ``[S, 2]`` half-open rows of the stretches without a gap; a window never leaves its stretch.
        instructions: one per stretch; ``files``: the recording each stretch came from.
        robot: the contract that all recordings share.
        channels: what else all recordings have, by the name that :class:`Scenes` knows it under, ``[N, ...]`` each;
            ``contact`` ``[N]`` is 1 where the tool felt more than :data:`wam_core.data.training_set.CONTACT_N`, else 0.
        sub_instructions: ``[N]`` the part of the task that is being done; None unless all recordings say it.
    """

    images: NDArray[np.uint8]
    proprioception: FloatArray
    actions: FloatArray
    bounds: IntArray
    instructions: tuple[str, ...]
    files: tuple[str, ...]
    robot: Body
    layout: ImageLayout
    channels: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    sub_instructions: NDArray[np.str_] | None = None

    @property
    def scenes(self) -> Scenes:
        """What substrates encode from, row by row; ``progress`` is the share of a stretch that has passed."""
        begin, end = self.bounds[self.stretch].T
        progress = (np.arange(len(begin)) - begin) / np.maximum(end - 1 - begin, 1)
        computed = {"progress": progress, "beginning": begin, "proprioception": self.proprioception}
        return Scenes(self.images, {**self.channels, **computed})

    @property
    def stretch(self) -> IntArray:
        """``[N]`` number of the stretch each row belongs to."""
        return np.repeat(np.arange(len(self.bounds)), self.bounds[:, 1] - self.bounds[:, 0])

    def windows(self, horizon: int, frame_stride: int) -> Windows:
        """One window per row.

        Past the end of a stretch the last action repeats, which means that the arm holds, and so does the last frame.

        Raises:
            ContractError: ``frame_stride`` does not divide ``horizon``.
        """
        if horizon < 1 or frame_stride < 1 or horizon % frame_stride:
            raise ContractError("frame_stride", frame_stride, f"a divisor of the horizon, {horizon}")
        start = np.arange(len(self.actions))
        last = (self.bounds[:, 1] - 1)[self.stretch][:, None]
        action = np.minimum(start[:, None] + np.arange(horizon), last)
        frame = np.minimum(start[:, None] + np.arange(frame_stride, horizon + 1, frame_stride), last)
        return Windows(start, action, frame)

    def before(self, count: int, stride: int) -> IntArray:
        """``[N, count]`` rows that come ``stride``, 2 ``stride``, ... steps before each, oldest first.

        Before the beginning of a stretch its first row stands, as :class:`wam_core.memory.Memory` has it.
        """
        begin = self.bounds[self.stretch][:, :1]
        earlier = np.arange(len(self.actions))[:, None] - stride * np.arange(count, 0, -1)
        return np.maximum(earlier, begin)

    def select(self, stretches: Sequence[int]) -> "TrainingFrames":
        """The named stretches only, e.g. to hold some out for validation."""
        rows = np.concatenate([np.arange(*self.bounds[s]) for s in stretches])
        lengths = np.array([self.bounds[s, 1] - self.bounds[s, 0] for s in stretches])
        ends = np.cumsum(lengths)
        return TrainingFrames(
            images=self.images[rows],
            proprioception=self.proprioception[rows],
            actions=self.actions[rows],
            bounds=np.stack([ends - lengths, ends], axis=1),
            instructions=tuple(self.instructions[s] for s in stretches),
            files=tuple(self.files[s] for s in stretches),
            robot=self.robot,
            layout=self.layout,
            channels={name: values[rows] for name, values in self.channels.items()},
            sub_instructions=None if self.sub_instructions is None else self.sub_instructions[rows],
        )

    def by_sub_instruction(self) -> "TrainingFrames":
        """The same rows, in a stretch of its own for each part of a task, under that part's words: its futures go no
        further than to where the part is done.

        Raises:
            ContractError: a row of which it is not said what is being done.
        """
        doing = self.sub_instructions
        if doing is None or (doing == "").any():
            found = "none" if doing is None else f"none at row {int(np.argmax(doing == ''))}"
            raise ContractError("sub_instructions", found, "recordings that say what is being done at every step")
        begin = np.union1d(self.bounds[:, 0], np.flatnonzero(doing[1:] != doing[:-1]) + 1)
        return replace(
            self,
            bounds=np.stack([begin, np.append(begin[1:], len(doing))], axis=1),
            instructions=tuple(str(doing[row]) for row in begin),
            files=tuple(self.files[s] for s in self.stretch[begin]),
        )

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Instruction -> the sub-instructions that were recorded under it, in the order in which they first came."""
        found: dict[str, dict[str, None]] = {}
        for (begin, end), task in zip(self.bounds, self.instructions, strict=True):
            doing = () if self.sub_instructions is None else self.sub_instructions[begin:end]
            found.setdefault(task, {}).update(dict.fromkeys(str(text) for text in doing if text))
        return {task: tuple(names) for task, names in found.items() if names}
