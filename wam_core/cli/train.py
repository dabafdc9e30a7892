"""Train the video VAE (--part vae), then a preset on its latents (--part model; where its pictures are tokens, their
--part codebook comes between), or go on from a checkpoint on other recordings (--from, whole or with --lora); an
interrupted run goes on."""

import argparse
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from wam_core.data.frames import TrainingFrames
from wam_core.data.statistics import ColumnStatistics
from wam_core.data.training_set import load_frames
from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.policy import checkpoint_folder
from wam_core.preset import Preset, TrainingSettings
from wam_core.presets import build_substrates, load_preset
from wam_core.substrates.substrate import Substrate
from wam_core.substrates.video_latent import VideoLatent
from wam_core.substrates.vq_tokens import VqTokens
from wam_core.training.augment import augmented
from wam_core.training.batches import Batches, joined, make_batches
from wam_core.training.beginning import Beginning, begin, go_on, made
from wam_core.training.checkpoint import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from wam_core.training.codebook import fit_codebook, save_codebook
from wam_core.training.crew import Crew, dismiss, leader_first, muster, spread
from wam_core.training.ending import checkpoint_of
from wam_core.training.fine_tuning import add_adapters, freeze, trained_numbers
from wam_core.training.pictures import save_future_picture, save_vae_picture
from wam_core.training.trainer import load_state, save_state, start, train, validate
from wam_core.training.video_vae import save_vae, train_vae

