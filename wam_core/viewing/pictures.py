"""Futures of every substrate as RGB pictures: one table, by what a substrate says that it shows."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import Future
from wam_core.errors import look_up

Pixels = NDArray[np.uint8]
#: Flow of this many pixels is drawn in full colour.
FULL_FLOW = 8.0


def as_pictures(future: Future) -> Future:
    """The same future with uint8 RGB ``[T, H, W, 3]`` for values, in which its regions are where they were.

    Raises:
        ContractError: a kind of future that nothing here draws; the known kinds are listed.
    """
    height = max((top + high for top, _, high, _ in future.regions.values()), default=0)
    width = max((left + wide for _, left, _, wide in future.regions.values()), default=0)
    drawn = look_up(PICTURES, future.substrate, "future.substrate")(future.values)
    if future.regions and drawn.shape[1:3] != (height, width):
        drawn = np.stack([_enlarged(frame, height, width) for frame in drawn])
    return replace(future, values=drawn)


def _video(values: NDArray[np.generic]) -> Pixels:
    return np.asarray(values, np.uint8)


def _flow(values: NDArray[np.generic]) -> Pixels:
    """Direction as hue (red: right, cyan: left), length as brightness."""
    flow = np.asarray(values, np.float32)
    hue = np.rad2deg(np.arctan2(flow[..., 1], flow[..., 0])) % 360.0 / 2.0
    bright = np.clip(np.linalg.norm(flow, axis=-1) / FULL_FLOW, 0.0, 1.0)
    hsv = np.stack((hue, np.ones_like(hue) * 255.0, 255.0 * bright), axis=-1).astype(np.uint8)
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_HSV2RGB) for frame in hsv]).astype(np.uint8)


def _heatmap(values: NDArray[np.generic]) -> Pixels:
    levels = np.clip(255.0 * np.asarray(values, np.float32), 0.0, 255.0).astype(np.uint8)
    return np.stack([cv2.applyColorMap(frame, cv2.COLORMAP_INFERNO)[..., ::-1] for frame in levels]).astype(np.uint8)


def _features(values: NDArray[np.generic]) -> Pixels:
    """The three strongest principal components as red, green and blue."""
    features = np.asarray(values, np.float32)
    flat = features.reshape(-1, features.shape[-1])
    centred = flat - flat.mean(axis=0)
    strongest = np.linalg.svd(centred, full_matrices=False)[2][:3]
    scores = centred @ strongest.T
    scaled = 0.5 + 0.25 * scores / np.maximum(scores.std(axis=0), 1e-6)
    return (255.0 * np.clip(scaled, 0.0, 1.0)).astype(np.uint8).reshape(*features.shape[:-1], 3)


def _signal(values: NDArray[np.generic]) -> Pixels:
    """A bar for each number, as high as it is."""
    height, width = 16, 8
    levels = np.clip(np.asarray(values, np.float32).reshape(len(values), -1), 0.0, 1.0)
    filled = np.arange(height)[::-1, None] < height * levels.repeat(width, axis=1)[:, None, :]
    return (40 + 200 * filled[..., None].repeat(3, axis=-1)).astype(np.uint8)


PICTURES: Mapping[str, Callable[[NDArray[np.generic]], Pixels]] = {
    "video": _video,
    "flow": _flow,
    "heatmap": _heatmap,
    "features": _features,
    "signal": _signal,
}


def _enlarged(frame: Pixels, height: int, width: int) -> Pixels:
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
