"""Presets: one ROS parameter file names a World Action Model's parts and the values that differ."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields, read
from wam_core.model.groups import TokenGroup
from wam_core.model.modalities import TokenShape
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.model.wam import ModelSpec
from wam_core.paths import share_path
from wam_core.planners.table import PLANNERS
from wam_core.preprocess.images import ImageLayout
from wam_core.preprocess.senses import needed_senses
from wam_core.preset import ACTION, Preset, TrainingSettings
from wam_core.preset_checks import check
from wam_core.pretrained.conventions import Conventions, TextSize
from wam_core.recovery.table import RECOVERIES
from wam_core.reflexes.table import REFLEXES
from wam_core.robot.body import Body
from wam_core.substrates.substrate import Substrate
from wam_core.substrates.table import SUBSTRATES
from wam_core.triggers.table import TRIGGERS

Part = TypeVar("Part")


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
        values["published"] = _conventions(raw["published"], f"{source}.published")
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
    check(preset, source)
    return preset


def _conventions(raw: Mapping[str, Any], source: str) -> Conventions:
    text = raw.get("text") if isinstance(raw, Mapping) else None
    return read(Conventions, raw if text is None else {**raw, "text": read(TextSize, text, f"{source}.text")}, source)


def _part(table: Mapping[str, type[Part]], raw: Mapping[str, Any], source: str) -> Part:
    """A part by its ``kind`` in a table."""
    if not isinstance(raw, Mapping) or "kind" not in raw:
        raise ContractError(f"{source}.kind", raw, f"one of {', '.join(table)}")
    return read(look_up(table, raw["kind"], f"{source}.kind"), raw, source)


def build_substrates(preset: Preset, robot: Body) -> dict[str, Substrate]:
    """The preset's substrates on ``robot``, with random weights where they have any."""
    clip = replace(preset.clip, robot=robot)
    return {name: spec.build(clip).eval() for name, spec in preset.substrates.items()}


def model_spec(preset: Preset, robot: Body, vocabulary: tuple[str, ...]) -> ModelSpec:
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
