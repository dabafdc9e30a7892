"""What was seen of a scene, as coloured points in the base frame: it outlasts the picture, and is bounded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.robot.geometry import Geometry

#: A point that lies so much (m) nearer than what is now seen in its direction is there no more.
CLEAR = 0.03
#: Bits of a cell's number along each axis, and the number of the cell at the origin.
BITS, ORIGIN = 21, 1 << 20


def _no_points() -> FloatArray:
    return np.empty((0, 3))


def _no_colours() -> NDArray[np.uint8]:
    return np.empty((0, 3), np.uint8)


@dataclass(frozen=True)
class SceneMemory:
    """At most ``limit`` points, one in each cube of ``cell`` m, newest first.

    Attributes:
        geometry: of the pictures that it is made from, and of those that it makes.
        points: ``[P, 3]`` m, base frame; colours: ``[P, 3]`` RGB.
    """

    geometry: Geometry
    limit: int
    cell: float
    points: FloatArray = field(default_factory=_no_points)
    colours: NDArray[np.uint8] = field(default_factory=_no_colours)

    def see(self, image: NDArray[np.uint8], depth: NDArray[np.floating], proprioception: FloatArray) -> SceneMemory:
        """The memory with one more instant in it.

        What is seen now replaces what was seen in its place. What lies in front of it is forgotten, for it has moved;
        what no camera looks at stays as it was, until there are more than ``limit`` points: then what was seen longest
        ago goes first.

        Args:
            image: RGB ``[H, W*, 3]``; depth: ``[H, W*]`` m, inf where there is nothing; proprioception: ``[D]``.
        """
        seen = self.geometry.unproject(depth[None], proprioception[None])[0]
        there = np.isfinite(seen).all(axis=-1)
        kept = ~self._passed_through(depth, proprioception)
        points = np.concatenate((seen[there], self.points[kept]))
        colours = np.concatenate((image[there], self.colours[kept]))
        numbers = np.floor(points / self.cell).astype(np.int64) + ORIGIN
        cells = (numbers[:, 0] << 2 * BITS) | (numbers[:, 1] << BITS) | numbers[:, 2]
        newest = np.sort(np.unique(cells, return_index=True)[1])[: self.limit]
        return replace(self, points=points[newest], colours=colours[newest])

    def _passed_through(self, depth: NDArray[np.floating], proprioception: FloatArray) -> NDArray[np.bool_]:
        """``[P]`` whether a camera sees through a point to something behind it, or to nothing."""
        gone = np.zeros(len(self.points), bool)
        for name, (top, left, height, width) in self._regions():
            tile = np.ascontiguousarray(depth[top : top + height, left : left + width], np.float32)
            # The nearest of a pixel and its neighbours: an edge that is missed by half a pixel is not seen through.
            nearest = cv2.erode(tile, np.ones((3, 3), np.uint8))
            inside, rows, columns, far = self._pixels(name, proprioception[None])
            behind = np.zeros_like(gone)
            behind[inside[0]] = far[0][inside[0]] < nearest[rows[0][inside[0]], columns[0][inside[0]]] - CLEAR
            gone |= behind
        return gone

    def render(self, proprioception: FloatArray) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """RGB ``[T, H, W*, 3]`` as the cameras would see the points from where ``proprioception [T, D]`` brings them.

        And ``[T, H, W*]`` where there are any: of the rest nothing is known, and it is black.
        """
        count = len(proprioception)
        pictures = np.zeros((count, *self.geometry.size, 3), np.uint8)
        known = np.zeros((count, *self.geometry.size), bool)
        for name, (top, left, _, _) in self._regions():
            inside, rows, columns, far = self._pixels(name, proprioception)
            for t in range(count):
                drawn = np.flatnonzero(inside[t])
                # Far to near, so that what is nearest is drawn last.
                drawn = drawn[np.argsort(-far[t][drawn], kind="stable")]
                at = (t, top + rows[t][drawn], left + columns[t][drawn])
                pictures[at], known[at] = self.colours[drawn], True
        return pictures, known

    def _regions(self) -> list[tuple[str, tuple[int, int, int, int]]]:
        return [(name, view.region) for name, view in self.geometry.views.items()]

    def _pixels(
        self, camera: str, proprioception: FloatArray
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64], FloatArray]:
        """``[T, P]`` each: whether a point is in the camera's picture, its row and column there, its depth (m)."""
        top, left, height, width = self.geometry.views[camera].region
        points = np.broadcast_to(self.points, (len(proprioception), *self.points.shape))
        places, far = self.geometry.project(camera, points, proprioception)
        places = np.where(np.isfinite(places), places, -1e6)
        columns = np.rint(np.clip(places[..., 0], -1e6, 1e6)).astype(np.int64) - left
        rows = np.rint(np.clip(places[..., 1], -1e6, 1e6)).astype(np.int64) - top
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (far > 0.0)
        return inside, rows, columns, far
