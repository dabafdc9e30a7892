"""wam_recorder as a real process: killed, out of disk, started twice, labelled, and read afterwards."""

import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from live_graph import ROBOT, Live, live_graph
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from wam_core.contract import RobotState
from wam_core.data.messages import header_stamp_ns
from wam_core.data.reader import read_episode
from wam_core.data.recorder import MODEL_RECORD, OUTCOME_RECORD
from wam_core.data.recording import Recording
from wam_core.provenance import ModelRecord
from wam_msgs.msg import ModelInfo
from wam_msgs.srv import LabelRecording, StartRecording, StopRecording
from wam_ros import conversion
from wam_ros.qos import LATCHED, SENSOR

MODEL = ModelRecord("fast_wam", "/somewhere", "ab12", "name: fast_wam", 3, 5, 1, {"torch": "2"})
IMAGE_HZ, STATE_HZ = 10.0, 100.0


@dataclass
class Robot:
    """Publishes camera images and joint states with wall stamps, whenever the client spins."""

    live: Live
    told: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        node = self.live.client.node
        self._images = {c: node.create_publisher(Image, c.topic, SENSOR) for c in ROBOT.cameras}
        self._states = node.create_publisher(JointState, ROBOT.topics.joint_states, SENSOR)
        self._model = node.create_publisher(ModelInfo, "/wam_inference/model", LATCHED)
        self._model.publish(conversion.model_message(MODEL, time.time_ns()))
        self._pixels = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
        node.create_timer(1.0 / IMAGE_HZ, self._see)
        node.create_timer(1.0 / STATE_HZ, self._feel)

    def _see(self) -> None:
        now_ns = time.time_ns()
        for camera, publisher in self._images.items():
            publisher.publish(conversion.image_message(self._pixels, camera.frame, now_ns))
            self.told[camera.topic] = now_ns

    def _feel(self) -> None:
        now_ns = time.time_ns()
        state = RobotState(now_ns, np.append(ROBOT.home, 0.04), np.zeros(len(ROBOT.joint_names)))
        self._states.publish(conversion.joint_state_message(ROBOT, state, now_ns))
        self.told[ROBOT.topics.joint_states] = now_ns


@contextmanager
def recorder(folder: Path, **parameters: object) -> Iterator[tuple[Live, Robot]]:
    with live_graph("wam_recorder", sim=False) as live:
        live.client.set_parameters("wam_recorder", {"folder": str(folder), **parameters})
        yield live, Robot(live)


def start(live: Live, **request: str) -> StartRecording.Response:
    return live.client.call(StartRecording, "/wam_recorder/start", StartRecording.Request(**request))


def stop(live: Live) -> StopRecording.Response:
    return live.client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request())


def label(live: Live, outcome: str, note: str = "") -> LabelRecording.Response:
    request = LabelRecording.Request(outcome=outcome, note=note)
    return live.client.call(LabelRecording, "/wam_recorder/label", request)


def stamps(path: Path, topic: str) -> list[int]:
    return [header_stamp_ns(m.data) for m in Recording(path).messages((topic,))]


def kill_at_random_moments(folder: Path, moments: int, seed: int) -> list[float]:
    """Each recorder is a new process, killed between 0.3 and 3.5 s after it began to write every stream; returns how
    much of a stream each lost (s), which is never more than a second."""
    moment = random.Random(seed)
    names, started = [f"recorder_{number}" for number in range(moments)], dict[str, subprocess.Popen[bytes]]()
    with live_graph(sim=False) as live:
        robot, lost = Robot(live), []
        try:
            for number, name in enumerate(names):
                for soon in names[number : number + 3]:
                    started[soon] = started.get(soon) or launch(folder, soon)
                lost.append(kill_one(live, robot, started[name], folder, name, moment.uniform(0.3, 3.5)))
        finally:
            for process in started.values():
                process.kill()
        return lost


