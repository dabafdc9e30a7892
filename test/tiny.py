"""A preset, frames and a checkpoint small enough to build in milliseconds."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import tiny_published
import torch

from wam_core.data.frames import TrainingFrames
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.model.wam import WorldActionModel
from wam_core.preprocess.images import ImageLayout
from wam_core.preset import Preset
from wam_core.presets import build_substrates, load_preset, model_spec
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import load_robot
from wam_core.robot.senses import form
from wam_core.substrates.affordance_map import AffordanceMapSpec
from wam_core.substrates.depth import DepthSpec, RgbdnSpec, RgbdSpec
from wam_core.substrates.encoded_frame import EncodedFrameSpec
from wam_core.substrates.optical_flow import OpticalFlowSpec
from wam_core.substrates.pixels import PixelsSpec
from wam_core.substrates.point_flow import PointFlowSpec
from wam_core.substrates.point_tracks import PointTracksSpec
from wam_core.substrates.robot_flow import RobotFlowSpec
from wam_core.substrates.scene_view import SceneViewSpec
from wam_core.substrates.signal import SignalSpec
from wam_core.substrates.sound_latent import SoundLatentSpec
from wam_core.substrates.substrate import SubstrateSpec
from wam_core.substrates.teacher_features import TeacherFeaturesSpec
from wam_core.substrates.tool_heatmap import ToolHeatmapSpec
from wam_core.substrates.tool_points import ToolPointsSpec
from wam_core.substrates.touch_latent import TouchLatentSpec
from wam_core.substrates.video_latent import VideoLatentSpec
from wam_core.substrates.vq_tokens import VqTokensSpec
from wam_core.training.batches import first_scene, learned_from, statistics_of, vocabulary_of
from wam_core.training.checkpoint import Checkpoint

INSTRUCTIONS = ("reach the red ball", "push the blue block to the green zone")
PARTS = (("go to the red ball", "touch the red ball"), ("go behind the blue block", INSTRUCTIONS[1]))
TINY = {
    "video_latent": VideoLatentSpec("video_latent", latent_channels=4, width=8, patch=2),
    "encoded_frame": EncodedFrameSpec("encoded_frame", latent_channels=4, width=8, patch=2),
    "vq_tokens": VqTokensSpec("vq_tokens", latent_channels=4, width=8, patch=2, depth=2),
    "pixels": PixelsSpec("pixels", shrink=4, patch=4),
    "optical_flow": OpticalFlowSpec("optical_flow", cell=4, patch=4),
    "scene_view": SceneViewSpec("scene_view", shrink=4, patch=4, points=500, cell=0.02),
    "signal": SignalSpec("signal", channel="progress"),
    "touch_latent": TouchLatentSpec("touch_latent", rows=16, columns=16, kept=3),
    "sound_latent": SoundLatentSpec("sound_latent", 8000.0, 800, frames=5, mels=16, kept_frames=2, kept_mels=6),
    "affordance_map": AffordanceMapSpec("affordance_map", of="motion", cell=4, patch=4),
    "depth": DepthSpec("depth", shrink=4, patch=4),
    "rgbd": RgbdSpec("rgbd", shrink=4, patch=4),
    "rgbdn": RgbdnSpec("rgbdn", shrink=4, patch=4),
    "point_flow": PointFlowSpec("point_flow", cell=4, patch=4),
    "tool_heatmap": ToolHeatmapSpec("tool_heatmap", cell=2, patch=4, spread=1.5),
    "tool_points": ToolPointsSpec("tool_points", length=0.05),
    "robot_flow": RobotFlowSpec("robot_flow", points=12),
    "point_tracks": PointTracksSpec("point_tracks", cell=4, patch=4, tracker="scene"),
}
WORDS = ("ball", "block", "blue", "green", "push", "reach", "red", "the", "to", "zone")


@cache
def tiny_teacher() -> TeacherFeaturesSpec:
    """SigLIP's vision tower with two layers."""
    folder = Path(tempfile.mkdtemp(prefix="wam_tiny_teacher_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tiny_published.save_teacher("siglip", folder)
    return TeacherFeaturesSpec("teacher_features", str(folder), rows=4, width=16, pool=2)


def tiny_substrate(spec: SubstrateSpec) -> SubstrateSpec:
    if spec.kind == "teacher_features":
        return tiny_teacher()
    if isinstance(spec, AffordanceMapSpec):
        return replace(spec, cell=4, patch=4)
    return spec if spec.kind == "signal" else TINY[spec.kind]


def tiny_preset(name: str) -> Preset:
    """A shipped preset with its wiring untouched and everything else shrunk."""
    preset = load_preset(name)
    return replace(
        preset,
        layout=ImageLayout(("front", "wrist"), 32, 32),
        steps=3,
        substrates={name: tiny_substrate(spec) for name, spec in preset.substrates.items()},
        trunk=TrunkSize(layers=2, heads=2, head_dim=12, text_dim=16, time_dim=16),
        experts={n: _tiny_expert(n, size) for n, size in preset.experts.items()},
    )


def _tiny_expert(name: str, size: ExpertSize) -> ExpertSize:
    width = 24 if name == "action" else 32
    return replace(size, width=width, ffn=2 * width)


def tiny_model(name: str, seed: int = 0) -> WorldActionModel:
    spec = model_spec(tiny_preset(name), load_robot("panda_cell"), WORDS)
    torch.manual_seed(seed)
    model = WorldActionModel(spec).eval()
    model.bind(lambda features, here: here + 0.02 * features.double().numpy())
    return model


def tiny_frames(episodes: int = 4, length: int = 20, seed: int = 0) -> TrainingFrames:
    """Episodes in which a bright square moves where the actions say."""
    rng = np.random.default_rng(seed)
    layout = tiny_preset("fast_wam").layout
    rows = episodes * length
    images = rng.integers(100, 120, (rows, *layout.size, 3), dtype=np.uint8)
    poses = np.cumsum(rng.normal(0, 0.02, (rows, 7)), axis=0)
    for row in range(rows):
        column = row % (layout.size[1] - 6)
        images[row, 10:16, column : column + 6] = (250, 20, 20)
    ends = np.arange(1, episodes + 1) * length
    return TrainingFrames(
        images=images,
        proprioception=poses,
        actions=poses + rng.normal(0, 0.01, poses.shape),
        bounds=np.stack([ends - length, ends], axis=1),
        instructions=tuple(INSTRUCTIONS[i % 2] for i in range(episodes)),
        files=tuple(f"episode_{i}" for i in range(episodes)),
        robot=load_robot("panda_cell"),
        layout=layout,
        channels=tiny_channels(images, length, rng),
        sub_instructions=np.array([PARTS[r // length % 2][r % length > length // 2] for r in range(rows)]),
    )


def tiny_channels(images: np.ndarray, length: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Every channel of recordings: the square is the object, and touched, felt and heard in the second half."""
    rows, height, width = images.shape[:3]
    step = np.arange(rows) % length
    touched = (step > length // 2).astype(float)
    square = images[..., 0] > 200
    where = step[:, None] / length * np.array([0.1, 0.05, 0.0, 0.0, 0.0, 0.4])
    tone = np.sin(2 * np.pi * 440.0 * np.arange(800) / 8000.0) + 0.1 * rng.normal(size=(rows, 800))
    press = np.exp(-(((np.mgrid[:16, :16] - 7.5) / 3.0) ** 2).sum(axis=0)) * (1.0 + 0.2 * rng.random((rows, 2, 1, 1)))
    return {
        "contact": touched,
        "depth": np.where(square, 0.8, 1.0 - 0.01 * np.arange(height)[:, None] / height).astype(np.float32),
        "object": square,
        "object_pose": np.array([0.4, 0.0, 0.02, 0.0, 0.0, 0.0]) + where,
        "sound": (0.3 * touched[:, None] * tone).astype(np.float32),
        "touch": (2.0 * touched[:, None, None, None] * press).astype(np.float32),
    }


def tiny_checkpoint(name: str = "fast_wam", seed: int = 0, **changes: object) -> Checkpoint:
    """Untrained, but whole; ``changes`` are of its preset."""
    preset, frames = replace(tiny_preset(name), **changes), tiny_frames()  # type: ignore[arg-type]
    torch.manual_seed(seed)
    vocabulary = vocabulary_of(frames)
    model = WorldActionModel(model_spec(preset, frames.robot, vocabulary)).eval()
    training = {"vocabulary": vocabulary, "instructions": sorted(set(frames.instructions)), "step": 0, "seed": seed}
    training["sub_instructions"] = frames.parts()
    substrates, statistics = build_substrates(preset, frames.robot), statistics_of(preset, frames)
    learned = learned_from(preset, frames, substrates, torch.Generator().manual_seed(seed))
    first = first_scene(preset, frames)
    return Checkpoint(preset, frames.robot, model, substrates, statistics, training, *first, learned)


def tiny_senses(robot: RobotContract, names: Sequence[str]) -> dict[str, np.ndarray]:
    """An instant in which nothing is felt or heard, before a wall at 1 m."""
    found = [robot.sense(name) for name in names]
    forms = {sense: form(robot, sense) for sense in found}
    return {s.name: np.full(shape, s.kind == "depth", kind) for s, (shape, kind) in forms.items()}
