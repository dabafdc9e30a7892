"""An untrained model of the smallest size in a checkpoint folder: its chunks wander about where the tool is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from wam_core.data.statistics import column_statistics
from wam_core.model.wam import WorldActionModel
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.video_latent import VideoLatentSpec
from wam_core.training.batches import action_columns
from wam_core.training.checkpoint import Checkpoint, save_checkpoint

WORDS = ("ball", "blue", "green", "reach", "red", "the", "yellow")


def make_tiny_checkpoint(folder: Path, spread: float = 0.02) -> Path:
    """Chunks of this checkpoint stay about ``spread`` m around the tool's pose, gripper open."""
    torch.manual_seed(0)
    robot = load_robot("panda_cell")
    preset = load_preset("fast_wam")
    size = {"width": 16, "ffn": 32}
    preset = replace(
        preset,
        substrates={"video": VideoLatentSpec("video_latent", latent_channels=4, width=8, patch=2)},
        trunk=replace(preset.trunk, layers=1, heads=2, head_dim=12, text_dim=16, time_dim=16),
        experts={name: replace(expert, **size) for name, expert in preset.experts.items()},
        steps=2,
    )
    rng = np.random.default_rng(0)
    deviation = np.array([spread] * 3 + [0.02] * 3 + [0.01])
    poses = rng.normal([0.5, 0, 0.35, 0, 0, 0, 1], deviation, (256, 7))
    steps = rng.normal([0, 0, 0, 0, 0, 0, 1], deviation, (256, preset.horizon, 7)).reshape(256, -1)
    statistics = {
        "action": column_statistics(action_columns(preset, robot), steps),
        "proprioception": column_statistics(robot.proprioception, poses),
    }
    model = WorldActionModel(model_spec(preset, robot, WORDS))
    first_frame = np.zeros((*preset.layout.size, 3), np.uint8)
    training = {"vocabulary": list(WORDS), "instructions": ["reach the red ball"], "seed": 0}
    substrates = build_substrates(preset, robot)
    save_checkpoint(folder, Checkpoint(preset, robot, model, substrates, statistics, training, first_frame))
    return folder
