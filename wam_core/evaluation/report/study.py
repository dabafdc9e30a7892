"""All presets at one budget, one after the other; what is there already is not done again."""

import hashlib
import json
import os
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from wam_core.data.frames import TrainingFrames, load_frames
from wam_core.errors import ContractError
from wam_core.evaluation.report.budget import Budget, fingerprint
from wam_core.evaluation.report.fit import fit, split
from wam_core.evaluation.report.measure import measure
from wam_core.presets import Preset
from wam_core.substrates.encoded_frame import EncodedFrameSpec
from wam_core.substrates.video_latent import VideoLatentSpec
from wam_core.training.checkpoint import save_checkpoint
from wam_core.training.video_vae import save_vae, train_vae

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
        parts = {k: v for k, v in preset.to_dict().items() if k not in WORDS}
        asked = {"budget": asdict(self.budget), "data": fingerprint(self.data), "preset": parts}
        return json.loads(json.dumps(asked))  # type: ignore[no-any-return]

    def row(self, preset: Preset) -> dict[str, Any] | None:
        """The row that is there for this question, whether it is of success or of failure."""
        file = self.row_file(preset.name)
        found = json.loads(file.read_text()) if file.exists() else None
        return found if found and found["question"] == self.question(preset) else None


def run_study(study: Study, presets: Sequence[Preset], report: Callable[[str], None]) -> None:
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


def _row(study: Study, preset: Preset, report: Callable[[str], None]) -> dict[str, Any]:
    row: dict[str, Any] = {"preset": preset.name, "question": study.question(preset), "machine": machine()}
    try:
        frames = load_frames(study.data, preset.layout, study.data / ".cache")
        seen, unseen = split(frames)
        vae = _shared_vae(study, preset, seen, report)
        report(f"{preset.name}: {study.budget.updates} updates")
        checkpoint, fitted = fit(preset, frames, study.budget, vae)
        folder = study.out / "checkpoints" / preset.name
        save_checkpoint(folder, checkpoint)
        row["training"] = asdict(fitted)
        report(f"{preset.name}: {study.budget.episodes} episodes of each task")
        return row | asdict(measure(folder, study.budget, unseen, study.renderer, preset.name in study.blind))
    except Exception as error:  # whatever is wrong with one preset, the others have their turn, and its row says so
        known = isinstance(error, ContractError)
        return row | {"failed": str(error) if known else traceback.format_exc(limit=-3)}


def _shared_vae(study: Study, preset: Preset, frames: TrainingFrames, report: Callable[[str], None]) -> Path | None:
    """The file of the preset's video VAE, made by the first preset that needs it; None where none is needed."""
    kinds = (VideoLatentSpec, EncodedFrameSpec)
    sizes = {spec.vae for spec in preset.substrates.values() if isinstance(spec, kinds)}
    if not sizes:
        return None
    if len(sizes) > 1:
        raise ContractError("substrates", sorted(map(str, sizes)), "video VAEs of one size")
    size, updates = sizes.pop(), study.budget.vae_updates
    made_of = (asdict(size), asdict(preset.clip), updates, study.budget.seed, fingerprint(study.data))
    file = study.out / f"vae_{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]}.safetensors"
    if not file.exists():
        report(f"{preset.name}: {updates} updates of a video VAE, for all that have the same")
        windows = frames.windows(preset.horizon, preset.frame_stride)
        save_vae(train_vae(size, frames, windows, updates, study.budget.seed, lambda step, loss: None), file)
    return file


def machine() -> str:
    """What times were measured on."""
    threads = f"{torch.get_num_threads()} thread(s)"
    return f"{platform.machine()}, {os.cpu_count()} cores, {threads}, torch {torch.__version__}"
