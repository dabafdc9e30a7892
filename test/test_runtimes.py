"""What a runtime exports is the eager model: the same chunks and futures, within a stated error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_policy import observation
from test_scopes import some_situation
from tiny import INSTRUCTIONS, tiny_checkpoint

from wam_core.cell.cell import Cell
from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.evaluation import latency
from wam_core.evaluation.latency import make_runner, measure
from wam_core.model import sampling
from wam_core.model.known import Known
from wam_core.model.runtimes.captured import Captured, Tensors
from wam_core.model.runtimes.eager import Eager
from wam_core.model.runtimes.int8 import is_held
from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.model.sampling import NONE, Shortcuts
from wam_core.model.situation import Situation
from wam_core.model.wam import WorldActionModel
from wam_core.paths import share_path
from wam_core.policy import Policy, checkpoint_folder, load_policy
from wam_core.presets import load_preset
from wam_core.pretrained.text import random_text
from wam_core.provenance import model_record
from wam_core.robot.robot_file import load_robot
from wam_core.training.checkpoint import save_checkpoint

#: Largest difference of normalised features, which are of size one, from the eager runtime.
ERROR = 1e-4
#: The same in bfloat16.
BF16_ERROR = 3e-2
PRESETS = ["fast_wam", "fast_wam_joint", "fast_wam_idm", "cot_vla", "palm"]


class Repeated(Captured):
    """What CUDA graphs do, without a GPU: memory is filled with nonsense until the first replay, and then each replay
    does again what was captured, where it was."""

    captured = 0

    def capture(self, run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        self.captured += 1
        made = [torch.full_like(x, torch.nan) for x in run()]

        def replay() -> None:
            for before, now in zip(made, run(), strict=True):
                before.copy_(now)

        return made, replay


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("name", PRESETS)
def test_an_exported_model_is_the_same_model(name: str, runtime: str) -> None:
    """An export froze a noise level, a text or a cache of the pass that it was made from."""
    pytest.importorskip(runtime)
    same_model(RUNTIMES[runtime], name)


@pytest.mark.slow
def test_an_exported_model_in_half_precision_is_nearly_the_same_model() -> None:
    """Numbers of eight bits where the model needs more of them, or a precision that was asked for and not used."""
    pytest.importorskip("openvino")
    assert same_model(RUNTIMES["openvino_bf16"], "fast_wam", BF16_ERROR) > 1e-5


def test_a_recording_names_the_runtime_that_answered() -> None:
    """Two runtimes of one package: a chunk made in bfloat16 was made again in float32, and called different."""
    pytest.importorskip("openvino")
    folder = checkpoint_folder("fast_wam")
    record = model_record(load_policy("fast_wam", load_robot("panda_cell"), runtime="openvino_bf16"), folder, 1)
    assert "openvino_bf16" in record.versions and "openvino" not in record.versions
    eager = model_record(load_policy("fast_wam", load_robot("panda_cell")), folder, 1)
    assert not RUNTIMES.keys() & eager.versions.keys()


@pytest.mark.parametrize("name", [n for n in PRESETS if n != "cot_vla"])
def test_a_captured_model_is_the_same_model(name: str) -> None:
    """A replay read a noise level, a text or a cache of the pass before, or the next one overwrote what it made."""
    same_model(Repeated, name)


def test_a_pass_is_captured_once() -> None:
    """Each observation, instruction or noise level was captured again, which takes longer than the pass."""
    first, again = some_situation("fast_wam", 1), some_situation("fast_wam", 1)
    captured = Repeated(first.runtime.model)
    for situation in (first, again):
        context = torch.randn_like(situation.context)
        seen = Situation(captured, situation.observed, context)
        sampling.generate(seen, ["action"], 4, torch.Generator().manual_seed(0))
    assert captured.captured == 2, "the first frame, and a step of the action"


def test_graphs_want_a_model_on_a_gpu() -> None:
    """A stack trace of the driver's, or the slow path without a word."""
    with pytest.raises(ContractError, match="on a GPU"):
        RUNTIMES["cuda_graphs"](some_situation("fast_wam", 1).runtime.model)


def in_progress(model: WorldActionModel) -> Known:
    """A chunk of which the first steps are committed and those after them count less and less."""
    tokens, features = model.shape_of("action")
    weights = torch.linspace(1.5, -0.5, tokens).clamp(0.0, 1.0)
    return Known(torch.randn(1, tokens, features, generator=torch.Generator().manual_seed(0)), weights[None, :, None])


