"""A chunk, what it was made from, and how it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.contract import ActionChunk, Future
from wam_core.errors import look_up
from wam_core.model.groups import TokenGroup
from wam_core.model.sampling import Standing
from wam_core.world import ModelWorld


@dataclass
class Thought:
    """What a chunk is made from, and the futures that belong to it.

    Attributes:
        stamp_ns: of the observation. sequence: of the chunk. seed: of the noise that it was made from.
        generated: features of what was generated for it, and, once they were asked for, of all other futures.
        standing: where groups stand that were only begun with it.
    """

    stamp_ns: int
    sequence: int
    seed: int
    world: ModelWorld
    generated: dict[str, Tensor]
    standing: Mapping[str, Standing]
    _decoded: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def features(self, group: TokenGroup) -> Tensor:
        """Features ``[1, N, F]`` of a generated group.

        Those that the chunk was made from are as they were. The others are generated from these, so that they are the
        futures of this chunk, those that were begun go on, and it is done at once, whoever asks first.
        """
        if group.name not in self.generated:
            names = [g.name for g in self.world.checkpoint.preset.futures()]
            missing = tuple(name for name in names if name not in self.generated)
            rng = torch.Generator().manual_seed(self.seed)
            late = self.world.generate(missing, rng, given=self.generated, begun=self.standing)
            self.generated = {**late, **self.generated}
        return self.generated[group.name]

    def shown(self, group: TokenGroup) -> NDArray[np.generic]:
        """Its values ``[T, ...]``, decoded."""
        if group.name not in self._decoded:
            self._decoded[group.name] = self.world.shown(group, self.features(group))[0]
        return self._decoded[group.name]

    def future(self, group: TokenGroup) -> Future:
        """A generated group as it is shown, as far as it was imagined."""
        c, values = self.world.checkpoint, self.shown(group)
        horizon = self.world.dial.imagined_horizon or c.preset.horizon
        step_ns, shows = horizon * c.robot.step_ns // len(values), c.preset.substrates[group.substrate].shows
        return Future(self.stamp_ns, shows, step_ns, values, c.preset.layout.regions, self.sequence)


@dataclass(frozen=True)
class ModelCourse:
    """See :class:`wam_core.triggers.trigger.Course`."""

    chunk: ActionChunk
    thought: Thought
    now: ModelWorld
    steps: float

    @cached_property
    def rng(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.thought.seed)

    @property
    def learned(self) -> Mapping[str, Tensor]:
        return self.now.checkpoint.learned

    def pictures(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return self.thought.world.scenes.images[0], self.now.scenes.images[0]

    def promised(self, group: str) -> NDArray[np.generic]:
        return self.thought.shown(self._group(group))

    def foreseen(self, group: str) -> NDArray[np.generic]:
        return self.now.shown(self._group(group), self.now.generate((group,), self.rng)[group])[0]

    def present(self, substrate: str) -> Tensor:
        return look_up(self.now.present(), substrate, "substrate")[0]

    def _group(self, name: str) -> TokenGroup:
        return look_up(self.now.checkpoint.model.wiring.groups, name, "group")
