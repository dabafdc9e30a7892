"""Futures of every substrate as RGB pictures: one table, by what a substrate says that it shows."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import Future
from wam_core.errors import look_up
from wam_core.substrates.depth import depth_code

Pixels = NDArray[np.uint8]
#: Flow of this many pixels is drawn in full colour.
FULL_FLOW = 8.0
#: Motion of this much (m) is drawn in full colour.
FULL_MOTION = 0.15
#: Pixels between tracks that are drawn.
TRACK_EVERY = 4


def as_pictures(future: Future) -> Future:
    """The same future with uint8 RGB ``[T, H, W, 3]`` for values, in which its regions are where they were.

    Raises:
        ContractError: a kind of future that nothing here draws; the known kinds are listed.
    """
    height = max((top + high for top, _, high, _ in future.regions.values()), default=0)
    width = max((left + wide for _, left, _, wide in future.regions.values()), default=0)
    drawn = look_up(PICTURES, future.substrate, "future.substrate")(future.values)
    # What has several layers shows them one below the other; the first is where the cameras are.
    if future.regions and (drawn.shape[2] != width or drawn.shape[1] % height):
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


def _depth(values: NDArray[np.generic]) -> Pixels:
    """Near is red, far is blue, and where nothing is it is black."""
    depth = np.asarray(values, np.float64)
    levels = (127.5 * (1.0 + depth_code(depth))).astype(np.uint8)
    drawn = np.stack([cv2.applyColorMap(frame, cv2.COLORMAP_TURBO)[..., ::-1] for frame in levels])
    return np.where(np.isfinite(depth)[..., None], drawn, 0).astype(np.uint8)


def _layers(values: NDArray[np.generic]) -> Pixels:
    """Colours where the cameras are, below them depth, and below that the normals: x red, y green, z blue."""
    layers = np.asarray(values, np.float32)
    parts = [(255.0 * layers[..., :3]).astype(np.uint8), _depth(layers[..., 3])]
    if layers.shape[-1] > 4:
        parts.append((127.5 * (1.0 + layers[..., 4:])).astype(np.uint8))
    return np.concatenate(parts, axis=1)


def _scene_flow(values: NDArray[np.generic]) -> Pixels:
    """Motion along x, y, z as more or less red, green and blue than grey; black where it is not known."""
    flow = np.asarray(values, np.float32)
    drawn = 127.5 * (1.0 + np.clip(flow[..., :3] / FULL_MOTION, -1.0, 1.0))
    return np.where(flow[..., 3:] > 0.5, drawn, 0.0).astype(np.uint8)


def _tracks(values: NDArray[np.generic]) -> Pixels:
    """A line from where each point was to where it is, green; red where it is not seen any more."""
    tracks = np.asarray(values, np.float32)
    drawn = np.zeros((*tracks.shape[:3], 3), np.uint8)
    for frame, track in zip(drawn, tracks, strict=True):
        for y in range(TRACK_EVERY // 2, track.shape[0], TRACK_EVERY):
            for x in range(TRACK_EVERY // 2, track.shape[1], TRACK_EVERY):
                dx, dy, seen = (float(v) for v in track[y, x])
                colour = (60, 230, 60) if seen > 0.5 else (200, 40, 40)
                cv2.line(frame, (x, y), (round(x + dx), round(y + dy)), colour)
    return drawn


PICTURES: Mapping[str, Callable[[NDArray[np.generic]], Pixels]] = {
    "video": _video,
    "flow": _flow,
    "heatmap": _heatmap,
    "features": _features,
    "signal": _signal,
    "depth": _depth,
    "rgbd": _layers,
    "rgbdn": _layers,
    "scene_flow": _scene_flow,
    "tracks": _tracks,
}


def _enlarged(frame: Pixels, height: int, width: int) -> Pixels:
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
