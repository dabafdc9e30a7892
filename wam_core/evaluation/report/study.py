"""All presets at one budget, one after the other; what is there already is not done again."""

import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wam_core.data.frames import TrainingFrames
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.report.budget import Budget, Exam, contents
from wam_core.evaluation.report.fit import fit, split
from wam_core.evaluation.report.learned import Report, learned_file
from wam_core.evaluation.report.measure import PARTS, Candidate, measure
from wam_core.evaluation.rows import as_stored, machine, read_row, write_row
from wam_core.preset import Preset
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint

#: Of a preset, what says nothing about what is trained.
WORDS = ("summary", "system", "held_by")
#: Beside a checkpoint: which question it answers, and what its training came to.
RECORD = "learned.json"


@dataclass(frozen=True)
class Study:
    """What is asked of every preset, and where.

    Attributes:
        data: folder of recordings. out: folder of rows, checkpoints and shared video VAEs.
        blind: presets whose episodes are repeated with the cameras frozen.
    """

    budget: Budget
    exam: Exam
    data: Path
    out: Path
    renderer: str
    blind: tuple[str, ...]

    def row_file(self, name: str) -> Path:
        return self.out / "rows" / f"{name}.json"

    def checkpoint(self, name: str) -> Path:
        return self.out / "checkpoints" / name

    def training_question(self, preset: Preset) -> dict[str, Any]:
        """What a checkpoint answers; one of another question is made again."""
        return as_stored({"budget": asdict(self.budget), "data": contents(self.data), "preset": said_by(preset)})

    def question(self, preset: Preset) -> dict[str, Any]:
        """What a row answers; a row of another question does not count."""
        return {"trained": self.training_question(preset), "measured": as_stored(asdict(self.exam))}

    def row(self, preset: Preset) -> dict[str, Any] | None:
        """The row that is there for this question, whether it is of success or of failure; it may lack parts."""
        return read_row(self.row_file(preset.name), self.question(preset))


def run_study(study: Study, presets: Sequence[Preset], report: Report) -> None:
    """Leave a whole row for each preset that has none, or whose row says that it failed, or lacks parts.

    Args:
        report: is told what happens, a line at a time.
    """
    for preset in presets:
        name, row = preset.name, study.row(preset) or {}
        if "failed" not in row and all(part in row for part in PARTS):
            report(f"{name}: there already")
            continue
        began = time.monotonic()
        row = _row(study, preset, row, report)
        row["seconds"] = round(time.monotonic() - began, 1)
        write_row(study.row_file(name), row)
        report(f"{name}: {row.get('failed', 'measured')}, {row['seconds']} s")


def _row(study: Study, preset: Preset, found: dict[str, Any], report: Report) -> dict[str, Any]:
    """A whole row, with what ``found`` has of it, if the checkpoint that it is of is there; saved after each part."""
    row: dict[str, Any] = {"preset": preset.name, "question": study.question(preset), "machine": machine()}

    @cache
    def frames() -> TrainingFrames:
        return load_frames(study.data, preset.layout, study.data / ".cache", channels=preset.channels)

    try:
        folder = study.checkpoint(preset.name)
        trained = row["question"]["trained"]
        record = read_row(folder / RECORD, trained)
        if record is None:
            record = _train(study, preset, frames(), trained, report)
        else:
            row = found | row
        row.pop("failed", None)
        row["training"] = record["training"]
        unseen, blind = (lambda: split(frames())[1]), preset.name in study.blind
        candidate = Candidate(load_checkpoint(folder), study.exam, unseen, study.renderer, blind)
        for part in [part for part in PARTS if part not in row]:
            report(f"{preset.name}: {part}")
            row |= measure(candidate, part)
            write_row(study.row_file(preset.name), row)
        return row
    except Exception as error:  # whatever is wrong with one preset, the others have their turn, and its row says so
        known = isinstance(error, ContractError)
        return row | {"failed": str(error) if known else traceback.format_exc(limit=-3)}


def _train(
    study: Study, preset: Preset, frames: TrainingFrames, question: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Leave a checkpoint; what stands beside it."""
    parts = split(frames)
    learned = learned_file(preset, parts[0], question["data"], study.budget, study.out, report)
    report(f"{preset.name}: {study.budget.updates} updates")
    checkpoint, fitted = fit(preset, frames, parts, study.budget, learned)
    folder = study.checkpoint(preset.name)
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    save_checkpoint(unfinished, checkpoint)
    record = {"question": question, "training": asdict(fitted)}
    write_row(unfinished / RECORD, record)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return as_stored(record)


def said_by(preset: Preset) -> dict[str, Any]:
    """What of a preset says what is trained."""
    said: dict[str, Any] = _said({k: v for k, v in preset.to_dict().items() if k not in WORDS})
    return said


def _said(value: Any) -> Any:
    """Without the fields that say nothing, so that a row outlives a field that presets get for what it does not use."""
    if isinstance(value, dict):
        return {k: _said(v) for k, v in value.items() if v}
    return [_said(v) for v in value] if isinstance(value, list) else value

