"""The presets: what each is made of, and whether a checkpoint is here."""

import argparse
import json
from dataclasses import asdict

from wam_core.anatomy import classify, surveyed
from wam_core.errors import ContractError
from wam_core.evaluation.properties.check import promised
from wam_core.model.groups import Wiring
from wam_core.policy import checkpoint_folder
from wam_core.preset import Preset
from wam_core.presets import load_preset, preset_names, published_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """List all presets of ``config/wam``."""
    rows = [describe(load_preset(name)) for name in (*preset_names(), *published_names())]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        trained = "published" if row["published"] else "trained" if row["checkpoint"] else "untrained"
        print(f"{row['name']:<24} {trained:<10} {row['summary']}")
        if place := row["anatomy"]:
            print(f"{'':<24} {', '.join(place.values())}")  # type: ignore[attr-defined]
        print(f"{'':<24} a chunk needs {', '.join(row['action_needs'])}; stages {row['stages']}")  # type: ignore[arg-type]
    return 0


def describe(preset: Preset) -> dict[str, object]:
    """A preset's parts, read off its wiring."""
    wiring = Wiring(preset.groups)
    derived, published = classify(preset), surveyed(preset)
    return {
        "name": preset.name,
        "summary": preset.summary,
        "system": preset.system,
        "anatomy": asdict(derived) if derived else None,
        "survey": asdict(published) if published else None,
        "held_by": list(preset.held_by),
        "properties": promised(preset),
        "substrates": {name: spec.kind for name, spec in preset.substrates.items()},
        "generators": {g.name: g.generator for g in preset.groups if g.generator},
        "planner": preset.planner.kind if preset.planner else None,
        "recovery": preset.recovery.kind if preset.recovery else None,
        "robot": preset.robot,
        "cameras": list(preset.layout.cameras),
        "horizon": preset.horizon,
        "action_needs": list(wiring.needed([preset.basis])),
        "stages": [list(stage) for stage in wiring.stages([preset.basis])],
        "published": preset.published is not None,
        "checkpoint": _checkpoint(preset.name),
    }


def _checkpoint(name: str) -> str | None:
    try:
        return str(checkpoint_folder(name))
    except ContractError:
        return None
