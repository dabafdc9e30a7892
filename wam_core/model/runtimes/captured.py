"""Passes recorded once and replayed from then on, over memory that stays where it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.trunk import KeyValue, Time

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel

#: A noise level's vector, then what each block makes of it; keys and values of a layer one after the other.
Tensors = list[Tensor]
Caches = Mapping[str, Sequence[KeyValue]]


class Captured(Runtime, ABC):
    """One recording for each set of groups, and for each size of what they are given.

    Before a replay the groups and their noise levels are copied to where the recording reads them; texts and caches
    only when they are others than the time before.
    """

    def __init__(self, model: WorldActionModel) -> None:
        super().__init__(model)
        self._passes: dict[tuple[object, ...], _Pass] = {}

    @abstractmethod
    def capture(self, run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        """What ``run`` makes, in memory that stays, and what makes it there again of what then lies where ``run``
        read. Before that is called for the first time nothing need be there."""

    @torch.no_grad()
    def carry(
        self,
        features: Mapping[str, Tensor],
        levels: Mapping[str, float],
        text: Caches,
        cache: Caches,
        kept: Collection[str] = (),
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        groups = self.model.wiring.groups
        experts = dict.fromkeys(groups[n].expert for n in features)
        seen = dict.fromkeys(s for n in features for s in groups[n].reads if s not in features)
        used = {n: text[n] for n in experts}, {n: cache[n] for n in seen}
        sizes = (*features.items(), *((n, layers[0][0]) for part in used for n, layers in part.items()))
        key = (*kept, *((n, tuple(x.shape), x.dtype) for n, x in sizes))
        times = {n: self.time(n, levels[n]) for n in features}
        if key not in self._passes:
            self._passes[key] = _Pass(self, features, times, *used, tuple(kept))
        return self._passes[key](features, times, (text, cache), used)


class _Pass:
    """The recording of one pass, with its own memory for what it reads."""

    def __init__(
        self,
        runtime: Captured,
        features: Mapping[str, Tensor],
        times: Mapping[str, Time],
        text: Caches,
        cache: Caches,
        keeping: tuple[str, ...],
    ) -> None:
        self._stepped = [x.clone() for x in _stepped(features, times)]
        self._kept = [x.clone() for x in _kept((text, cache))]
        self._given: tuple[Caches, Caches] | None = None
        self._heads: list[str] = []
        self._produced: dict[str, int] = {}

        def run() -> Tensors:
            stepped, kept = iter(self._stepped), iter(self._kept)
            own = {n: next(stepped) for n in features}
            at = {n: _time(times[n], stepped) for n in features}
            words, known = (_caches(part, kept) for part in (text, cache))
            heads, produced = runtime.model.carry(own, at, words, known)
            self._heads = list(heads)
            self._produced = {n: len(produced[n]) for n in keeping}
            return [*heads.values(), *_kept(({n: produced[n] for n in keeping},))]

        self._made, self._replay = runtime.capture(run)

    def __call__(
        self,
        features: Mapping[str, Tensor],
        times: Mapping[str, Time],
        given: tuple[Caches, Caches],
        used: tuple[Caches, Caches],
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        torch._foreach_copy_(self._stepped, _stepped(features, times))
        if self._given is None or any(a is not b for a, b in zip(self._given, given, strict=True)):
            if self._kept:
                torch._foreach_copy_(self._kept, list(_kept(used)))
            self._given = given
        self._replay()
        made = iter([x.clone() for x in self._made])
        heads = {n: next(made) for n in self._heads}
        return heads, {n: [(next(made), next(made)) for _ in range(count)] for n, count in self._produced.items()}


def _stepped(features: Mapping[str, Tensor], times: Mapping[str, Time]) -> Tensors:
    at = [x for t in times.values() for x in (t.vector, *(part for layer in t.layers for part in layer))]
    return [*features.values(), *at]


def _time(like: Time, tensors: Iterator[Tensor]) -> Time:
    vector = next(tensors)
    return Time(vector, [tuple(next(tensors) for _ in layer) for layer in like.layers])


def _kept(parts: Iterable[Caches]) -> Iterator[Tensor]:
    return (x for part in parts for layers in part.values() for pair in layers for x in pair)


def _caches(like: Caches, tensors: Iterator[Tensor]) -> dict[str, list[KeyValue]]:
    return {n: [(next(tensors), next(tensors)) for _ in layers] for n, layers in like.items()}
