"""Distance of the arm to itself and to solids around it, with the URDF's collision shapes and coal (Pan, Chitta,
Manocha 2012)."""

import itertools
from collections.abc import Sequence

import coal
import numpy as np
import pinocchio as pin

from wam_core.contract import FloatArray
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import arm_model, locked_arm
from wam_core.robot.safety import Shape

#: Openings from which the space is found that a finger may take up: clearance does not depend on how the fingers are.
OPENINGS = tuple(np.linspace(0.0, 1.0, 17).tolist())


class Clearance:
    """Distance between pairs of shapes. Not thread-safe: it owns one Pinocchio workspace.

    Cylinders count as capsules. Pairs that are nearer than ``margin`` at the home posture are the arm's own design and
    are left out.

    Attributes:
        levers: ``[P, J]`` m; the distance of pair p changes by no more than ``sum |dq_i| * levers_pi``.
    """

    def __init__(self, robot: RobotContract, shapes: pin.GeometryModel, margin: float) -> None:
        self._model = arm_model(robot)
        self._data = self._model.createData()
        self._shapes = shapes
        self._results = shapes.createData()
        for k in reversed(np.flatnonzero(self.measure(robot.home) < margin).tolist()):
            shapes.removeCollisionPair(shapes.collisionPairs[k])
        self._results = shapes.createData()
        self.levers = _levers(self._model, shapes)

    def measure(self, q: FloatArray) -> FloatArray:
        """``[P]`` m: the distance of every pair at ``q [J]`` (rad), negative inside each other."""
        pin.updateGeometryPlacements(self._model, self._data, self._shapes, self._results, q)
        pin.computeDistances(self._shapes, self._results)
        return np.array([result.min_distance for result in self._results.distanceResults])

    def name(self, pair: int) -> str:
        """The two shapes of a pair, e.g. ``panda_link0_1, panda_hand_0``."""
        shapes, both = self._shapes.geometryObjects, self._shapes.collisionPairs[pair]
        return f"{shapes[both.first].name}, {shapes[both.second].name}"


def self_clearance(robot: RobotContract, margin: float) -> Clearance:
    """Between links that are not neighbours."""
    shapes = _arm_shapes(robot)
    for first, second in itertools.combinations(range(shapes.ngeoms), 2):
        joints = [shapes.geometryObjects[k].parentJoint for k in (first, second)]
        if abs(joints[0] - joints[1]) > 1:
            shapes.addCollisionPair(pin.CollisionPair(first, second))
    return Clearance(robot, shapes, margin)


def solids_clearance(robot: RobotContract, solids: Sequence[Shape], margin: float) -> Clearance | None:
    """Between the links that move and ``solids``; None without solids."""
    if not solids:
        return None
    shapes = _arm_shapes(robot)
    moving = [k for k in range(shapes.ngeoms) if shapes.geometryObjects[k].parentJoint > 0]
    for solid in solids:
        placement = pin.SE3(np.eye(3), np.array(solid.position))
        added = shapes.addGeometryObject(pin.GeometryObject(solid.name, 0, placement, _solid(solid)))
        for k in moving:
            shapes.addCollisionPair(pin.CollisionPair(k, added))
    return Clearance(robot, shapes, margin)


def _solid(solid: Shape) -> coal.CollisionGeometry:
    if solid.kind == "box":
        return coal.Box(*solid.size)
    return coal.Sphere(*solid.size) if solid.kind == "sphere" else coal.Capsule(*solid.size)


def _arm_shapes(robot: RobotContract) -> pin.GeometryModel:
    """The arm's collision shapes on the joints that are not locked; one that moves with the fingers becomes a box
    around all its places."""
    full, locked, half = locked_arm(robot)
    urdf = pin.buildGeomFromUrdf(full, str(share_path(robot.urdf)), pin.GeometryType.COLLISION)
    postures = [_posture(robot, full, locked, half, opening) for opening in OPENINGS]
    models = [pin.buildReducedModel(full, urdf, locked, posture)[1] for posture in postures]
    out = pin.GeometryModel()
    for places in zip(*(model.geometryObjects for model in models), strict=True):
        shape = places[0]
        if not all(shape.placement.isApprox(other.placement) for other in places):
            corners = np.vstack([_corners(place, shape.placement) for place in places])
            low, high = corners.min(axis=0), corners.max(axis=0)
            shape.geometry = coal.Box(*(high - low))
            shape.placement = shape.placement * pin.SE3(np.eye(3), 0.5 * (low + high))
        out.addGeometryObject(shape)
    return _simplified(out)


