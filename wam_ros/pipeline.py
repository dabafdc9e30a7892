"""wam_inference and wam_executor as processes, beside cameras and an arm that stand in, and stamps of every chunk."""

import multiprocessing
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from wam_core.errors import ContractError
from wam_core.policy import checkpoint_folder
from wam_core.preprocess.raw import camera_image
from wam_core.preset import Preset
from wam_core.realtime import favour_process
from wam_core.robot.contract import Camera, RobotContract, contract_of
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint
from wam_msgs.msg import ActionChunk, ExecutorStatus
from wam_ros import conversion
from wam_ros.graph_client import ACTIVATE, CONFIGURE, GraphClient
from wam_ros.graph_processes import GraphProcesses
from wam_ros.node_table import Options
from wam_ros.stages import stamps_of
from wam_ros.stand_in import stand_in

NODES = ("wam_executor", "wam_inference")
#: Chunks before times count, and how long anything may take (s).
WARM_UPS, PATIENCE_S = 3, 180.0
#: Diagnostics come once a second: after so long they count all that was sent (s).
SETTLED_S = 2.5
#: Lines of the nodes that a failure shows.
LAST_LINES = 20


@dataclass(frozen=True)
class Observed:
    """What was heard of a run.

    Attributes:
        stamps: of each chunk, ns, by the names of ``evaluation.pipeline.STAGES``.
        sent, received, refused: images, by camera.
    """

    stamps: list[dict[str, int]]
    sent: Mapping[str, int]
    received: Mapping[str, int]
    refused: Mapping[str, int]


def observe(model: str, size: tuple[int, int], chunks: int, seed: int, parameters: Mapping[str, Any]) -> Observed:
    """Run ``model`` on cameras of ``size`` (height, width) until so many chunks were heard, as often as it replans.

    Args:
        model: preset with a checkpoint, or a checkpoint folder. parameters: of wam_inference.

    Raises:
        ContractError: the model looks at more than images, or a node refused a parameter.
        RuntimeError: a node could not be started or gave up. TimeoutError: nothing came.
    """
    favour_process(-10)  # as the executor does, in whose place chunks are heard
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        preset, told = _with_cameras(checkpoint_folder(model), size, folder)
        lines: list[str] = []
        graph = GraphProcesses(Options(robot=str(folder / "robot.yaml"), model=preset.name, sim=False), lines.append)
        try:
            for name in NODES:
                graph.start(name)
            with GraphClient("wam_pipeline", PATIENCE_S) as client:
                client.set_parameters("wam_inference", {"model": str(folder / "model"), **parameters})
                return _observed(client, folder / "robot.yaml", told, chunks, seed)
        except (RuntimeError, TimeoutError) as error:
            raise RuntimeError("\n".join((str(error), *lines[-LAST_LINES:]))) from error
        finally:
            graph.stop()


def _with_cameras(checkpoint: Path, size: tuple[int, int], folder: Path) -> tuple[Preset, str]:
    """Write the checkpoint as if it were of cameras of ``size``, and its robot; the preset and what it can be told."""
    known = load_checkpoint(checkpoint)
    if known.preset.live_channels:
        raise ContractError("model", known.preset.name, "a preset that looks at images and proprioception alone")
    robot: RobotContract = contract_of(known.robot)
    cameras = tuple(_sized(robot.camera(name), size) for name in known.preset.layout.cameras)
    robot = replace(robot, cameras=cameras, senses=())
    save_checkpoint(folder / "model", replace(known, robot=robot))
    (folder / "robot.yaml").write_text(yaml.safe_dump(robot.to_dict(), sort_keys=False))
    return known.preset, str(known.training["instructions"][0])


def _sized(camera: Camera, size: tuple[int, int]) -> Camera:
    return replace(camera, height=size[0], width=size[1], lens=None, distortion=None)


def _observed(client: GraphClient, robot_file: Path, told: str, chunks: int, seed: int) -> Observed:
    passed: dict[int, dict[str, int]] = {}
    heard: dict[int, int] = {}
    counts: dict[str, dict[str, int]] = {}
    status = ExecutorStatus()

    def on_chunk(message: ActionChunk) -> None:
        heard[message.sequence] = time.time_ns()

    def on_stages(message: DiagnosticArray) -> None:
        sequence, stamps = stamps_of(message)
        passed[sequence] = stamps

    def on_status(message: ExecutorStatus) -> None:
        nonlocal status
        status = message

    def on_diagnostics(message: DiagnosticArray) -> None:
        for pair in (p for s in message.status if s.name == "wam_inference" for p in s.values):
            stream, _, kind = pair.key.rpartition(" ")
            if kind in ("received", "refused"):
                counts.setdefault(kind, {})[stream] = int(pair.value)

    def enough() -> bool:
        if status.latched:
            raise RuntimeError(f"wam_executor stopped: {status.latch_reason}")
        return len(heard.keys() & passed.keys()) >= chunks + WARM_UPS

    client.listen(ActionChunk, "/wam_inference/action_chunk", on_chunk)
    client.listen(DiagnosticArray, "/wam_inference/stages", on_stages)
    client.listen(ExecutorStatus, "/wam_executor/status", on_status)
    client.listen(DiagnosticArray, "/diagnostics", on_diagnostics)
    for transition in (CONFIGURE, ACTIVATE):
        for name in NODES:
            if not client.change_state(name, transition):
                raise RuntimeError(f"{name} could not be configured and activated")
    here, there = multiprocessing.Pipe()
    # Spawned: what is forked with a ROS context in it hangs.
    process = multiprocessing.get_context("spawn").Process(
        target=stand_in, args=(str(robot_file), seed, there), daemon=True
    )
    process.start()
    try:
        client.wait_until(lambda: status.mode == "holding", "the arm to be known")
        answer = client.set_instruction(told)
        if not answer.success:
            raise RuntimeError(answer.message)
        client.wait_until(enough, f"{chunks} chunks", PATIENCE_S + 2.0 * chunks)
        client.set_instruction("")
        here.send("enough")
        sent: dict[str, int] = here.recv()
        client.spin(SETTLED_S)
    finally:
        process.terminate()
        process.join()
    whole = [{**passed[k], "heard": heard[k]} for k in sorted(heard.keys() & passed.keys())]
    received, refused = ({name: counts[kind][name] for name in sent} for kind in ("received", "refused"))
    return Observed(whole[WARM_UPS:], sent, received, refused)


def copies(pixels: NDArray[np.uint8]) -> dict[str, int]:
    """How often all bytes of an rgb8 image like ``pixels`` are copied from the camera's memory to the model's picture.

    The middleware's are by its design: a message of Python's is copied into one of C, serialised into shared memory,
    read from there into one of C, and that is copied into one of Python's. Ours are counted by looking.
    """
    message: Image = conversion.image_message(pixels, "", 0)
    camera = Camera("camera", "", "", pixels.shape[1], pixels.shape[0])
    raw = camera_image(camera, message)
    filled = not np.shares_memory(np.frombuffer(message.data, np.uint8), pixels)
    read = not np.shares_memory(np.frombuffer(message.data, np.uint8), raw.data)
    decoded = not np.shares_memory(raw.data, raw.rgb())
    return {"message filled": int(filled), "sent": 2, "received": 2, "read": int(read), "decoded": int(decoded)}
