"""Whether generators fit the groups that name them, and what heads they need."""

from collections.abc import Iterable

from wam_core.errors import ContractError, look_up
from wam_core.model.generators.bins import BINS
from wam_core.model.generators.generator import Generator
from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import SEQUENCES, TokenGroup
from wam_core.model.modalities import TokenShape


def check_generator(group: TokenGroup, shape: TokenShape) -> None:
    """Raise :class:`ContractError` for a generator that the group's order, steps or substrate do not fit."""
    where = f"groups.{group.name}"
    generator, frames = _generator(group), len(shape.frames(group.span))
    if generator.ordered and group.order not in SEQUENCES:
        expected = f"{' or '.join(SEQUENCES)}: else {group.generator} shows each token itself"
        raise ContractError(f"{where}.order", group.order, expected)
    if group.order == "causal" and group.steps != frames:
        raise ContractError(f"{where}.steps", group.steps, f"{frames}, one for each frame")
    if group.order == "raster" and group.steps:
        raise ContractError(f"{where}.steps", group.steps, "0: one for each token")
    if shape.discrete and generator.outputs != BINS:
        raise ContractError(f"{where}.generator", group.generator, f"one of discrete tokens, as {group.substrate} is")


def head_of(groups: Iterable[TokenGroup], substrate: str) -> Generator | None:
    """A generator of a substrate's groups, which share a head; None: nothing of it is generated.

    Raises:
        ContractError: the groups name generators that need different heads.
    """
    named = [g for g in groups if g.substrate == substrate and g.generator]
    makers = [_generator(g) for g in named]
    for group, maker in zip(named, makers, strict=True):
        if (maker.outputs, maker.drawn) != (makers[0].outputs, makers[0].drawn):
            expected = f"one with a head like that of {named[0].name}: they share the substrate {substrate}"
            raise ContractError(f"groups.{group.name}.generator", group.generator, expected)
    return makers[0] if makers else None


def _generator(group: TokenGroup) -> Generator:
    return look_up(GENERATORS, group.generator, f"groups.{group.name}.generator")
