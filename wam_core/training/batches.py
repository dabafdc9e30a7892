"""Recorded frames as the model's features: latents are computed once, normalisation comes from the statistics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.contract import FloatArray
from wam_core.data.frames import TrainingFrames
from wam_core.data.statistics import ColumnStatistics, column_statistics, denormalise, normalise
from wam_core.model.text import Text, words_of
from wam_core.model.wam import Content
from wam_core.preset import ACTION, Preset
from wam_core.robot.body import Body
from wam_core.substrates.substrate import Substrate

#: Normalised inputs are clamped to this many standard deviations, as Fast-WAM does.
CLAMP = 5.0
METHOD = "floored_z_score"
#: Windows that are encoded at a time.
PART = 1024
#: Rows that a trigger learns from.
SHOWN = 4096


@dataclass(frozen=True)
class Batches:
    """All windows of a data set.

    Attributes:
        features: (substrate, span) -> ``[M, N, F]``; all but actions in half precision.
        words: ``[M, L]`` word numbers; proprioception: ``[M, D]`` normalised.
    """

    features: Mapping[Content, Tensor]
    words: Tensor
    proprioception: Tensor

    def __len__(self) -> int:
        return len(self.words)

    def pick(self, rows: Tensor) -> tuple[dict[Content, Tensor], Tensor, Tensor]:
        """Features, words and proprioception of some windows, in float32."""
        return {k: v[rows].float() for k, v in self.features.items()}, self.words[rows], self.proprioception[rows]


def joined(parts: Sequence[Batches]) -> Batches:
    """One set of all windows of ``parts``."""
    return Batches(
        features={name: torch.cat([p.features[name] for p in parts]) for name in parts[0].features},
        words=torch.cat([p.words for p in parts]),
        proprioception=torch.cat([p.proprioception for p in parts]),
    )


def vocabulary_of(frames: TrainingFrames) -> tuple[str, ...]:
    """Sorted words of all instructions, and of their parts where those were recorded."""
    doing = () if frames.sub_instructions is None else np.unique(frames.sub_instructions)
    return tuple(sorted({w for text in (*frames.instructions, *doing) for w in words_of(str(text))}))


def statistics_of(preset: Preset, frames: TrainingFrames) -> dict[str, ColumnStatistics]:
    """Statistics of proprioception by column, and of actions by column and chunk step (``x@0`` ... ``gripper@15``).

    A preset with a recovery has none of actions: nothing looks at them.
    """
    seen = {"proprioception": column_statistics(frames.robot.proprioception, frames.proprioception)}
    if preset.recovery:
        return seen
    chunks = _chunks(preset, frames).reshape(len(frames.actions), -1)
    return {"action": column_statistics(action_columns(preset, frames.robot), chunks), **seen}


def statistics_columns(preset: Preset, robot: Body) -> dict[str, tuple[str, ...]]:
    """Names of the columns of each table of :func:`statistics_of`."""
    action = {} if preset.recovery else {"action": action_columns(preset, robot)}
    return {**action, "proprioception": robot.proprioception}


def first_scene(preset: Preset, frames: TrainingFrames) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.generic]]]:
    """The first row's picture, and what it holds of the channels that the preset needs live."""
    scenes = frames.scenes
    return scenes.images[0], {name: scenes.channel(name)[0] for name in preset.live_channels}


def action_columns(preset: Preset, robot: Body) -> tuple[str, ...]:
    """Names of the action statistics: step by step, as a chunk is flattened."""
    return tuple(f"{name}@{step}" for step in range(preset.horizon) for name in robot.action.names)


def reference_of(robot: Body, proprioception: FloatArray) -> FloatArray:
    """``[..., A]`` what actions are measured from: the observed value of the same name, 0 for the gripper.

    Learned chunks say where to go from here. Rotation vectors are subtracted, which is exact for turns about one axis
    and close for the small tilts of a tool near its reference.
    """
    columns = [robot.proprioception.index(n) if n in robot.proprioception else -1 for n in robot.action.names]
    absolute = [c < 0 or n == "gripper" for n, c in zip(robot.action.names, columns, strict=True)]
    return np.where(absolute, 0.0, proprioception[..., columns])


def _chunks(preset: Preset, frames: TrainingFrames) -> FloatArray:
    """``[M, horizon, A]`` chunks measured from each window's observation."""
    windows = frames.windows(preset.horizon, preset.frame_stride)
    return frames.actions[windows.action] - reference_of(frames.robot, frames.proprioception)[:, None]


def normalised(statistics: ColumnStatistics, values: FloatArray) -> Tensor:
    """``[..., D]`` in contract units to clamped float32 model input."""
    return torch.from_numpy(np.clip(normalise(statistics, values, METHOD), -CLAMP, CLAMP)).float()


