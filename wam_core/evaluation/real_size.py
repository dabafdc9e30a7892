"""Chunk time of a published preset in its true shapes with random weights, and how near that is to what the card
allows: `wam bench real`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wam_core.errors import ContractError, look_up
from wam_core.evaluation.intervals import median_ratio
from wam_core.evaluation.report.cost import operations
from wam_core.model import sampling
from wam_core.model.runtimes.eager import Eager
from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.model.situation import Situation
from wam_core.model.wam import ModelSpec, WorldActionModel
from wam_core.preset import Preset
from wam_core.presets import load_preset
from wam_core.pretrained.folder import finished, published_spec
from wam_core.pretrained.importer import skeleton
from wam_core.robot.embodiment import load_embodiment

#: Name of a card, or a part of it -> bytes/s from its memory and dense bfloat16 operations/s, as its maker states them.
CARDS: Mapping[str, tuple[float, float]] = {
    "H200": (4.8e12, 989e12),
    "H100 PCIe": (2.0e12, 756e12),
    "H100": (3.35e12, 989e12),
    "A100": (2.0e12, 312e12),
    "RTX 5090": (1.79e12, 209e12),
    "RTX 4090": (1.01e12, 165e12),
}
#: Wan 2.2's VAE: 704 688 668 parameters.
WAN_VAE: Mapping[str, Any] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "is_residual": True,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
#: Spread of the random weights: small enough that activations of thirty layers stay finite.
SPREAD = 0.02
#: Rounds before times count.
WARM_UPS = 3


@dataclass(frozen=True)
class RealTime:
    """One way of computing a chunk's actions from the latents of a picture; the instruction is embedded already.

    Attributes:
        ratio: how many times the time of the first way, by paired rounds, with its 95 % interval.
        bound_ms: no chunk is faster on this card, because its weights must be read once in every pass that uses them
            and its operations be done; NaN for a card that is not in :data:`CARDS`.
    """

    way: str
    median_ms: float
    p95_ms: float
    ratio: float
    ratio_interval: tuple[float, float]
    bound_ms: float


@dataclass(frozen=True)
class RealSize:
    """What was measured where.

    Attributes:
        device: its name. parameters: of the model.
        gigabytes: read of weights for a chunk (10^9). teraflops: done for it.
        vae_ms: median of encoding a picture, which comes before each way's time.
    """

    preset: str
    device: str
    parameters: int
    gigabytes: float
    teraflops: float
    vae_ms: float
    rows: tuple[RealTime, ...]


def measure(name: str, ways: Sequence[str], device: str, rounds: int, seed: int) -> RealSize:
    """Time preset ``name`` in each of the runtimes ``ways`` in turns.

    Raises:
        ContractError: not a published preset, an unknown way, or a device that is not there.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ContractError("device", device, "a GPU that PyTorch sees; this machine has none")
    preset = load_preset(name)
    spec = published_spec(preset, load_embodiment(preset.robot))
    model = random_model(spec, device, seed)
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        chunks = {way: _chunk(preset, look_up(RUNTIMES, way, "ways")(model), device, seed) for way in ways}
        reference = _chunk(preset, Eager(model), device, seed)
        read, done = weights_read(model, reference), operations(reference)
        taken = _in_turns(chunks, device, rounds)
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    bound = bound_ms(where, read, done)
    rows = []
    for way, ms in taken.items():
        ratio = median_ratio(ms / taken[ways[0]], seed)
        rows.append(RealTime(way, float(np.median(ms)), float(np.quantile(ms, 0.95)), *ratio, bound))
    numbers = sum(p.numel() for p in model.parameters())
    vae_ms = _vae_ms(preset, device, rounds, seed)
    return RealSize(name, where, numbers, read / 1e9, done / 1e12, vae_ms, tuple(rows))


def random_model(spec: ModelSpec, device: str, seed: int) -> WorldActionModel:
    """A model in bfloat16 that was never anything but on ``device``: the true ones do not fit beside themselves."""
    model = skeleton(spec).to(torch.bfloat16).to_empty(device=device)
    rng = torch.Generator(device).manual_seed(seed)
    for parameter in model.parameters():
        parameter.data.normal_(0.0, SPREAD, generator=rng)
    return finished(model).to(device)


def weights_read(model: nn.Module, compute: Callable[[], object]) -> int:
    """Bytes of parameters of the modules that ``compute`` runs, as often as each runs: what memory must at least give,
    since a model's weights are larger than any cache."""
    total = 0

    def count(module: nn.Module, *_: object) -> None:
        nonlocal total
        total += sum(p.nbytes for p in module.parameters(recurse=False))

    hooks = [module.register_forward_hook(count) for module in model.modules()]
    compute()
    for hook in hooks:
        hook.remove()
    return total


def bound_ms(device: str, read: int, done: int) -> float:
    """The longer of reading ``read`` bytes and doing ``done`` operations; NaN for a device that is not known."""
    found = next((limits for part, limits in CARDS.items() if part in device), None)
    return float("nan") if found is None else 1e3 * max(read / found[0], done / found[1])


def _chunk(preset: Preset, runtime: Runtime, device: str, seed: int) -> Callable[[], Tensor]:
    """Latents of a picture to a chunk's features."""
    model = runtime.model
    shape = model.spec.shapes["video"]
    rng = torch.Generator(device).manual_seed(seed)
    seen = {("video", "present"): torch.randn(1, shape.tokens("present"), shape.features, generator=rng, device=device)}
    words = torch.randn(preset.text_length, model.spec.trunk.text_dim, generator=rng, device=device)
    proprioception = torch.zeros(1, model.spec.proprio_dim, device=device)

    @torch.no_grad()
    def run() -> Tensor:
        prompt = runtime.prompt("", lambda: words)
        context = model.join(prompt.tokens, proprioception).float()
        situation = Situation(runtime, seen, context, prompt)
        own = torch.Generator(device).manual_seed(seed)
        return sampling.generate(situation, ["action"], preset.steps, own)["action"]

    run()
    return run


def _vae_ms(preset: Preset, device: str, rounds: int, seed: int) -> float:
    """Median ms of encoding one picture of the preset's layout."""
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        vae: Any = AutoencoderKLWan(**WAN_VAE)
    vae = vae.to(torch.bfloat16).to_empty(device=device).eval()
    rng = torch.Generator(device).manual_seed(seed)
    for parameter in vae.parameters():
        parameter.data.normal_(0.0, SPREAD, generator=rng)
    picture = torch.zeros(1, 3, 1, *preset.layout.size, dtype=torch.bfloat16, device=device)

    @torch.no_grad()
    def run() -> Tensor:
        mode: Tensor = vae.encode(picture).latent_dist.mode()
        return mode

    return float(np.median(_in_turns({"vae": run}, device, rounds)["vae"]))


def _in_turns(runs: Mapping[str, Callable[[], Tensor]], device: str, rounds: int) -> dict[str, np.ndarray]:
    """``[rounds]`` ms of each, one after the other."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + WARM_UPS):
        for name, run in runs.items():
            _wait(device)
            began = time.perf_counter()
            run()
            _wait(device)
            if number >= WARM_UPS:
                taken[name].append(1e3 * (time.perf_counter() - began))
    return {name: np.array(values) for name, values in taken.items()}


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)

