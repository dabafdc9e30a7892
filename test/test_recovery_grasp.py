"""RIGVid's recovery in the cell: the object is taken from above, and held while nothing in the video moves."""

import numpy as np
import pytest

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, Observation
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.preprocess.images import lay_out
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.presets import load_preset
from wam_core.recovery.recovery import Foreseen
from wam_core.recovery.trajectory import smooth_motion
from wam_core.robot.geometry import Geometry
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.substrate import Scenes

ROBOT, PRESET = load_robot("panda_cell"), load_preset("rigvid")


class Brief(Cell):
    """Long enough for three chunks."""

    max_seconds = 4.8


class StillVideo:
    """The preset's recovery, shown that nothing moves."""

    cameras = PRESET.layout.cameras
    senses = tuple(sense.name for sense in needed_senses(ROBOT, PRESET.live_channels, PRESET.layout))
    replan_steps = PRESET.replan_steps

    def __init__(self) -> None:
        self.geometry, self.sequence = Geometry(ROBOT, PRESET.layout), 0

    def act(self, observation: Observation) -> ActionChunk:
        picture = lay_out(ROBOT, observation.images, PRESET.layout)[None]
        sensed = channels_of(ROBOT, PRESET.live_channels, observation.senses, PRESET.layout)
        channels = {name: values[None] for name, values in sensed.items()}
        scenes = Scenes(picture, {**channels, "proprioception": observation.proprioception[None]})
        foreseen = Foreseen(scenes, np.repeat(picture, PRESET.clip.instants, axis=0), self.geometry, ROBOT)
        assert PRESET.recovery is not None
        space, names, values = smooth_motion(foreseen, PRESET.recovery.way_points(foreseen), PRESET.horizon)
        self.sequence += 1
        start_ns = observation.stamp_ns + ROBOT.step_ns
        return ActionChunk(observation.stamp_ns, start_ns, ROBOT.step_ns, names, space, values, self.sequence, "still")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_the_object_is_taken_and_kept(seed: int) -> None:
    """The fingers closed beside the object or above it, or let it go when the video was to be followed."""
    cell = Brief(ROBOT)
    result = run_episode(cell, Executor(ROBOT), StillVideo(), "pick_place", seed)
    assert result.chunks == 3 and not result.rejected
    state = cell.tool_pose()
    assert np.linalg.norm(cell.object_pose()[:3] - state[:3]) < 0.012 and 0.4 < state[6] < 0.55
