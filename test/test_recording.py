"""The recorder: what it writes, who can read it, and what a kill leaves."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from synthetic_recording import START_NS, known_image, small_robot, write_episode

from wam_core.data import messages
from wam_core.data.reader import read_episode
from wam_core.data.recorder import Recorder
from wam_core.data.recording import Recording
from wam_core.robot.robot_file import from_dict

KILLED_WRITER = """
import sys, time
from itertools import count
from pathlib import Path
from synthetic_recording import START_NS, small_robot, known_image
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.recorder import Recorder

robot = small_robot()
recorder = Recorder(Path(sys.argv[1]), robot, {"task": "push"})
writer = EpisodeWriter(recorder, robot)
print("ready", flush=True)
for number in count():
    passed = number * 20_000_000
    writer.image("front", known_image("front", 0), START_NS + passed)
    print(passed, flush=True)
    time.sleep(0.005)
"""


def test_the_plain_mcap_reader_finds_contract_metadata_schemas_and_messages(tmp_path: Path) -> None:
    """A file that only our own reader understands, or that lacks the contract, is no record of anything."""
    robot = small_robot()
    path = write_episode(tmp_path / "episode.mcap", robot, steps=4)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        metadata = {m.name: m.metadata for m in reader.iter_metadata()}
        assert from_dict(json.loads(metadata["robot_contract"]["json"])).to_dict() == robot.to_dict()
        assert metadata["episode"]["task"] == "push" and metadata["outcome"] == {"success": "true"}
        assert {"version.mcap", "version.python"} <= set(metadata["episode"])
        found = list(reader.iter_messages(topics=["/cell/front/image_raw"]))
    assert len(found) == 4
    schema, channel, message = found[2]
    assert (schema.name, schema.encoding, channel.message_encoding) == ("sensor_msgs/msg/Image", "ros2msg", "cdr")
    assert message.log_time == START_NS + 2 * robot.step_ns


def test_rosbags_reads_what_the_recorder_writes(tmp_path: Path) -> None:
    """Schemas must be complete (nested types, wam_msgs) or other tools cannot decode a single message."""
    path = write_episode(tmp_path / "episode.mcap", small_robot(), steps=3)
    with AnyReader([path]) as reader:
        decoded = {}
        for connection, _, data in reader.messages():
            decoded.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    image = decoded["/cell/wrist/image_raw"][1]
    assert np.array_equal(image.data.reshape(12, 16, 3), known_image("wrist", 1)) and image.encoding == "rgb8"
    assert decoded[messages.DEMONSTRATION_TOPIC][0].names[6] == "gripper"
    assert decoded["/instruction"][0].data == "push the red block"
    assert {t: len(m) for t, m in decoded.items()}["/joint_states"] == 15


@pytest.mark.parametrize("seconds", [0.7, 1.3])
def test_a_killed_writer_loses_less_than_a_second(tmp_path: Path, seconds: float) -> None:
    """Without flushing by time, a kill -9 loses everything since the last full chunk: minutes of a slow stream."""
    path = tmp_path / "killed.mcap"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    written = [0]
    while written[-1] < seconds * 1e9:
        written.append(int(process.stdout.readline()))
    process.send_signal(signal.SIGKILL)
    written = [*written[1:], *map(int, process.stdout.read().split())]
    process.wait()
    recording = Recording(path)
    stamps = [m.stamp_ns - START_NS for m in recording.messages()]
    assert not recording.complete and recording.metadata["episode"]["task"] == "push"
    assert stamps == written[: len(stamps)] and written[-1] - (stamps[-1] if stamps else 0) < 1e9


def test_a_file_cut_at_any_byte_is_read_up_to_its_last_complete_chunk(tmp_path: Path) -> None:
    """A half-written record must end the reading, not raise, and must never yield a damaged message."""
    robot = small_robot()
    whole = write_episode(tmp_path / "whole.mcap", robot, steps=30).read_bytes()
    cut = tmp_path / "cut.mcap"
    counts = []
    for length in np.linspace(len(whole) * 0.2, len(whole) - 1, 25).astype(int):
        cut.write_bytes(whole[:length])
        recording = Recording(cut)
        counts.append(len(list(recording.messages(["/cell/front/image_raw"]))))
    assert counts == sorted(counts) and counts[-1] == 30 and counts[0] < 30
    cut.write_bytes(whole[: int(len(whole) * 0.6)])
    episode = read_episode(cut)
    assert episode.metadata["complete"] == "false" and 0 < len(episode.stamps_ns) < 30
    assert np.array_equal(episode.images["front"][-1], known_image("front", len(episode.stamps_ns) - 1))


def test_flush_leaves_everything_readable_while_the_file_is_open(tmp_path: Path) -> None:
    """A stream that pauses must not keep its last messages in memory until the next one arrives."""
    robot = small_robot()
    path = tmp_path / "open.mcap"
    with Recorder(path, robot, {}) as recorder:
        text = messages.encode_text("wait")
        recorder.write("/instruction", text.type_name, text.data, START_NS)
        assert list(Recording(path).messages()) == []
        recorder.flush()
        assert [m.topic for m in Recording(path).messages()] == ["/instruction"]


def test_closing_twice_keeps_the_first_outcome(tmp_path: Path) -> None:
    """Leaving the ``with`` block after close() must not write a second footer."""
    path = write_episode(tmp_path / "episode.mcap", small_robot(), steps=2, outcome={"success": "false"})
    assert read_episode(path).success is False
