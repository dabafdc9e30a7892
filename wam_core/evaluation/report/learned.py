"""What substrates learn before a model does, made once for all presets that have the same."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from torch import nn

from wam_core.data.frames import TrainingFrames
from wam_core.errors import ContractError
from wam_core.evaluation.report.budget import Budget
from wam_core.preset import Preset
from wam_core.presets import build_substrates
from wam_core.substrates.encoded_frame import EncodedFrameSpec
from wam_core.substrates.video_latent import VideoLatentSpec
from wam_core.substrates.video_vae import TIME_STRIDE, VaeSize
from wam_core.substrates.vq_tokens import VqTokens, VqTokensSpec
from wam_core.training.checkpoint import load_weights
from wam_core.training.codebook import fit_codebook, save_codebook
from wam_core.training.video_vae import save_vae, train_vae

#: Told what happens, a line at a time.
Report = Callable[[str], None]
#: Substrates in which there is a video VAE.
WITH_VAE = (VideoLatentSpec, EncodedFrameSpec, VqTokensSpec)


def learned_file(
    preset: Preset, frames: TrainingFrames, data: str, budget: Budget, folder: Path, report: Report
) -> Path | None:
    """The file in ``folder`` that the preset's learning substrates read; None where none learns.

    Args:
        data: fingerprint of the recordings that ``frames`` are of.

    Raises:
        ContractError: video VAEs of several sizes in one preset.
    """
    sizes = {spec.vae for spec in preset.substrates.values() if isinstance(spec, WITH_VAE)}
    if not sizes:
        return None
    if len(sizes) > 1:
        raise ContractError("substrates", sorted(map(str, sizes)), "video VAEs of one size")
    vae = _vae(preset, sizes.pop(), frames, data, budget, folder, report)
    coded = [name for name, spec in preset.substrates.items() if isinstance(spec, VqTokensSpec)]
    return _codebook(preset, coded[0], vae, frames, budget, report) if coded else vae


def _vae(
    preset: Preset, size: VaeSize, frames: TrainingFrames, data: str, budget: Budget, folder: Path, report: Report
) -> Path:
    # One that foresees fewer instants than the VAE's step in time takes what the others have.
    clip = replace(preset.clip, instants=max(TIME_STRIDE, preset.clip.instants // TIME_STRIDE * TIME_STRIDE))
    made_of = (asdict(size), asdict(clip), budget.vae_updates, budget.seed, data)
    file = folder / f"vae_{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]}.safetensors"
    if not file.exists():
        report(f"{preset.name}: {budget.vae_updates} updates of a video VAE, for all that have the same")
        windows = frames.windows(clip.instants * clip.stride, clip.stride)
        save_vae(train_vae(size, frames, windows, budget.vae_updates, budget.seed, lambda step, loss: None), file)
    return file


def _codebook(preset: Preset, name: str, vae: Path, frames: TrainingFrames, budget: Budget, report: Report) -> Path:
    file = vae.with_name(f"{vae.stem}_{preset.name}_codes.safetensors")
    if not file.exists():
        report(f"{preset.name}: a codebook")
        tokens = build_substrates(preset, frames.robot)[name]
        assert isinstance(tokens, VqTokens)
        load_weights(nn.ModuleDict({"vae": tokens.vae}), vae)
        fit_codebook(tokens, frames, budget.seed)
        save_codebook(tokens, file)
    return file
