"""Futures of every substrate as RGB pictures: one table, by what a substrate says that it shows.

``nearest`` stands beside ``features``: of the pictures that were seen, the one whose features are the most similar.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import Future
from wam_core.errors import look_up
from wam_core.substrates.depth_code import depth_code

Pixels = NDArray[np.uint8]
#: Flow of this many pixels is drawn in full colour.
FULL_FLOW = 8.0
#: Motion of this much (m) is drawn in full colour.
FULL_MOTION = 0.15
#: What a picture from above shows: so many m, about this far before the base.
MAP_SIZE, MAP_CENTRE = 1.0, 0.5
#: Forces on a taxel that can just be seen, and that are drawn in full (N).
FAINT_TOUCH, FULL_TOUCH = 0.005, 1.0
#: Pixels between tracks that are drawn.
TRACK_EVERY = 4
#: Height and width of the picture that lines are drawn in, before it becomes as large as the cameras'.
LINES = (128, 256)
#: So much of a live image is covered where a map is 1.
MOST_OPAQUE = 0.75
#: Kinds that are laid out as no camera sees them.
OF_NO_CAMERA = frozenset({"signal", "robot_flow", "cloud", "touch", "spectrogram"})
#: Kinds with values of 0 .. 1 for each place, which say most when they lie over the live image.
MAPS = frozenset({"heatmap"})


def as_pictures(future: Future) -> Future:
    """The same future with uint8 RGB ``[T, H, W, 3]`` for values, in which its regions are where they were.

    One that is no picture of what cameras see has no regions.

    Raises:
        ContractError: a kind of future that nothing here draws; the known kinds are listed.
    """
    drawn = look_up(PICTURES, future.substrate, "future.substrate")(future.values)
    if future.substrate in OF_NO_CAMERA or not future.regions:
        return replace(future, values=drawn, regions={})
    height = max(top + high for top, _, high, _ in future.regions.values())
    width = max(left + wide for _, left, _, wide in future.regions.values())
    # What has several layers shows them one below the other; the first is where the cameras are.
    if drawn.shape[2] != width or drawn.shape[1] % height:
        drawn = np.stack([_enlarged(frame, height, width) for frame in drawn])
    return replace(future, values=drawn)


def parts(future: Future) -> tuple[Future, ...]:
    """What is made of several layers as a future of each layer, for those who show or compare them one by one."""
    return tuple(
        replace(future, substrate=kind, values=layer(future.values))
        for kind, layer in LAYERS.get(future.substrate, {future.substrate: lambda values: values}).items()
    )


def over_live(image: Pixels, picture: Pixels, level: NDArray[np.floating]) -> Pixels:
    """A camera's ``image [H, W, 3]`` with a ``picture [h, w, 3]`` of the same view over it, as opaque as ``level
    [h, w]`` (0 .. 1) says."""
    height, width = image.shape[:2]
    share = cv2.resize(np.asarray(level, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    above = _enlarged(picture, height, width)
    return ((1.0 - MOST_OPAQUE * share) * image + MOST_OPAQUE * share * above).astype(np.uint8)


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
    height, width = 64, 32
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
    drawn = [_colours(layers), _depth(layers[..., 3])]
    if layers.shape[-1] > 4:
        drawn.append(_normals(layers[..., 4:]))
    return np.concatenate(drawn, axis=1)


def _colours(layers: NDArray[np.generic]) -> Pixels:
    return (255.0 * np.asarray(layers, np.float32)[..., :3]).astype(np.uint8)


def _normals(values: NDArray[np.generic]) -> Pixels:
    """x as red, y as green, z as blue; grey is 0."""
    return (127.5 * (1.0 + np.asarray(values, np.float32))).astype(np.uint8)


def _scene_flow(values: NDArray[np.generic]) -> Pixels:
    """Motion along x, y, z as more or less red, green and blue than grey; black where it is not known."""
    flow = np.asarray(values, np.float32)
    drawn = 127.5 * (1.0 + np.clip(flow[..., :3] / FULL_MOTION, -1.0, 1.0))
    return np.where(flow[..., 3:] > 0.5, drawn, 0.0).astype(np.uint8)


def _robot_flow(values: NDArray[np.generic]) -> Pixels:
    """A line for how far each point goes, as seen from above (forward is up) and, beside it, from the right."""
    side = 128
    drawn = np.zeros((len(values), side, 2 * side, 3), np.uint8)
    drawn[:, side // 2] = drawn[:, :, side // 2 :: side] = 70
    for frame, moved in zip(drawn, np.asarray(values, np.float64), strict=True):
        for x, y, z in moved * (side / 2) / FULL_MOTION:
            for left, right, up in ((0, -y, x), (side, x, z)):
                middle = (left + side // 2, side // 2)
                end = (round(float(np.clip(middle[0] + right, left, left + side - 1))), round(side / 2 - float(up)))
                cv2.line(frame, middle, end, (230, 180, 60))
    return drawn


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


def _key_points(values: NDArray[np.generic]) -> Pixels:
    """A line through the points in each camera's picture, from violet to yellow."""
    points = np.asarray(values, np.float64)
    height, width = LINES
    drawn = np.zeros((len(points), height, width, 3), np.uint8)
    for frame, cameras in zip(drawn, points, strict=True):
        for line in (cameras * (width, height)).round().astype(int).tolist():
            for k, (begin, end) in enumerate(itertools.pairwise(line)):
                share = (k + 0.5) / (len(line) - 1)
                cv2.line(frame, begin, end, (120 + 130 * share, 40 + 190 * share, 200 - 160 * share), 2)
    return drawn


