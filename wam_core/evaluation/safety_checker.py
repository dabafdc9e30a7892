"""Looks at the commands an executor sent, and at nothing else: an opinion of its own on whether they were allowed.

Everything is found from the commands themselves, with finite differences and MuJoCo; no code is shared with the
filters, which use Pinocchio and coal. Limits come from the robot file.
"""

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, JointCommand, RobotState
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract

#: However late a tick is, its command says where to be at most this long after the one before (s).
LONGEST_TICK_S = 0.02
#: Share of a limit by which a finite difference may exceed it without being one: rounding of positions near 3 rad,
#: divided by the cube of a tick.
ROUNDING = 1e-5
#: Depth beyond which bodies touch (m): closed fingers meet without pressing.
TOUCH_M = 1e-6
#: Metres by which rounding may put the tool outside the box.
ROUNDING_M = 1e-7
KINDS = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
}


class Commands(NamedTuple):
    """A run of ``T`` commands.

    Attributes:
        stamps_ns: ``[T]``. position, velocity, effort: ``[T, J + K]`` as in :class:`wam_core.contract.JointCommand`.
        acceleration: ``[T, J + K]``, or None where what was listened to does not tell it; it is then judged by the
            positions and velocities alone.
    """

    stamps_ns: NDArray[np.int64]
    position: FloatArray
    velocity: FloatArray
    effort: FloatArray
    acceleration: FloatArray | None


class Violation(NamedTuple):
    """One kind of limit broken by a run of commands.

    Attributes:
        kind: what was broken. where: joint, axis or pair of bodies. value, limit: worst found, in the limit's unit.
        tick: index of the first command that breaks it. ticks: how many do.
    """

    kind: str
    where: str
    value: float
    limit: float
    tick: int
    ticks: int