SAVE_EVERY = 500
#: One stretch in this many is held out for validation.
HELD_OUT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="fast_wam", help="preset: a name in config/wam or a parameter file")
    parser.add_argument("--part", choices=("model", "vae", "codebook"), default="model", help="what to train")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the training state")
    parser.add_argument("--vae", type=Path, help="vae.safetensors or codebook.safetensors, as that part made it")
    parser.add_argument("--from", dest="origin", default="", help="checkpoint to fine-tune: a preset's, or a folder")
    parser.add_argument("--lora", type=int, default=0, help="rank of adapters, instead of training the whole trunk")
    parser.add_argument("--freeze", default="", help="parts that stay as they are, e.g. trunk.mixtures.video,text")
    parser.add_argument("--learning-rate", type=float, help="instead of the preset's")
    parser.add_argument("--copies", type=int, help="augmented copies of the data, instead of the preset's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="updates, instead of the preset's")
    parts = "parts of a batch, worked on in turn to save memory, shared by all processes; 0: one for each process"
    parser.add_argument("--parts", type=int, default=0, help=parts)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")


def run(arguments: argparse.Namespace) -> int:
    """Train and leave a checkpoint folder (or ``vae.safetensors``) in ``--out``; the loss log lies beside it."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    crew = muster()
    if crew.size > 1 and arguments.part != "model":
        raise ContractError("part", arguments.part, "model, where torchrun starts several processes")
    origin = load_checkpoint(checkpoint_folder(arguments.origin)) if arguments.origin else None
    preset = origin.preset if origin else load_preset(arguments.model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    _say(crew, f"Reading {arguments.data} ...")
    with leader_first(crew):  # the others find in the cache what it read
        frames = load_frames(arguments.data, preset.layout, arguments.data / ".cache", channels=preset.channels)
    _say(crew, f"{len(frames.actions)} steps in {len(frames.bounds)} episodes")
    if arguments.part == "vae":
        return _train_vae(arguments, preset, frames)
    if arguments.part == "codebook":
        return _fit_codebook(arguments, preset, frames)
    begun = go_on(origin, frames) if origin else begin(preset, frames, arguments.vae, arguments.seed)
    _train_model(arguments, begun, frames, crew)
    dismiss(crew)
    return 0


def _say(crew: Crew, text: str) -> None:
    if crew.leads:
        print(text, flush=True)


def _train_vae(arguments: argparse.Namespace, preset: Preset, frames: TrainingFrames) -> int:
    bar = tqdm(total=arguments.steps or 2000, unit="step")
    recent: deque[float] = deque(maxlen=100)

    def report(step: int, loss: float) -> None:
        recent.append(loss)
        bar.update()
        if step % 50 == 0:
            bar.set_postfix(loss=f"{sum(recent) / len(recent):.4f}")

    windows = frames.windows(preset.horizon, preset.frame_stride)
    videos = _video_latents(build_substrates(preset, frames.robot))
    if not videos:
        raise ContractError("model", preset.name, "a preset with a video_latent substrate")
    vae = train_vae(videos[0].spec.vae, frames, windows, bar.total, arguments.seed, report)
    bar.close()
    save_vae(vae, arguments.out / "vae.safetensors")
    save_vae_picture(preset, frames, vae, arguments.out / "vae.png")
    print(f"{arguments.out / 'vae.safetensors'}, {arguments.out / 'vae.png'}")
    return 0


def _video_latents(substrates: Mapping[str, Substrate]) -> list[VideoLatent]:
    return [s for s in substrates.values() if isinstance(s, VideoLatent)]


def _fit_codebook(arguments: argparse.Namespace, preset: Preset, frames: TrainingFrames) -> int:
    tokens = next((s for s in build_substrates(preset, frames.robot).values() if isinstance(s, VqTokens)), None)
    if tokens is None:
        raise ContractError("model", preset.name, "a preset with a vq_tokens substrate")
    load_weights(nn.ModuleDict({"vae": tokens.vae}), made(arguments.vae))
    left = fit_codebook(tokens, frames, arguments.seed)
    save_codebook(tokens, arguments.out / "codebook.safetensors")
    print(f"{100 * left:.1f} % of the latents' variance is in no code\n{arguments.out / 'codebook.safetensors'}")
    return 0


def _augmented_batches(
    seed: int,
    copies: int,
    preset: Preset,
    frames: TrainingFrames,
    substrates: Mapping[str, Substrate],
    model: WorldActionModel,
    statistics: Mapping[str, ColumnStatistics],
) -> Batches:
    rng = np.random.default_rng(seed)
    parts = []
    for copy in tqdm(range(copies + 1), desc="encoding", unit="copy"):
        scenes = augmented(frames, rng) if copy else frames
        parts.append(make_batches(preset, scenes, substrates, model.text, statistics))
    return joined(parts)


def _settings(arguments: argparse.Namespace, preset: Preset) -> TrainingSettings:
    chosen = {n: getattr(arguments, n) for n in ("steps", "learning_rate", "copies")}
    return replace(preset.training, **{n: v for n, v in chosen.items() if v is not None})


def _train_model(arguments: argparse.Namespace, begun: Beginning, frames: TrainingFrames, crew: Crew) -> None:
    preset, model, substrates, statistics = begun.preset, begun.model, begun.substrates, begun.statistics
    settings = _settings(arguments, preset)
    torch.manual_seed(arguments.seed)
    if arguments.lora:
        add_adapters(model, arguments.lora)
    freeze(model, [part for part in arguments.freeze.split(",") if part])
    trained, numbers = trained_numbers(model)
    _say(crew, f"{trained:,} of {numbers:,} parameters are trained")
    held = [i for i in range(len(frames.bounds)) if i % HELD_OUT == 0]
    kept = [i for i in range(len(frames.bounds)) if i % HELD_OUT]
    seen, copies = frames.select(kept), settings.copies
    data = _augmented_batches(arguments.seed, copies, preset, seen, substrates, model, statistics)
    unseen_frames = frames.select(held)
    unseen = make_batches(preset, unseen_frames, substrates, model.text, statistics)
    spread(model, crew)
    state = start(model, settings)
    state_file, log = arguments.out / "state.pt", arguments.out / "losses.csv"
    if state_file.exists():
        load_state(state, state_file)
        _say(crew, f"going on from step {state.step}")
    bar = tqdm(total=settings.steps, initial=state.step, unit="step", mininterval=2.0, disable=not crew.leads)
    recent: deque[dict[str, float]] = deque(maxlen=200)
    began = time.monotonic()

    def checkpoint() -> Checkpoint:
        record = {
            "seed": arguments.seed,
            "step": state.step,
            "episodes": len(kept),
            "windows": len(data),
            "settings": vars(settings),
            "from": {n: getattr(arguments, n) for n in ("origin", "lora", "freeze")},
            "seconds": round(time.monotonic() - began),
            "threads": torch.get_num_threads(),
            "processes": crew.size,
            "torch": torch.__version__,
        }
        return checkpoint_of(begun, state, frames, record)

    def report(step: int, losses: dict[str, float]) -> None:
        recent.append(losses)
        bar.update()
        if step % SAVE_EVERY and step != settings.steps:
            return
        held_out = validate(state, unseen, arguments.seed)
        means = {n: sum(r[n] for r in recent) / len(recent) for n in losses}
        bar.set_postfix({n: f"{means[n]:.3f}|{held_out[n]:.3f}" for n in losses})
        save_state(state, state_file, crew)
        saved = checkpoint()
        if not crew.leads:
            return
        with log.open("a") as out:
            row = [str(step), *(f"{means[n]:.5f},{held_out[n]:.5f}" for n in sorted(losses))]
            out.write(",".join(row) + "\n")
        save_checkpoint(arguments.out / "checkpoint", saved)
        save_future_picture(saved, unseen_frames, arguments.out / "futures.png")

    if arguments.origin and not state.step:
        began_at = validate(state, unseen, arguments.seed)
        _say(crew, "held-out loss before: " + ", ".join(f"{n} {v:.4f}" for n, v in began_at.items()))
    train(state, settings, data, arguments.seed, report, arguments.parts or crew.size, crew)
    bar.close()
    _say(crew, f"{arguments.out / 'checkpoint'}")
