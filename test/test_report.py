"""`wam report`: equal budgets, rows that stay, failures that are told."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_preset

from wam_core.cell.cell import Cell
from wam_core.cell.sensors import FINGERS
from wam_core.evaluation.demonstrations import record_demonstration
from wam_core.evaluation.report.budget import Budget
from wam_core.evaluation.report.cost import operations, peak_bytes
from wam_core.evaluation.report.failures import ContactWatch, touched
from wam_core.evaluation.report.plots import save_plots
from wam_core.evaluation.report.study import Study, run_study
from wam_core.evaluation.report.tables import markdown
from wam_core.evaluation.rollout import EpisodeResult
from wam_core.executor.executor import Executor
from wam_core.robot.contract import load_robot
from wam_core.substrates.teacher_features import TeacherFeaturesSpec

BUDGET = Budget(updates=2, batch=4, vae_updates=2, tasks=("reach",), episodes=1, delay_ms=100, seed=100_001)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, robot = tmp_path_factory.mktemp("recordings"), load_robot("panda_cell")
    cell, executor = Cell(robot, "raycast"), Executor(robot)
    for seed in (100_000, 100_001):
        record_demonstration(cell, executor, "reach", seed, folder / f"reach_{seed}.mcap", ("front", "wrist"))
    return folder


@pytest.fixture(scope="module")
def study(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    yield Study(BUDGET, recordings, tmp_path_factory.mktemp("report"), "raycast", ("fast_wam",))


def test_presets_are_measured_once_and_one_that_fails_leaves_the_others_their_turn(study: Study) -> None:
    """One missing part ended the whole run; a second run began from nothing; two presets had two video VAEs."""
    absent = TeacherFeaturesSpec("teacher_features", "/nowhere", rows=4, width=16, pool=2)
    broken = replace(tiny_preset("dust"), substrates={"vision": absent})
    presets, told = [broken, tiny_preset("fast_wam"), tiny_preset("behaviour_cloning")], []
    run_study(study, presets, told.append)
    rows = [study.row(preset) for preset in presets]
    assert rows[0] is not None and "/nowhere" in rows[0]["failed"]
    assert len(list(study.out.glob("vae_*.safetensors"))) == 1
    good = [row for row in rows[1:] if row is not None]
    assert not [row["failed"] for row in good if "failed" in row]
    for row in good:
        assert row["success"]["episodes"] == 1
        assert sum(row["success"]["failures"].values()) == 1 - row["success"]["succeeded"]
        assert row["cost"]["gflops"] > 0 and row["cost"]["peak_mb"] > 0 and row["cost"]["latency_ms"] > 0
        assert [f["name"] for f in row["properties"]] == ["causal", "interactable", "persistent", "plausible"]
        assert row["training"]["demonstrations"] == 1 and row["question"]["budget"]["updates"] == 2
    assert good[0]["blind"]["episodes"] == 1 and good[1]["blind"] is None
    assert good[0]["futures"]["windows"] > 0 and good[1]["futures"] is None
    told.clear()
    run_study(study, presets[1:], told.append)
    assert told == ["fast_wam: there already", "behaviour_cloning: there already"]
    assert study.row(replace(presets[1], held_by=("another_test",))) is not None, "renaming a test is no other model"
    assert study.row(replace(presets[1], steps=7)) is None
    assert replace(study, budget=replace(BUDGET, batch=8)).row(presets[1]) is None
    text = markdown(good, {"dust": rows[0]["failed"]}, {"fast_wam": "Fast-WAM"})
    assert "| `fast_wam` | Fast-WAM | " in text and "2 updates of 4 windows" in text and "- `dust`: " in text
    pictures = save_plots(good, study.out / "images")
    assert [p.name for p in pictures] == ["report_latency.png", "report_memory.png"]
    assert all(p.stat().st_size > 1000 for p in pictures) and json.dumps(good)


def test_operations_and_memory_are_those_of_the_mathematics() -> None:
    """Attention counted as nothing on CPUs; memory that was freed again counted as held."""
    a, b = torch.randn(64, 32), torch.randn(32, 16)
    assert operations(lambda: a @ b) == 2 * 64 * 32 * 16
    q = torch.randn(1, 2, 10, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert operations(lambda: attend(q, q, q)) == 2 * (2 * 2 * 10 * 10 * 8)

    def three_in_turn() -> None:
        for _ in range(3):
            torch.ones(1000).add_(1.0)[:10].view(2, 5)

    assert peak_bytes(three_in_turn) == 4000
    kept: list[torch.Tensor] = []
    assert peak_bytes(lambda: kept.extend(a + k for k in range(3))) == 3 * a.nbytes


def test_failures_are_told_apart_by_what_the_arm_was_at() -> None:
    """Every failed episode looked the same: an arm that never got there, and one that lost what it held."""
    cell = Cell(load_robot("panda_cell"), "raycast")

    def result(**changes: object) -> EpisodeResult:
        plain = EpisodeResult("push", 0, "", False, 1.0, 1, 1, {}, {})
        return replace(plain, **changes)  # type: ignore[arg-type]

    def tag(at: list[bool], another: bool = False) -> str:
        watch = ContactWatch(cell)
        watch._at_subject, watch._at_another = at, another
        return watch.tag(result())

    long = [False] * 100
    assert ContactWatch(cell).tag(result(success=True)) == "" and ContactWatch(cell).tag(result(chunks=0)) == "no chunk"
    assert (tag(long), tag(long, another=True)) == ("never touched", "touched another")
    assert (tag([True, *long]), tag([*long, True])) == ("touched and lost", "timed out")
    for task, body in (("push", "block_0"), ("reach", "ball_0")):
        cell.reset(task, 0)
        assert touched(cell) == set()
        cell.scene.place(body, cell.scene.position(FINGERS["left"]) - (0.0, 0.0, 0.03))
        cell.step(np.zeros(8))
        assert touched(cell) == {body}
