"""What `wam view` shows, read back from the file with Rerun's own reader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_graph import live_graph
from rclpy.serialization import serialize_message
from rerun import chunk as rerun_chunk
from synthetic_recording import CAMERAS, START_NS, known_action, known_image, known_position, small_robot, write_episode
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.cli.main import run
from wam_core.contract import ActionChunk, Future
from wam_core.data import messages
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.recorder import Recorder
from wam_core.errors import ContractError
from wam_msgs.msg import ExecutorStatus, SafetyEvent
from wam_msgs.msg import Surprise as SurpriseMessage
from wam_ros import conversion

ROBOT = small_robot()
STEP = ROBOT.step_ns
IMAGINED = np.random.default_rng(5).integers(0, 256, (2, 12, 32, 3), np.uint8)
REGIONS = {"front": (0, 0, 12, 16), "wrist": (0, 16, 12, 16)}


def record(path: Path) -> Path:
    """Two instants measured, a chunk and two imagined instants, a surprise, an executor that intervenes."""
    future = Future(START_NS, "video", STEP, IMAGINED, REGIONS, 3)
    event = SafetyEvent(header=conversion.header(START_NS, ""), code="velocity_limit", joint="panda_joint2", action=3)
    status = ExecutorStatus(header=conversion.header(START_NS, ""), tick_compute_p99_s=0.0007)
    surprise = SurpriseMessage(
        header=conversion.header(START_NS + STEP, ""),
        value=2.5,
        regions=["front/0/0", "front/1/2", "front/3/3", "wrist/0/0"],
        values=[0.3, 2.5, float("nan"), 0.5],
    )
    values = np.stack([known_action(step) for step in range(4)])
    chunk = ActionChunk(START_NS, START_NS + STEP, STEP, ROBOT.action.names, "ee_pose", values, 3, "m", 5_000_000)
    with Recorder(path, ROBOT, {}) as recorder:
        writer = EpisodeWriter(recorder, ROBOT)
        writer.instruction("push the red block", START_NS)
        for step in range(2):
            for camera in CAMERAS:
                writer.image(camera, known_image(camera, step), START_NS + step * STEP)
        writer.chunk(messages.POLICY_TOPIC, chunk, START_NS)
        for topic, message in (
            (messages.FUTURE_TOPIC, conversion.future_message(ROBOT, future, "m")),
            (messages.SURPRISE_TOPIC, surprise),
            ("/wam_executor/status", status),
            ("/wam_executor/safety_events", event),
        ):
            type_name = f"wam_msgs/msg/{type(message).__name__}"
            recorder.write(topic, type_name, serialize_message(message), START_NS + STEP)
    return path


def rows(file: Path, entity: str, component: str) -> Iterator[tuple[int, Any]]:
    """(time in ns, value) of a component of an entity, in order of time; static ones have time -1."""
    found = []
    for chunk in rerun_chunk.RrdReader(file).stream().to_chunks():
        if chunk.entity_path == entity:
            batch = chunk.to_record_batch()
            names = [name for name in batch.schema.names if name.endswith(component)]
            times = batch["ros_time"].cast("int64").to_pylist() if not chunk.is_static else [-1] * batch.num_rows
            found += [(t, v) for name in names for t, v in zip(times, batch[name].to_pylist(), strict=True)]
    return iter(sorted(found, key=lambda row: row[0]))


def pixels(file: Path, entity: str) -> dict[int, np.ndarray]:
    return {t: np.frombuffer(bytes(v[0]), np.uint8).reshape(12, 16, 3) for t, v in rows(file, entity, "Image:buffer")}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    assert run("view", [str(record(folder / "push.mcap")), "--out", str(folder / "push.rrd")]) == 0
    return folder / "push.rrd"


def test_images_lie_at_the_instants_they_show(seen: Path) -> None:
    """Prevents: imagination shown when it was received instead of beside the measurement of the instant it predicts."""
    for k, camera in enumerate(CAMERAS):
        measured = pixels(seen, f"/cameras/{camera}/measured")
        assert list(measured) == [START_NS, START_NS + STEP]
        assert np.array_equal(measured[START_NS + STEP], known_image(camera, 1))
        imagined = pixels(seen, f"/cameras/{camera}/imagined/video")
        assert list(imagined) == [START_NS + STEP, START_NS + 2 * STEP]
        assert np.array_equal(imagined[START_NS + 2 * STEP], IMAGINED[1, :, 16 * k : 16 * (k + 1)])


def test_the_plan_the_workspace_and_the_robot_stand_in_one_frame(seen: Path) -> None:
    """Prevents: a path in the air beside the arm; a robot without meshes or frames."""
    ((stamp_ns, strips),) = rows(seen, "/plan", "LineStrips3D:strips")
    assert stamp_ns == START_NS
    assert np.allclose(strips[0], [known_action(step)[:3] for step in range(4)], atol=1e-6)
    frames = {next(rows(seen, entity, "CoordinateFrame:frame"))[1][0] for entity in ("/plan", "/workspace")}
    assert frames == {ROBOT.base_frame}
    entities = {chunk.entity_path for chunk in rerun_chunk.RrdReader(seen).stream().to_chunks()}
    for link in (ROBOT.base_frame, "panda_link7"):
        assert any(link in entity.split("/") for entity in entities), sorted(entities)


def test_curves_and_the_log_say_what_happened(seen: Path) -> None:
    """Prevents: a stop that the picture does not explain; a curve with another unit than its name says."""
    texts = [(t, v[0]) for t, v in rows(seen, "/log", "TextLog:text")]
    assert texts[0] == (START_NS, "instruction: push the red block")
    assert texts[1][1].startswith("stopped: velocity_limit panda_joint2")
    curves = {
        "/surprise/greatest": (START_NS + STEP, 2.5),
        "/surprise/front": (START_NS + STEP, 2.5),
        "/surprise/wrist": (START_NS + STEP, 0.5),
        "/timing/tick\\ compute\\ p99\\ \\(ms\\)": (START_NS, 0.7),
        "/timing/inference\\ \\(ms\\)": (START_NS, 5.0),
    }
    for entity, (stamp_ns, value) in curves.items():
        ((t, (found,)),) = rows(seen, entity, "Scalars:scalars")
        assert t == stamp_ns and found == pytest.approx(value), entity


def test_what_surprises_is_framed_in_the_picture_of_its_instant(seen: Path) -> None:
    """Prevents: a surprise of which nobody sees where it was; frames that stay when it is over."""
    ((t, centres),) = rows(seen, "/cameras/front/measured/surprise", "Boxes2D:centers")
    # Row 1, column 2 of 4 x 4 regions of a picture of 12 x 16 pixels.
    assert t == START_NS + STEP and np.allclose(centres, [[10.0, 4.5]])
    ((_, nothing),) = rows(seen, "/cameras/wrist/measured/surprise", "Boxes2D:centers")
    assert not nothing


def test_the_layout_travels_with_the_file(seen: Path) -> None:
    """Prevents: a colleague who opens the file and finds a heap of entities."""
    reader = rerun_chunk.RrdReader(seen)
    (layout,) = reader.blueprints()
    batches = [chunk.to_record_batch() for chunk in reader.stream(store=layout).to_chunks()]
    text = str([batch[name].to_pylist() for batch in batches for name in batch.schema.names if ":" in name])
    for camera in ROBOT.cameras:
        assert f"{camera.name}, measured" in text and f"{camera.name}, imagined: video" in text
    for name in ("robot, plan, workspace", "surprise", "joints in their range", "timing", "safety events"):
        assert name in text


def test_joints_move_the_robot_and_stay_within_their_range(tmp_path: Path) -> None:
    """Prevents: a robot that stands still, or joints in the order of the message instead of by name."""
    run("view", [str(write_episode(tmp_path / "e.mcap", ROBOT, steps=3)), "--out", str(tmp_path / "e.rrd")])
    first, limits = known_position(ROBOT, 0.0), ROBOT.limits
    for k, name in enumerate(ROBOT.joints):
        values = [v[0] for t, v in rows(tmp_path / "e.rrd", f"/range/{name}", "Scalars:scalars") if t > 0]
        assert len(values) == 15
        assert values[0] == pytest.approx((first[k] - limits.lower[k]) / (limits.upper[k] - limits.lower[k]))
        assert len(list(rows(tmp_path / "e.rrd", f"/joints/{name}", "Transform3D:child_frame"))) == len(values)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Prevents: hours of a live session in a file that no viewer opens."""
    with pytest.raises(ContractError, match=r"\.rrd"):
        run("view", [str(tmp_path / "x.mcap"), "--out", str(tmp_path / "x.png")])


@pytest.mark.slow
def test_the_running_graph_is_seen(tmp_path: Path) -> None:
    """Prevents: a viewer that works on recordings alone; topics it does not hear; instructions at another time."""
    out = tmp_path / "live.rrd"
    with live_graph("wam_cell", "wam_executor", "wam_inference") as live:
        checkpoint = make_tiny_checkpoint(tmp_path / "tiny")
        live.client.set_parameters("wam_inference", {"model": str(checkpoint), "imagine": "always"})
        live.activate("wam_executor", "wam_inference")
        live.wait_for_mode("holding")
        live.client.start_task("reach the red ball", 60.0)
        assert run("view", ["--out", str(out), "--seconds", "8"]) == 0
    measured = [t for t, _ in rows(out, "/cameras/front/measured", "Image:buffer")]
    told = [t for t, text in rows(out, "/log", "TextLog:text") if "reach the red ball" in text[0]]
    assert len(measured) > 1 and len(told) == 1 and abs(told[0] - measured[0]) < 10e9
    for entity, component in (("/cameras/wrist/imagined/video", "Image:buffer"), ("/plan", "LineStrips3D:strips")):
        assert list(rows(out, entity, component)), entity
