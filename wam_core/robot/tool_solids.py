"""What moves with the tool: the shapes of hand and fingers, where they are for a tool pose and an opening."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray
from scipy.stats import qmc

from wam_core.contract import FloatArray
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import locked_arm
from wam_core.robot.tool_pose import tool_frames


@dataclass(frozen=True)
class Solid:
    """A shape about its centre: ``half`` sizes ``[3]`` m; ``round_axes`` are 0 (box), 2 (cylinder) or 3 (sphere)."""

    half: FloatArray
    round_axes: int

    def distance(self, points: FloatArray) -> FloatArray:
        """``[K]`` m from ``points [K, 3]`` to the surface, negative inside."""
        flat, size = points[:, self.round_axes :], self.half[self.round_axes :]
        if self.round_axes:
            off = np.linalg.norm(points[:, : self.round_axes], axis=1, keepdims=True)
            flat, size = np.concatenate((off, flat), axis=1), np.append(self.half[0], size)
        beyond = np.abs(flat) - size
        return np.linalg.norm(np.maximum(beyond, 0.0), axis=1) + np.minimum(beyond.max(axis=1), 0.0)

    def surface(self, share: FloatArray) -> FloatArray:
        """``[K, 3]`` m on the surface for ``share [K, 3]`` in 0..1, evenly on a box."""
        x, y, z = self.half
        faces = np.repeat([y * z, z * x, x * y], 2)
        face = np.searchsorted(np.cumsum(faces) / faces.sum(), share[:, 2], side="right").clip(0, 5)
        rows, axis = np.arange(len(share)), face // 2
        points = np.empty((len(share), 3))
        points[rows, (axis + 1) % 3], points[rows, (axis + 2) % 3] = (2.0 * share[:, :2] - 1.0).T
        points[rows, axis] = np.where(face % 2, 1.0, -1.0)
        points *= self.half
        if self.round_axes:
            off = np.linalg.norm(points[:, : self.round_axes], axis=1, keepdims=True)
            outside = (off[:, 0] > self.half[0]) | (axis < self.round_axes)
            scale = np.where(outside[:, None], self.half[0] / np.maximum(off, 1e-9), 1.0)
            points[:, : self.round_axes] *= scale
        return points


class ToolSolids:
    """The URDF's collision shapes that tool pose and opening alone place: those of the last link, hand and fingers.

    Boxes, cylinders and spheres are as they are; any other shape counts as the box around it. Not thread-safe: it owns
    one Pinocchio workspace.
    """

    def __init__(self, robot: RobotContract) -> None:
        self._robot = robot
        self._model, _, self._half_open = locked_arm(robot)
        self._data = self._model.createData()
        self._tool = self._model.getFrameId(robot.tool_frame)
        self._followers = _followers(robot)
        carrier = self._model.frames[self._tool].parentJoint
        shapes = pin.buildGeomFromUrdf(self._model, str(share_path(robot.urdf)), pin.GeometryType.COLLISION)
        self._shapes = [s for s in shapes.geometryObjects if carrier in list(self._model.supports[s.parentJoint])]
        parts = [_solid(s) for s in self._shapes]
        self.solids = [solid for solid, _ in parts]
        self._placements = [s.placement * centre for s, (_, centre) in zip(self._shapes, parts, strict=True)]

    def frames(self, poses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``(R [N, S, 3, 3], p [N, S, 3] m)`` of each solid in the base frame at tool poses ``[N, 6 or 7]``."""
        rotation, position = tool_frames(self._robot, poses)
        held = [self._on_tool(float(pose[6]) if len(pose) > 6 else 0.5) for pose in poses]
        turned = np.array([[place.rotation for place in places] for places in held])
        moved = np.array([[place.translation for place in places] for places in held])
        return rotation[:, None] @ turned, position[:, None] + np.einsum("nij,nsj->nsi", rotation, moved)

    def _on_tool(self, opening: float) -> list[pin.SE3]:
        q = self._half_open.copy()
        for name, value in zip(self._robot.fingers.joints, self._robot.fingers.posture(opening), strict=True):
            for joint, factor, offset in ((name, 1.0, 0.0), *self._followers.get(name, ())):
                q[self._model.joints[self._model.getJointId(joint)].idx_q] = factor * value + offset
        pin.framesForwardKinematics(self._model, self._data, q)
        tool = self._data.oMf[self._tool]
        pairs = zip(self._shapes, self._placements, strict=True)
        return [tool.actInv(self._data.oMi[s.parentJoint] * placement) for s, placement in pairs]

    def surface(self, count: int) -> tuple[NDArray[np.int64], FloatArray]:
        """``count`` points spread over the surfaces: number ``[count]`` of each one's solid, and its place on that
        ``[count, 3]`` m. The same at every call (quasi-random: Halton 1960)."""
        areas = np.array([x * y + y * z + z * x for x, y, z in (s.half for s in self.solids)])
        ends = np.cumsum(areas) / areas.sum() * count
        solid = np.searchsorted(ends, np.arange(count) + 0.5).clip(0, len(areas) - 1)
        spread = qmc.Halton(d=3, scramble=False).random(count)
        places = np.empty((count, 3))
        for s in np.unique(solid):
            places[solid == s] = self.solids[s].surface(spread[solid == s])
        return solid, places

    def nearest(self, points: FloatArray, pose: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """The solid ``[K]`` nearest to each of ``points [K, 3]`` (m, base frame) at a tool ``pose``, and how far."""
        rotation, position = (of[0] for of in self.frames(pose[None]))
        local = np.einsum("sji,skj->ski", rotation, points - position[:, None])
        distance = np.abs([solid.distance(p) for solid, p in zip(self.solids, local, strict=True)])
        return distance.argmin(axis=0), distance.min(axis=0)


def _solid(shape: pin.GeometryObject) -> tuple[Solid, pin.SE3]:
    """The solid, and its centre in the shape's frame."""
    geometry, centre = shape.geometry, pin.SE3.Identity()
    if isinstance(geometry, coal.Sphere):
        return Solid(np.full(3, geometry.radius), 3), centre
    if isinstance(geometry, coal.Cylinder):
        return Solid(np.array([geometry.radius, geometry.radius, geometry.halfLength]), 2), centre
    geometry.computeLocalAABB()
    box = geometry.aabb_local
    centre.translation = 0.5 * (box.min_ + box.max_)
    return Solid(0.5 * (box.max_ - box.min_), 0), centre


def _followers(robot: RobotContract) -> dict[str, list[tuple[str, float, float]]]:
    """Joint -> those that mimic it in the URDF, with factor and offset."""
    followers: dict[str, list[tuple[str, float, float]]] = {}
    for joint in ET.parse(share_path(robot.urdf)).getroot().iter("joint"):
        mimic = joint.find("mimic")
        if mimic is not None:
            factor, offset = (float(mimic.get(key, default)) for key, default in (("multiplier", 1), ("offset", 0)))
            followers.setdefault(mimic.attrib["joint"], []).append((joint.attrib["name"], factor, offset))
    return followers
