"""Live episodes over the ROS graph, every node in a process of its own, with figures and pictures of what happened."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from wam_core.cell.tasks import TASKS
from wam_core.data.recorder import OUTCOME_RECORD, software_versions
from wam_core.data.recording import Recording
from wam_core.evaluation.film_strip import stack
from wam_core.realtime import favour_process, give_way
from wam_core.robot.robot_file import load_robot
from wam_msgs.action import RunTask
from wam_msgs.msg import ActionChunk, ExecutorStatus, SafetyEvent
from wam_msgs.srv import LabelRecording, StartRecording, StopRecording
from wam_ros import conversion
from wam_ros.graph_client import ACTIVATE, CONFIGURE, DEACTIVATE, GraphClient
from wam_ros.graph_processes import GraphProcesses
from wam_ros.load import Idle
from wam_ros.node_table import Options

NODES = ("wam_cell", "wam_executor", "wam_futures", "wam_recorder", "wam_inference")
#: The share of episodes that must succeed.
PASS = 0.8
#: Loading a model, and any other answer of a node, may take this long (s).
PATIENCE_S = 120.0
#: A comparison of imagined and measured frames is complete this long after an episode (s).
COMPARISON_S = 2.0
#: With less of the processor left over than this, whatever fails may fail for want of it.
LITTLE_IDLE = 0.05
#: Pictures in the film strip of the whole demonstration.
MOST_PICTURES = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Episode:
    """How one live episode went; ``duration_s`` is in ROS time."""

    task: str
    seed: int
    instruction: str
    success: bool
    reason: str
    duration_s: float
    chunks: int
    recording: str


@dataclass
class Heard:
    """What the graph published while the episodes ran."""

    inference_s: list[float] = field(default_factory=list)
    latency_ms: dict[str, float] = field(default_factory=dict)
    safety: Counter[str] = field(default_factory=Counter)
    status: ExecutorStatus = field(default_factory=ExecutorStatus)
    timing: list[tuple[float, float, float, float]] = field(default_factory=list)
    comparisons: list[NDArray[np.uint8]] = field(default_factory=list)

    def subscribe(self, client: GraphClient) -> None:
        def on_chunk(message: ActionChunk) -> None:
            self.inference_s.append(conversion.nanoseconds(message.inference_duration) / 1e9)

        def on_event(message: SafetyEvent) -> None:
            self.safety[message.code] += 1

        def on_status(message: ExecutorStatus) -> None:
            self.status = message

        def on_comparison(message: Image) -> None:
            self.comparisons.append(np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3))

        def on_diagnostics(message: DiagnosticArray) -> None:
            # The executor knows when a chunk could be used; its clock is the finest.
            for pair in (pair for status in message.status if status.name == "wam_executor" for pair in status.values):
                if pair.key.startswith("chunk latency "):
                    self.latency_ms[pair.key.split()[2]] = float(pair.value)

        client.listen(DiagnosticArray, "/diagnostics", on_diagnostics)
        client.listen(ActionChunk, "/wam_inference/action_chunk", on_chunk)
        client.listen(SafetyEvent, "/wam_executor/safety_events", on_event)
        client.listen(ExecutorStatus, "/wam_executor/status", on_status)
        client.listen(Image, "/wam_futures/video/comparison", on_comparison)

    def keep_timing(self) -> None:
        """Keep the tick lateness of the episode that ends."""
        s = self.status
        self.timing.append((s.tick_lateness_p50_s, s.tick_lateness_p99_s, s.tick_lateness_max_s, s.tick_compute_p99_s))


def run_demo(model: str, robot_name: str, plan: Sequence[tuple[str, int]], folder: Path, say: Say) -> int:
    """Run the planned (task, seed) episodes and leave report, recordings and picture in ``folder``.

    Returns:
        0 when at least :data:`PASS` of the episodes succeeded, otherwise 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    favour_process(-10)  # the nodes inherit it, from their first import on
    shipped = not Path(model).is_dir()
    options = Options(robot=robot_name, record=True, model=model if shipped else Options.model)
    with (folder / "graph.log").open("w", buffering=1) as log:
        graph = GraphProcesses(options, lambda line: _show(line, log.write, say))
        try:
            for name in NODES:
                graph.start(name)
            give_way()
            with GraphClient("wam_demo", PATIENCE_S) as client:
                heard = Heard()
                heard.subscribe(client)
                _prepare(client, "" if shipped else model, options, lambda: _all_alive(graph), say)
                episodes, idle = [], Idle()
                for number, (task, seed) in enumerate(plan):
                    episode = _episode(client, heard, task, seed, folder, lambda: _all_alive(graph))
                    episodes.append(episode)
                    say(_line(number + 1, len(plan), episode))
                idle_share = idle.share()
                client.spin(COMPARISON_S)
        except (RuntimeError, TimeoutError) as error:
            say(f"wam demo: {error}")
            return 1
        finally:
            say("stopping the graph")
            graph.stop()
    report = _report(model, options, episodes, heard, folder) | {"processor_idle": idle_share}
    (folder / "report.json").write_text(json.dumps(report, indent=1))
    if heard.comparisons:
        _save_picture(folder / "imagined_and_measured.png", heard.comparisons)
    say(_summary(report, folder))
    return 0 if report["success"]["episodes"] >= PASS * len(plan) else 1


