"""Sampling a wiring: stage after stage, each denoised on the keys and values of what no longer changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import Wiring
from wam_core.model.trunk import KeyValue

if TYPE_CHECKING:
    from wam_core.model.wam import Content, WorldActionModel


class Known(NamedTuple):
    """Features ``[B, N, F]`` that a group goes on from, and how much each token is held to them, ``[B, N, 1]`` 0..1."""

    features: Tensor
    weights: Tensor


@torch.no_grad()
def generate(
    model: WorldActionModel,
    observed: Mapping[Content, Tensor],
    context: Tensor,
    outputs: Iterable[str],
    steps: int,
    rng: torch.Generator,
    given: Mapping[str, Tensor],
    known: Mapping[str, Known],
    reuse: bool,
) -> dict[str, Tensor]:
    """See :meth:`WorldActionModel.generate`."""
    sampler = _Sampler(model, context, tuple(outputs), steps, rng, given, known, reuse)
    return sampler.run(observed)


class _Sampler:
    """One call: what is known so far, and the noise of each group."""

    def __init__(
        self,
        model: WorldActionModel,
        context: Tensor,
        outputs: tuple[str, ...],
        steps: int,
        rng: torch.Generator,
        given: Mapping[str, Tensor],
        known: Mapping[str, Known],
        reuse: bool,
    ) -> None:
        self.model, self.context, self.outputs, self.steps = model, context, outputs, steps
        self.given, self.known, self.reuse = given, known, reuse
        self.wiring: Wiring = model.wiring
        self.names = self.wiring.needed(outputs)
        self.wanted = self.wiring.finished(outputs)
        self.text = model.text_cache(self.names, context)
        self.noise = {
            name: torch.randn((len(context), *model.shape_of(name)), generator=own, device=context.device)
            for name, own in _split(rng, self.wiring.groups).items()
            if name in self.names and self.wiring.groups[name].source == "generated"
        }
        self.values: dict[str, Tensor] = {}
        self.cache: dict[str, list[KeyValue]] = {}

    def run(self, observed: Mapping[Content, Tensor]) -> dict[str, Tensor]:
        groups = self.wiring.groups
        self.values = {n: observed[groups[n].content] for n in self.names if groups[n].source == "observed"}
        finished: dict[str, Tensor] = {}
        for stage in self.wiring.stages(self.outputs):
            done = {n: self.given[n] for n in stage if n in self.given}
            if len(done) < len(stage):
                self._remember()
                done = self._denoise(stage, done)
            finished |= done
            for n in self.names:
                original = groups[n].copy_of
                if groups[n].source == "copy" and original in done:
                    self.values[n] = done[original]
                elif groups[n].source == "tap" and original in self.given and original in stage:
                    level = torch.full((len(self.context),), groups[n].level, device=self.context.device)
                    maker = GENERATORS[groups[original].generator]
                    self.values[n] = maker.show(self.given[original], self.noise[original], level)[0]
        return finished

    def _sigmas(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Noise levels of groups that are not being denoised: zero, or a tap's own."""
        still = self.context.new_zeros(len(self.context))
        return {n: still + self.wiring.groups[n].level for n in names}

    def _remember(self) -> None:
        """Keys and values of what became known since the last stage."""
        fresh = {n: v for n, v in self.values.items() if n not in self.cache}
        if fresh and self.reuse:
            self.cache |= self.model.run(fresh, self._sigmas(fresh), self.text, self.cache)[1]

    def _denoise(self, stage: tuple[str, ...], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of the stage's groups that reached zero noise; taps on the way are kept in ``values``."""
        groups = {n: self.wiring.groups[n] for n in stage if n not in given}
        makers = {n: GENERATORS[g.generator] for n, g in groups.items()}
        taps = {n: [t for t in self.names if self._taps(t, n)] for n in groups}
        levels = {n: self._levels(n, [self.wiring.groups[t].level for t in taps[n]]) for n in groups}
        x = {n: makers[n].start(self.noise[n]) for n in groups}
        still = self.context.new_zeros(len(self.context))
        wanted = [n for n in groups if n in self.wanted] or list(groups)
        for i in range(max(len(levels[n]) for n in wanted)):
            for n in groups:
                for tap in taps[n]:
                    if i < len(levels[n]) and levels[n][i] == self.wiring.groups[tap].level:
                        self.values[tap] = x[n]
            active = [n for n in groups if i < len(levels[n]) - 1]
            if not active:
                break
            sigmas = {n: still + levels[n][min(i, len(levels[n]) - 1)] for n in groups}
            heads = self._heads({**x, **given}, {**sigmas, **dict.fromkeys(given, still)})
            for n in active:
                now, following = levels[n][i], levels[n][i + 1]
                # The correction is not by the gradient of the error (real-time chunking as published): a head that is
                # sure of what it says has next to none, and the known tokens come out otherwise than they are known.
                if n in self.known:
                    features, weights = self.known[n]
                    heads[n] = torch.lerp(heads[n], makers[n].aim(x[n], features, now), weights)
                x[n] = makers[n].advance(x[n], heads[n], now, following)
            if all(i + 1 >= len(levels[n]) - 1 for n in wanted) and not any(taps.values()):
                break
        longest = max(len(levels[n]) for n in wanted)
        ended = {n for n in groups if n in self.wanted or (len(levels[n]) <= longest and not taps[n])}
        return {**given, **{n: x[n] for n in ended}}

    def _levels(self, name: str, tapped: Sequence[float]) -> list[float]:
        """Noise levels of a group, those of its taps among them; it ends at the last tap when nobody needs more."""
        group = self.wiring.groups[name]
        levels = GENERATORS[group.generator].levels(group.steps or self.steps, group.shift).tolist()
        if not tapped:
            return levels
        levels = sorted({*levels, *tapped}, reverse=True)
        return levels if name in self.wanted else [v for v in levels if v >= min(tapped)]

    def _taps(self, tap: str, original: str) -> bool:
        group = self.wiring.groups[tap]
        return group.source == "tap" and group.copy_of == original

    def _heads(self, x: Mapping[str, Tensor], sigmas: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self.reuse:
            return self.model.run(x, sigmas, self.text, self.cache)[0]
        again = self.model.text_cache(self.names, self.context)
        return self.model.run({**self.values, **x}, {**self._sigmas(self.values), **sigmas}, again, {})[0]


def _split(rng: torch.Generator, names: Iterable[str]) -> dict[str, torch.Generator]:
    """A generator for each name, seeded from ``rng`` in order."""
    seeds = {n: int(torch.randint(2**62, (1,), generator=rng, device=rng.device)) for n in names}
    return {n: torch.Generator(rng.device).manual_seed(seed) for n, seed in seeds.items()}
