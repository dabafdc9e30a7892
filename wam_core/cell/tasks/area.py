"""Where on the table a task lays out its objects."""

from dataclasses import dataclass

import numpy as np

from wam_core.contract import FloatArray

#: Layouts drawn at once, of which the first is taken that keeps every clearance (the rarest, push, has one in 30).
ATTEMPTS = 1000

Corner = tuple[float, float]


@dataclass(frozen=True)
class Area:
    """A rectangle and the border around it (m, base frame).

    Attributes:
        lower, upper: corners of the rectangle that demonstrations draw from.
        outer_lower, outer_upper: corners of what the border reaches to. On a side that faces other objects it has no
            width, so that they stay as far from each other as in demonstrations.
    """

    lower: Corner
    upper: Corner
    outer_lower: Corner
    outer_upper: Corner

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], border: bool) -> FloatArray:
        """``[*shape, 2]`` points, uniform in the rectangle or in its border."""
        if not border:
            return rng.uniform(self.lower, self.upper, (*shape, 2))
        (left, low), (right, high) = self.lower, self.upper
        (leftmost, lowest), (rightmost, highest) = self.outer_lower, self.outer_upper
        strips = np.array(
            [
                (leftmost, lowest, left, highest),
                (right, lowest, rightmost, highest),
                (left, lowest, right, low),
                (left, high, right, highest),
            ]
        )
        sizes = np.prod(strips[:, 2:] - strips[:, :2], axis=1)
        chosen = strips[rng.choice(len(strips), shape, p=sizes / sizes.sum())]
        return rng.uniform(chosen[..., :2], chosen[..., 2:])


def scatter(rng: np.random.Generator, count: int, area: Area, apart: float, border: bool) -> FloatArray:
    """``[<= ATTEMPTS, count, 2]`` points (m) of an area or its border, only those layouts with all points ``apart``."""
    points = area.draw(rng, (ATTEMPTS, count), border)
    gaps = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1) + np.eye(count)
    return points[gaps.min(axis=(1, 2)) >= apart]
