"""Sampling a wiring: stage after stage, each denoised on the keys and values of what no longer changes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import TokenGroup, Wiring
from wam_core.model.known import Known
from wam_core.model.situation import Situation
from wam_core.model.trunk import KeyValue, followed


class Standing(NamedTuple):
    """Where a group stands that was begun and not finished: its last input ``[B, N, F]``, what its head said of that,
    and how many passes there were. The step that follows from it is taken when the group goes on."""

    features: Tensor
    said: Tensor
    passes: int


class Shortcuts(NamedTuple):
    """What a call leaves out of what it could compute.

    Attributes:
        tokens: group -> how many of its first tokens are generated; all of those that are not named.
        lead: the group of which no step is left out.
        every: groups that are denoised beside ``lead`` have a pass in each so manieth step. In the steps between,
            ``lead`` sees their keys and values of that pass, and they go on as their heads said there.
    """

    tokens: Mapping[str, int] = MappingProxyType({})
    lead: str = ""
    every: int = 1


#: Everything is computed.
NONE = Shortcuts()


@torch.no_grad()
def generate(
    situation: Situation,
    outputs: Iterable[str],
    steps: int,
    rng: torch.Generator,
    given: Mapping[str, Tensor] | None = None,
    known: Mapping[str, Known] | None = None,
    samples: int = 0,
    reuse: bool = True,
    begun: Mapping[str, Standing] | None = None,
    shortcuts: Shortcuts = NONE,
) -> dict[str, Tensor]:
    """See :meth:`WorldActionModel.generate`.

    Args:
        samples: how many, of a situation of one; they differ by their noise alone. 0: one for each that it holds.
        begun: groups that go on from where an earlier call left them.
    """
    samples = samples or len(situation.context)
    asked = (tuple(outputs), steps, rng, given or {}, known or {}, samples, reuse, begun or {}, shortcuts)
    return _Sampler(situation, *asked).run()


@torch.no_grad()
def begin(
    situation: Situation,
    outputs: Iterable[str],
    steps: int,
    rng: torch.Generator,
    known: Mapping[str, Known] | None = None,
    shortcuts: Shortcuts = NONE,
) -> tuple[dict[str, Tensor], dict[str, Standing]]:
    """:func:`generate`, and where those groups stand that were begun for ``outputs`` and take more steps than they."""
    samples = len(situation.context)
    sampler = _Sampler(situation, tuple(outputs), steps, rng, {}, known or {}, samples, True, {}, shortcuts)
    return sampler.run(), sampler.standing


class _Sampler:
    """One call: what is known so far, and the noise of each group."""

    def __init__(
        self,
        situation: Situation,
        outputs: tuple[str, ...],
        steps: int,
        rng: torch.Generator,
        given: Mapping[str, Tensor],
        known: Mapping[str, Known],
        samples: int,
        reuse: bool,
        begun: Mapping[str, Standing],
        shortcuts: Shortcuts,
    ) -> None:
        self.situation, self.outputs, self.steps, self.shortcuts = situation, outputs, steps, shortcuts
        self.given, self.samples, self.reuse, self.begun = given, samples, reuse, begun
        self.standing: dict[str, Standing] = {}
        self.model = situation.runtime.model
        self.wiring: Wiring = self.model.wiring
        self.names = self.wiring.needed(outputs)
        self.wanted = self.wiring.finished(outputs)
        self.device = situation.context.device
        self.known = {n: Known(*(part.to(self.device) for part in one)) for n, one in known.items()}
        self.noise = {
            name: torch.randn((samples, *self.model.shape_of(name)), generator=own, device=self.device)
            for name, own in split(rng, self.wiring.groups).items()
            if (name in self.names or not reuse) and self.wiring.groups[name].source in ("generated", "enacted")
        }
        # Of all tokens first, so that those of a future that reaches less far have the noise that they had.
        self.noise |= {n: self.noise[n][:, :count] for n, count in shortcuts.tokens.items() if n in self.noise}
        waiting = set(self.names) - set(self.wiring.given(self.names))
        self.values = {
            n: situation.observed[self.wiring.groups[n].content].expand(samples, -1, -1)
            for n in waiting
            if self.wiring.groups[n].source == "observed"
        }
        self.cache: dict[str, Sequence[KeyValue]] = {}
        self.text: Mapping[str, Sequence[KeyValue]] = {}

    def run(self) -> dict[str, Tensor]:
        groups = self.wiring.groups
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
                elif groups[n].source == "enacted" and original in done:
                    here = self.situation.observed[groups[n].substrate, "present"].expand(self.samples, -1, -1)
                    self.values[n] = self.model.enacted(groups[n].substrate, done[original], here)
                elif groups[n].source == "tap" and original in self.given and original in stage:
                    level = torch.full((self.samples,), groups[n].level, device=self.device)
                    maker = GENERATORS[groups[original].generator]
                    self.values[n] = maker.show(self.given[original], self.noise[original], level)[0]
        return finished

    def _remember(self) -> None:
        """Keys and values of what became known since the last stage."""
        if not self.reuse:
            return
        if not self.text:
            self.text = _expand(self.situation.text(self.names), self.samples)
            self.cache = _expand(self.situation.seen(self.names), self.samples)
        known = {*self.cache, *self.values}
        ready = [n for n in self.values if known.issuperset(self.wiring.prefix(self.wiring.needed([n])))]
        fresh = {n: self.values[n] for n in ready if n not in self.cache}
        if fresh:
            levels = {n: self.wiring.groups[n].level for n in fresh}
            produced = self.situation.runtime.carry(fresh, levels, self.text, self.cache, fresh)[1]
            self.cache = {**self.cache, **produced}

    def _denoise(self, stage: tuple[str, ...], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of the stage's groups that reached zero noise; taps on the way are kept in ``values``."""
        groups = {n: self.wiring.groups[n] for n in stage if n not in given}
        makers = {n: GENERATORS[g.generator] for n, g in groups.items()}
        taps = {n: [t for t in self.names if self._taps(t, n)] for n in groups}
        levels = {n: self._levels(n, [self.wiring.groups[t].level for t in taps[n]]) for n in groups}
        x = {n: makers[n].start(self.noise[n]) for n in groups}
        before = dict.fromkeys(groups, 0)
        for n in groups.keys() & self.begun.keys():
            features, said, before[n] = self.begun[n]
            x[n] = self._advance(n, features, said, *levels[n][before[n] - 1 : before[n] + 1])
            levels[n] = levels[n][before[n] :]
        written = self.reuse and len(stage) == 1 and all(maker.ordered for maker in makers.values())
        lead = self.shortcuts.lead
        every = self.shortcuts.every if self.reuse and lead in groups and len(stage) > 1 else 1
        plain = every == 1 and not given and not any(taps.values())
        if plain and self._is_plain(groups, levels, written):
            known = {n: self.known[n] for n in groups.keys() & self.known.keys()}
            return self.situation.runtime.descend(x, levels, self.text, self.cache, known)
        beside = [n for n in stage if n != lead] if every > 1 else []
        heads: dict[str, Tensor] = {}
        held = self.cache
        wanted = [n for n in groups if n in self.wanted] or list(groups)
        longest = max(len(levels[n]) for n in wanted)
        ended = {n for n in groups if n in self.wanted or (len(levels[n]) <= longest and not taps[n])}
        for i in range(longest):
            for n in groups:
                for tap in taps[n]:
                    if i < len(levels[n]) and levels[n][i] == self.wiring.groups[tap].level:
                        self.values[tap] = x[n]
            # After the last pass nobody reads what is not finished.
            read = {n for n in groups if i + 2 < longest or n in ended or taps[n]}
            active = [n for n in groups if n in read and i < len(levels[n]) - 1]
            if not active:
                break
            if written:
                heads = {n: self._write(n, x[n], levels[n][i + 1]) for n in groups}
            else:
                noisy = {n: 0.0 if makers[n].ordered else levels[n][min(i, len(levels[n]) - 1)] for n in groups}
                noisy |= dict.fromkeys(given, 0.0)
                if i % every:
                    heads |= self.situation.runtime.carry({lead: x[lead]}, noisy, self.text, held)[0]
                else:
                    heads, fresh = self._heads({**x, **given}, noisy, beside)
                    held = {**self.cache, **fresh}
            for n in active:
                x[n] = self._advance(n, x[n], heads[n], levels[n][i], levels[n][i + 1])
            for n in groups.keys() - read:
                self.standing[n] = Standing(x[n], heads[n], before[n] + i + 1)
            if all(i + 1 >= len(levels[n]) - 1 for n in wanted) and not any(taps.values()):
                break
        if written:
            self.cache = {n: layers for n, layers in self.cache.items() if n not in groups}
        return {**given, **{n: x[n] for n in ended}}

    def _is_plain(self, groups: Mapping[str, TokenGroup], levels: Mapping[str, Sequence[float]], written: bool) -> bool:
        """Whether all of ``groups`` take as many steps, from the first on and of all tokens at once."""
        special = {*self.begun, *(n for n, g in groups.items() if g.substrate in self.model.diffusers)}
        ordered = any(GENERATORS[g.generator].ordered for g in groups.values())
        even = len({len(one) for one in levels.values()}) == 1
        return self.reuse and even and not (ordered or written or special & groups.keys())

    def _advance(self, name: str, x: Tensor, head: Tensor, now: float, following: float) -> Tensor:
        """The input of a group's next step, from this one and what its head says of it."""
        maker = GENERATORS[self.wiring.groups[name].generator]
        said = self.model.said(name, head, self.noise[name])
        if name in self.known:
            said = self.known[name].brought(said, x, maker, now)
        return maker.advance(x, said, now, following)

    def _levels(self, name: str, tapped: Sequence[float]) -> Sequence[float]:
        """Noise levels of a group, those of its taps among them; it ends at the last tap when nobody needs more."""
        group = self.wiring.groups[name]
        levels = _schedule(group.generator, self.model.steps_of(name) or self.steps, group.shift)
        if not tapped:
            return levels
        last = 0.0 if name in self.wanted else min(tapped)
        return sorted((v for v in {*levels, *tapped} if v >= last), reverse=True)

    def _taps(self, tap: str, original: str) -> bool:
        group = self.wiring.groups[tap]
        return group.source == "tap" and group.copy_of == original

    def _heads(
        self, x: Mapping[str, Tensor], levels: Mapping[str, float], kept: Collection[str]
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        if self.reuse:
            return self.situation.runtime.carry(x, levels, self.text, self.cache, kept)
        return self._full_forward(x, levels), {}

    def _write(self, name: str, x: Tensor, following: float) -> Tensor:
        """What the head says of the tokens that are due, zeros for all others. Those before them do not change any
        more: their keys and values are kept while the group is written."""
        count, before = x.shape[1], self.cache.get(name)
        part = range(before[0][0].shape[1] if before else 0, round((1.0 - following) * count))
        head, own = self.situation.runtime.write(name, x, part, self.text, self.cache)
        self.cache = {**self.cache, name: followed(before, own) if before else own}
        return F.pad(head, (0, 0, part.start, count - part.stop))

    def _full_forward(self, x: Mapping[str, Tensor], levels: Mapping[str, float]) -> dict[str, Tensor]:
        """All groups of the wiring, each as far as it is known by now."""
        features, sigmas = {}, {}
        values = {**self.noise, **self.given, **self.values, **x}
        for name, group in self.wiring.groups.items():
            if group.source == "observed":
                known = self.situation.observed[group.content]
            else:
                known = values[name if name in values else group.copy_of]
            features[name] = known.expand(self.samples, -1, -1)
            sigmas[name] = torch.full((self.samples,), levels.get(name, group.level), device=self.device)
        context = self.situation.context.expand(self.samples, -1, -1)
        return self.model.run(features, sigmas, self.model.text_cache(features, context), {})[0]


@cache
def _schedule(generator: str, steps: int, shift: float) -> tuple[float, ...]:
    """Noise levels of sampling, which are the same in every call."""
    return tuple(GENERATORS[generator].levels(steps, shift).tolist())


def _expand(known: Mapping[str, Sequence[KeyValue]], samples: int) -> dict[str, Sequence[KeyValue]]:
    """Keys and values of one situation for ``samples`` of them."""
    shape = (samples, -1, -1, -1)
    return {
        name: layers if len(layers[0][0]) == samples else [(k.expand(shape), v.expand(shape)) for k, v in layers]
        for name, layers in known.items()
    }


def split(rng: torch.Generator, names: Iterable[str]) -> dict[str, torch.Generator]:
    """A generator for each name, seeded from ``rng`` in order."""
    seeds = {n: int(torch.randint(2**62, (1,), generator=rng, device=rng.device)) for n in names}
    return {n: torch.Generator(rng.device).manual_seed(seed) for n, seed in seeds.items()}
