"""Chunk latency of several presets, measured in turns in one process so that ratios survive a drifting machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wam_core.model.wam import WorldActionModel
from wam_core.presets import Preset, build_substrates, load_preset, model_spec
from wam_core.robot.contract import load_robot
from wam_core.substrates.substrate import Scenes

#: Latency does not depend on the words; any vocabulary of the usual size does.
WORDS = tuple(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"])


@dataclass(frozen=True)
class Latency:
    """One way of running one preset: milliseconds per chunk, and the median ratio of paired runs to the first row."""

    preset: str
    way: str
    median_ms: float
    p95_ms: float
    ratio: float
    ratio_interval: tuple[float, float]


def measure(presets: Sequence[str], rounds: int, seed: int, naive: bool) -> list[Latency]:
    """Time observation -> action for each preset, one after the other, ``rounds`` times; the first is the reference.

    Weights are random: latency does not depend on them. With ``naive`` each preset is also run by the full forward
    without reuse of clean groups and text.
    """
    ways = ["reuse", "naive"] if naive else ["reuse"]
    runs = {(name, way): make_runner(load_preset(name), seed, way == "reuse") for name in presets for way in ways}
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for round_number in range(rounds + 2):
        for key, run in runs.items():
            began = time.perf_counter()
            run()
            if round_number >= 2:
                times[key].append(1e3 * (time.perf_counter() - began))
    reference = np.array(times[presets[0], "reuse"])
    return [_row(name, way, np.array(taken), reference, seed) for (name, way), taken in times.items()]


def _row(name: str, way: str, taken: np.ndarray, reference: np.ndarray, seed: int) -> Latency:
    ratios = taken / reference
    rng = np.random.default_rng(seed)
    medians = [np.median(rng.choice(ratios, len(ratios))) for _ in range(1000)]
    low, high = np.quantile(medians, (0.025, 0.975))
    median, p95 = float(np.median(taken)), float(np.quantile(taken, 0.95))
    return Latency(name, way, median, p95, float(np.median(ratios)), (float(low), float(high)))


def make_runner(preset: Preset, seed: int, reuse: bool) -> Callable[[], object]:
    """One observation -> action of ``preset`` with random weights, to be called as often as one likes."""
    torch.manual_seed(seed)
    robot = load_robot(preset.robot)
    model, substrates = WorldActionModel(model_spec(preset, robot, WORDS)).eval(), build_substrates(preset)
    image = np.random.default_rng(seed).integers(0, 256, (1, *preset.layout.size, 3), dtype=np.uint8)
    scenes, now = Scenes(image), np.zeros((1, 1), np.int64)
    seen = [g for g in preset.groups if g.source == "observed"]
    words = torch.ones(1, preset.text_length, dtype=torch.long)
    proprioception = torch.zeros(1, len(robot.proprioception))

    @torch.no_grad()
    def run() -> object:
        observed = {g.content: substrates[g.substrate].encode(scenes, now) for g in seen}
        context = model.context(words, proprioception)
        rng = torch.Generator().manual_seed(seed)
        return model.generate(observed, context, ["action"], preset.steps, rng, reuse)

    return run
