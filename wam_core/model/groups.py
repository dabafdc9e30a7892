"""Token groups and their wiring: what a World Action Model is, before any weight exists.

A wiring answers, by graph analysis alone, which groups a requested output needs, in which order groups are
generated, which ones never change during denoising (the prefix), and what a group can possibly depend on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from wam_core.errors import ContractError, look_up
from wam_core.model.modalities import SPANS

#: Where a group's tokens come from. A copy carries the clean value of a generated group once that is finished; a tap
#: carries its value at ``level``, so that denoising need not go further than that for those who see the tap.
SOURCES = {
    "observed": "encoded from the observation",
    "generated": "predicted",
    "copy": "clean copy of a generated group",
    "tap": "a generated group as it is at one noise level on the way",
    "enacted": "what a generated action does to the robot's own body, by its kinematics",
}


#: What the tokens of a group see of each other.
ORDERS = {
    "together": "every token all others",
    "causal": "each frame those before it; it is predicted from the one before",
    "raster": "each token those before it, row by row; it is predicted from the one before",
    "alone": "each frame itself alone",
}
#: Orders in which no token sees a later one.
SEQUENCES = ("causal", "raster")

#: Sources that carry another group's value.
CARRIERS = ("copy", "tap", "enacted")


@dataclass(frozen=True)
class TokenGroup:
    """One group of tokens.

    Attributes:
        name: unique within the wiring.
        substrate: what its tokens are made of: a name in the preset's ``substrates``, or ``action``.
        span: ``past`` (remembered), ``present`` (observed now) or ``future`` (predicted).
        source: a key of :data:`SOURCES`.
        expert: the trunk expert (width, weights) that carries it.
        sees: names of the groups its queries attend to, itself included.
        generator: how a generated group is produced, a key of ``generators.GENERATORS``.
        schedule: groups of one schedule share their noise level in training; empty means its own.
        shift: flow-matching time shift (see ``flow.shift_time``).
        loss_weight: weight of its loss; 0 turns it off (Fast-WAM without co-training).
        draws: noise draws per training sample; they share the clean groups' pass, which costs most.
        share: part of each training batch that this group is trained on; a costly group may be trained on fewer.
        steps: denoising steps; 0: as many as the call asks for, or in raster order one for each token.
        copy_of: the generated group that a copy or a tap carries.
        copy_noise: probability that a copy is noise-augmented in training.
        masked: whether a copy is seen through a mask that is learned from the action's error and its own size alone
            (Vidar); ``loss_weight`` weighs the size.
        gate: a clean group whose values say, layer by layer, how much of what the group sees each head lets through.
        order: a key of :data:`ORDERS`: which tokens of its own the group sees.
        lifted: whether an observed group or a copy is seen as the points in space that it shows, not as pictures
            (TesserAct).
        level: noise level of a tap, 0..1; at 1 the tapped group is pure noise, and one pass is all that it costs.
    """

    name: str
    substrate: str
    span: str
    source: str
    expert: str
    sees: tuple[str, ...]
    generator: str = ""
    schedule: str = ""
    shift: float = 1.0
    loss_weight: float = 1.0
    draws: int = 1
    share: float = 1.0
    steps: int = 0
    copy_of: str = ""
    copy_noise: float = 0.0
    level: float = 0.0
    order: str = "together"
    masked: bool = False
    lifted: bool = False
    gate: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Groups that it sees, and the one that gates it."""
        return (*self.sees, *([self.gate] if self.gate else []))

    @property
    def content(self) -> tuple[str, str]:
        """Substrate and span: groups of equal content carry the same features."""
        return self.substrate, self.span