def _prepare(client: GraphClient, checkpoint: str, options: Options, meanwhile: Callable[[], None], say: Say) -> None:
    """Everything is found, connected, configured and active."""
    if checkpoint:
        client.set_parameters("wam_inference", {"model": checkpoint, "replan_steps": 0})
    for name in ("wam_executor", "wam_inference"):
        if not client.change_state(name, CONFIGURE):
            raise RuntimeError(f"{name} could not be configured; graph.log says why")
    robot = load_robot(options.robot)
    needed = {"/wam_inference/action_chunk": 3, robot.topics.joint_command: 1, "/wam_inference/future": 1}
    needed |= {camera.topic: 1 for camera in robot.cameras} | {robot.topics.joint_states: 2}

    def connected() -> bool:
        meanwhile()
        count = client.node.count_subscribers
        return all(client.node.count_publishers(t) >= 1 and count(t) >= n for t, n in needed.items())

    client.wait_until(connected, f"subscribers of {', '.join(needed)}")
    if not client.change_state("wam_inference", ACTIVATE):
        raise RuntimeError("wam_inference could not be activated; graph.log says why")
    say("the graph is ready")


def _episode(
    client: GraphClient, heard: Heard, task: str, seed: int, folder: Path, meanwhile: Callable[[], None]
) -> Episode:
    scene = client.reset(task, seed)
    if not scene.success:
        raise RuntimeError(f"wam_cell could not be reset: {scene.message}")
    client.clear_e_stop()
    name = f"{task}_{seed}"
    client.set_parameters("wam_recorder", {"folder": str(folder / "recordings")})
    if not client.change_state("wam_executor", ACTIVATE):
        raise RuntimeError("wam_executor could not be activated; graph.log says why")
    start = StartRecording.Request(name=name, task=task, seed=str(seed))
    started = client.call(StartRecording, "/wam_recorder/start", start)
    if not started.success:
        raise RuntimeError(f"wam_recorder could not start: {started.message}")
    before = len(heard.inference_s)
    limit_s = TASKS[task].max_seconds
    result: RunTask.Result = client.result_of(
        client.start_task(scene.instruction, limit_s), PATIENCE_S + 10.0 * limit_s, meanwhile
    )
    label = LabelRecording.Request(outcome="success" if result.success else "failure", note=result.reason)
    client.call(LabelRecording, "/wam_recorder/label", label)
    client.call(StopRecording, "/wam_recorder/stop", StopRecording.Request())
    heard.keep_timing()
    client.change_state("wam_executor", DEACTIVATE)
    chunks = len(heard.inference_s) - before
    return Episode(
        task, seed, scene.instruction, result.success, result.reason, result.duration_s, chunks, started.path
    )


