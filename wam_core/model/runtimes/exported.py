"""Passes as graphs that a library compiled for this CPU, exported from the eager model when one is first asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from wam_core.model.generators.table import GENERATORS
from wam_core.model.known import Known, nothing_of
from wam_core.model.runtimes.runtime import Compute, Runtime, descent
from wam_core.model.trunk import KeyValue, Time

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel

#: Keys and values ``[2, layers, B, N, heads, head_dim]``.
Stacked = Tensor

#: A graph: its inputs in order, of which the last may be left out to stay as they were, to its outputs in order.
Compiled: TypeAlias = Callable[[Sequence[Tensor]], list[Tensor]]


class Exported(Runtime, ABC):
    """One graph for each set of groups and batch size, bound to what does not change from step to step."""

    def __init__(self, model: WorldActionModel) -> None:
        super().__init__(model)
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._texts: dict[tuple[object, ...], Compiled] = {}
        self._parts: dict[Compute, _Part] = {}
        self._modulations: dict[tuple[str, float], Tensor] = {}

    @abstractmethod
    def compile(self, module: nn.Module, example: Sequence[Tensor]) -> Compiled:
        """``module`` as a graph for inputs of the shapes of ``example``, with as many threads as PyTorch has."""

    @torch.no_grad()
    def carry(
        self,
        features: Mapping[str, Tensor],
        levels: Mapping[str, float],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        kept: Collection[str] = (),
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        order = self._order(features, kept)
        vectors = [self.time(n, levels[n]).vector for n in order.groups]
        modulations = [self._modulation(n, levels[n]) for n in order.groups]
        stepped = [*(features[n] for n in order.groups), *vectors, *modulations]
        key = (order, *(tuple(features[n].shape) for n in order.groups))
        if key not in self._graphs:
            fixed = _fixed(order, text, cache)
            self._graphs[key] = _Graph(self.compile(_Pass(self.model, order), [*stepped, *fixed]))
        made = self._graphs[key](stepped, order, text, cache)
        heads, caches = made[: len(order.heads)], made[len(order.heads) :]
        produced: dict[str, list[KeyValue]] = {
            n: _Layers(stacked) for n, stacked in zip(order.kept, caches, strict=True)
        }
        return dict(zip(order.heads, heads, strict=True)), produced

    @torch.no_grad()
    def descend(
        self,
        x: Mapping[str, Tensor],
        levels: Mapping[str, Sequence[float]],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        known: Mapping[str, Known],
    ) -> dict[str, Tensor]:
        """One graph for all steps: from one to the next nothing leaves it, and noise levels are constants.

        What begins and what goes on take the same one: of what begins something is known with weights of zero.
        """
        groups = self.model.wiring.groups
        # In which bin a feature is, the normal distribution says, which graphs do not have.
        held = tuple(n for n in x if GENERATORS[groups[n].generator].outputs == 1)
        if not known.keys() <= set(held):
            return super().descend(x, levels, text, cache, known)
        order = self._order(x)
        key = (order, *((tuple(x[n].shape), tuple(levels[n])) for n in order.groups))
        before = [known.get(n) or nothing_of(x[n]) for n in held]
        samples = len(next(iter(x.values())))
        stepped = [*x.values(), *(part.expand(samples, -1, -1) for one in before for part in one)]
        if key not in self._graphs:
            module = _Descent(self, order, held, {n: tuple(levels[n]) for n in order.groups})
            self._graphs[key] = _Graph(self.compile(module, [*stepped, *_fixed(order, text, cache)]))
        return dict(zip(order.groups, self._graphs[key](stepped, order, text, cache), strict=True))

    @torch.no_grad()
    def read(self, expert: str, tokens: Tensor, before: Sequence[KeyValue]) -> Sequence[KeyValue]:
        if not before:
            return super().read(expert, tokens, before)
        given = [tokens, _stacked(before)]
        key = (expert, *(tuple(x.shape) for x in given))
        if key not in self._texts:
            self._texts[key] = self.compile(_Text(self.model, expert), given)
        return _Layers(self._texts[key](given)[0])

    def part(self, compute: Compute) -> Compute:
        """One graph for each size of what is given; the same part twice is the same graph."""
        if isinstance(compute, _Part):
            return compute
        return self._parts.setdefault(compute, _Part(self.compile, compute))

    def _modulation(self, group: str, level: float) -> Tensor:
        """Of :meth:`time`, what the layers take of it, ``[layers, 6, 1, 1, width]``."""
        key = self.model.wiring.groups[group].expert, level
        if key not in self._modulations:
            self._modulations[key] = torch.stack([torch.stack(layer) for layer in self.time(group, level).layers])
        return self._modulations[key]

    def _order(self, features: Mapping[str, Tensor], kept: Collection[str] = ()) -> _Order:
        groups = self.model.wiring.groups
        return _Order(
            groups=tuple(features),
            experts=tuple(dict.fromkeys(groups[n].expert for n in features)),
            seen=tuple(dict.fromkeys(s for n in features for s in groups[n].reads if s not in features)),
            heads=tuple(n for n in features if groups[n].source == "generated"),
            kept=tuple(kept),
        )


class _Order(NamedTuple):
    """Of what a graph's inputs and outputs are: groups, their experts' texts, caches, and heads and caches."""

    groups: tuple[str, ...]
    experts: tuple[str, ...]
    seen: tuple[str, ...]
    heads: tuple[str, ...]
    kept: tuple[str, ...]


def _fixed(
    order: _Order, text: Mapping[str, Sequence[KeyValue]], cache: Mapping[str, Sequence[KeyValue]]
) -> list[Stacked]:
    return [_stacked(text[n]) for n in order.experts] + [_stacked(cache[n]) for n in order.seen]


class _Layers(list[KeyValue]):
    """Keys and values per layer that lie in one tensor, as graphs take and give them."""

    def __init__(self, stacked: Stacked) -> None:
        super().__init__(_pairs(stacked))
        self.stacked = stacked


def _stacked(layers: Sequence[KeyValue]) -> Stacked:
    if isinstance(layers, _Layers):
        return layers.stacked
    return torch.stack([part[i] for i in range(2) for part in layers]).unflatten(0, (2, -1))


class _Pass(nn.Module):
    """:meth:`WorldActionModel.carry` with tensors in a row, for export."""

    def __init__(self, model: WorldActionModel, order: _Order) -> None:
        super().__init__()
        self.model, self.order = model, order

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        o, rest = self.order, iter(inputs)
        features = {n: next(rest) for n in o.groups}
        vectors = [next(rest) for _ in o.groups]
        times = {
            n: Time(v, [m.unbind(0) for m in next(rest).unbind(0)]) for n, v in zip(o.groups, vectors, strict=True)
        }
        text, cache = ({n: _pairs(next(rest)) for n in names} for names in (o.experts, o.seen))
        heads, produced = self.model.carry(features, times, text, cache)
        return (*(heads[n] for n in o.heads), *(_stacked(produced[n]) for n in o.kept))


class _Descent(nn.Module):
    """:meth:`Runtime.descend` with tensors in a row, for export."""

    def __init__(
        self, runtime: Runtime, order: _Order, held: Sequence[str], levels: Mapping[str, Sequence[float]]
    ) -> None:
        """``held``: names of the groups that go on from what is known of them."""
        super().__init__()
        self.model, self.order, self.held, self.levels = runtime.model, order, held, levels
        self.times = [
            {n: runtime.time(n, levels[n][i]) for n in order.groups} for i in range(len(levels[order.groups[0]]) - 1)
        ]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        o, rest, times = self.order, iter(inputs), iter(self.times)
        x = {n: next(rest) for n in o.groups}
        known = {n: Known(next(rest), next(rest)) for n in self.held}
        text, cache = ({n: _pairs(next(rest)) for n in names} for names in (o.experts, o.seen))
        heads = lambda y, _: self.model.carry(y, next(times), text, cache)[0]  # noqa: E731
        made = descent(self.model.wiring, heads, x, self.levels, known)
        return tuple(made[n] for n in o.groups)


class _Text(nn.Module):
    """:meth:`Expert.text_cache` with stacked keys and values, for export."""

    def __init__(self, model: WorldActionModel, expert: str) -> None:
        super().__init__()
        self.expert = model.trunk.expert(expert)

    def forward(self, tokens: Tensor, before: Stacked) -> Stacked:
        return _stacked(self.expert.text_cache(tokens, _pairs(before)))


class _Whole(nn.Module):
    """A function as a module, for export; one of a module brings its weights."""

    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self.compute, self.owner = compute, getattr(compute, "__self__", None)

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(x)


class _Part:
    """Something with one input and one output, compiled for each shape that it is given."""

    def __init__(self, compile_module: Callable[[nn.Module, Sequence[Tensor]], Compiled], compute: Compute) -> None:
        self._compile, self._module = compile_module, _Whole(compute)
        self._requests: dict[tuple[int, ...], Compiled] = {}

    def __call__(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape)
        if shape not in self._requests:
            self._requests[shape] = self._compile(self._module, [x])
        return self._requests[shape]([x])[0]


def _pairs(stacked: Stacked) -> list[KeyValue]:
    return list(zip(stacked[0].unbind(0), stacked[1].unbind(0), strict=True))


class _Graph:
    """A compiled pass; texts and caches are handed over when they are others than in the pass before."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._known: tuple[object, object] = (None, None)

    def __call__(
        self,
        stepped: Sequence[Tensor],
        order: _Order,
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
    ) -> list[Tensor]:
        fixed: Sequence[Tensor] = ()
        if self._known[0] is not text or self._known[1] is not cache:
            fixed, self._known = _fixed(order, text, cache), (text, cache)
        return self._compiled([*stepped, *fixed])
