"""Where a preset stands on the survey's four axes, read off its wiring and never off a label.

The axes are those of the survey of World Action Models whose table ``config/survey.csv`` holds: what the future that
matters to the action is made of (substrate), how it is produced (backbone), how it meets the action (coupling), and
how the chunk is used (deployment).
"""

import csv
from dataclasses import dataclass

from wam_core.errors import look_up
from wam_core.model.experts.table import EXPERTS
from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import TokenGroup, Wiring
from wam_core.paths import share_path
from wam_core.preset import ACTION, Preset


@dataclass(frozen=True)
class Anatomy:
    """A place on the four axes, in the survey's words."""

    substrate: str
    backbone: str
    coupling: str
    deployment: str


def classify(preset: Preset) -> Anatomy | None:
    """The preset's place; None for one that trains no future and looks at none: it is no World Action Model."""
    wiring = Wiring(preset.groups)
    futures = [g for g in preset.futures() if g.loss_weight and preset.substrates[g.substrate].axis]
    if not futures:
        return None
    # A recovery reads the finished future: nothing is generated with an action, or after one.
    beside = [] if preset.recovery else futures
    joint = [g for g in beside if wiring.depends(g.name, ACTION) or _together(wiring, g)]
    used = joint or [g for g in futures if wiring.depends(preset.basis, g.name)]
    return Anatomy(
        substrate=_substrate(preset, wiring, [g for g in used if _shown_by(preset, wiring, g.name)] or used),
        backbone=_backbone(preset, used or futures, wiring, joint),
        coupling=_coupling(preset, wiring, joint),
        deployment=_deployment(preset),
    )


def survey() -> dict[str, dict[str, str]]:
    """The survey's rows by the name of the system."""
    with share_path("config/survey.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def surveyed(preset: Preset) -> Anatomy | None:
    """Where the survey puts the system that the preset names, or None when it names none.

    Raises:
        ContractError: the survey has no system of that name.
    """
    if not preset.system:
        return None
    row = look_up(survey(), preset.system, "system")
    return Anatomy(row["substrate"], row["backbone"], row["coupling"], row["deployment"])


def _together(wiring: Wiring, group: TokenGroup) -> bool:
    """Whether the group and the action are denoised side by side."""
    return any({group.name, ACTION} <= set(stage) for stage in wiring.stages([ACTION, group.name]))


def _coupling(preset: Preset, wiring: Wiring, joint: list[TokenGroup]) -> str:
    if preset.planner and joint and not any(wiring.depends(ACTION, g.name) for g in joint):
        return "Cond. rollout"
    return "Joint generation" if joint else "Post-prediction head"


def _deployment(preset: Preset) -> str:
    if preset.replan_steps == 1 or preset.reflex:
        return "Single-step"
    if preset.memory:
        return "Interactive"
    # What was planned as a whole may be carried out to its end or planned anew after each part of it.
    if preset.planner and preset.planner.optimises:
        return "Open / Chunked"
    return "Open-loop" if preset.replan_steps == preset.horizon else "Chunked"


def _shown_by(preset: Preset, wiring: Wiring, name: str) -> list[TokenGroup]:
    """The group, or what carries it, as far as what the chunk is made from attends to them."""
    seen = [wiring.groups[n] for n in wiring.groups[preset.basis].sees]
    return [g for g in seen if name in (g.name, g.copy_of)]


def _substrate(preset: Preset, wiring: Wiring, used: list[TokenGroup]) -> str:
    if not used:
        return "Feature (encoder-only)"
    axes = [_axis(preset, wiring, g) for g in used]
    tapped = all(g.name not in wiring.finished([preset.basis]) and _tapped(wiring, g.name) for g in used)
    if tapped and not all(axis.startswith("Feature") for axis in axes):
        return "Feature (tap)"
    return " + ".join(dict.fromkeys(axes))


def _axis(preset: Preset, wiring: Wiring, group: TokenGroup) -> str:
    """Pictures that the action sees as points alone are geometry; discrete tokens in a language model's own sequence
    are words of its, whatever they picture."""
    seen = _shown_by(preset, wiring, group.name)
    if seen and all(g.lifted for g in seen):
        return "Geometric"
    spec = preset.substrates[group.substrate]
    written = spec.shape(preset.clip).discrete and EXPERTS[preset.experts[group.expert].kind].axis
    return "Feature (VLM token)" if written else spec.axis


def _tapped(wiring: Wiring, name: str) -> bool:
    return any(g.source == "tap" and g.copy_of == name for g in wiring.groups.values())


def _remembered(preset: Preset, group: TokenGroup) -> bool:
    """Whether the group shows what is remembered of the scene."""
    return group.source == "observed" and preset.substrates[group.substrate].remembers


def _backbone(preset: Preset, futures: list[TokenGroup], wiring: Wiring, joint: list[TokenGroup]) -> str:
    # What acts is a model and an optimiser that asks it.
    if preset.planner and preset.planner.optimises:
        return "Hybrid"
    carriers = {EXPERTS[preset.experts[g.expert].kind].axis for g in futures}
    if len(carriers) == 1 and "" not in carriers:
        return carriers.pop()
    remembers = any(g.span == "past" or _remembered(preset, g) for g in wiring.groups.values())
    axes = {GENERATORS[g.generator].axis for g in futures}
    if axes == {"Joint-embedding"}:
        return "Autoregressive" if remembers else "Joint-embedding"
    if axes in ({"Autoregressive"}, {"Hybrid"}):
        return axes.pop()
    if remembers:
        shared = {g.expert for g in futures} == {wiring.groups[preset.basis].expert}
        return "AR / Diffusion" if shared else "Hybrid"
    # One set of weights that is policy, world model and inverse dynamics, by which noise level is chosen, is a hybrid.
    schedule = wiring.groups[preset.basis].schedule
    decoupled = [g for g in joint if wiring.depends(ACTION, g.name) and (g.schedule or g.name) != schedule]
    return "Hybrid" if decoupled else "Diffusion"
