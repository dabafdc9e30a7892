"""The `wam` command: verbs, both spellings of options, and what the doctor says."""

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wam_core.cli import bench, checks, main
from wam_core.cli.benchmark import Benchmark
from wam_core.cli.checks import CHECKS
from wam_core.cli.main import VERBS
from wam_core.cli.parser import parse
from wam_core.errors import ContractError


def parser(overrides: bool = False) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False)
    made.add_argument("--model", default="fast_wam")
    made.add_argument("--keep-failures", action="store_true")
    made.add_argument("--steps", type=int, default=1)
    made.add_argument("kind", nargs="?")
    if overrides:
        made.set_defaults(overrides={})
    return made


@pytest.mark.parametrize(
    "words",
    [["--model", "x", "--steps=7", "--keep-failures"], ["model:=x", "steps:=7", "keep_failures:=true"]],
    ids=["options", "assignments"],
)
def test_both_spellings_mean_the_same(words: list[str]) -> None:
    """A user of ROS launch writes model:=x; ignored, the default model would run."""
    given = parse(parser(), words)
    assert (given.model, given.steps, given.keep_failures) == ("x", 7, True)


def test_values_may_hold_anything() -> None:
    """An instruction with spaces, colons or a leading dash torn apart by the parser."""
    assert parse(parser(), ["model:=a:=b"]).model == "a:=b"
    assert parse(parser(), ["model:=-1 --x"]).model == "-1 --x"
    assert parse(parser(), ["model:="]).model == ""
    assert parse(parser(), ["keep_failures:=false", "curve"]).keep_failures is False


def test_a_mistyped_assignment_is_named() -> None:
    """modle:=x silently dropped."""
    with pytest.raises(ContractError, match="did you mean 'model'"):
        parse(parser(), ["modle:=x"])


def test_overrides_are_read_as_yaml_where_a_verb_takes_them() -> None:
    """training.steps:=100 arriving as text, or as an error of the parser."""
    given = parse(parser(overrides=True), ["training.steps:=100", "layout.cameras:=[front]", "model:=x"])
    assert given.overrides == {"training.steps": 100, "layout.cameras": ["front"]} and given.model == "x"


def test_two_commands_do_not_share_overrides() -> None:
    """A default that is changed in place carries one command's overrides into the next."""
    shared = parser(overrides=True)
    parse(shared, ["a.b:=1"])
    assert parse(shared, []).overrides == {}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_be_loaded(verb: str) -> None:
    """A verb in the help whose module is missing or half written."""
    module = importlib.import_module(VERBS[verb].module)
    module.add_arguments(argparse.ArgumentParser())
    assert callable(module.run)
    assert verb in main.overview()


def test_bad_input_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback for a mistyped word."""
    assert main.main(["demmo"]) == 2
    assert capsys.readouterr().err.startswith("wam: verb: got 'demmo', expected one of ")
    assert main.main([]) == 2


def test_the_command_starts_without_the_heavy_libraries() -> None:
    """`wam --help` taking seconds because it loads torch or ROS first."""
    loaded = "print(sorted({'torch', 'rclpy', 'mujoco'} & set(sys.modules)))"
    code = f"import sys, wam_core.cli.main as m; m.main(['--help']); {loaded}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_one_command_runs_several_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a GPU is one command there; a benchmark that failed must not be hidden by the one after it."""
    ran: list[str] = []

    def stub(name: str, code: int) -> Benchmark:
        return Benchmark(lambda group: None, lambda arguments: ran.append(name) or code)

    monkeypatch.setattr(bench, "BENCHMARKS", {"real": stub("real", 1), "preprocess": stub("preprocess", 0)})
    assert main.main(["bench", "real", "preprocess"]) == 1
    assert ran == ["real", "preprocess"]


def test_the_doctor_finds_this_machine_able(capsys: pytest.CaptureFixture[str]) -> None:
    """A doctor that sees an illness where the set-up has just succeeded; GPU and RViz are not needed."""
    code = main.main(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in findings] == list(CHECKS)
    missing = [finding for finding in findings if finding["status"] == "missing"]
    assert code == bool(missing)
    # Room on the disk and in shared memory is this machine's own affair.
    assert [finding for finding in missing if finding["check"] not in ("disk", "shared memory")] == []


def test_the_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """'Not found' without saying what, or how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(tmp_path / "none.xml"))
    monkeypatch.setattr(checks, "FREE_DISK", 2**60)
    expected = {
        "build tools": ("g++ cmake make", "apt install"),
        "transport": ("none.xml", "export FASTDDS_DEFAULT_PROFILES_FILE="),
        "disk": ("GB free", "make room"),
    }
    for name, (detail, remedy) in expected.items():
        finding = CHECKS[name]("fast_wam", "panda_cell")
        assert finding.status == "missing" and detail in finding.detail and remedy in finding.remedy
    assert "fast_wam" in CHECKS["checkpoint"]("fastwam", "panda_cell").detail
    assert "panda_cell" in CHECKS["robot"]("fast_wam", "panda").detail


def test_the_doctor_says_what_an_arm_would_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks that come late on a robot because nobody knew what the system had to allow; a cell needs none of it."""

    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    finding = CHECKS["real time"]("fast_wam", "panda_cell")
    assert finding.status == "optional" and "allow SCHED_FIFO" in finding.detail and "robots.md" in finding.remedy


def test_the_doctor_notices_a_profile_too_small_for_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile of another project loses nearly every camera image without an error."""
    profile = tmp_path / "small.xml"
    profile.write_text("<dds><segment_size>524288</segment_size></dds>")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    assert CHECKS["transport"]("fast_wam", "panda_cell").status == "missing"