class Checker:
    """Judges commands for one robot. Not thread-safe: it owns one MuJoCo workspace."""

    def __init__(self, robot: RobotContract) -> None:
        self._robot = robot
        self._model = arm_and_surroundings(robot)
        self._data = mujoco.MjData(self._model)
        self._tool = self._model.body(robot.tool_frame).id
        self._qpos = np.array([self._model.joint(name).qposadr[0] for name in robot.joint_names])
        self._coupled = _coupled(self._model)
        self._hand = _beyond(self._model, self._model.joint(robot.joints[-1]).bodyid[0])
        self._own: set[tuple[int, int]] = set()
        for opening in (0.0, 0.5, 1.0):
            self._own |= self._touching(np.concatenate([robot.home, robot.fingers.posture(opening)]))

    def check(self, start: RobotState, commands: Sequence[JointCommand]) -> list[Violation]:
        """Every limit of the robot file that ``commands``, begun at rest in ``start``, break; none when all is well."""
        return self.judge(start, _together(commands))[0]

    def judge(self, start: RobotState, commands: Commands) -> tuple[list[Violation], dict[str, float]]:
        """The same of commands that were listened to, and how much of each limit they use at most: kind -> share, of
        positions and workspace the share of the way from the middle to the limit."""
        parts = (commands.position, commands.velocity, commands.effort, commands.acceleration)
        finite = np.all([np.isfinite(part).all(axis=1) for part in parts if part is not None], axis=0)
        if bad := np.flatnonzero(~finite).tolist():
            return [Violation("not_finite", "", float("nan"), 0.0, bad[0], len(bad))], {}
        limits, hand, box = self._robot.limits, self._robot.fingers, self._robot.workspace
        arms = len(self._robot.joints)
        dt = np.minimum(np.diff(commands.stamps_ns, prepend=start.stamp_ns) * 1e-9, LONGEST_TICK_S)[:, None]
        q = np.vstack([start.position, commands.position])
        v, effort = commands.velocity, commands.effort
        arm, fingers = q[:, :arms], q[:, arms:]
        found: list[Violation] = []
        shares: dict[str, float] = {}

        def most(
            kind: str,
            values: FloatArray,
            limit: FloatArray | float,
            where: Sequence[str] = (),
            middle: FloatArray | float = 0.0,
        ) -> None:
            limit = np.broadcast_to(limit, values.shape)
            if values.size:
                shares[kind] = max(shares.get(kind, 0.0), float(np.max((values - middle) / (limit - middle))))
            over = values > limit + ROUNDING * np.abs(limit)
            if over.any():
                rows = np.flatnonzero(over.any(axis=1))
                row, column = divmod(int(np.argmax(values - limit)), values.shape[1])
                name = where[column] if where else ""
                found.append(
                    Violation(
                        kind, name, float(values[row, column]), float(limit[row, column]), int(rows[0]), len(rows)
                    )
                )

        joints, axes = self._robot.joints, ("x", "y", "z")
        middle = 0.5 * (limits.lower + limits.upper)
        most("position", arm[1:], limits.upper, joints, middle)
        most("position", -arm[1:], -limits.lower, joints, -middle)
        for order, (kind, limit) in enumerate(
            [("velocity", limits.velocity), ("acceleration", limits.acceleration), ("jerk", limits.jerk)], start=1
        ):
            most(kind, np.abs(derivative(arm, dt, order)), limit, joints)
        most("velocity", np.abs(v[:, :arms]), limits.velocity, joints)
        most("acceleration", np.abs(np.diff(v[:, :arms], axis=0)) / dt[1:], limits.acceleration, joints)
        if commands.acceleration is not None:
            a = commands.acceleration[:, :arms]
            most("acceleration", np.abs(a), limits.acceleration, joints)
            most("jerk", np.abs(np.diff(a, axis=0)) / dt[1:], limits.jerk, joints)
        most("torque", np.abs(effort[:, :arms]), limits.torque, joints)
        most("torque_rate", np.abs(np.diff(effort[:, :arms], axis=0)) / dt[1:], limits.torque_rate, joints)
        middle = 0.5 * (hand.lower + hand.upper)
        most("finger_position", fingers[1:], np.maximum(hand.upper, fingers[0]), hand.joints, middle)
        most("finger_position", -fingers[1:], -np.minimum(hand.lower, fingers[0]), hand.joints, -middle)
        most("finger_velocity", np.abs(np.diff(fingers, axis=0)) / dt, hand.velocity, hand.joints)
        most("finger_force", np.abs(effort[:, arms:]), hand.force, hand.joints)
        tool, contacts = self._follow(q)
        most("tool_speed", np.linalg.norm(np.diff(tool, axis=0), axis=1)[:, None] / dt, box.speed)
        middle = 0.5 * (box.lower + box.upper)
        most("workspace", tool[1:] - ROUNDING_M, np.maximum(box.upper, tool[0]), axes, middle)
        most("workspace", -tool[1:] - ROUNDING_M, -np.minimum(box.lower, tool[0]), axes, -middle)
        return found + contacts, shares

    def touches(self, position: FloatArray) -> bool:
        """Whether the arm touches itself or its surroundings at joint positions ``[J + K]``."""
        return bool(self._touching(position))

    def tool(self, position: FloatArray) -> FloatArray:
        """``[3]`` m: the tool at joint positions ``[J + K]``, base frame."""
        self._place(position)
        return self._data.xpos[self._tool].copy()

    def tool_rotation(self, position: FloatArray) -> FloatArray:
        """``[3, 3]`` of the tool at joint positions ``[J + K]``, base frame."""
        self._place(position)
        return self._data.xmat[self._tool].reshape(3, 3).copy()

    def _follow(self, q: FloatArray) -> tuple[FloatArray, list[Violation]]:
        """``[T, 3]`` tool positions, and what touches on the way."""
        tool = np.empty((len(q), 3))
        first: dict[tuple[int, int], int] = {}
        count: dict[tuple[int, int], int] = {}
        for tick, position in enumerate(q):
            touching = self._touching(position)
            tool[tick] = self._data.xpos[self._tool]
            for pair in touching if tick else ():
                first.setdefault(pair, tick - 1)
                count[pair] = count.get(pair, 0) + 1
        name = [self._model.body(i).name for i in range(self._model.nbody)]
        return tool, [
            Violation("contact", f"{name[one]}, {name[two]}", 0.0, 0.0, tick, count[one, two])
            for (one, two), tick in first.items()
        ]

    def _place(self, position: FloatArray) -> None:
        qpos = self._data.qpos
        qpos[self._qpos] = position
        for follower, leader, coefficients in self._coupled:
            qpos[follower] = np.polynomial.polynomial.polyval(qpos[leader], coefficients)
        mujoco.mj_kinematics(self._model, self._data)

    def _touching(self, position: FloatArray) -> set[tuple[int, int]]:
        self._place(position)
        mujoco.mj_collision(self._model, self._data)
        if not self._data.ncon:
            return set()
        contact = self._data.contact
        bodies = self._model.geom_bodyid[contact.geom[contact.dist < -TOUCH_M]]
        pairs = {(int(min(pair)), int(max(pair))) for pair in bodies if not self._hand.issuperset(pair.tolist())}
        return pairs - self._own


