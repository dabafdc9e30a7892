"""Chunk latency of several presets, measured in turns in one process so that ratios survive a drifting machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from wam_core.dial import Dial
from wam_core.dial_limits import beside, shortcuts
from wam_core.errors import ContractError, look_up
from wam_core.evaluation.intervals import median_ratio
from wam_core.memory import Memory
from wam_core.model import sampling
from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import Wiring
from wam_core.model.known import Known
from wam_core.model.runtimes.eager import Eager
from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.model.situation import Situation
from wam_core.model.wam import Content, WorldActionModel
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.preset import ACTION, Preset
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.pretrained.text import random_text
from wam_core.robot.robot_file import load_robot
from wam_core.robot.senses import form
from wam_core.substrates.substrate import Scenes

#: Latency does not depend on the words; any vocabulary of the usual size does.
WORDS = tuple(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"])
#: As the preset says.
USUAL = Dial()
#: Rounds before times count.
WARM_UPS = 2


@dataclass(frozen=True)
class Inputs:
    """What one chunk is made from: features of what is observed, the instruction, proprioception ``[1, D]``.

    Attributes:
        words: computes what the model's text part takes, ``[1, L]`` word numbers or ``[1, L, text_dim]`` embeddings.
        known: what the chunk goes on from.
    """

    observed: Mapping[Content, Tensor]
    words: Callable[[], Tensor]
    proprioception: Tensor
    known: Mapping[str, Known]


#: From a preset and what is at hand to what its chunk is made from, ``[1, N, F]``: an action, but for a recovery.
Way = Callable[[Preset, Runtime, Inputs, torch.Generator], Tensor]


@dataclass(frozen=True)
class Latency:
    """One way of running one preset: milliseconds per chunk, and median ratios of paired runs with 95 % intervals.

    Attributes:
        ratio: how many times longer than the first way of the same preset.
        to_first: how many times longer than the first way of the first preset.
    """

    preset: str
    way: str
    median_ms: float
    p95_ms: float
    ratio: float
    ratio_interval: tuple[float, float]
    to_first: float
    to_first_interval: tuple[float, float]


def measure(
    presets: Sequence[str], ways: Sequence[str], rounds: int, seed: int, continuing: bool = False
) -> tuple[list[Latency], dict[str, str]]:
    """Time image -> action for each preset and way, one after the other, ``rounds`` times.

    Weights are random: latency does not depend on them. A way that a preset's wiring does not have is left out.

    Args:
        continuing: time chunks that go on from one in progress, as real-time chunking has them.

    Returns:
        Rows, and the presets of which a part is not on this machine, with the reason.

    Raises:
        ContractError: an unknown preset or way, or one that does not go on from a chunk.
    """
    for way in ways:
        look_up(WAYS, way, "ways")
    if continuing and "published" in ways:
        raise ContractError("ways", "published", "ways that go on from a chunk, as its code does not")
    runs: dict[tuple[str, str], Callable[[], Tensor]] = {}
    missing: dict[str, str] = {}
    for preset in [load_preset(name) for name in presets]:
        try:
            had = [way for way in ways if way not in ONLY or ONLY[way](preset)]
            runs |= {(preset.name, way): make_runner(preset, seed, way, continuing) for way in had}
        except ContractError as error:
            missing[preset.name] = str(error)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for round_number in range(rounds + WARM_UPS):
        for key, run in runs.items():
            began = time.perf_counter()
            run()
            if round_number >= WARM_UPS:
                times[key].append(1e3 * (time.perf_counter() - began))
    taken = {key: np.array(values) for key, values in times.items()}
    first = next(iter(taken.values()), np.empty(0))
    return [_row(*key, values, taken[key[0], ways[0]], first, seed) for key, values in taken.items()], missing


def _row(name: str, way: str, taken: np.ndarray, own: np.ndarray, first: np.ndarray, seed: int) -> Latency:
    median, p95 = float(np.median(taken)), float(np.quantile(taken, 0.95))
    return Latency(name, way, median, p95, *median_ratio(taken / own, seed), *median_ratio(taken / first, seed))


def make_runner(preset: Preset, seed: int, way: str, continuing: bool = False) -> Callable[[], Tensor]:
    """One image -> what a chunk of ``preset`` is made from, with random weights, to be called as often as one likes.

    Raises :class:`ContractError` for a part that is not on this machine, and for ``continuing`` chunks that are read
    off futures: those begin where the arm is.
    """
    if continuing and preset.recovery:
        raise ContractError("continuing", True, "false where a chunk is read off a future")
    torch.manual_seed(seed)
    robot = load_robot(preset.robot)
    seen = {g.content for g in preset.groups if g.source == "observed" and g.span != "past"}
    built = build_substrates(preset, robot)
    text = preset.published.text if preset.published else None
    model = WorldActionModel(model_spec(preset, robot, () if text else WORDS)).eval()
    runtime = RUNTIMES.get(way, Eager)(model)
    substrates = {name: substrate.computed(runtime.part) for name, substrate in built.items()}
    image = np.random.default_rng(seed).integers(0, 256, (1, *preset.layout.size, 3), dtype=np.uint8)
    needed = needed_senses(robot, preset.live_channels, preset.layout)
    nothing = {s.name: np.zeros(shape, kind) for s in needed for shape, kind in [form(robot, s)]}
    sensed = channels_of(robot, preset.live_channels, nothing, preset.layout)
    channels = {**sensed, "proprioception": np.zeros(len(robot.proprioception)), "beginning": np.zeros((), np.int64)}
    scenes = Scenes(image, {n: values[None] for n, values in channels.items()})
    rows = {"present": np.zeros((1, 1), np.int64), "future": np.zeros((1, 1 + preset.clip.instants), np.int64)}
    ids = torch.ones(1, preset.text_length, dtype=torch.long)
    words = random_text(text, preset.trunk.text_dim, preset.text_length) if text else lambda: ids
    proprioception = torch.zeros(1, len(robot.proprioception))
    known = {ACTION: _in_progress(*model.shape_of(ACTION), seed)} if continuing else {}

    @torch.no_grad()
    def run() -> Tensor:
        observed = {(name, span): substrates[name].encode(scenes, rows[span]) for name, span in seen}
        present = {name: x for (name, span), x in observed.items() if span == "present"}
        past = Memory(preset.memory).past(0, "", present) if preset.memory else {}
        observed |= {(name, "past"): x for name, x in past.items()}
        inputs = Inputs(observed, words, proprioception, known)
        return WAYS[way](preset, runtime, inputs, torch.Generator().manual_seed(seed))

    return run


def _in_progress(tokens: int, features: int, seed: int) -> Known:
    """A chunk of which a quarter is committed; the rest counts less and less."""
    values = torch.randn(1, tokens, features, generator=torch.Generator().manual_seed(seed))
    return Known(values, (1.25 - torch.linspace(0.0, 1.25, tokens)).clamp(max=1.0)[None, :, None])


def _fast(preset: Preset, runtime: Runtime, inputs: Inputs, rng: torch.Generator, dial: Dial = USUAL) -> Tensor:
    prompt = runtime.prompt("", lambda: inputs.words()[0])
    context = runtime.model.join(prompt.tokens, inputs.proprioception)
    situation = Situation(runtime, inputs.observed, context, prompt)
    short = shortcuts(dial, preset)
    made = sampling.generate(situation, [preset.basis], preset.steps, rng, known=inputs.known, shortcuts=short)
    return made[preset.basis]


def _reused(preset: Preset, runtime: Runtime, inputs: Inputs, rng: torch.Generator) -> Tensor:
    """As :func:`_fast`, what is denoised beside the chunk in every second step only."""
    return _fast(preset, runtime, inputs, rng, Dial(cache_reuse=2))


def _naive(preset: Preset, runtime: Runtime, inputs: Inputs, rng: torch.Generator) -> Tensor:
    context = runtime.model.context(inputs.words(), inputs.proprioception)
    asked = ([preset.basis], preset.steps, rng)
    return runtime.model.generate(inputs.observed, context, *asked, reuse=False, known=inputs.known)[preset.basis]


def _published(preset: Preset, runtime: Runtime, inputs: Inputs, rng: torch.Generator) -> Tensor:
    """Inference as the code published with Fast-WAM (Yuan et al. 2026) does it.

    Keys and values of the first frame are kept; the prompt is embedded in every call, and the action's time embedding,
    text projection and cross-attention keys and values in every step. Noise is drawn as :func:`sampling.generate` does.
    """
    model, groups = runtime.model, runtime.model.wiring.groups
    context = model.context(inputs.words(), inputs.proprioception)
    clean = {n: inputs.observed[groups[n].content] for n in model.wiring.given(model.wiring.needed([ACTION]))}
    _, cache = model.run(clean, dict.fromkeys(clean, torch.zeros(1)), model.text_cache(clean, context), {})
    maker, group = GENERATORS[groups[ACTION].generator], groups[ACTION]
    x = maker.start(torch.randn((1, *model.shape_of(ACTION)), generator=sampling.split(rng, groups)[ACTION]))
    for level, following in pairwise(maker.levels(model.steps_of(ACTION) or preset.steps, group.shift).tolist()):
        text = model.text_cache([ACTION], context)
        head = model.run({ACTION: x}, {ACTION: torch.full((1,), level)}, text, cache)[0][ACTION]
        x = maker.advance(x, head, level, following)
    return x


def _is_published(preset: Preset) -> bool:
    """Whether an action needs no other generated group, as in Fast-WAM."""
    return preset.basis == ACTION and Wiring(preset.groups).stages([ACTION]) == ((ACTION,),)


def _is_joint(preset: Preset) -> bool:
    """Whether something is denoised beside the chunk."""
    return bool(beside(preset))


WAYS: Mapping[str, Way] = {
    **dict.fromkeys(RUNTIMES, _fast),
    "reused": _reused,
    "naive": _naive,
    "published": _published,
}
#: Ways that not every preset's wiring has.
ONLY: Mapping[str, Callable[[Preset], bool]] = {"published": _is_published, "reused": _is_joint}
