"""How passes through a model whose weights are final are computed, and what is the same in all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import Wiring
from wam_core.model.known import Known
from wam_core.model.trunk import KeyValue, Time

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel


Compute = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Prompt:
    """What is the same for a whole instruction.

    Attributes:
        tokens: the words' context tokens ``[1, L, text_dim]``.
        text: expert name -> cross-attention keys and values of these tokens, per layer.
    """

    tokens: Tensor
    text: Mapping[str, Sequence[KeyValue]]


class Runtime(ABC):
    """A model for inference. Its weights must not change any more: what follows from them alone is kept for ever.

    Each result is computed once at the widest scope at which it is the same: time embeddings here, the words in a
    :class:`Prompt`, the observation in a ``Situation``, and the rest in every denoising step.

    Attributes:
        package: what computes, by its name in the package index; empty: PyTorch, as the reference does.
    """

    package: ClassVar[str] = ""

    def __init__(self, model: WorldActionModel) -> None:
        self.model = model
        self._times: dict[tuple[str, float], Time] = {}
        self._prompts: dict[str, Prompt] = {}

    def time(self, group: str, level: float) -> Time:
        """How the blocks that carry ``group`` take a noise level; schedules are fixed, so that levels come again."""
        expert = self.model.wiring.groups[group].expert
        if (expert, level) not in self._times:
            sigma = torch.full((1,), level, device=next(self.model.parameters()).device)
            self._times[expert, level] = self.model.trunk.expert(expert).time(sigma)
        return self._times[expert, level]

    def prompt(self, instruction: str, words: Callable[[], Tensor]) -> Prompt:
        """An instruction; ``words`` gives what the model's text part takes of it, and is asked if it is a new one."""
        if instruction not in self._prompts:
            tokens = self.model.text(words()[None])
            experts = {name: self.model.trunk.expert(name) for name in self.model.trunk.mixtures}
            text = {name: expert.text_cache(tokens) for name, expert in experts.items()}
            self._prompts = {instruction: Prompt(tokens, text)}
        return self._prompts[instruction]

    def read(self, expert: str, tokens: Tensor, before: Sequence[KeyValue]) -> Sequence[KeyValue]:
        """Cross-attention keys and values, per layer, of context tokens ``[B, N, text_dim]`` after those of the tokens
        ``before`` them."""
        return self.model.trunk.expert(expert).text_cache(tokens, before)

    def part(self, compute: Compute) -> Compute:
        """Something outside the trunk, such as an image encoder, as this runtime computes it."""
        return compute

    def descend(
        self,
        x: Mapping[str, Tensor],
        levels: Mapping[str, Sequence[float]],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        known: Mapping[str, Known],
    ) -> dict[str, Tensor]:
        """Generated groups ``[B, N, F]`` that see each other's noise, from their first noise level to the last.

        At every level but the last there is a pass, and a step of each group's generator; all groups have as many.
        ``known`` is what some of them go on from.
        """
        return descent(self.model.wiring, lambda y, now: self.carry(y, now, text, cache)[0], x, levels, known)

    def write(
        self,
        group: str,
        features: Tensor,
        part: range,
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
    ) -> tuple[Tensor, list[KeyValue]]:
        """One pass of some tokens of a group that has an order: :meth:`WorldActionModel.write`.

        By PyTorch in every runtime, because a compiled graph would be one for each number of tokens that are there.
        """
        return self.model.write(group, features, self.time(group, 0.0), part, text, cache)

    @abstractmethod
    def carry(
        self,
        features: Mapping[str, Tensor],
        levels: Mapping[str, float],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        kept: Collection[str] = (),
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        """One pass, as :meth:`WorldActionModel.run`, of groups ``[B, N, F]`` at one noise level each.

        ``text`` and ``cache`` are not changed once they were given: a runtime knows them again by identity.

        Returns:
            Heads' outputs of the generated groups, and keys and values per layer of the groups ``kept``.
        """


def descent(
    wiring: Wiring,
    heads: Callable[[Mapping[str, Tensor], Mapping[str, float]], Mapping[str, Tensor]],
    x: Mapping[str, Tensor],
    levels: Mapping[str, Sequence[float]],
    known: Mapping[str, Known],
) -> dict[str, Tensor]:
    """See :meth:`Runtime.descend`; ``heads`` says what a pass gives for groups at one noise level each."""
    x = dict(x)
    makers = {n: GENERATORS[wiring.groups[n].generator] for n in x}
    for i in range(len(next(iter(levels.values()))) - 1):
        said = dict(heads(x, {n: levels[n][i] for n in x}))
        said |= {n: one.brought(said[n], x[n], makers[n], levels[n][i]) for n, one in known.items()}
        x = {n: makers[n].advance(x[n], said[n], levels[n][i], levels[n][i + 1]) for n in x}
    return x
