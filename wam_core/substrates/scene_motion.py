"""Where the points that are seen now will have gone: true motion from depth, the object's pose and the robot's own
kinematics, where a real pipeline would run a tracker."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.robot.tool_solids import ToolSolids
from wam_core.substrates.substrate import Clip, Scenes

#: A seen point this near to a solid of the tool (m) is on it; cameras are not quite where they are said to be.
ON_TOOL = 0.015
#: Where something else is seen this much (m) behind a point that should stand still, it has not stood still.
GONE = 0.03
#: A point is seen where the picture is no nearer to the camera than this (m) before it.
BEFORE = 0.03


@dataclass(frozen=True)
class Motion:
    """Points of one clip, in the middle of every ``cell`` x ``cell`` pixels of the laid-out picture.

    Attributes:
        points: ``[T, h, w, 3]`` m, base frame, at the observed instant and at each that is predicted; NaN where nothing
            is seen.
        known: bool ``[T, h, w]``: whether it is known where the point is.
    """

    points: FloatArray
    known: NDArray[np.bool_]


class SceneMotion:
    """Follows points through recorded scenes; not thread-safe."""

    channels = ("proprioception", "depth", "object", "object_pose")

    def __init__(self, clip: Clip, cell: int) -> None:
        self.cell = cell
        self.geometry = clip.geometry()
        self._solids = ToolSolids(clip.known_robot)

    def start(self, scenes: Scenes, row: np.int64) -> FloatArray:
        """``[h, w, 3]`` m, base frame: the points at an instant."""
        depth, state = (scenes.channel(name)[row][None] for name in ("depth", "proprioception"))
        return self._picked(self.geometry.unproject(depth.astype(np.float64), state.astype(np.float64))[0])

    def follow(self, scenes: Scenes, rows: NDArray[np.int64]) -> Motion:
        """The motion over ``rows [T]``, the observed instant first.

        What lies on the tool moves with it, what is the object moves with the object, and the rest stands still, as far
        as later pictures do not show otherwise: the arm's other links are not known by the tool pose.
        """
        start = self.start(scenes, rows[0])
        flat = start.reshape(-1, 3)
        seen = np.isfinite(flat[:, 2])
        points = np.repeat(flat[None], len(rows), axis=0)
        states = scenes.channel("proprioception")[rows].astype(np.float64)
        objects = scenes.channel("object_pose")[rows].astype(np.float64)
        on_object = self._picked(scenes.channel("object")[rows[0]]).reshape(-1) & seen
        solid, off = self._solids.nearest(np.where(seen[:, None], flat, 1e3), states[0])
        on_tool = (off < ON_TOOL) & ~on_object & seen
        turns = Rotation.from_rotvec(objects[:, 3:]).as_matrix()
        local = (flat[on_object] - objects[0, :3]) @ turns[0]
        points[:, on_object] = np.einsum("tij,kj->tki", turns, local) + objects[:, None, :3]
        rotation, position = self._solids.frames(states)
        of = solid[on_tool]
        local = np.einsum("kji,kj->ki", rotation[0, of], flat[on_tool] - position[0, of])
        points[:, on_tool] = np.einsum("tkij,kj->tki", rotation[:, of], local) + position[:, of]
        shape = (len(rows), *start.shape)
        still = ~(on_object | on_tool)
        gone = self._behind(scenes, rows, points.reshape(shape)).reshape(len(rows), -1) > GONE
        known = seen & ~(np.logical_or.accumulate(gone, axis=0) & still)
        return Motion(points.reshape(shape), known.reshape(shape[:3]))

    def project(
        self, scenes: Scenes, rows: NDArray[np.int64], points: FloatArray
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Pixels ``[T, h, w, 2]`` of the laid-out picture, in the camera that saw each point first, and whether it is
        seen there: within the camera's picture, and not behind anything."""
        pixels, nearer = self._compare(scenes, rows, points)
        return pixels, nearer > -BEFORE

    def _behind(self, scenes: Scenes, rows: NDArray[np.int64], points: FloatArray) -> FloatArray:
        """``[T, h, w]`` m by which what the picture shows at a point lies behind it; -inf outside the picture."""
        return self._compare(scenes, rows, points)[1]

    def _compare(self, scenes: Scenes, rows: NDArray[np.int64], points: FloatArray) -> tuple[FloatArray, FloatArray]:
        states = scenes.channel("proprioception")[rows].astype(np.float64)
        depths = scenes.channel("depth")[rows]
        pixels, behind = np.full((*points.shape[:3], 2), np.nan), np.full(points.shape[:3], -np.inf)
        for name, view in self.geometry.views.items():
            top, left, height, width = view.region
            cells = (
                slice(top // self.cell, (top + height) // self.cell),
                slice(left // self.cell, (left + width) // self.cell),
            )
            tile = points[:, cells[0], cells[1]]
            at, depth = self.geometry.project(name, tile.reshape(len(rows), -1, 3), states)
            x, y = (np.rint(np.nan_to_num(at[..., k], nan=-1e6)).astype(np.int64) for k in (0, 1))
            inside = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
            shown = depths[np.arange(len(rows))[:, None], np.where(inside, y, top), np.where(inside, x, left)]
            gap = np.where(inside, shown - np.where(inside, depth, 0.0), -np.inf)
            pixels[:, cells[0], cells[1]] = at.reshape(*tile.shape[:3], 2)
            behind[:, cells[0], cells[1]] = gap.reshape(tile.shape[:3])
        return pixels, behind

    def _picked(self, field: NDArray[np.generic]) -> NDArray:  # type: ignore[type-arg]
        """The value in the middle of each cell of ``[H, W*, ...]``."""
        return field[self.cell // 2 :: self.cell, self.cell // 2 :: self.cell]
