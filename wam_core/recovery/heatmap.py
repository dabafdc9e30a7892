"""The tool's way from heat maps of where each camera will see it: a peak is a ray, and rays meet at a point."""

from dataclasses import dataclass

import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.recovery.recovery import Foreseen, RecoverySpec, WayPoints
from wam_core.robot.geometry import View

#: A peak lower than this is none.
FAINT = 0.3
#: The peak is the mean of what is around the highest value, so many pixels to each side, as heavy as it is.
AROUND = 6
#: The mean is taken this often, each time around the last one: the highest value is that of a whole cell.
ROUNDS = 4
#: Rays that miss each other by this much (m) are half trusted.
APART = 0.02


@dataclass(frozen=True)
class HeatmapSpec(RecoverySpec):
    """The tool keeps its turn and its fingers what they hold: a point says nothing of them.

    A camera on the tool always sees it at the same place, and is not asked.
    """

    reads = "heatmap"
    cameras = 2

    kind: str
    future: str

    def way_points(self, foreseen: Foreseen) -> WayPoints:
        fixed = {name: view for name, view in foreseen.geometry.views.items() if not view.on_tool}
        if len(fixed) < self.cameras:
            raise ContractError("layout.cameras", sorted(fixed), f"at least {self.cameras} beside the tool")
        state = foreseen.state
        rays = {name: tuple(part[0] for part in foreseen.geometry.pose(name, state)) for name in fixed}
        poses, trust = np.tile(foreseen.pose, (len(foreseen.future), 1)), np.zeros(len(foreseen.future))
        for k, maps in enumerate(np.asarray(foreseen.future, np.float64)):
            found = {name: _peak(maps, view) for name, view in fixed.items()}
            seen = [name for name in fixed if found[name][1] > FAINT]
            if len(seen) < self.cameras:
                continue
            directions = np.array([rays[name][0] @ _direction(fixed[name], found[name][0]) for name in seen])
            heights = np.array([found[name][1] for name in seen])
            poses[k, :3], apart = meeting(np.array([rays[name][1] for name in seen]), directions, heights)
            trust[k] = heights.mean() / (1.0 + (apart / APART) ** 2)
        return WayPoints(poses, trust)


def meeting(origins: FloatArray, directions: FloatArray, weights: FloatArray) -> tuple[FloatArray, float]:
    """The point ``[3]`` of least weighted squared distance to the rays, and its distance from them (root mean square).

    Args:
        origins, directions: ``[N, 3]`` m and unit vectors, not all parallel; weights: ``[N]``.
    """
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    weighted = weights[:, None, None] * across
    point = np.linalg.solve(weighted.sum(axis=0), np.einsum("nij,nj->i", weighted, origins))
    misses = np.einsum("nij,nj->ni", across, point - origins)
    return point, float(np.sqrt((weights * (misses**2).sum(axis=1)).sum() / weights.sum()))


def _peak(maps: FloatArray, view: View) -> tuple[FloatArray, float]:
    """Pixel ``[2]`` (x, y) of the laid-out picture and height of the peak in the camera's tile."""
    top, left, height, width = view.region
    tile = maps[top : top + height, left : left + width]
    y, x = np.mgrid[:height, :width]
    peak = float(tile.max())
    row, column = (float(at) for at in np.unravel_index(int(tile.argmax()), tile.shape))
    for _ in range(ROUNDS):
        near = np.maximum(tile, 1e-12) * ((np.abs(y - row) <= AROUND) & (np.abs(x - column) <= AROUND))
        row, column = float((near * y).sum() / near.sum()), float((near * x).sum() / near.sum())
    return np.array([left + column, top + row]), peak


def _direction(view: View, pixel: FloatArray) -> FloatArray:
    """Unit vector in the optical frame towards what a pixel shows."""
    way = view.lens.unproject(pixel, np.array(1.0))
    return np.asarray(way / np.linalg.norm(way))
