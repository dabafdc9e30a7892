"""Causal and interactable: what reaches a chunk, and what a chunk reaches."""

from dataclasses import replace

import torch

from wam_core.evaluation.properties.finding import Finding
from wam_core.model.groups import Wiring
from wam_core.preset import ACTION, Preset
from wam_core.world import ModelWorld

#: Features that a group is given in turn. Of discrete tokens, the likeliest may be the same for two of them.
GIVEN = ((-1.0, 1.0), (-0.4, 0.6), (-0.1, 0.9))


def unseen(preset: Preset) -> tuple[str, ...]:
    """Futures of which nothing may reach the chunk."""
    # What is tapped as pure noise says nothing of what its group will become.
    groups = [replace(g, source="observed", copy_of="", level=0.0) if g.level == 1.0 else g for g in preset.groups]
    wiring = Wiring(groups)
    return tuple(g.name for g in preset.futures() if not wiring.depends(preset.basis, g.name))


def following(preset: Preset) -> tuple[str, ...]:
    """Futures that are made for the chunk, and change with it."""
    if preset.recovery:
        return ()
    wiring = Wiring(preset.groups)
    return tuple(g.name for g in preset.futures() if wiring.depends(g.name, ACTION))


def causal(world: ModelWorld) -> Finding:
    """No value and no gradient reaches the chunk from a future that it must not see."""
    preset = world.checkpoint.preset
    hidden = unseen(preset)
    if not hidden:
        return Finding("causal", None, "the chunk is made with all that is foreseen")
    alone = world.generate((preset.basis,), _rng())[preset.basis]
    leaks = []
    for name in hidden:
        for value in GIVEN[0]:
            given = {name: torch.full((1, *world.checkpoint.model.shape_of(name)), value)}
            beside = world.generate((preset.basis, name), _rng(), given=given)[preset.basis]
            leaks += [] if torch.equal(alone, beside) else [f"value of {name}"]
    leaks += [f"gradient of {name}" for name in hidden if _gradient(world, name) > 0.0]
    said = f"the chunk is bit-equal whatever {', '.join(hidden)} becomes, and has no gradient of it"
    return Finding("causal", not leaks, f"it has the {', the '.join(dict.fromkeys(leaks))}" if leaks else said)


def interactable(world: ModelWorld) -> Finding:
    """Another chunk makes another future, where the wiring says so and nowhere else."""
    preset = world.checkpoint.preset
    if preset.recovery:
        return Finding("interactable", None, "the chunk is read off the future, which no action has a say in")
    futures = [g.name for g in preset.futures()]
    if not futures:
        return Finding("interactable", None, "nothing is foreseen")
    moved = {name for name in futures if _moved(world, name)}
    wired = set(following(preset))
    said = f"{', '.join(sorted(moved)) or 'nothing'} of {', '.join(futures)} follows the chunk"
    wrong = f"; by the wiring {', '.join(sorted(wired)) or 'nothing'} does"
    return Finding("interactable", moved == wired if wired or moved else None, said if moved == wired else said + wrong)


def _moved(world: ModelWorld, future: str) -> bool:
    shape = (1, *world.checkpoint.model.shape_of(ACTION))
    for pair in GIVEN:
        made = [world.generate((future,), _rng(), given={ACTION: torch.full(shape, v)})[future] for v in pair]
        if not torch.equal(*made):
            return True
    return False


def _gradient(world: ModelWorld, future: str) -> float:
    """The greatest gradient of what the chunk's group says by the future's features, all groups in one pass."""
    model, basis = world.checkpoint.model, world.checkpoint.preset.basis
    rng = torch.Generator().manual_seed(0)
    shown = {n: torch.randn(1, *model.shape_of(n), generator=rng) for n in model.wiring.groups}
    carriers = [n for n, g in model.wiring.groups.items() if future in (n, g.copy_of) and g.level < 1.0]
    for name in carriers:
        shown[name].requires_grad_()
    levels = {n: torch.full((1,), g.level or 0.5) for n, g in model.wiring.groups.items()}
    context = world.situation.context
    with torch.enable_grad():
        head = model.run(shown, levels, model.text_cache(shown, context), {})[0][basis]
        if not head.requires_grad:
            return 0.0
        found = torch.autograd.grad(head.square().sum(), [shown[n] for n in carriers], allow_unused=True)
    return max((float(g.abs().max()) for g in found if g is not None), default=0.0)


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(7)