class Wiring:
    """A checked set of token groups, in declaration order."""

    def __init__(self, groups: Iterable[TokenGroup]) -> None:
        """Check names, sources and visibility.

        Raises:
            ContractError: a group sees or copies an unknown group, an observed group sees a generated one, a
                generated group has no generator, or generation would need a group that needs it.
        """
        self.groups = {g.name: g for g in groups}
        for group in self.groups.values():
            self._check(group)
        self.stages(self.groups)

    def _check(self, group: TokenGroup) -> None:
        where = f"groups.{group.name}"
        look_up(SOURCES, group.source, f"{where}.source")
        look_up(ORDERS, group.order, f"{where}.order")
        if group.span not in SPANS:
            raise ContractError(f"{where}.span", group.span, f"one of {', '.join(SPANS)}")
        for seen in group.sees:
            look_up(self.groups, seen, f"{where}.sees")
        if group.gate and look_up(self.groups, group.gate, f"{where}.gate").source == "generated":
            raise ContractError(f"{where}.gate", group.gate, "an observed group or a copy (a gate is clean)")
        if group.source in CARRIERS:
            original = look_up(self.groups, group.copy_of, f"{where}.copy_of")
            alike = group.source == "enacted" or original.content == group.content
            if original.source != "generated" or not alike:
                expected = "a generated group of the same substrate and span"
                raise ContractError(f"{where}.copy_of", group.copy_of, expected)
        body = [g for g in self.groups.values() if g.source == "observed" and g.content == (group.substrate, "present")]
        if group.source == "enacted" and not body:
            raise ContractError(
                f"{where}.substrate", group.substrate, "one of which an observed group shows the present"
            )
        if group.masked and group.source != "copy":
            raise ContractError(f"{where}.masked", True, "false unless source is copy")
        if group.lifted and group.source not in ("observed", "copy"):
            raise ContractError(f"{where}.lifted", True, "false unless source is observed or copy")
        if (group.source == "tap") != (0.0 < group.level <= 1.0):
            raise ContractError(f"{where}.level", group.level, "a noise level in (0, 1] exactly when source is tap")
        if (group.source == "generated") != bool(group.generator):
            raise ContractError(f"{where}.generator", group.generator, "a generator exactly when source is generated")
        if group.source != "generated":
            noisy = [s for s in group.sees if self.groups[s].source == "generated"]
            if noisy:
                raise ContractError(f"{where}.sees", noisy[0], "only observed groups and copies (the group is clean)")

    def needed(self, outputs: Iterable[str]) -> tuple[str, ...]:
        """Groups that ``outputs`` depend on, themselves included, in declaration order; the rest need not run."""
        wanted: set[str] = set()
        stack = [look_up(self.groups, o, "output").name for o in outputs]
        while stack:
            name = stack.pop()
            if name not in wanted:
                wanted.add(name)
                group = self.groups[name]
                stack.extend([*group.reads, *([group.copy_of] if group.copy_of else [])])
        return tuple(n for n in self.groups if n in wanted)

    def depends(self, target: str, on: str) -> bool:
        """Whether the value of ``target`` can depend on ``on`` by any path."""
        return on in self.needed([target])

    def stages(self, outputs: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """Generated groups in the order they are denoised; groups that see each other's noise share a stage.

        Raises:
            ContractError: two stages wait for each other.
        """
        names = [n for n in self.needed(outputs) if self.groups[n].source == "generated"]
        stage_of = {n: {n} for n in names}
        for name in names:
            for seen in self.groups[name].sees:
                if seen in stage_of and stage_of[seen] is not stage_of[name]:
                    merged = stage_of[seen] | stage_of[name]
                    for member in merged:
                        stage_of[member] = merged
        ordered: list[tuple[str, ...]] = []
        finished: set[str] = set()
        while len(finished) < len(names):
            ready = next(
                (s for n in names if n not in finished for s in [stage_of[n]] if self._awaits(s) <= finished), None
            )
            if ready is None:
                stuck = sorted(set(names) - finished)
                raise ContractError("groups", stuck, "an order of generation (these wait for each other's clean copy)")
            tapped = {g.copy_of for g in self.groups.values() if g.source == "tap"} & ready
            if tapped and len(ready) > 1:
                raise ContractError(f"groups.{min(tapped)}", sorted(ready), "a tapped group that is denoised by itself")
            ordered.append(tuple(n for n in names if n in ready))
            finished |= ready
        return tuple(ordered)

    def _awaits(self, stage: set[str]) -> set[str]:
        clean = {s for n in stage for s in self.groups[n].reads if self.groups[s].source in CARRIERS}
        pending, seen = list(clean), set(clean)
        while pending:
            for name in self.groups[pending.pop()].reads:
                if self.groups[name].source in CARRIERS and name not in seen:
                    seen.add(name)
                    pending.append(name)
        return {self.groups[c].copy_of for c in seen}

    def finished(self, outputs: Iterable[str]) -> frozenset[str]:
        """Generated groups that must reach zero noise for ``outputs``: themselves, and those with a copy among what
        they need."""
        outputs = tuple(outputs)
        copies = (self.groups[n] for n in self.needed(outputs))
        return frozenset(outputs) | {g.copy_of for g in copies if g.source in ("copy", "enacted")}

    def prefix(self, names: Iterable[str]) -> tuple[str, ...]:
        """Clean groups among ``names``: they see no noisy group, so their keys and values never change."""
        return tuple(n for n in self.groups if n in set(names) and self.groups[n].source != "generated")

    def given(self, names: Iterable[str]) -> tuple[str, ...]:
        """Groups among ``names`` that depend on the observation alone: the same whatever is generated from it."""
        return tuple(n for n in names if all(self.groups[s].source == "observed" for s in self.needed([n])))