def same_model(runtime: Callable[[WorldActionModel], Runtime], name: str, error: float = ERROR) -> float:
    """The largest difference from eager of everything generated, from nothing and from a chunk in progress."""
    first, second = some_situation(name, 1), some_situation(name, 1)
    exported, largest = runtime(first.runtime.model), 0.0
    before = {"action": in_progress(first.runtime.model)}
    for seed, (situation, samples) in enumerate([(first, 1), (second, 1), (first, 2)]):
        context = torch.randn_like(situation.context)
        made = [
            sampling.generate(
                Situation(way, situation.observed, context),
                ["action", "future"],
                2 + seed,
                torch.Generator().manual_seed(seed),
                samples=samples,
                known=known,
                shortcuts=shortcuts,
            )
            for way in (Eager(exported.model), exported)
            for known, shortcuts in (({}, NONE), (before, NONE), ({}, Shortcuts(lead="action", every=2)))
        ]
        named = [zip(("begun", "gone on", "reused"), some, strict=True) for some in (made[:3], made[3:])]
        made = [{f"{n}, {how}": x for how, one in some for n, x in one.items()} for some in named]
        assert set(made[0]) == set(made[1])
        for key, value in made[0].items():
            largest = max(largest, float((value - made[1][key]).abs().max()))
            assert largest < error, key
    return largest


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_policy_answers_through_the_runtime_it_was_given(runtime: str) -> None:
    """The parameter was accepted, and the model ran eagerly all the same; or an answer changed with its next pass."""
    pytest.importorskip(runtime)
    checkpoint = tiny_checkpoint()
    eager, exported = Policy(checkpoint, 0), Policy(checkpoint, 0, RUNTIMES[runtime](checkpoint.model))
    for instruction in INSTRUCTIONS:
        seen = observation(instruction=instruction)
        assert np.abs(eager.act(seen).values - exported.act(seen).values).max() < ERROR
    carry = checkpoint.model.carry
    checkpoint.model.carry = lambda *_: pytest.fail("the eager model ran")  # type: ignore[method-assign]
    exported.act(observation())
    checkpoint.model.carry = carry  # type: ignore[method-assign]


def test_a_chunk_goes_on_in_the_graph_in_which_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that went on from another took a graph for each step and left it after each; or a second one of all its
    steps, which stalled the first chunk that went on."""
    pytest.importorskip("openvino")
    situation = some_situation("fast_wam", 1)
    exported, compiled = RUNTIMES["openvino"](situation.runtime.model), list[str]()
    compile_module = exported.compile
    monkeypatch.setattr(exported, "compile", lambda m, x: compiled.append(type(m).__name__) or compile_module(m, x))
    for known in ({}, {"action": in_progress(exported.model)}):
        made = [
            sampling.generate(
                Situation(way, situation.observed, situation.context),
                ["action"],
                2,
                torch.Generator().manual_seed(0),
                known=known,
            )["action"]
            for way in (situation.runtime, exported)
        ]
        assert (made[0] - made[1]).abs().max() < ERROR
    assert compiled == ["_Pass", "_Descent"], "the first frame, and all steps of the action"


def test_a_runtime_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library or a typing error gave a stack trace, or the slow path without a word."""
    save_checkpoint(tmp_path, tiny_checkpoint())
    with pytest.raises(ContractError, match="eager"):
        load_policy(str(tmp_path), load_robot("panda_cell"), runtime="eagre")
    for runtime in ("openvino", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, runtime, None)
        with pytest.raises(ContractError, match=rf"requirements-{runtime}\.txt"):
            load_policy(str(tmp_path), load_robot("panda_cell"), runtime=runtime)


@pytest.mark.parametrize("name", ["fast_wam", "fast_wam_idm", "dreamzero"])
def test_the_ways_that_are_compared_give_the_same_action(name: str) -> None:
    """A benchmark compared with a slow path that computed something else."""
    preset = load_preset(name)
    ways = ["eager", "naive", *(["published"] if name == "fast_wam" else [])]
    made = [make_runner(preset, 0, way)() for way in ways]
    assert all((other - made[0]).abs().max() < ERROR for other in made[1:])
    gone_on = [make_runner(preset, 0, way, continuing=True)() for way in ways[:2]]
    assert (gone_on[1] - gone_on[0]).abs().max() < ERROR < (gone_on[0] - made[0]).abs().max()


