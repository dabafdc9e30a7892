"""Presets: one ROS parameter file names a World Action Model's parts and the values that differ."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields, read
from wam_core.model.groups import TokenGroup, Wiring
from wam_core.model.modalities import TokenShape
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.model.wam import ModelSpec
from wam_core.paths import share_path
from wam_core.planners.planner import PlannerSpec
from wam_core.planners.table import PLANNERS
from wam_core.preprocess.images import ImageLayout
from wam_core.preprocess.senses import needed_senses
from wam_core.pretrained.conventions import Conventions
from wam_core.recovery.recovery import RecoverySpec
from wam_core.recovery.table import RECOVERIES
from wam_core.reflexes.reflex import ReflexSpec
from wam_core.reflexes.table import REFLEXES
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import SENSED
from wam_core.substrates.substrate import Clip, Substrate, SubstrateSpec
from wam_core.substrates.table import SUBSTRATES
from wam_core.triggers.table import TRIGGERS
from wam_core.triggers.trigger import TriggerSpec

Part = TypeVar("Part")

#: The substrate of action chunks, and the group that generates them where no recovery does.
ACTION = "action"


@dataclass(frozen=True)
class TrainingSettings:
    """How a preset is trained.

    Attributes:
        warmup: in steps.
        ema: decay of the averaged weights, which are the ones that are kept.
        copies: augmented copies of the data beside the recorded one (``training/augment.py``).
        sub_instructions: whether every window is also learned under the part of the task that is being done, with a
            future that ends where that part is done.
    """

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup: int
    ema: float
    clip: float
    copies: int
    sub_instructions: bool = False


@dataclass(frozen=True)
class Preset:
    """One World Action Model as data.

    Attributes:
        system: the system of ``config/survey.csv`` that it follows; empty for a baseline or a control.
        robot: name of the contract it is made for.
        horizon: action steps in a chunk.
        frame_stride: action steps between two predicted frames.
        replan_steps: chunk steps executed before the next chunk takes over.
        steps: denoising steps at inference, where a group names none of its own.
        text_length: most words of an instruction.
        memory: observations that are remembered, ``replan_steps`` apart: what groups of the past show.
        planner: how one of several chunks is chosen; None: the model's first is taken.
        trigger: what asks for a new chunk before ``replan_steps`` are over; None: nothing does.
        reflex: what corrects the rest of a chunk at every step; None: nothing does.
        recovery: how a chunk is read off a predicted future where no group is an action; None: where one is.
        held_by: tests that fail when what distinguishes the system is taken out of this preset.
        published: how weights that others trained want their inputs, and give their outputs.
    """

    name: str
    summary: str
    system: str
    robot: str
    layout: ImageLayout
    horizon: int
    frame_stride: int
    replan_steps: int
    steps: int
    text_length: int
    substrates: Mapping[str, SubstrateSpec]
    trunk: TrunkSize
    experts: Mapping[str, ExpertSize]
    groups: tuple[TokenGroup, ...]
    training: TrainingSettings
    memory: int = 0
    planner: PlannerSpec | None = None
    trigger: TriggerSpec | None = None
    reflex: ReflexSpec | None = None
    recovery: RecoverySpec | None = None
    held_by: tuple[str, ...] = ()
    published: Conventions | None = None

    @property
    def clip(self) -> Clip:
        """Timing and picture of a training window."""
        return Clip(self.layout, self.horizon // self.frame_stride, self.frame_stride, pace=self.replan_steps)

    @property
    def live_channels(self) -> tuple[str, ...]:
        """Channels that must be sensed while it acts, beside proprioception: of what it observes, of its recovery."""
        observed = dict.fromkeys(g.substrate for g in self.groups if g.source == "observed")
        named = dict.fromkeys(channel for name in observed for channel in self.substrates[name].present_channels)
        recovered = self.recovery.channels if self.recovery else ()
        return tuple(channel for channel in dict.fromkeys((*named, *recovered)) if channel != "proprioception")

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that its recordings must have, of those that not every recording has."""
        trained = (c for spec in self.substrates.values() for c in spec.channels if c in SENSED)
        return tuple(dict.fromkeys((*trained, *self.live_channels)))

    def futures(self) -> tuple[TokenGroup, ...]:
        """The generated groups that are no actions: what the model can imagine."""
        return tuple(g for g in self.groups if g.source == "generated" and g.substrate != ACTION)

    @property
    def basis(self) -> str:
        """The generated group that a chunk is made from: the action, or the future that the recovery reads."""
        return self.recovery.future if self.recovery else ACTION

    def to_dict(self) -> dict[str, Any]:
        """The same shape as the parameter file; :func:`from_dict` reads it back."""
        raw = asdict(self)
        raw["groups"] = {g.pop("name"): {k: v for k, v in g.items()} for g in raw["groups"]}
        return _listed(raw)