def launch(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    # A name of its own: requests to a killed node are lost as long as the graph still lists it.
    words = ["--ros-args", "-r", f"__node:={name}", "-p", f"folder:={folder}"]
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen([sys.executable, "-m", "wam_ros.recorder_node", *words], stdout=log, stderr=log)


def kill_one(
    live: Live, robot: Robot, process: "subprocess.Popen[bytes]", folder: Path, name: str, seconds: float
) -> float:
    topics = (ROBOT.topics.joint_states, ROBOT.cameras[0].topic)
    request = StartRecording.Request(name=name)
    path = Path(live.client.call(StartRecording, f"/{name}/start", request).path)
    # What a recorder has not discovered yet it cannot lose.
    live.client.wait_until(lambda: all(stamps(path, topic) for topic in topics), "the first of every stream")
    live.client.spin(seconds)
    process.kill()
    process.wait()
    lost = {topic: (robot.told[topic] - stamps(path, topic)[-1]) / 1e9 for topic in topics}
    assert max(lost.values()) <= 1.0, f"{path.name}: lost {lost}"
    assert _metadata(path)[MODEL_RECORD]["digest"] == "ab12"
    return max(lost.values())


def _metadata(path: Path) -> dict[str, dict[str, str]]:
    recording = Recording(path)
    for _ in recording.messages(()):
        pass
    return recording.metadata


def test_a_recorder_killed_at_random_moments_loses_less_than_a_second(tmp_path: Path) -> None:
    """Prevents: an episode that is gone because the process that recorded it was."""
    kill_at_random_moments(tmp_path, 2, seed=0)


def test_what_a_recording_embeds_and_how_it_is_labelled(tmp_path: Path) -> None:
    """Prevents: a recording overwritten by the next of its name; one nobody can tell model, task or outcome of."""
    with recorder(tmp_path) as (live, _):
        assert not stop(live).success and "nothing" in label(live, "success").message
        paths = []
        for _ in range(2):
            started = start(live, name="push_0", task="push", seed="0", instruction="push the red block")
            assert started.success, started.message
            paths.append(Path(started.path))
            live.client.spin(1.5)
            assert "good" in label(live, "good").message
            assert label(live, "failure", "slipped").success and label(live, "success", "but well").success
            # Written at once: a label must survive what comes after it.
            assert _metadata(paths[-1])[OUTCOME_RECORD] == {"success": "true", "note": "slipped\nbut well"}
            stopped = stop(live)
            assert stopped.success and stopped.paths == [started.path] and stopped.received > 50, stopped.message
        assert paths == [tmp_path / "push_0.mcap", tmp_path / "push_0~2.mcap"]
    metadata = _metadata(paths[0])
    assert metadata[MODEL_RECORD] == MODEL.to_metadata()
    assert {"version.mcap", "version.torch"} <= set(metadata["episode"]) and metadata["episode"]["task"] == "push"
    assert metadata[OUTCOME_RECORD]["dropped/joint_states"] == "0"
    episode = read_episode(paths[0])
    assert episode.instruction == "push the red block" and episode.success and len(episode.stamps_ns) > 5


def test_a_full_disk_ends_the_recording_and_leaves_what_was_written(tmp_path: Path) -> None:
    """Prevents: a recorder that dies, or a file that cannot be read, when the disk fills up."""
    said: list[str] = []
    with recorder(tmp_path) as (live, robot):
        live.client.listen(DiagnosticArray, "/diagnostics", lambda m: said.append(m.status[0].message))
        path = Path(start(live, name="full").path)
        live.client.spin(1.0)
        # Files of this process can grow no further: what a full disk does, without filling one.
        limit = (path.stat().st_size + 200_000, resource.RLIM_INFINITY)
        pid = live.processes.process("wam_recorder").pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
        live.client.wait_until(lambda: any("ended there" in s for s in said), "the recorder to say so", 30.0)
        last_ns = robot.told[ROBOT.cameras[0].topic]
        assert "ended there" in stop(live).message and live.processes.alive("wam_recorder")
        found = stamps(path, ROBOT.cameras[0].topic)
        # The diagnostics come once a second, the drain 25 times.
        assert (last_ns - found[-1]) / 1e9 < 1.0 + 1.1 and len(found) > 5
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert start(live, name="again").success
        live.client.spin(0.5)
        assert stop(live).success


def test_a_long_recording_comes_in_parts_that_stand_alone(tmp_path: Path) -> None:
    """Prevents: a recording whose second file nobody can decode, or that has no instruction."""
    with recorder(tmp_path, part_seconds=1.0) as (live, _):
        told = live.client.node.create_publisher(String, "/instruction", LATCHED)
        told.publish(String(data="push the red block"))
        start(live, name="long")
        live.client.spin(3.5)
        paths = [Path(path) for path in stop(live).paths]
    assert [p.name for p in paths[:2]] == ["long.mcap", "long.part1.mcap"] and len(paths) >= 3
    for number, path in enumerate(paths[:-1]):
        metadata = _metadata(path)
        assert metadata["episode"]["part"] == str(number) and metadata[MODEL_RECORD]["digest"] == "ab12"
        assert metadata[OUTCOME_RECORD]["continued_in"] == paths[number + 1].name
        assert read_episode(path).instruction == "push the red block"
    joined = [s for path in paths for s in stamps(path, ROBOT.topics.joint_states)]
    assert np.all(np.diff(joined) > 0) and np.diff(joined).max() < 500_000_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_random_moments(tmp_path: Path) -> None:
    """The same as above at the number of moments that the promise names."""
    lost = kill_at_random_moments(tmp_path, 50, seed=1)
    print(f"50 recorders killed: the greatest loss was {max(lost):.2f} s, the median {np.median(lost):.2f} s")


@pytest.mark.slow
def test_demonstrations_without_a_model_say_what_is_demonstrated(tmp_path: Path) -> None:
    """Prevents: demonstrations recorded over ROS that no training can read, because nobody published an instruction."""
    with live_graph("wam_cell", "wam_recorder") as live:
        instruction = live.client.reset("push", 4).instruction
        live.client.set_parameters("wam_recorder", {"folder": str(tmp_path)})
        path = Path(start(live, task="push").path)
        live.client.set_parameters("wam_cell", {"demonstrate": True})
        live.client.spin(3.0)
        assert stop(live).success
    episode = read_episode(path)
    assert episode.instruction == instruction and episode.metadata["actions"] == "recorded"
    assert len(episode.stamps_ns) > 10
