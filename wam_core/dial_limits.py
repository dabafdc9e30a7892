"""What of a preset a dial can turn, and what is left out when it is turned."""

from collections.abc import Mapping

from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import SEQUENCES, Wiring
from wam_core.model.sampling import Shortcuts
from wam_core.preset import Preset


def check_dial(dial: Dial, preset: Preset) -> None:
    """Whether the preset has what the dial turns.

    Raises:
        ContractError: it has not, or not so far.
    """
    steps, horizon, reuse = dial.denoising_steps, dial.imagined_horizon, dial.cache_reuse
    if steps < 0 or (steps and not _takes_steps(preset)):
        expected = "0 or more" if _takes_steps(preset) else f"0: no group of {preset.name} takes as many as it is told"
        raise ContractError("dial.denoising_steps", steps, expected)
    if horizon and horizon not in horizons(preset):
        known = ", ".join(map(str, horizons(preset)))
        expected = f"0 or one of {known} chunk steps" if known else f"0: {_uncut(preset)}"
        raise ContractError("dial.imagined_horizon", horizon, expected)
    if reuse < 1 or (reuse > 1 and not beside(preset)):
        expected = "1 or more" if beside(preset) else f"1: {preset.name} denoises nothing beside its {preset.basis}"
        raise ContractError("dial.cache_reuse", reuse, expected)


def horizons(preset: Preset) -> tuple[int, ...]:
    """How far the preset's futures can reach, in chunk steps: where each of them has the end of a token frame."""
    if _uncut(preset):
        return ()
    ends = [{preset.horizon * k // n for k in range(1, n + 1)} for n in _frames(preset).values()]
    return tuple(sorted(set.intersection(*ends)))


def shortcuts(dial: Dial, preset: Preset) -> Shortcuts:
    """What a call leaves out by ``dial``, which fits the preset."""
    tokens: dict[str, int] = {}
    if dial.imagined_horizon:
        for group in preset.futures():
            shape = preset.substrates[group.substrate].shape(preset.clip)
            tokens[group.name] = shape.tokens(group.span) * dial.imagined_horizon // preset.horizon
    return Shortcuts(tokens, preset.basis, dial.cache_reuse)


def _takes_steps(preset: Preset) -> bool:
    makers = [GENERATORS[g.generator] for g in preset.groups if g.generator and not g.steps and g.order != "raster"]
    return any(len(maker.levels(1, 1.0)) != len(maker.levels(2, 1.0)) for maker in makers)


def _frames(preset: Preset) -> Mapping[str, int]:
    """Token frames of each future."""
    shapes = {g: preset.substrates[g.substrate].shape(preset.clip) for g in preset.futures()}
    return {g.name: len(shape.frames(g.span)) for g, shape in shapes.items()}


def _uncut(preset: Preset) -> str:
    """Why no future of the preset can be made shorter; empty where they can."""
    readers = (preset.planner, preset.trigger, preset.reflex, preset.recovery)
    reader = next((part.kind for part in readers if part), "")
    written = next((g.name for g in preset.futures() if g.order in SEQUENCES), "")
    single = next((name for name, count in _frames(preset).items() if count == 1), "")
    reasons = {
        f"{preset.name} imagines nothing": not preset.futures(),
        f"its {reader} reads futures to their end": reader,
        f"{written} of {preset.name} is written token by token": written,
        f"{single} of {preset.name} is one frame of tokens, which shows the whole chunk": single,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def beside(preset: Preset) -> tuple[str, ...]:
    """What is denoised together with what the chunk is made from."""
    stages = Wiring(preset.groups).stages([preset.basis])
    stage = next(stage for stage in stages if preset.basis in stage)
    ordered = any(GENERATORS[g.generator].ordered for g in preset.groups if g.name in stage)
    return () if ordered else tuple(name for name in stage if name != preset.basis)