def chunk_values(robot: Body, statistics: ColumnStatistics, features: Tensor, proprioception: FloatArray) -> FloatArray:
    """Model output ``[horizon, A]`` to a chunk in contract units, for the observation's ``proprioception``."""
    flat = denormalise(statistics, features.double().numpy().reshape(-1), METHOD)
    return flat.reshape(features.shape) + reference_of(robot, proprioception)


def chunk_features(robot: Body, statistics: ColumnStatistics, values: FloatArray, proprioception: FloatArray) -> Tensor:
    """Inverse of :func:`chunk_values`; nothing is clamped, so that a chunk comes back as it was."""
    flat = (values - reference_of(robot, proprioception)).reshape(-1)
    return torch.from_numpy(normalise(statistics, flat, METHOD)).float().reshape(values.shape)


@torch.no_grad()
def make_batches(
    preset: Preset,
    frames: TrainingFrames,
    substrates: Mapping[str, Substrate],
    text: Text,
    statistics: Mapping[str, ColumnStatistics],
) -> Batches:
    """Encode every window of ``frames``; once more under its part of the task, where the preset is trained on parts."""
    if preset.training.sub_instructions:
        whole = replace(preset, training=replace(preset.training, sub_instructions=False))
        told = (frames, frames.by_sub_instruction())
        return joined([make_batches(whole, part, substrates, text, statistics) for part in told])
    windows = frames.windows(preset.horizon, preset.frame_stride)
    features: dict[Content, Tensor] = {}
    used = {group.content for group in preset.groups}
    for name, substrate in substrates.items():
        clips = windows.clip if (name, "future") in used else windows.start[:, None]
        encoded = _encoded(substrate, frames, clips)
        present = preset.substrates[name].shape(preset.clip).tokens("present")
        spans = {"present": encoded[:, :present], "future": encoded[:, present:]}
        if (name, "past") in used:
            features[name, "past"] = _past(preset, substrate, frames, windows.start).half()
        features |= {(name, span): part for span, part in spans.items() if (name, span) in used}
    if (ACTION, "future") in used:
        chunks = _chunks(preset, frames)
        flat = normalised(statistics["action"], chunks.reshape(len(chunks), -1))
        features[ACTION, "future"] = flat.reshape(chunks.shape)
    ids = torch.stack([text.tokenize(t) for t in frames.instructions])
    return Batches(
        features=features,
        words=ids[torch.from_numpy(frames.stretch)],
        proprioception=normalised(statistics["proprioception"], frames.proprioception),
    )


@torch.no_grad()
def observed_features(
    preset: Preset, substrates: Mapping[str, Substrate], frames: TrainingFrames, rows: NDArray[np.int64]
) -> dict[Content, Tensor]:
    """What the model's observed groups show at ``rows [M]``, as it was recorded: ``[M, N, F]`` each."""
    windows = frames.windows(preset.horizon, preset.frame_stride)
    shown: dict[str, Callable[[Substrate], Tensor]] = {
        "past": lambda substrate: _past(preset, substrate, frames, rows),
        "present": lambda substrate: substrate.encode(frames.scenes, rows[:, None]),
        "future": lambda substrate: substrate.encode(frames.scenes, windows.clip[rows]),
    }
    observed = [g for g in preset.groups if g.source == "observed"]
    return {g.content: shown[g.span](substrates[g.substrate]) for g in observed}


@torch.no_grad()
def learned_from(
    preset: Preset, frames: TrainingFrames, substrates: Mapping[str, Substrate], rng: torch.Generator
) -> dict[str, Tensor]:
    """What the preset's trigger keeps of ``frames``; it is shown at most :data:`SHOWN` rows, drawn from ``rng``."""
    if preset.trigger is None or not preset.trigger.learns:
        return {}
    rows = torch.randperm(len(frames.actions), generator=rng)[:SHOWN].sort().values.numpy()
    return preset.trigger.learn(
        lambda name: _encoded(substrates[name], frames, rows[:, None]), frames.stretch[rows], rng
    )


def _past(preset: Preset, substrate: Substrate, frames: TrainingFrames, rows: NDArray[np.int64]) -> Tensor:
    earlier = frames.before(preset.memory, preset.replan_steps)[rows]
    return torch.cat([_encoded(substrate, frames, earlier[:, [k]]) for k in range(preset.memory)], dim=1).float()


def _encoded(substrate: Substrate, frames: TrainingFrames, clips: NDArray[np.int64]) -> Tensor:
    """Half precision ``[M, N, F]`` of ``[M, T]`` rows, some at a time."""
    parts = np.array_split(clips, range(PART, len(clips), PART))
    return torch.cat([substrate.encode(frames.scenes, rows).half() for rows in parts])
