"""wam demo with real processes: what it leaves behind, and that it leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.cli.main import main
from wam_core.data.reader import read_episodes
from wam_core.evaluation.film import read_film, strip
from wam_ros import load
from wam_ros.demo import LITTLE_IDLE, shortage

#: Its nodes run in processes of their own: beside other tests on the same cores, the arm would be late.
pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), spread=0.05)


def command(checkpoint: Path, out: Path) -> list[str]:
    verb = [sys.executable, "-m", "wam_core.cli.main", "demo", f"model:={checkpoint}", f"out:={out}"]
    return [*verb, "episodes:=1", "tasks:=reach", "seeds:=3"]


def nodes_of(out: Path) -> list[str]:
    """Command lines of running processes that mention the demo's checkpoint or belong to its session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"WAM_TEST_DEMO={out}".encode() in environment.split(b"\0"):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.mark.slow
def test_a_demo_leaves_report_recording_and_picture(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: a demonstration whose evidence is missing, or whose exit code flatters an untrained model."""
    done = subprocess.run(
        command(checkpoint, tmp_path),
        env=os.environ | {"WAM_TEST_DEMO": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    said = ("success           0 of 1", "chunk latency", "processor", "tick lateness", "camera frames", "safety events")
    for words in said:
        assert words in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["episodes"][0]["reason"] == "timeout" and report["episodes"][0]["chunks"] > 2
    assert report["camera_frames"]["received"] > 100
    assert 0.0 <= report["processor_idle"] <= 1.0 and report["slow_chunks"] <= report["inference_ms"]["count"]
    assert cv2.imread(str(tmp_path / "imagined_and_measured.png")) is not None

    recording = tmp_path / "recordings" / "reach_3.mcap"
    (episode,) = read_episodes(recording)
    assert episode.instruction.startswith("reach the") and episode.success is False
    assert len(episode.stamps_ns) > 30 and set(episode.images) == {"front", "side", "wrist"}
    film = read_film(recording)
    assert film.futures and strip(film).ndim == 3
    assert nodes_of(tmp_path) == []


@pytest.mark.slow
def test_an_interrupted_demo_leaves_nothing_running(checkpoint: Path, tmp_path: Path) -> None:
    """Prevents: nodes that go on commanding an arm after Ctrl-C."""
    process = subprocess.Popen(
        command(checkpoint, tmp_path),
        env=os.environ | {"WAM_TEST_DEMO": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "ready" in line:
            break
    time.sleep(1.0)
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 0, "whoever asks comes before whoever acts"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert nodes_of(tmp_path) == []


def test_a_report_says_aloud_that_the_processor_was_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: seven of ten put down to the model, by a machine that had nothing left for it."""
    account = tmp_path / "stat"
    monkeypatch.setattr(load, "_ACCOUNT", account)
    account.write_text("cpu  1000 5 200 4000 50 1 2 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    idle = load.Idle()
    account.write_text("cpu  1150 5 230 4015 55 1 2 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    assert idle.share() == pytest.approx(20 / 200)
    assert shortage(idle.share()) == "10 % idle"
    assert "SHORT OF PROCESSOR" in shortage(0.9 * LITTLE_IDLE)
    monkeypatch.setattr(load, "_ACCOUNT", tmp_path / "nowhere")
    assert load.Idle().share() != load.Idle().share(), "what nobody accounts for is not zero"


def test_bad_arguments_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Prevents: a demonstration that starts five processes before it finds the typing error."""
    assert main(["demo", "tasks:=reach,pusch"]) == 2
    assert "push" in capsys.readouterr().err
    assert main(["demo", "seeds:=1,two"]) == 2
    assert "seeds" in capsys.readouterr().err
    assert main(["demo", "model:=fast_vam"]) == 2
    assert "fast_wam_joint" in capsys.readouterr().err
