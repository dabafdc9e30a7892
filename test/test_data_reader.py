"""Recordings to synchronised episodes: values, gaps, foreign bags, and named errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer
from synthetic_recording import START_NS, known_action, known_image, known_position, small_robot, write_episode

from wam_core.contract import RobotState
from wam_core.data import messages
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.reader import read_episode, read_episodes
from wam_core.data.recorder import Recorder
from wam_core.data.recording import Recording
from wam_core.data.synchronise import Stream, align
from wam_core.errors import ContractError
from wam_core.robot.kinematics import Kinematics, proprioception


def test_images_stamps_and_actions_come_back_bit_equal(tmp_path: Path) -> None:
    """Training on anything but what was seen and done is training on something else."""
    robot = small_robot()
    episode = read_episode(write_episode(tmp_path / "episode.mcap", robot))
    assert np.array_equal(episode.stamps_ns, START_NS + robot.step_ns * np.arange(12))
    for camera in ("front", "wrist"):
        assert np.array_equal(episode.images[camera], [known_image(camera, k) for k in range(12)])
        assert np.array_equal(episode.image_stamps_ns[camera], episode.stamps_ns)
    assert np.array_equal(episode.actions, [known_action(k) for k in range(12)])
    assert np.array_equal(episode.joint_position, [known_position(robot, k * 1e8 / 1e9) for k in range(12)])
    assert np.array_equal(episode.wrench[3], np.arange(6.0)) and np.all(episode.tactile[4] == 2.0)
    assert episode.instruction == "push the red block" and episode.success is True and episode.gaps == ()
    assert episode.metadata["actions"] == "recorded" and episode.robot.to_dict() == robot.to_dict()


def test_proprioception_is_what_the_live_path_computes(tmp_path: Path) -> None:
    """Two ways to compute the pose drift apart and every policy trained on one fails on the other."""
    robot = small_robot()
    episode = read_episode(write_episode(tmp_path / "episode.mcap", robot, steps=3))
    live = proprioception(Kinematics(robot), RobotState(0, known_position(robot, 0.2), np.zeros(8)))
    assert np.array_equal(episode.proprioception[2], live)


def test_actions_of_a_hand_guided_robot_are_the_poses_it_reached(tmp_path: Path) -> None:
    """Recordings without chunks must train too, and say that their actions were derived."""
    robot = small_robot()
    episode = read_episode(write_episode(tmp_path / "episode.mcap", robot, actions=False))
    assert episode.metadata["actions"] == "derived from the measured pose"
    assert len(episode.actions) == 11 and np.array_equal(episode.actions[:-1], episode.proprioception[1:])


def test_a_silent_camera_is_a_reported_gap_not_a_frozen_picture(tmp_path: Path) -> None:
    """Repeating an old frame, or zeros, for a camera that stopped teaches the model that the world stood still."""
    robot = small_robot()
    path = write_episode(tmp_path / "gap.mcap", robot, steps=20, missing={"front": range(5, 12)})
    episode = read_episode(path)
    steps = (episode.stamps_ns - START_NS) // robot.step_ns
    assert list(steps) == [*range(8), *range(12, 20)] and episode.segments == [(0, 8), (8, 16)]
    (gap,) = episode.gaps
    assert gap.stream == "front" and (gap.start_ns - START_NS, gap.end_ns - START_NS) == (800_000_000, 1_100_000_000)
    assert np.array_equal(episode.images["front"][7], known_image("front", 4))


def test_a_lost_action_is_left_out_rather_than_taken_from_the_step_before(tmp_path: Path) -> None:
    """An action that is one step old shifts the labels without a trace."""
    path = write_episode(tmp_path / "lost.mcap", small_robot(), missing={"actions": [6]})
    episode = read_episode(path)
    assert len(episode.stamps_ns) == 11 and [g.stream for g in episode.gaps] == ["actions"]


def test_jitter_of_the_demonstrating_clock_loses_no_step() -> None:
    """With 'newest not after', a chunk stamped 1 ms late falls to the next step: half of a recording is lost."""
    actions = Stream(np.array([0, 101, 199, 301, 400]), 50, 50)
    aligned = align({"front": Stream(np.arange(0, 450, 33), 60), "actions": actions}, 0, 100, "file")
    assert list(aligned.index["actions"]) == [0, 1, 2, 3, 4] and aligned.gaps == ()


def test_a_camera_that_dies_early_is_reported(tmp_path: Path) -> None:
    """A recording that ends with its first dead stream must not look like a short complete one."""
    path = write_episode(tmp_path / "dead.mcap", small_robot(), steps=20, missing={"wrist": range(8, 20)})
    assert "wrist" in [g.stream for g in read_episode(path).gaps]


def test_a_missing_camera_is_named(tmp_path: Path) -> None:
    """A set with one camera unplugged must stop the training run before it starts."""
    path = write_episode(tmp_path / "blind.mcap", small_robot(), missing={"wrist": range(12)})
    with pytest.raises(ContractError, match=r"blind\.mcap:wrist"):
        read_episode(path)
    with pytest.raises(ContractError, match="side"):
        read_episode(write_episode(tmp_path / "other.mcap", small_robot()), cameras=["front", "side"])


def _with_states(path: Path, states: list[RobotState]) -> Path:
    robot = small_robot()
    with Recorder(path, robot, {"cameras": "front", "instruction": "reach"}) as recorder:
        writer = EpisodeWriter(recorder, robot)
        for state in states:
            writer.image("front", known_image("front", 0), START_NS)
            writer.state(state)
    return path


def test_backward_stamps_are_named(tmp_path: Path) -> None:
    """A clock set back in mid-recording silently reorders everything after it."""
    states = [RobotState(START_NS + d, known_position(small_robot(), 0), np.zeros(8)) for d in (0, 20, 10)]
    with pytest.raises(ContractError, match=r"back\.mcap:joint_states\.stamp\[2\]"):
        read_episode(_with_states(tmp_path / "back.mcap", states))


def test_a_nan_joint_state_is_named(tmp_path: Path) -> None:
    """NaN in one joint becomes NaN in every weight after one update."""
    position = known_position(small_robot(), 0)
    position[3] = np.nan
    states = [RobotState(START_NS, position, np.zeros(8))]
    with pytest.raises(ContractError, match=r"nan\.mcap:/joint_states\[0\]\[3\]"):
        read_episode(_with_states(tmp_path / "nan.mcap", states))


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    """A camera driver that falls back to another mode must not be resized without a word."""
    robot = small_robot()
    path = tmp_path / "size.mcap"
    with Recorder(path, robot, {"cameras": "front", "instruction": "reach"}) as recorder:
        writer = EpisodeWriter(recorder, robot)
        for step in range(3):
            stamp = START_NS + step * robot.step_ns
            writer.image("front", np.zeros((10, 16, 3), np.uint8), stamp)
            writer.state(RobotState(stamp, known_position(robot, 0), np.zeros(8)))
    with pytest.raises(ContractError, match=r"image_raw\[0\]\.size.*16x10.*16x12"):
        read_episode(path)


def test_each_instruction_of_a_recording_is_an_episode_of_its_own(tmp_path: Path) -> None:
    """One label for a recording of several jobs is wrong for most of it; before and between them there is no job."""
    robot = small_robot()
    path = tmp_path / "several.mcap"
    given = {0: "", 2: "reach", 5: "push", 9: "", 11: "push", 12: "push"}
    with Recorder(path, robot, {"cameras": "front"}) as recorder:
        writer = EpisodeWriter(recorder, robot)
        for step in range(15):
            stamp = START_NS + step * robot.step_ns
            if step in given:
                writer.instruction(given[step], stamp - 1)
            writer.image("front", known_image("front", step), stamp)
            writer.state(RobotState(stamp, known_position(robot, 0), np.zeros(8)))
    episodes = read_episodes(path)
    steps = [((e.stamps_ns - START_NS) // robot.step_ns).tolist() for e in episodes]
    assert [e.instruction for e in episodes] == ["reach", "push", "push"]
    assert steps == [[2, 3, 4], [5, 6, 7, 8], [11, 12, 13]]
    assert np.array_equal(episodes[1].images["front"][3], known_image("front", 8))
    with pytest.raises(ContractError, match="one episode"):
        read_episode(path)


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_bag_of_ros2_tools_reads_as_an_episode(tmp_path: Path, storage: StoragePlugin) -> None:
    """What `ros2 bag record` makes on a real robot must train the same way, with the contract given by name."""
    robot = small_robot()
    ours = write_episode(tmp_path / "ours.mcap", robot)
    store = messages.typestore()
    with Writer(tmp_path / "bag", version=9, storage_plugin=storage) as bag:
        connections = {}
        for message in Recording(ours).messages():
            if message.topic not in connections:
                connections[message.topic] = bag.add_connection(message.topic, message.type_name, typestore=store)
            bag.write(connections[message.topic], message.stamp_ns, message.data)
    with pytest.raises(ContractError, match="robot_contract"):
        read_episode(tmp_path / "bag")
    foreign, own = read_episode(tmp_path / "bag", robot, ["front", "wrist"]), read_episode(ours)
    assert np.array_equal(foreign.images["wrist"], own.images["wrist"])
    assert np.array_equal(foreign.actions, own.actions) and np.array_equal(foreign.stamps_ns, own.stamps_ns)
    assert foreign.instruction == own.instruction


def test_joints_in_another_order_are_put_in_contract_order(tmp_path: Path) -> None:
    """Real drivers publish joints in any order; taking them by index moves the wrong joint."""
    robot = small_robot()
    shuffled = replace(robot, joints=robot.joints[::-1])
    path = tmp_path / "order.mcap"
    with Recorder(path, robot, {"cameras": "", "instruction": "reach"}) as recorder:
        position = known_position(robot, 0.3)
        for step in range(3):
            state = RobotState(START_NS + step * robot.step_ns, np.append(position[-2::-1], position[-1]), np.zeros(8))
            message = messages.encode_joint_state(shuffled, state)
            recorder.write(robot.topics.joint_states, message.type_name, message.data, state.stamp_ns)
    assert np.array_equal(read_episode(path).joint_position[0], position)


@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=60),
    st.lists(st.integers(0, 400), min_size=2, max_size=60),
    st.integers(1, 40),
)
def test_no_step_ever_sees_the_future_or_a_stale_value(a: list[int], b: list[int], max_age: int) -> None:
    """Causality and freshness hold for any interleaving of streams."""
    streams = {"a": Stream(np.sort(a), max_age), "b": Stream(np.sort(b), max_age)}
    aligned = align(streams, int(min(a)), 10, "file")
    for name, stream in streams.items():
        age = aligned.instants_ns - stream.stamps_ns[aligned.index[name]]
        assert np.all(age >= 0) and np.all(age <= max_age)
        newer = np.minimum(aligned.index[name] + 1, len(stream.stamps_ns) - 1)
        later = stream.stamps_ns[newer] > aligned.instants_ns
        assert np.all(later | (newer == aligned.index[name]))
