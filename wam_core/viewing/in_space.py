"""Futures in the robot's space: motion as lines, depth as points."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, Future
from wam_core.preprocess.images import ImageLayout
from wam_core.robot.contract import RobotContract
from wam_core.robot.geometry import Geometry

#: Kinds of motion -> how many numbers say how far a part of the picture has gone: 2, pixels; 3, m in the base frame.
#: One more number says how sure it is, or whether it is still seen.
MOTIONS: Mapping[str, int] = {"flow": 2, "tracks": 2, "scene_flow": 3}
#: How far before the lens the picture hangs that lines begin on (m): directions are true, and no depth is made up.
BEFORE_LENS = 0.25
#: Lines along a side of a picture, and how far something must go to have one (m, where the picture hangs).
SIDE, MOVING = 16, 0.001

Pixels = NDArray[np.uint8]


def lines(robot: RobotContract, future: Future, proprioception: FloatArray) -> Mapping[str, FloatArray]:
    """Camera -> ``[N, T + 1, 3]`` m, base frame: where N parts of its picture are now and at each predicted instant.

    A camera whose lens the robot does not say has none; nor has a part that is not sure at every instant.

    Args:
        future: of a kind in :data:`MOTIONS`, values ``[T, H, W, 2 or more]``.
        proprioception: ``[D]`` at the observed instant, for cameras on the tool.
    """
    return {camera: _lines(robot, future, camera, proprioception) for camera in _with_lens(robot, future)}


def points(
    robot: RobotContract, depth: Future, colours: Pixels, instant: int, proprioception: FloatArray
) -> tuple[FloatArray, Pixels]:
    """Points ``[K, 3]`` m, base frame, and RGB ``[K, 3]`` of what one frame of a depth future shows.

    Args:
        depth: values ``[T, H, W]`` m.
        colours: ``[H, W, 3]`` of that frame.
        proprioception: ``[D]`` at that frame's instant, for cameras on the tool.
    """
    found, painted = [np.empty((0, 3))], [np.empty((0, 3), np.uint8)]
    for camera in _with_lens(robot, depth):
        top, left, height, width = depth.regions[camera]
        tile = depth.values[instant, top : top + height, left : left + width].astype(np.float64)
        where = _geometry(robot, depth, camera).unproject(tile[None], proprioception[None])[0]
        seen = np.isfinite(where).all(axis=-1)
        found.append(where[seen])
        painted.append(colours[top : top + height, left : left + width][seen])
    return np.concatenate(found), np.concatenate(painted)


def cloud(future: Future, instant: int) -> tuple[FloatArray, Pixels]:
    """Points ``[K, 3]`` m, base frame, and RGB ``[K, 3]`` of one frame of a cloud, values ``[T, ..., 6]``: x y z and
    colours of 0 .. 1; NaN where nothing is."""
    rows = future.values[instant].reshape(-1, 6).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows[:, :3], (255.0 * np.clip(rows[:, 3:], 0.0, 1.0)).astype(np.uint8)


def _with_lens(robot: RobotContract, future: Future) -> list[str]:
    known = {camera.name for camera in robot.cameras if camera.lens is not None}
    return [camera for camera in future.regions if camera in known]


def _geometry(robot: RobotContract, future: Future, camera: str) -> Geometry:
    """Of this camera's tile alone."""
    _, _, height, width = future.regions[camera]
    return Geometry(robot, ImageLayout((camera,), height, width))


def _lines(robot: RobotContract, future: Future, camera: str, proprioception: FloatArray) -> FloatArray:
    top, left, height, width = future.regions[camera]
    rows, columns = (np.arange(n // (2 * SIDE), n, max(n // SIDE, 1)) for n in (height, width))
    values = future.values[:, top + rows[:, None], left + columns].astype(np.float64)
    values = values.reshape(len(values), len(rows) * len(columns), -1)
    size = MOTIONS[future.substrate]
    sure = (values[..., size:] > 0.5).all(axis=(0, 2))
    y, x = np.meshgrid(rows, columns, indexing="ij")
    start = np.stack((x, y), axis=-1).reshape(1, -1, 2)[:, sure].astype(np.float64)
    moved = values[:, sure, :size]
    geometry = _geometry(robot, future, camera)
    lens, (rotation, position) = geometry.views[camera].lens, geometry.pose(camera, proprioception[None])

    def before_lens(pixels: FloatArray) -> FloatArray:
        return lens.unproject(pixels, np.full(pixels.shape[:-1], BEFORE_LENS)) @ rotation[0].T + position[0]

    begin = before_lens(start)
    ends = before_lens(start + moved) if size == 2 else begin + moved
    found = np.concatenate((begin, ends)).swapaxes(0, 1)
    return found[np.abs(found - found[:, :1]).max(axis=(1, 2)) > MOVING]