def _cloud(values: NDArray[np.generic]) -> Pixels:
    """Points as seen from above in their colours: forward is up, left is left."""
    cloud = np.asarray(values, np.float64)
    frames, height, width = cloud.shape[:3]
    drawn = np.zeros((frames, height, width, 3), np.uint8)
    for frame, points in zip(drawn, cloud.reshape(frames, -1, 6), strict=True):
        there = points[np.isfinite(points[:, 2])]
        there = there[np.argsort(there[:, 2])]
        row = height / 2 - (there[:, 0] - MAP_CENTRE) * height / MAP_SIZE
        column = width / 2 - there[:, 1] * height / MAP_SIZE
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        # Later ones, which are higher, cover earlier ones.
        frame[row[inside].astype(int), column[inside].astype(int)] = (255.0 * there[inside, 3:]).astype(np.uint8)
    return drawn


def _touch(values: NDArray[np.generic]) -> Pixels:
    """The left fingertip beside the right: the harder a taxel is pressed, the brighter; faint touches are seen."""
    ratio = np.maximum(np.asarray(values, np.float32), 0.0) / FAINT_TOUCH
    return _heatmap(np.log1p(ratio) / np.log1p(FULL_TOUCH / FAINT_TOUCH))


def _spectrogram(values: NDArray[np.generic]) -> Pixels:
    """Time to the right, high bands above, loud is bright."""
    return _heatmap(np.asarray(values, np.float32)[:, ::-1])


PICTURES: Mapping[str, Callable[[NDArray[np.generic]], Pixels]] = {
    "video": _video,
    "nearest": _video,
    "flow": _flow,
    "heatmap": _heatmap,
    "features": _features,
    "signal": _signal,
    "depth": _depth,
    "normals": _normals,
    "rgbd": _layers,
    "rgbdn": _layers,
    "scene_flow": _scene_flow,
    "cloud": _cloud,
    "tracks": _tracks,
    "robot_flow": _robot_flow,
    "touch": _touch,
    "spectrogram": _spectrogram,
    "key_points": _key_points,
}

#: Kinds of several layers -> the kind of each layer, and where in the values it is.
LAYERS: Mapping[str, Mapping[str, Callable[[NDArray[np.generic]], NDArray[np.generic]]]] = {
    "rgbd": {"video": _colours, "depth": lambda values: values[..., 3]},
    "rgbdn": {"video": _colours, "depth": lambda values: values[..., 3], "normals": lambda values: values[..., 4:]},
}


def _enlarged(frame: Pixels, height: int, width: int) -> Pixels:
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
