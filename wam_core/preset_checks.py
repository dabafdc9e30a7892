"""What of a preset must fit together, beyond the types of its fields."""

from wam_core.errors import ContractError, look_up
from wam_core.model.groups import Wiring
from wam_core.planners.planner import PlannerSpec
from wam_core.preset import ACTION, Preset
from wam_core.reflexes.reflex import ReflexSpec


def check(preset: Preset, source: str) -> None:
    """Whether the parts and sizes of a preset fit each other.

    Raises:
        ContractError: they do not; it names ``source`` and the dotted field.
    """
    wiring = Wiring(preset.groups)
    if preset.memory < 0 or bool(preset.memory) != any(g.span == "past" for g in preset.groups):
        raise ContractError(f"{source}.memory", preset.memory, "more than 0 exactly when a group is of the past")
    _check_basis(preset, wiring, source)
    _check_views(preset, source)
    if preset.planner:
        preset.planner.check(wiring, preset.basis)
        _check_asked(preset, preset.planner, source)
    if preset.trigger:
        shows = {g.name: preset.substrates[g.substrate].shows for g in preset.futures()}
        preset.trigger.check(wiring, preset.basis, shows)
    if preset.reflex:
        _check_reflex(preset, preset.reflex, f"{source}.reflex")
    if preset.frame_stride < 1 or preset.horizon % preset.frame_stride:
        raise ContractError(f"{source}.frame_stride", preset.frame_stride, f"a divisor of the horizon {preset.horizon}")
    if not 0 < preset.replan_steps <= preset.horizon:
        raise ContractError(f"{source}.replan_steps", preset.replan_steps, f"1 to horizon ({preset.horizon})")
    for name, spec in preset.substrates.items():
        try:
            spec.shape(preset.clip)
        except ContractError as error:
            expected = f"{error.expected} (substrate {name})"
            raise ContractError(f"{source}.{error.field}", error.value, expected) from None


def _check_asked(preset: Preset, planner: PlannerSpec, source: str) -> None:
    """Whether the preset can answer what the planner will ask of it."""
    kind, said = planner.kind, preset.training.sub_instructions
    if planner.tells_parts and not said:
        raise ContractError(f"{source}.training.sub_instructions", said, f"true, for {kind} tells the parts of a task")
    if not planner.goes_on:
        return
    if preset.memory:
        raise ContractError(f"{source}.memory", preset.memory, f"0, for {kind} goes on where nothing was measured")
    for group in (g for g in preset.groups if g.source == "observed"):
        spec = preset.substrates[group.substrate]
        unseen = sorted(set(spec.channels) - {"proprioception"})
        if unseen and not spec.remembers:
            expected = f"one of pictures alone, for {kind} goes on from pictures ({', '.join(unseen)} end there)"
            raise ContractError(f"{source}.groups.{group.name}.substrate", group.substrate, expected)


def _check_views(preset: Preset, source: str) -> None:
    """What is remembered is seen, not generated, from where the action leads; and no other future is seen."""
    for group in preset.groups:
        spec = preset.substrates.get(group.substrate)
        if spec and spec.remembers != (group.source == "observed" and group.span == "future"):
            what = "an observed group of the future" if spec.remembers else "generated, or observed of another span"
            raise ContractError(f"{source}.groups.{group.name}", f"{group.source}, {group.span}", what)


def _check_basis(preset: Preset, wiring: Wiring, source: str) -> None:
    """A chunk comes from an action group or from a recovery: from one of them, and from one alone."""
    actions = [g.name for g in preset.groups if g.substrate == ACTION]
    recovery = preset.recovery
    for group in preset.groups:
        if group.source == "enacted" and group.copy_of != ACTION:
            raise ContractError(f"{source}.groups.{group.name}.copy_of", group.copy_of, f"{ACTION}, which is enacted")
    if recovery is None:
        if not any(g.name == ACTION and g.source == "generated" for g in preset.groups):
            raise ContractError(f"{source}.groups", list(wiring.groups), f"a generated group {ACTION}, or a recovery")
        return
    if actions:
        raise ContractError(f"{source}.recovery", recovery.kind, f"none beside the action group {actions[0]}")
    field, group = f"{source}.recovery.future", look_up(wiring.groups, recovery.future, f"{source}.recovery.future")
    shown = look_up(preset.substrates, group.substrate, f"{source}.groups.{group.name}.substrate").shows
    if group.source != "generated" or shown != recovery.reads:
        found = f"{group.name} ({group.source}, shows {shown})"
        raise ContractError(field, found, f"a generated group that shows {recovery.reads}, which {recovery.kind} reads")
    if len(preset.layout.cameras) < recovery.cameras:
        expected = f"at least {recovery.cameras}, which {recovery.kind} needs"
        raise ContractError(f"{source}.layout.cameras", list(preset.layout.cameras), expected)


def _check_reflex(preset: Preset, reflex: ReflexSpec, source: str) -> None:
    """A reflex compares what a chunk was made with to what is sensed while it lasts."""
    wiring = Wiring(preset.groups)
    foreseen = [g for g in preset.futures() if preset.substrates[g.substrate].shows == reflex.shows]
    if not any(wiring.depends(preset.basis, g.name) for g in foreseen):
        raise ContractError(source, reflex.kind, f"none, or a chunk that is made with a future of {reflex.shows}")
    if reflex.channel not in preset.live_channels:
        raise ContractError(source, reflex.kind, f"none, or an observed group of what has the channel {reflex.channel}")
