"""A small recording without a simulator: known images, a moving arm and its actions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wam_core.contract import ActionChunk, RobotState
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.messages import DEMONSTRATION_TOPIC
from wam_core.data.recorder import Recorder
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import load_robot

START_NS = 1_700_000_000_000_000_000
CAMERAS = ("front", "wrist")


def small_robot() -> RobotContract:
    """The cell's arm with cameras of 16 x 12 pixels."""
    robot = load_robot("panda_cell")
    return replace(robot, cameras=tuple(replace(c, width=16, height=12, lens=None) for c in robot.cameras))


def known_image(camera: str, step: int) -> np.ndarray:
    seed = step * 10 + CAMERAS.index(camera)
    return np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def known_position(robot: RobotContract, seconds: float) -> np.ndarray:
    """``[J + 1]`` of a slow motion from home."""
    return np.concatenate([robot.home + 0.1 * np.sin(seconds + np.arange(len(robot.home))), [0.02]])


def known_action(step: int) -> np.ndarray:
    return np.array([0.5, 0.01 * step, 0.3, 0.0, 0.1, 0.0, 1.0])


def write_episode(
    path: Path,
    robot: RobotContract,
    steps: int = 12,
    *,
    actions: bool = True,
    missing: Mapping[str, Sequence[int]] | None = None,
    metadata: Mapping[str, str] | None = None,
    outcome: Mapping[str, str] | None = None,
    doing: Sequence[tuple[int, str]] = (),
    senses: Callable[[int], Mapping[str, np.ndarray]] = lambda step: {},
) -> Path:
    """``steps`` observations at 10 Hz and joint states at 50 Hz; ``missing`` names the steps a stream lacks.

    ``senses`` says what else is sensed at a step.
    """
    missing = missing or {}
    known = {"task": "push", "seed": "3", "cameras": ",".join(CAMERAS)} | dict(metadata or {})
    with Recorder(path, robot, known) as recorder:
        writer = EpisodeWriter(recorder, robot)
        writer.instruction("push the red block", START_NS)
        for stamp, text in doing:
            writer.sub_instruction(text, stamp)
        for step in range(steps):
            stamp = START_NS + step * robot.step_ns
            for camera in CAMERAS:
                if step not in missing.get(camera, ()):
                    writer.image(camera, known_image(camera, step), stamp)
            for name, values in senses(step).items():
                writer.sense(name, values, stamp)
            if actions and step not in missing.get("actions", ()):
                chunk = ActionChunk(
                    stamp,
                    stamp + robot.step_ns,
                    robot.step_ns,
                    robot.action.names,
                    robot.action.space,
                    known_action(step)[None],
                    step,
                )
                writer.chunk(DEMONSTRATION_TOPIC, chunk, stamp)
            for tick in range(5):
                now = stamp + tick * robot.step_ns // 5
                if step not in missing.get("joint_states", ()):
                    position = known_position(robot, (now - START_NS) / 1e9)
                    wrench = None if step in missing.get("wrench", ()) else np.arange(6.0)
                    writer.state(RobotState(now, position, np.zeros(8), None, wrench, np.full(8, 0.5 * step)))
        recorder.close(outcome or {"success": "true"})
    return path