def _report(model: str, options: Options, episodes: list[Episode], heard: Heard, folder: Path) -> dict:
    cameras = [camera.topic for camera in load_robot(options.robot).cameras]
    frames: Counter[str] = Counter()
    for episode in episodes:
        outcome = _outcome(Path(episode.recording))
        for kind in ("received", "dropped"):
            frames[kind] += sum(int(outcome.get(f"{kind}{topic}", 0)) for topic in cameras)
    timing = np.array(heard.timing or [(np.nan,) * 4])
    return {
        "model": model,
        "robot": options.robot,
        "success": {"episodes": sum(e.success for e in episodes), "of": len(episodes)},
        "episodes": [asdict(e) for e in episodes],
        "inference_ms": _percentiles(heard.inference_s),
        "slow_chunks": sum(took > 1.0 / load_robot(options.robot).rates.camera_hz for took in heard.inference_s),
        "chunk_latency_ms": heard.latency_ms,
        "tick_lateness_ms": {
            "p50": float(np.median(timing[:, 0])) * 1e3,
            "p99": float(timing[:, 1].max()) * 1e3,
            "max": float(timing[:, 2].max()) * 1e3,
        },
        "tick_compute_p99_ms": float(timing[:, 3].max()) * 1e3,
        "camera_frames": dict(frames),
        "safety_events": dict(heard.safety),
        "versions": software_versions(),
        "folder": str(folder),
    }


def _outcome(recording: Path) -> dict[str, str]:
    """The outcome record of a finished recording."""
    file = Recording(recording)
    for _ in file.messages(topics=()):
        pass
    return file.metadata.get(OUTCOME_RECORD, {})


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    values = np.array(seconds or [np.nan]) * 1e3
    return {"p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95)), "count": len(seconds)}


def _save_picture(file: Path, comparisons: list[NDArray[np.uint8]]) -> None:
    chosen = np.unique(np.linspace(0, len(comparisons) - 1, MOST_PICTURES).round().astype(int))
    cv2.imwrite(str(file), stack([comparisons[i] for i in chosen])[:, :, ::-1])


def _line(number: int, total: int, episode: Episode) -> str:
    mark = "ok  " if episode.success else "FAIL"
    ending = "" if episode.success else f" ({episode.reason})"
    return (
        f"[{number:2d}/{total}] {mark} {episode.task} {episode.seed}: {episode.instruction!r}"
        f" {episode.duration_s:.1f} s, {episode.chunks} chunks{ending}"
    )


def _summary(report: dict, folder: Path) -> str:
    success, late, frames = report["success"], report["tick_lateness_ms"], report["camera_frames"]
    inference, latency = report["inference_ms"], report["chunk_latency_ms"]
    events = ", ".join(f"{code} {count}" for code, count in sorted(report["safety_events"].items())) or "none"
    return "\n".join(
        (
            "",
            f"success           {success['episodes']} of {success['of']}",
            f"chunk latency     p50 {latency.get('p50', np.nan):.0f} ms, p95 {latency.get('p95', np.nan):.0f} ms"
            " from camera stamp to executor",
            f"  of it inference p50 {inference['p50']:.0f} ms, p95 {inference['p95']:.0f} ms",
            f"processor         {shortage(report['processor_idle'])}; {report['slow_chunks']} of {inference['count']}"
            " chunks took longer than pictures are apart",
            f"tick lateness     p50 {late['p50']:.2f} ms, p99 {late['p99']:.2f} ms, max {late['max']:.2f} ms",
            f"camera frames     {frames.get('received', 0)} recorded, {frames.get('dropped', 0)} dropped",
            f"safety events     {events}",
            f"left in           {folder}: report.json, imagined_and_measured.png, recordings/*.mcap, graph.log",
        )
    )


def shortage(idle: float) -> str:
    """What is left over; aloud where it is too little for the rest of the report to say much about the model."""
    left = f"{100.0 * idle:.0f} % idle"
    return f"{left}: SHORT OF PROCESSOR, failures may be due to that" if idle < LITTLE_IDLE else left


def _show(line: str, log: Callable[[str], object], say: Say) -> None:
    log(f"{time.strftime('%H:%M:%S')} {line}\n")
    if "[ERROR]" in line or "[FATAL]" in line or "Error:" in line:
        say(line)


def _all_alive(graph: GraphProcesses) -> None:
    for name in NODES:
        if not graph.alive(name):
            raise RuntimeError(f"{name} ended with {graph.process(name).returncode}; graph.log says why")
