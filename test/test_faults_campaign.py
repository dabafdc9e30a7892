"""`wam faults` with real nodes: that faults are there, are judged, and leave a graph that works."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from live_graph import own_domain
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.cli.main import main
from wam_core.evaluation.fault_runs import Finding
from wam_ros.faults import campaign
from wam_ros.faults.campaign import Campaign
from wam_ros.faults.table import FAULTS
from wam_ros.node_table import Options

#: Makes a campaign of who takes its findings.
Make = Callable[[Callable[[Finding], None]], Campaign]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    checkpoint = make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), spread=0.06)
    with own_domain():
        yield partial(Campaign, Options(), checkpoint, lambda line: None, print)


@pytest.mark.slow
def test_faults_hold_and_those_that_are_not_there_do_not(runs: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a campaign that would also pass if it never touched the graph."""
    real = ["inference_hung", "executor_starved", "e_stop"]
    absent = {f"no_{name}": replace(FAULTS[name], begin=lambda graph: None) for name in real[1:]}
    monkeypatch.setattr(campaign.Runner, "rehearse", lambda self, task, seed: 1.0)  # it would take until the time-out
    monkeypatch.setattr(campaign, "FAULTS", {**FAULTS, **absent})
    found: dict[str, Finding] = {}
    runs(lambda finding: found.update({finding.fault: finding})).run([*real, *absent], ["reach"], 1, 0)
    for name in real:
        # On a machine that is busy with other things commands come late: the arm may be too fast, and rest later.
        assert [p for p in found[name].problems if "measured velocity" not in p and "at rest after" not in p] == []
        assert found[name].back_s is not None
        assert found[name].commands > 200 and 0.0 < found[name].shares["jerk"] < 1.0
    assert found["e_stop"].allowed_s < found["e_stop"].measured_rest_s + 1.0 < found["inference_hung"].allowed_s
    for name in absent:
        assert found[name].problems != (), name


def test_bad_arguments_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Prevents: three processes that are started before the typing error is found."""
    assert main(["faults", "faults:=inference_kiled", f"log:={tmp_path / 'log'}"]) == 2
    assert "inference_killed" in capsys.readouterr().err
    assert main(["faults", "points:=0"]) == 2
    assert "points" in capsys.readouterr().err
