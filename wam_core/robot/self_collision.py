"""Distance of the arm to itself, with the URDF's collision shapes and coal (Pan, Chitta, Manocha 2012)."""

import itertools
from typing import NamedTuple

import coal
import numpy as np
import pinocchio as pin

from wam_core.contract import FloatArray
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import arm_model, locked_arm


class Clearance(NamedTuple):
    """Distance in m (negative inside each other) and the two shapes concerned, e.g. ``panda_link0_1``."""

    distance: float
    first: str
    second: str


class SelfCollision:
    """Clearance between links that are not neighbours, fingers at half opening.

    Cylinders count as capsules. Pairs that are nearer than ``margin`` at the home posture are the arm's own design
    and are left out. Not thread-safe: it owns one Pinocchio workspace.
    """

    def __init__(self, robot: RobotContract, margin: float) -> None:
        self._model = arm_model(robot)
        self._data = self._model.createData()
        full, locked, posture = locked_arm(robot)
        shapes = pin.buildGeomFromUrdf(full, str(share_path(robot.urdf)), pin.GeometryType.COLLISION)
        _, shapes = pin.buildReducedModel(full, shapes, locked, posture)
        self._shapes = _simplified(shapes)
        for first, second in itertools.combinations(range(self._shapes.ngeoms), 2):
            joints = [self._shapes.geometryObjects[k].parentJoint for k in (first, second)]
            if abs(joints[0] - joints[1]) > 1:
                self._shapes.addCollisionPair(pin.CollisionPair(first, second))
        self._results = self._shapes.createData()
        self._measure(robot.home)
        near = [k for k, result in enumerate(self._results.distanceResults) if result.min_distance < margin]
        for k in reversed(near):
            self._shapes.removeCollisionPair(self._shapes.collisionPairs[k])
        self._results = self._shapes.createData()
        self._levers = _levers(self._model, self._shapes)
        self._known: tuple[FloatArray, Clearance] = (robot.home.copy(), self._measure(robot.home))

    def clearance(self, q: FloatArray, enough: float) -> Clearance:
        """The nearest pair at ``q [J]`` (rad).

        Where the last measurement proves that the distance is at least ``enough``, that proven bound is returned
        instead: no point of a link moves further than ``sum |dq_i| * lever_i``.
        """
        at, known = self._known
        bound = known.distance - float(np.abs(q - at) @ self._levers)
        if bound >= enough:
            return known._replace(distance=bound)
        self._known = (q.copy(), self._measure(q))
        return self._known[1]

    def _measure(self, q: FloatArray) -> Clearance:
        pin.updateGeometryPlacements(self._model, self._data, self._shapes, self._results, q)
        nearest = pin.computeDistances(self._shapes, self._results)
        pair = self._shapes.collisionPairs[nearest]
        first, second = self._shapes.geometryObjects[pair.first], self._shapes.geometryObjects[pair.second]
        return Clearance(self._results.distanceResults[nearest].min_distance, first.name, second.name)


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
    """``[J]`` m: no point of the arm is ever further than this from the joint's axis."""
    beyond = 0.0
    levers = np.zeros(model.njoints - 1)
    for joint in range(model.njoints - 1, 0, -1):
        own = [s for s in shapes.geometryObjects if s.parentJoint == joint]
        extent = [float(np.linalg.norm(s.placement.translation)) + _radius(s) for s in own]
        beyond = max([beyond, *extent])
        levers[joint - 1] = beyond
        beyond += float(np.linalg.norm(model.jointPlacements[joint].translation))
    return levers


def _radius(shape: pin.GeometryObject) -> float:
    shape.geometry.computeLocalAABB()
    return float(shape.geometry.aabb_radius + np.linalg.norm(shape.geometry.aabb_center))