def _corners(shape: pin.GeometryObject, frame: pin.SE3) -> FloatArray:
    """``[8, 3]`` corners of a box around ``shape``, seen from ``frame``, m."""
    shape.geometry.computeLocalAABB()
    box = shape.geometry.aabb_local
    corners = np.array(list(itertools.product(*zip(box.min_, box.max_, strict=True))))
    seen = frame.actInv(shape.placement)
    return corners @ seen.rotation.T + seen.translation


def _posture(
    robot: RobotContract, full: pin.Model, locked: Sequence[int], half: FloatArray, opening: float
) -> FloatArray:
    """``half`` with the fingers at ``opening``; locked joints that are not the contract's go along over their range."""
    posture = half.copy()
    fingers = dict(zip(robot.fingers.joints, robot.fingers.posture(opening), strict=True))
    for joint in locked:
        k = full.joints[joint].idx_q
        low, high = full.lowerPositionLimit[k], full.upperPositionLimit[k]
        along = low + opening * (high - low) if np.isfinite(low + high) else half[k]
        posture[k] = fingers.get(full.names[joint], along)
    return posture


def _simplified(shapes: pin.GeometryModel) -> pin.GeometryModel:
    """Cylinders as capsules, without the spheres that those contain: coal is fastest on capsules and boxes."""
    for shape in shapes.geometryObjects:
        if isinstance(shape.geometry, coal.Cylinder):
            shape.geometry = coal.Capsule(shape.geometry.radius, 2.0 * shape.geometry.halfLength)
    capsules = [shape for shape in shapes.geometryObjects if isinstance(shape.geometry, coal.Capsule)]
    out = pin.GeometryModel()
    for shape in shapes.geometryObjects:
        if not any(_contains(capsule, shape) for capsule in capsules):
            out.addGeometryObject(shape)
    return out


def _contains(capsule: pin.GeometryObject, shape: pin.GeometryObject) -> bool:
    if not isinstance(shape.geometry, coal.Sphere) or shape.parentJoint != capsule.parentJoint:
        return False
    x, y, z = capsule.placement.actInv(shape.placement).translation
    off = np.hypot(np.hypot(x, y), max(abs(z) - capsule.geometry.halfLength, 0.0))
    return bool(off + shape.geometry.radius <= capsule.geometry.radius + 1e-6)


def _levers(model: pin.Model, shapes: pin.GeometryModel) -> FloatArray:
    """``[P, J]`` m: how far a shape of a pair may move, seen from the other, per radian of each joint between them."""
    reach = np.array([_reach(model, shape) for shape in shapes.geometryObjects])
    levers = np.zeros((len(shapes.collisionPairs), model.njoints - 1))
    for k, pair in enumerate(shapes.collisionPairs):
        both = (pair.first, pair.second)
        near, far = sorted(both, key=lambda shape: int(shapes.geometryObjects[shape].parentJoint))
        first = int(shapes.geometryObjects[near].parentJoint)
        levers[k, first:] = reach[far, first:]
    return levers


def _reach(model: pin.Model, shape: pin.GeometryObject) -> FloatArray:
    """``[J]`` m: no point of ``shape`` is ever further than this from the origin of each joint that moves it."""
    out = np.zeros(model.njoints - 1)
    shape.geometry.computeLocalAABB()
    beyond = float(
        np.linalg.norm(shape.placement.translation)
        + np.linalg.norm(shape.geometry.aabb_center)
        + shape.geometry.aabb_radius
    )
    for joint in range(int(shape.parentJoint), 0, -1):
        out[joint - 1] = beyond
        beyond += float(np.linalg.norm(model.jointPlacements[joint].translation))
    return out