def preset_names() -> dict[str, Path]:
    """Name -> parameter file of every shipped preset that is trained here."""
    return {p.stem: p for p in sorted(share_path("config/wam").glob("*.yaml"))}


def published_names() -> dict[str, Path]:
    """Name -> parameter file of every shipped preset for weights that others trained."""
    return {p.stem: p for p in sorted(share_path("config/wam/published").glob("*.yaml"))}


def load_preset(name_or_path: str) -> Preset:
    """Read ``config/wam/<name>.yaml``, or a parameter file given by path.

    Raises:
        ContractError: unknown name, missing or unknown field, sizes or wiring that do not fit.
    """
    path = Path(name_or_path)
    if path.suffix != ".yaml":
        path = look_up(preset_names() | published_names(), name_or_path, "model")
    raw = yaml.safe_load(path.read_text())
    try:
        parameters = raw["/**"]["ros__parameters"]
    except (KeyError, TypeError):
        raise ContractError(str(path), raw, "a ROS parameter file: '/**: ros__parameters: ...'") from None
    return from_dict(parameters, path.stem)


def from_dict(raw: Mapping[str, Any], source: str) -> Preset:
    """Build and check a preset; errors name ``source`` and the dotted field."""
    values = exact_fields(Preset, raw, source)
    values["layout"] = read(ImageLayout, raw["layout"], f"{source}.layout")
    values["substrates"] = {n: _part(SUBSTRATES, s, f"{source}.substrates.{n}") for n, s in raw["substrates"].items()}
    values["trunk"] = read(TrunkSize, raw["trunk"], f"{source}.trunk")
    values["training"] = read(TrainingSettings, raw["training"], f"{source}.training")
    values["experts"] = {n: read(ExpertSize, e, f"{source}.experts.{n}") for n, e in raw["experts"].items()}
    values["groups"] = tuple(
        read(TokenGroup, {"name": n, **g}, f"{source}.groups.{n}") for n, g in raw["groups"].items()
    )
    if raw.get("published") is not None:
        values["published"] = read(Conventions, raw["published"], f"{source}.published")
    values["held_by"] = tuple(raw.get("held_by", ()))
    if raw.get("planner") is not None:
        values["planner"] = _part(PLANNERS, raw["planner"], f"{source}.planner")
    if raw.get("trigger") is not None:
        values["trigger"] = _part(TRIGGERS, raw["trigger"], f"{source}.trigger")
    if raw.get("reflex") is not None:
        values["reflex"] = _part(REFLEXES, raw["reflex"], f"{source}.reflex")
    if raw.get("recovery") is not None:
        values["recovery"] = _part(RECOVERIES, raw["recovery"], f"{source}.recovery")
    preset = Preset(**values)
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
    return preset


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


def _part(table: Mapping[str, type[Part]], raw: Mapping[str, Any], source: str) -> Part:
    """A part by its ``kind`` in a table."""
    if not isinstance(raw, Mapping) or "kind" not in raw:
        raise ContractError(f"{source}.kind", raw, f"one of {', '.join(table)}")
    return read(look_up(table, raw["kind"], f"{source}.kind"), raw, source)


def build_substrates(preset: Preset, robot: RobotContract) -> dict[str, Substrate]:
    """The preset's substrates on ``robot``, with random weights where they have any."""
    clip = replace(preset.clip, robot=robot)
    return {name: spec.build(clip).eval() for name, spec in preset.substrates.items()}


def model_spec(preset: Preset, robot: RobotContract, vocabulary: tuple[str, ...]) -> ModelSpec:
    """The model that ``preset`` describes, for ``robot`` and the words of its training instructions.

    Raises:
        ContractError: the preset is for another robot, or needs a camera or a sense that the robot does not have.
    """
    if preset.robot != robot.name:
        raise ContractError("preset.robot", preset.robot, f"{robot.name!r}, the robot in use")
    for camera in preset.layout.cameras:
        robot.camera(camera)
    needed_senses(robot, preset.live_channels, preset.layout)
    clip, shapes = preset.clip, {}
    for name, spec in preset.substrates.items():
        shape = spec.shape(clip)
        shapes[name] = replace(shape, past=preset.memory * shape.present)
    if preset.recovery is None:
        shapes[ACTION] = TokenShape(0, preset.horizon, (), len(robot.action.names))
    lifted = [g for g in preset.groups if g.lifted]
    enacted = [g for g in preset.groups if g.source == "enacted"]
    return ModelSpec(
        groups=preset.groups,
        experts=preset.experts,
        trunk=preset.trunk,
        shapes=shapes,
        proprio_dim=len(robot.proprioception),
        vocabulary=vocabulary,
        text_length=preset.text_length,
        enactors={g.substrate: preset.substrates[g.substrate].enactor(replace(clip, robot=robot)) for g in enacted},
        lifts={g.substrate: preset.substrates[g.substrate].lift(replace(clip, robot=robot)) for g in lifted},
    )


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, tuple | list) else value
