"""The rigid motion under which points would be seen where the flow takes them, in all cameras at once.

Ko et al. 2024, "Learning to Act from Actionless Videos through Dense Correspondences", equation 1: points are where
depth says, in the observed picture alone; of the predicted ones, which have no depth, the flow is all that is used.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.recovery.tracking import Grey, follow, texture
from wam_core.robot.geometry import View

#: Points of a camera, at most: those of the most texture.
POINTS = 400
#: Texture of less than this share is none.
FAINT = 0.15
#: Flow and fit are made this often for a picture, each from the motion that the last one found.
ROUNDS = 2
#: Misses of more than this count less and less (Cauchy's loss), of more than the second number not as found (pixels).
MISS, OFF = 0.3, 1.5
#: Fewer points than this say nothing of a motion.
FEWEST = 8
#: What a change of the motion weighs against a pixel's miss: 1/m along, 1/rad about each axis.
STEADY = np.array([2.0, 2.0, 2.0, 20.0, 20.0, 20.0])


class Motions(NamedTuple):
    """Motions since the observed picture: ``rotation [T, 3, 3]`` about the pivot, then ``shift [T, 3]`` m, base frame.

    ``trust [T]``: share of the points that were seen where the motion takes them.
    """

    rotation: FloatArray
    shift: FloatArray
    trust: FloatArray


class Sight:
    """What one camera sees of a motion, from picture to picture."""

    def __init__(
        self,
        view: View,
        pose: tuple[FloatArray, FloatArray],
        picture: Grey,
        points: FloatArray,
        moving: NDArray[np.bool_],
    ) -> None:
        """
        Args:
            pose: of the optical frame in the base frame at the observed instant, ``[3, 3]`` and ``[3]`` m.
            picture: the laid-out observed one; ``points [H, W*, 3]`` m, base frame: what its pixels show.
            moving: ``[H, W*]`` which of them move; of a camera on the tool, which stay where they are.
        """
        top, left, height, width = view.region
        self._tile = slice(top, top + height), slice(left, left + width)
        self._origin = np.array([left, top], np.float64)
        self._view, (self._rotation, self._position) = view, pose
        self._picture = self._cut(picture)
        weights = texture(self._picture)
        strength = np.linalg.norm(weights, axis=(-2, -1))
        usable = moving[self._tile] & (strength > FAINT) & np.isfinite(points[self._tile]).all(axis=-1)
        usable[[0, -1]] = usable[:, [0, -1]] = False
        rows, columns = np.nonzero(usable)
        best = np.argsort(-strength[rows, columns], kind="stable")[:POINTS]
        place = rows[best], columns[best]
        self._points, self._weights = points[self._tile][place], weights[place]
        self._pixels = np.column_stack(place[::-1]).astype(np.float64)
        self._found, self._seen = self._pixels, np.zeros(len(best), bool)

    def look(self, picture: Grey, shift: FloatArray, guess: FloatArray, pivot: FloatArray) -> None:
        """Find the points in the next ``picture``, around where the motion ``guess`` after ``shift`` takes them."""
        way = self._shown(guess, pivot) - self._shown(shift, pivot)
        self._found, self._seen = follow(self._picture, self._cut(picture), self._pixels, self._pixels + way)

    def misses(self, shift: FloatArray, pivot: FloatArray) -> FloatArray:
        """``[M, 2]`` pixels, along the directions in which a shift would be seen, of the points that were found."""
        off = self._shown(shift, pivot)[self._seen] - self._found[self._seen]
        return np.einsum("nij,nj->ni", self._weights[self._seen], off)

    def go_on(self, picture: Grey, shift: FloatArray, pivot: FloatArray) -> None:
        """``picture`` is the one to go on from. Points that were lost, or went elsewhere, are where the motion takes
        them."""
        shown = self._shown(shift, pivot)
        kept = self._seen & (np.linalg.norm(shown - self._found, axis=1) < OFF)
        self._pixels = np.where(kept[:, None], self._found, shown)
        self._picture = self._cut(picture)

    def _cut(self, picture: Grey) -> Grey:
        return np.ascontiguousarray(picture[self._tile])

    def _shown(self, shift: FloatArray, pivot: FloatArray) -> FloatArray:
        """``[N, 2]`` pixels of the tile at which the points are seen after a motion."""
        turn = Rotation.from_rotvec(shift[3:]).as_matrix()
        if self._view.on_tool:
            moved = (self._points - pivot - shift[:3]) @ turn + pivot
        else:
            moved = (self._points - pivot) @ turn.T + pivot + shift[:3]
        local = (moved - self._position) @ self._rotation
        local[:, 2] = np.maximum(local[:, 2], 0.01)
        return self._view.lens.project(local)[0] - self._origin


def motions(sights: Sequence[Sight], pictures: Sequence[Grey], pivot: FloatArray) -> Motions:
    """The motion at each of the ``pictures`` ``[H, W*]`` that follow the observed one; ``pivot [3]`` m."""
    here, speed = np.zeros(6), np.zeros(6)
    found, trust = [], []
    for picture in pictures:
        guess = here + speed
        for _ in range(ROUNDS):
            for sight in sights:
                sight.look(picture, here, guess, pivot)
            guess = _fitted(sights, guess, pivot)
        here, speed = guess, guess - here
        misses = np.concatenate([s.misses(here, pivot) for s in sights])
        near = np.linalg.norm(misses, axis=1) < OFF
        trust.append(float(near.mean()) if near.sum() >= FEWEST else 0.0)
        found.append(here)
        for sight in sights:
            sight.go_on(picture, here, pivot)
    ways = np.array(found)
    return Motions(Rotation.from_rotvec(ways[:, 3:]).as_matrix(), ways[:, :3], np.array(trust))


def _fitted(sights: Sequence[Sight], guess: FloatArray, pivot: FloatArray) -> FloatArray:
    """``[6]`` m, rad: the motion of the least misses, near ``guess`` where they leave it free."""

    def residuals(shift: FloatArray) -> FloatArray:
        return np.concatenate([*(s.misses(shift, pivot).ravel() for s in sights), STEADY * (shift - guess)])

    return np.asarray(least_squares(residuals, guess, loss="cauchy", f_scale=MISS).x)
