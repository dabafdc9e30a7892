"""All presets at one budget, one after the other; what is there already is not done again."""

import json
import os
import platform
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.report.budget import Budget, fingerprint
from wam_core.evaluation.report.fit import fit, split
from wam_core.evaluation.report.learned import Report, learned_file
from wam_core.evaluation.report.measure import measure
from wam_core.presets import Preset
from wam_core.training.checkpoint import save_checkpoint

#: Of a preset, what says nothing about what is trained.
WORDS = ("summary", "system", "held_by")


@dataclass(frozen=True)
class Study:
    """What is asked of every preset, and where.

    Attributes:
        data: folder of recordings. out: folder of rows, checkpoints and shared video VAEs.
        blind: presets whose episodes are repeated with the cameras frozen.
    """

    budget: Budget
    data: Path
    out: Path
    renderer: str
    blind: tuple[str, ...]

    def row_file(self, name: str) -> Path:
        return self.out / "rows" / f"{name}.json"

    def question(self, preset: Preset) -> dict[str, Any]:
        """What a row answers; a row of another question does not count."""
        parts = _said({k: v for k, v in preset.to_dict().items() if k not in WORDS})
        asked = {"budget": asdict(self.budget), "data": fingerprint(self.data), "preset": parts}
        return json.loads(json.dumps(asked))  # type: ignore[no-any-return]

    def row(self, preset: Preset) -> dict[str, Any] | None:
        """The row that is there for this question, whether it is of success or of failure."""
        file = self.row_file(preset.name)
        found = json.loads(file.read_text()) if file.exists() else None
        return found if found and found["question"] == self.question(preset) else None


def run_study(study: Study, presets: Sequence[Preset], report: Report) -> None:
    """Leave a row for each preset that has none, or whose row says that it failed.

    Args:
        report: is told what happens, a line at a time.
    """
    for preset in presets:
        name, row = preset.name, study.row(preset)
        if row is not None and "failed" not in row:
            report(f"{name}: there already")
            continue
        began = time.monotonic()
        row = _row(study, preset, report)
        row["seconds"] = round(time.monotonic() - began, 1)
        file = study.row_file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        unfinished.write_text(json.dumps(row, indent=1))
        unfinished.replace(file)
        report(f"{name}: {row.get('failed', 'measured')}, {row['seconds']} s")


def _row(study: Study, preset: Preset, report: Report) -> dict[str, Any]:
    row: dict[str, Any] = {"preset": preset.name, "question": study.question(preset), "machine": machine()}
    try:
        frames = load_frames(study.data, preset.layout, study.data / ".cache", channels=preset.channels)
        seen, unseen = split(frames)
        learned = learned_file(preset, seen, row["question"]["data"], study.budget, study.out, report)
        report(f"{preset.name}: {study.budget.updates} updates")
        checkpoint, fitted = fit(preset, frames, (seen, unseen), study.budget, learned)
        folder = study.out / "checkpoints" / preset.name
        save_checkpoint(folder, checkpoint)
        row["training"] = asdict(fitted)
        report(f"{preset.name}: {study.budget.episodes} episodes of each task")
        return row | asdict(measure(folder, study.budget, unseen, study.renderer, preset.name in study.blind))
    except Exception as error:  # whatever is wrong with one preset, the others have their turn, and its row says so
        known = isinstance(error, ContractError)
        return row | {"failed": str(error) if known else traceback.format_exc(limit=-3)}


def _said(value: Any) -> Any:
    """Without the fields that say nothing, so that a row outlives a field that presets get for what it does not use."""
    if isinstance(value, dict):
        return {k: _said(v) for k, v in value.items() if v}
    return [_said(v) for v in value] if isinstance(value, list) else value


def machine() -> str:
    """What times were measured on."""
    threads = f"{torch.get_num_threads()} thread(s)"
    return f"{platform.machine()}, {os.cpu_count()} cores, {threads}, torch {torch.__version__}"