def test_an_instruction_is_embedded_once_and_in_every_call_of_the_published_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The released model's text encoder was left out of what its own code was compared by, or ran on both sides."""
    calls: dict[str, int] = {}

    def counted(*arguments: Any) -> Callable[[], torch.Tensor]:
        embed = random_text(*arguments)

        def call() -> torch.Tensor:
            calls[way] = calls.get(way, 0) + 1
            return embed()

        return call

    monkeypatch.setattr(latency, "random_text", counted)
    preset = load_preset(str(share_path("config/wam/scaled/fast_wam.yaml")))
    made = []
    for way in ("eager", "published"):
        run = make_runner(preset, 0, way)
        made.append([run(), run()][1])
    assert calls == {"eager": 1, "published": 2}
    assert (made[0] - made[1]).abs().max() < ERROR


def test_ratios_are_of_paired_runs() -> None:
    """A ratio of two machines, or of two hours, was taken for one of two ways."""
    measured, missing = measure(["fast_wam", "fast_wam_joint"], ["eager", "naive", "published", "reused"], 3, 0)
    rows = {(r.preset, r.way): r for r in measured}
    assert not missing and ("fast_wam", "published") in rows and ("fast_wam_joint", "published") not in rows
    assert rows["fast_wam", "eager"].ratio == rows["fast_wam", "eager"].to_first == 1.0
    assert rows["fast_wam", "naive"].ratio > 1.5
    assert ("fast_wam", "reused") not in rows and ("fast_wam_joint", "reused") in rows
    with pytest.raises(ContractError, match="published"):
        measure(["fast_wam"], ["publishd"], 1, 0)
    with pytest.raises(ContractError, match="go on"):
        measure(["fast_wam"], ["eager", "published"], 1, 0, continuing=True)


@pytest.mark.parametrize("name", ["fast_wam", "fast_wam_joint"])
def test_a_model_in_eight_bits_is_a_quarter_of_its_blocks_and_answers_within_a_percent(name: str) -> None:
    """Scales for a whole matrix instead of its rows cost ten times the error; and what was only said to be held in
    eight bits was held in both."""
    pytest.importorskip("torchao")
    checkpoint, again = tiny_checkpoint(name), tiny_checkpoint(name)
    blocks = {n: m for n, m in again.model.named_modules() if is_held(m, n)}
    before = sum(m.weight.nbytes for m in blocks.values())
    held = Policy(again, 0, RUNTIMES["int8"](again.model))
    parts = [part for m in blocks.values() for part in (m.weight.qdata, m.weight.scale)]
    assert before / 4 < sum(part.nbytes for part in parts) < before / 2
    assert {part.dtype for part in parts} == {torch.int8, torch.float32}
    full = Policy(checkpoint, 0)
    spread = checkpoint.statistics["action"].std.mean()
    for instruction in INSTRUCTIONS:
        seen = observation(instruction=instruction)
        error = np.abs(full.act(seen).values - held.act(seen).values).max()
        assert 0.0 < error < 0.01 * 5 * spread


#: Runtime -> the package it needs, and how far a chunk may be off: m, rad, share of the gripper's opening.
SHORTER = {
    "int8": ("torchao", (1e-3, 2e-3, 5e-3)),
    "openvino": ("openvino", (1e-6, 1e-6, 1e-6)),
    "onnxruntime": ("onnxruntime", (1e-6, 1e-6, 1e-6)),
    "openvino_bf16": ("openvino", (3e-3, 5e-3, 1e-2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORTER)
def test_the_shipped_checkpoint_leads_the_tool_to_the_same_place(name: str) -> None:
    """An error that is small in features may be large in the units that an arm is told."""
    package, (metres, radians, opening) = SHORTER[name]
    pytest.importorskip(package)
    robot = load_robot("panda_cell")
    cell = Cell(robot, "auto")
    full, held = (load_policy("fast_wam", robot, 0, runtime) for runtime in ("eager", name))
    for task in ("reach", "push", "drawer"):
        errors = []
        for seed in range(4):
            told = cell.reset(task, seed)
            images = {camera: cell.image(camera) for camera in full.cameras}
            seen = Observation(cell.time_ns, images, cell.tool_pose(), told)
            errors.append(np.abs(full.act(seen).values - held.act(seen).values).max(axis=0))
        error = np.max(errors, axis=0)
        print(f"{task}: {error.round(6).tolist()}")
        assert (error[:3] < metres).all() and (error[3:6] < radians).all() and error[6] < opening
