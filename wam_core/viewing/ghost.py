"""The arm as it will be at the end of a chunk: collision shapes of its URDF in a posture, for displays."""

from dataclasses import dataclass

import coal
import numpy as np
import pinocchio as pin
from scipy.spatial.transform import Rotation

from wam_core.contract import ActionChunk, FloatArray
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.ik import DifferentialIK, IkSettings
from wam_core.robot.kinematics import Kinematics, locked_arm

#: How finely the way to a tool pose is followed (s), and for how long at most (steps).
STEP_S, MOST_STEPS = 0.02, 400
#: The tool is where it should be within this (m, rad); a posture that stays further away is none.
NEAR, NEAR_RAD = 0.003, 0.05


@dataclass(frozen=True)
class Solid:
    """A box, cylinder or sphere in the base frame: m, quaternion x y z w; a cylinder stands along its z."""

    kind: str
    size: tuple[float, float, float]
    position: FloatArray
    quaternion: FloatArray


class Ghost:
    """Not thread-safe: it owns Pinocchio workspaces. Fingers are shown half open; meshes are left out."""

    def __init__(self, robot: RobotContract) -> None:
        self._robot = robot
        self._kinematics = Kinematics(robot)
        self._ik = DifferentialIK(robot, self._kinematics, IkSettings())
        full, locked, posture = locked_arm(robot)
        urdf = pin.buildGeomFromUrdf(full, str(share_path(robot.urdf)), pin.GeometryType.COLLISION)
        self._model, self._shapes = pin.buildReducedModel(full, urdf, locked, posture)
        self._data, self._places = self._model.createData(), self._shapes.createData()

    def posture(self, chunk: ActionChunk, start: FloatArray) -> FloatArray | None:
        """Arm joints ``[J]`` (rad) at the last step of a chunk, None where they cannot be told.

        Args:
            start: ``[J]`` rad, where the arm is: of several postures with the same tool pose the one that the arm gets
                into from here.
        """
        poses = self._kinematics.tool_poses(chunk)
        if not poses:
            return None
        if chunk.space == "joint_position":
            return np.ascontiguousarray(chunk.values[-1, : len(self._robot.joints)])
        rotation, position = poses[-1]
        q, rest = start.copy(), np.zeros(6)
        for _ in range(MOST_STEPS):
            here_rotation, here = self._kinematics.tool(q)
            turn = np.linalg.norm(pin.log3(rotation @ here_rotation.T))
            if np.linalg.norm(position - here) < NEAR and (turn < NEAR_RAD or len(q) < 6):
                return q
            q = q + STEP_S * self._ik.rates(q, rotation, position, rest, 1.0)
        return None

    def solids(self, q: FloatArray) -> list[Solid]:
        """The arm's shapes at joint positions ``q [J]`` (rad)."""
        pin.updateGeometryPlacements(self._model, self._data, self._shapes, self._places, q)
        found = []
        for shape, place in zip(self._shapes.geometryObjects, self._places.oMg, strict=True):
            size = _size(shape.geometry)
            if size is not None:
                turn = Rotation.from_matrix(place.rotation).as_quat()
                found.append(Solid(*size, place.translation.copy(), turn))
        return found


def _size(shape: coal.CollisionGeometry) -> tuple[str, tuple[float, float, float]] | None:
    if isinstance(shape, coal.Box):
        x, y, z = (2.0 * shape.halfSide).tolist()
        return "box", (x, y, z)
    if isinstance(shape, coal.Sphere):
        return "sphere", (2.0 * shape.radius,) * 3
    if isinstance(shape, coal.Cylinder | coal.Capsule):
        return "cylinder", (2.0 * shape.radius, 2.0 * shape.radius, 2.0 * shape.halfLength)
    return None
