"""Distance of the arm to itself and to solids around it, with the URDF's collision shapes and coal (Pan, Chitta,
Manocha 2012)."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence

import coal
import numpy as np
import pinocchio as pin

from wam_core.contract import FloatArray
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import arm_model, locked_arm
from wam_core.robot.safety import Shape

#: Postures from which the space is found that a finger may take up, since clearance does not depend on how the fingers
#: are: of each joint at most so many, of all joints of a finger together at most so many.
MOST_LEVELS, MOST_POSTURES = 17, 2500


class Clearance:
    """Distance between pairs of shapes. Not thread-safe: it owns one Pinocchio workspace.

    Cylinders count as capsules. Pairs that are nearer than ``margin`` at the home posture are the arm's own design and
    are left out.

    Attributes:
        levers: ``[P, J]`` m; the distance of pair p changes by no more than ``sum |dq_i| * levers_pi``.
        fingers: ``[P]`` whether a shape of the pair stands for all places to which fingers can bring one.
    """

    def __init__(self, robot: RobotContract, shapes: pin.GeometryModel, moved: Collection[str], margin: float) -> None:
        """``moved``: names of the shapes that fingers move."""
        self._model = arm_model(robot)
        self._data = self._model.createData()
        self._shapes = shapes
        self._results = shapes.createData()
        distances = self.measure(robot.home, range(len(shapes.collisionPairs)))
        for k in reversed(np.flatnonzero(distances < margin).tolist()):
            shapes.removeCollisionPair(shapes.collisionPairs[k])
        self._results = shapes.createData()
        self.levers = _levers(self._model, shapes)
        names = [shape.name for shape in shapes.geometryObjects]
        self.fingers = np.array(
            [not {names[pair.first], names[pair.second]}.isdisjoint(moved) for pair in shapes.collisionPairs], bool
        )

    def measure(self, q: FloatArray, which: Sequence[int]) -> FloatArray:
        """``[K]`` m: the distances of pairs ``which [K]`` at ``q [J]`` (rad), negative inside each other."""
        pin.updateGeometryPlacements(self._model, self._data, self._shapes, self._results, q)
        return np.array([pin.computeDistance(self._shapes, self._results, pair).min_distance for pair in which])

    def name(self, pair: int) -> str:
        """The two shapes of a pair, e.g. ``panda_link0_1, panda_hand_0``."""
        shapes, both = self._shapes.geometryObjects, self._shapes.collisionPairs[pair]
        return f"{shapes[both.first].name}, {shapes[both.second].name}"


def self_clearance(robot: RobotContract, margin: float) -> Clearance:
    """Between links that are not neighbours."""
    shapes, moved = _arm_shapes(robot)
    for first, second in itertools.combinations(range(shapes.ngeoms), 2):
        joints = [shapes.geometryObjects[k].parentJoint for k in (first, second)]
        if abs(joints[0] - joints[1]) > 1:
            shapes.addCollisionPair(pin.CollisionPair(first, second))
    return Clearance(robot, shapes, moved, margin)


def solids_clearance(robot: RobotContract, solids: Sequence[Shape], margin: float) -> Clearance | None:
    """Between the links that move and ``solids``; None without solids."""
    if not solids:
        return None
    shapes, moved = _arm_shapes(robot)
    moving = [k for k in range(shapes.ngeoms) if shapes.geometryObjects[k].parentJoint > 0]
    for solid in solids:
        placement = pin.SE3(np.eye(3), np.array(solid.position))
        added = shapes.addGeometryObject(pin.GeometryObject(solid.name, 0, placement, _solid(solid)))
        for k in moving:
            shapes.addCollisionPair(pin.CollisionPair(k, added))
    return Clearance(robot, shapes, moved, margin)


def _solid(solid: Shape) -> coal.CollisionGeometry:
    if solid.kind == "box":
        return coal.Box(*solid.size)
    return coal.Sphere(*solid.size) if solid.kind == "sphere" else coal.Capsule(*solid.size)


def _arm_shapes(robot: RobotContract) -> tuple[pin.GeometryModel, tuple[str, ...]]:
    """The arm's collision shapes on the joints that are not locked; one that the fingers move, whose names are given
    too, becomes a box around all the places to which they can bring it, whatever each of their joints does within its
    limits."""
    full, locked, half = locked_arm(robot)
    urdf = pin.buildGeomFromUrdf(full, str(share_path(robot.urdf)), pin.GeometryType.COLLISION)
    out = pin.buildReducedModel(full, urdf, locked, half)[1]
    chains = [[j for j in full.supports[shape.parentJoint] if j in locked] for shape in urdf.geometryObjects]
    moving = [k for k, chain in enumerate(chains) if chain]
    if not moving:
        return _simplified(out), ()
    levels = _sampled(robot, full, half, max((len(chain) for chain in chains), default=0))
    places: dict[int, list[FloatArray]] = {k: [] for k in moving}
    data, results = full.createData(), urdf.createData()
    for posture in _postures(full, half, chains, levels):
        pin.updateGeometryPlacements(full, data, urdf, results, posture)
        for k in moving:
            carrier = data.oMi[full.parents[chains[k][0]]]
            places[k].append(carrier.actInv(results.oMg[k]).homogeneous)
    for k in moving:
        shape, seen = out.geometryObjects[k], np.linalg.inv(out.geometryObjects[k].placement.homogeneous)
        corners = (seen @ np.array(places[k]) @ _corners(shape).T)[:, :3]
        bulge = _bulge(full, urdf.geometryObjects[k], chains[k], levels)
        low, high = corners.min(axis=(0, 2)) - bulge, corners.max(axis=(0, 2)) + bulge
        shape.geometry = coal.Box(*(high - low))
        shape.placement = shape.placement * pin.SE3(np.eye(3), 0.5 * (low + high))
    return _simplified(out), tuple(out.geometryObjects[k].name for k in moving)


def _sampled(robot: RobotContract, full: pin.Model, half: FloatArray, depth: int) -> dict[int, FloatArray]:
    """The positions (rad, m) at which each joint that is not the arm's is looked at, for fingers of ``depth`` joints;
    one whose range is not known stays as it is in ``half``."""
    count = min(MOST_LEVELS, int(MOST_POSTURES ** (1.0 / max(depth, 1))))
    fingers = dict(zip(robot.fingers.joints, zip(robot.fingers.lower, robot.fingers.upper, strict=True), strict=True))
    levels: dict[int, FloatArray] = {}
    for joint in range(1, full.njoints):
        if full.names[joint] not in robot.joints:
            at = full.joints[joint].idx_q
            low, high = fingers.get(full.names[joint], (full.lowerPositionLimit[at], full.upperPositionLimit[at]))
            levels[joint] = np.linspace(low, high, count) if np.isfinite(low + high) else np.full(count, half[at])
    return levels


def _postures(
    full: pin.Model, half: FloatArray, chains: Sequence[Sequence[int]], levels: Mapping[int, FloatArray]
) -> Iterator[FloatArray]:
    """Every combination of levels along each chain; what different fingers do at the same time does not matter."""
    place = {joint: chain.index(joint) for chain in chains for joint in chain}
    counts = [range(len(next(iter(levels.values()))))] * (max(place.values(), default=-1) + 1)
    for chosen in itertools.product(*counts):
        posture = half.copy()
        for joint, depth in place.items():
            posture[full.joints[joint].idx_q] = levels[joint][chosen[depth]]
        yield posture


def _corners(shape: pin.GeometryObject) -> FloatArray:
    """``[8, 4]`` corners of a box around ``shape``, in its own frame, m; homogeneous."""
    shape.geometry.computeLocalAABB()
    box = shape.geometry.aabb_local
    return np.array([(*corner, 1.0) for corner in itertools.product(*zip(box.min_, box.max_, strict=True))])


def _bulge(full: pin.Model, shape: pin.GeometryObject, chain: Sequence[int], levels: Mapping[int, FloatArray]) -> float:
    """How far an arc between two neighbouring levels may reach beyond the straight line between its ends, m."""
    reach, bulge = _extent(shape), 0.0
    for joint in reversed(chain):
        step = levels[joint][1] - levels[joint][0]
        bulge += reach * (1.0 - np.cos(0.5 * step))
        reach += float(np.linalg.norm(full.jointPlacements[joint].translation))
    return bulge


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
    out, beyond = np.zeros(model.njoints - 1), _extent(shape)
    for joint in range(int(shape.parentJoint), 0, -1):
        out[joint - 1] = beyond
        beyond += float(np.linalg.norm(model.jointPlacements[joint].translation))
    return out


def _extent(shape: pin.GeometryObject) -> float:
    """No point of ``shape`` is further than this (m) from the origin of the joint that carries it."""
    shape.geometry.computeLocalAABB()
    geometry = shape.geometry
    centre = np.linalg.norm(shape.placement.translation) + np.linalg.norm(geometry.aabb_center)
    return float(centre + geometry.aabb_radius)
