"""An arm that follows its reference exactly, and a checker of commands that shares no code with the filters."""

from dataclasses import dataclass, field

import numpy as np

from wam_core.contract import ActionChunk, JointCommand, RobotState
from wam_core.executor.executor import Executor
from wam_core.executor.intake import Intake
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.robot_file import load_robot

ROBOT = load_robot("panda_cell")
KINEMATICS = Kinematics(ROBOT)
TICK_NS = 2_000_000
HOME = np.append(ROBOT.home, 0.02)
HOME_POSE = proprioception(KINEMATICS, RobotState(0, HOME, np.zeros(8)))


def chunk(values: np.ndarray, stamp_ns: int, **changes) -> ActionChunk:
    """An ``ee_pose`` chunk answering ``stamp_ns``, one step per 100 ms."""
    fields = {
        "stamp_ns": stamp_ns,
        "start_ns": stamp_ns + ROBOT.step_ns,
        "step_ns": ROBOT.step_ns,
        "names": ROBOT.action.names,
        "space": "ee_pose",
        "values": np.asarray(values, dtype=np.float64),
        "sequence": stamp_ns // 1000,
    }
    return ActionChunk(**(fields | changes))


def line(direction: tuple[float, float, float], horizon: int = 8, start: np.ndarray = HOME_POSE) -> np.ndarray:
    """``[horizon, 7]`` poses that move on by ``direction`` (m) per step."""
    values = np.tile(start, (horizon, 1))
    values[:, :3] += np.outer(np.arange(1, horizon + 1), direction)
    return values


@dataclass
class Rig:
    """An executor on an arm that is wherever the last reference was."""

    settings: ExecutorSettings = field(default_factory=ExecutorSettings)
    start: np.ndarray = field(default_factory=HOME.copy)
    now_ns: int = 1_000_000_000
    commands: list[JointCommand] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.executor = Executor(ROBOT, self.settings)
        self.position, self.velocity = self.start.copy(), np.zeros(8)
        self.executor.reset(self.state())

    def state(self) -> RobotState:
        return RobotState(self.now_ns, self.position, self.velocity, wrench=np.zeros(6), tactile=np.zeros(8))

    def tick(self, ticks: int = 1, dt_ns: int = TICK_NS, **state) -> JointCommand:
        """``ticks`` ticks; ``state=...`` replaces what the executor is told about the arm."""
        for _ in range(ticks):
            self.now_ns += dt_ns
            command = self.executor.tick(state.get("state", self.state()), self.now_ns)
            self.commands.append(command)
            if np.isfinite(command.position).all():
                self.position, self.velocity = command.position, command.velocity
        return command

    def send(self, values: np.ndarray, stamp_ns: int | None = None, **changes) -> Intake:
        return self.executor.accept(chunk(values, stamp_ns or self.now_ns, **changes), self.now_ns)

    def tool(self, command: JointCommand) -> np.ndarray:
        return KINEMATICS.tool(command.position[:-1])[1]


def violations(commands: list[JointCommand]) -> list[str]:
    """Every limit of the robot contract that consecutive commands break, found by finite differences."""
    limits, found = ROBOT.limits, []
    stamps = np.array([c.stamp_ns for c in commands]) * 1e-9
    q, v, a = (np.array([getattr(c, n)[:-1] for c in commands]) for n in ("position", "velocity", "acceleration"))
    effort = np.array([c.effort for c in commands])
    tool = np.array([KINEMATICS.tool(row)[1] for row in q])
    dt = np.diff(stamps)[:, None]
    box = ROBOT.workspace
    start = tool[0]

    def check(name: str, excess: np.ndarray, tolerance: float) -> None:
        if not np.all(excess <= tolerance):
            row = int(np.argwhere(~(excess <= tolerance))[0][0])
            found.append(f"{name} by {np.nanmax(excess):.3g} first at tick {row} of {len(commands)}")

    check("position", np.maximum(q - limits.upper, limits.lower - q), 1e-6)
    check("velocity", np.abs(v) - limits.velocity, 1e-6)
    check("rate of positions", np.abs(np.diff(q, axis=0)) / dt - limits.velocity, 1e-4)
    check("acceleration of velocities", np.abs(np.diff(v, axis=0)) / dt - limits.acceleration, 1e-4)
    check("jerk of accelerations", np.abs(np.diff(a, axis=0)) / dt - limits.jerk, 1e-2)
    trapezoid = np.abs(np.diff(q, axis=0) - 0.5 * (v[1:] + v[:-1]) * dt)
    check("velocities of positions", trapezoid - limits.jerk * dt**3 / 12.0, 1e-9)
    check("torque", np.abs(effort[:, :-1]) - limits.torque, 1e-9)
    check("torque rate", np.abs(np.diff(effort[:, :-1], axis=0)) / dt - limits.torque_rate, 1e-3)
    check("gripper force", np.abs(effort[:, -1]) - ROBOT.gripper.force, 1e-9)
    check("tool speed", np.linalg.norm(np.diff(tool, axis=0), axis=1) / dt[:, 0] - box.speed, 1e-3)
    check("box", np.maximum(tool - np.maximum(box.upper, start), np.minimum(box.lower, start) - tool), 2e-3)
    return found