def derivative(values: FloatArray, dt: FloatArray, order: int) -> FloatArray:
    """``[T, ...]`` derivatives of ``order`` of ``[T + 1, ...]`` values ``dt [T, 1]`` s apart, at rest before the first.

    Divided differences: a weighted mean of the derivative over ``order`` ticks, so never beyond its greatest value.
    """
    values = np.vstack([np.repeat(values[:1], order - 1, axis=0), values])
    times = np.concatenate([-dt[0] * np.arange(order - 1, 0, -1), [0.0], np.cumsum(dt)])[:, None]
    for k in range(1, order + 1):
        values = k * np.diff(values, axis=0) / (times[k:] - times[:-k])
    return values


def arm_and_surroundings(robot: RobotContract) -> mujoco.MjModel:
    """The URDF and the shapes that the robot file says are around it, everything touching everything."""
    spec = mujoco.MjSpec.from_file(str(share_path(robot.urdf)))
    spec.compiler.fusestatic = False
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 1
    for shape in (*robot.safety.environment, *robot.safety.keep_out):
        # MuJoCo wants half extents of a box, radius and half length of a capsule.
        size = (
            [0.5 * s for s in shape.size]
            if shape.kind == "box"
            else [shape.size[0], *(0.5 * s for s in shape.size[1:])]
        )
        body = spec.worldbody.add_body(name=shape.name, pos=shape.position)
        body.add_geom(type=KINDS[shape.kind], size=[*size, 0.0, 0.0][:3])
    return spec.compile()


def _beyond(model: mujoco.MjModel, wrist: int) -> frozenset[int]:
    """The body of the last arm joint and all that it carries: fingers may touch each other and the palm."""
    carried = {int(wrist)}
    for body in range(model.nbody):  # parents come first
        if int(model.body_parentid[body]) in carried:
            carried.add(body)
    return frozenset(carried)


def _coupled(model: mujoco.MjModel) -> list[tuple[int, int, FloatArray]]:
    """Positions that follow another joint's: (follower, leader, polynomial)."""
    joints = [k for k in range(model.neq) if model.eq_type[k] == mujoco.mjtEq.mjEQ_JOINT]
    address = model.jnt_qposadr
    return [
        (int(address[model.eq_obj1id[k]]), int(address[model.eq_obj2id[k]]), model.eq_data[k, :5].copy())
        for k in joints
    ]


def _together(commands: Sequence[JointCommand]) -> Commands:
    def rows(name: str) -> FloatArray:
        return np.array([getattr(command, name) for command in commands])

    stamps_ns = np.array([command.stamp_ns for command in commands], dtype=np.int64)
    return Commands(stamps_ns, rows("position"), rows("velocity"), rows("effort"), rows("acceleration"))
