"""More scenes from the same recordings: colours exchanged in picture and instruction, and the world mirrored.

A few hundred recordings show a few hundred scenes, which a model learns by heart before it learns what colour words
mean. Exchanging colours consistently in pixels and words leaves nothing to learn by heart.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wam_core.data.frames import TrainingFrames
from wam_core.errors import look_up
from wam_core.model.text import words_of
from wam_core.preprocess.images import ImageLayout

Values: TypeAlias = NDArray[Any]

#: Colour word -> RGB in 0..1. Pixels count as coloured when their chroma (0..255) exceeds the threshold.
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.90, 0.08, 0.08),
    "green": (0.06, 0.65, 0.15),
    "blue": (0.08, 0.22, 0.88),
    "yellow": (0.95, 0.80, 0.05),
}
CHROMA_THRESHOLD = 25.0

#: What mirroring the world at the robot's x-z plane does to a column's sign; rotation vectors are pseudovectors.
MIRROR_SIGNS: Mapping[str, int] = {"x": 1, "y": -1, "z": 1, "rx": -1, "ry": 1, "rz": -1, "gripper": 1}
#: Cameras in that plane: only their pictures of the mirrored world are mirrored pictures.
MIRRORED_CAMERAS = ("front", "wrist")


def _mirrored_tiles(layout: ImageLayout, values: Values) -> Values:
    mirrored = values.copy()
    for top, left, height, width in layout.regions.values():
        tile = values[:, top : top + height, left : left + width]
        mirrored[:, top : top + height, left : left + width] = tile[:, :, ::-1]
    return mirrored


def _unchanged(layout: ImageLayout, values: Values) -> Values:
    return values


def _mirrored_pose(layout: ImageLayout, values: Values) -> Values:
    return values * np.array([MIRROR_SIGNS[name] for name in ("x", "y", "z", "rx", "ry", "rz")])


def _other_finger(layout: ImageLayout, values: Values) -> Values:
    return values[:, ::-1]


#: Channel of the scenes -> what it is ``[n, ...]`` in the mirrored world. The fingers are beside the tool's
#: x axis, and the columns of their taxels run along it: one finger feels what the other felt.
MIRRORED_CHANNELS: Mapping[str, Callable[[ImageLayout, Values], Values]] = {
    "depth": _mirrored_tiles,
    "object": _mirrored_tiles,
    "object_pose": _mirrored_pose,
    "sound": _unchanged,
    "touch": _other_finger,
    "contact": _unchanged,
}


def augmented(frames: TrainingFrames, rng: np.random.Generator) -> TrainingFrames:
    """A copy of ``frames`` in which every stretch has its own exchange of colours and is mirrored or not.

    Raises:
        ContractError: a column or a camera of which it is not known how to mirror it.
    """
    images, instructions = frames.images.copy(), list(frames.instructions)
    channels = {name: values.copy() for name, values in frames.channels.items()}
    proprioception, actions = frames.proprioception.copy(), frames.actions.copy()
    # Objects, because text of a fixed width would cut a longer colour short.
    doing = None if frames.sub_instructions is None else frames.sub_instructions.astype(object)
    names = tuple(COLOURS)
    signs = [
        np.array([look_up(MIRROR_SIGNS, name, "mirrored column") for name in columns])
        for columns in (frames.robot.proprioception, frames.robot.action.names)
    ]
    mirrors = {name: look_up(MIRRORED_CHANNELS, name, "mirrored channel") for name in channels}
    for camera in frames.layout.cameras:
        look_up(dict.fromkeys(MIRRORED_CAMERAS), camera, "mirrored camera")
    for i, (first, end) in enumerate(frames.bounds):
        order = rng.permutation(len(names))
        exchange = {name: names[j] for name, j in zip(names, order, strict=True)}
        images[first:end] = exchange_colours(images[first:end], exchange)
        instructions[i] = exchanged(instructions[i], exchange)
        if doing is not None:
            doing[first:end] = [exchanged(text, exchange) for text in doing[first:end]]
        if rng.random() < 0.5:
            images[first:end] = _mirrored_tiles(frames.layout, images[first:end])
            for name, mirror in mirrors.items():
                channels[name][first:end] = mirror(frames.layout, channels[name][first:end])
            proprioception[first:end] *= signs[0]
            actions[first:end] *= signs[1]
    return replace(
        frames,
        images=images,
        proprioception=proprioception,
        actions=actions,
        instructions=tuple(instructions),
        channels=channels,
        sub_instructions=None if doing is None else doing.astype(np.str_),
    )


def exchanged(text: str, exchange: Mapping[str, str]) -> str:
    """``text`` in other colours, in lower case."""
    return " ".join(exchange.get(word, word) for word in words_of(text))


def exchange_between(one: str, other: str) -> Mapping[str, str] | None:
    """The exchange of colours that makes ``other`` of ``one``; None where there is none."""
    pairs = list(zip(words_of(one), words_of(other), strict=False))
    exchange = {a: b for a, b in pairs if a in COLOURS and b in COLOURS}
    apart = len(set(exchange.values())) == len(exchange)
    return exchange if apart and exchanged(one, exchange) == " ".join(words_of(other)) else None


def exchange_colours(images: NDArray[np.uint8], exchange: Mapping[str, str]) -> NDArray[np.uint8]:
    """``[..., 3]`` images in which each colour of :data:`COLOURS` is replaced by the one that ``exchange`` names.

    A coloured pixel is taken as a mixture of grey and the colour of nearest hue; the mixture is kept.
    """
    names = list(COLOURS)
    base = np.array([COLOURS[n] for n in names], dtype=np.float32) * 255.0
    floor = base.min(axis=1)
    chroma = base - floor[:, None]
    length = np.linalg.norm(chroma, axis=1)
    target = np.array([names.index(exchange[n]) for n in names])
    out = images.copy()
    low = images.min(axis=-1)
    coloured = images.max(axis=-1).astype(np.float32) - low > CHROMA_THRESHOLD
    pixels = images[coloured].astype(np.float32)
    own = pixels - pixels.min(axis=1, keepdims=True)
    strength = np.linalg.norm(own, axis=1)
    nearest = np.argmax((own @ (chroma / length[:, None]).T), axis=1)
    share = strength / length[nearest]
    grey = pixels.min(axis=1) - share * floor[nearest]
    made = grey[:, None] + share[:, None] * base[target[nearest]]
    out[coloured] = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    return out
