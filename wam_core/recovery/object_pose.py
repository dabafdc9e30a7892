"""The object's pose followed through the future, and the tool moved as what it holds (RIGVid).

Patel et al. 2025, "Robotic Manipulation by Imitating Generated Videos Without Physical Demonstrations".
"""

from dataclasses import dataclass

import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.recovery.motion import Sight, motions
from wam_core.recovery.recovery import Foreseen, RecoverySpec, WayPoints
from wam_core.recovery.tracking import greys
from wam_core.robot.tool_pose import tool_vectors

#: Share of an object's points that may lie outside of what is taken for its extent, at either side.
STRAY = 0.05
#: Fingers that are opened further hold nothing (share of the opening).
OPEN = 0.9
#: Horizontal miss within which the tool goes down to the object (m).
ALIGNED = 0.01


@dataclass(frozen=True)
class ObjectPoseSpec(RecoverySpec):
    """Held is an object whose middle is within ``grasp`` (m) of the tool point; from then on the tool moves as the
    object does in the video.

    Until then the video says nothing of how to take it: the tool goes ``above`` (m) its middle, down to it and closes,
    pointing as its reference does, where RIGVid asks a grasp planner. An object that no camera sees is not followed.
    A camera on the tool does not see what is held move.
    """

    reads = "video"
    channels = ("depth", "object")

    kind: str
    future: str
    grasp: float
    above: float

    def way_points(self, foreseen: Foreseen) -> WayPoints:
        geometry, state = foreseen.geometry, foreseen.state
        rotation, position = foreseen.tool
        points, sound = foreseen.surface()
        seen = np.asarray(foreseen.scenes.channel("object"), bool)[0] & sound
        fixed = {name: view for name, view in geometry.views.items() if not view.on_tool}
        if not fixed:
            raise ContractError("layout.cameras", list(geometry.views), f"one beside the tool, which {self.kind} needs")
        middle = _middle(points[seen])
        if middle is None:
            instants = len(foreseen.future)
            return WayPoints(np.tile(foreseen.pose, (instants, 1)), np.zeros(instants))
        opening = state[0, 6] if state.shape[1] > 6 else 0.0
        if opening > OPEN or np.linalg.norm(middle - position) > self.grasp:
            return self._taken(foreseen, middle, position)
        first, *later = greys(np.concatenate([foreseen.scenes.images, foreseen.future]))
        poses = {name: tuple(part[0] for part in geometry.pose(name, state)) for name in fixed}
        sights = [Sight(view, poses[name], first, points, seen) for name, view in fixed.items()]
        moved = motions(sights, later, middle)
        carried = middle + moved.shift + np.einsum("tij,j->ti", moved.rotation, position - middle)
        return WayPoints(tool_vectors(foreseen.robot, moved.rotation @ rotation, carried), moved.trust)

    def _taken(self, foreseen: Foreseen, middle: FloatArray, position: FloatArray) -> WayPoints:
        """The way to the object: over it, and from there down and closed in the second half."""
        instants = len(foreseen.future)
        poses, opening = np.zeros((instants, 6)), np.ones(instants)
        poses[:, :3] = middle
        if np.linalg.norm((middle - position)[:2]) > ALIGNED:
            poses[:, 2] += self.above
        else:
            opening[instants // 2 :] = 0.0
        return WayPoints(poses, np.ones(instants), opening)


def _middle(points: FloatArray) -> FloatArray | None:
    """``[3]`` m: the middle of what is seen of the object; None where nothing is."""
    known = points[np.isfinite(points).all(axis=1)]
    return np.quantile(known, (STRAY, 1.0 - STRAY), axis=0).mean(axis=0) if len(known) else None
