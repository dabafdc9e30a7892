"""The tool's motion from the flow of what moves with it (AVDC)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.recovery.motion import Sight, motions
from wam_core.recovery.recovery import Foreseen, RecoverySpec, WayPoints
from wam_core.recovery.tracking import greys
from wam_core.robot.geometry import View
from wam_core.robot.tool_pose import tool_vectors

#: What moves with the tool spoils the flow of what is seen beside it, up to this share of the tile.
REACH = 8


@dataclass(frozen=True)
class RigidMotionSpec(RecoverySpec):
    """What is within ``radius`` (m) of the tool's axis, ``behind`` the tool point and ``beyond`` it (m), moves with it.

    A camera on the tool sees all else move instead. The fingers are left as they are.
    """

    reads = "video"
    channels = ("depth",)

    kind: str
    future: str
    radius: float
    behind: float
    beyond: float

    def way_points(self, foreseen: Foreseen) -> WayPoints:
        rotation, position = foreseen.tool
        points, sound = foreseen.surface()
        body = self._body((points - position) @ rotation)
        first, *later = greys(np.concatenate([foreseen.scenes.images, foreseen.future]))
        sights = []
        for name, view in foreseen.geometry.views.items():
            pose = tuple(part[0] for part in foreseen.geometry.pose(name, foreseen.state))
            moving = ~_widened(body, view) if view.on_tool else body
            sights.append(Sight(view, pose, first, points, moving & sound))
        moved = motions(sights, later, position)
        poses = tool_vectors(foreseen.robot, moved.rotation @ rotation, position + moved.shift)
        return WayPoints(poses, moved.trust)

    def _body(self, local: FloatArray) -> NDArray[np.bool_]:
        """Which points ``[..., 3]`` m of the tool frame move with it; a point that is none does not."""
        x, y, z = np.moveaxis(np.where(np.isfinite(local), local, np.inf), -1, 0)
        return (np.hypot(x, y) < self.radius) & (z > -self.behind) & (z < self.beyond)


def _widened(body: NDArray[np.bool_], view: View) -> NDArray[np.bool_]:
    """``body`` and what is near it in the camera's tile."""
    top, left, height, width = view.region
    wide = body.copy()
    tile = body[top : top + height, left : left + width].astype(np.uint8)
    around = np.ones((height // REACH + 1, width // REACH + 1), np.uint8)
    wide[top : top + height, left : left + width] = cv2.dilate(tile, around) > 0
    return wide
