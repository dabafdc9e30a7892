"""The robot files, for tests that must hold for every arm, and each of them closed loop on the bench."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wam_core.cell.bench import Bench
from wam_core.contract import ActionChunk, FloatArray
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings
from wam_core.paths import share_path
from wam_core.robot.contract import column_names
from wam_core.robot.kinematics import Kinematics
from wam_core.robot.robot_file import load_robot
from wam_core.robot.safety import ContactLimits

ARMS = tuple(sorted(path.stem for path in share_path("config/robots").glob("*.yaml")))


class Loop:
    """An executor on an arm of the bench."""

    def __init__(self, name: str, source: str = "") -> None:
        # The bench measures neither wrench nor touch; a limit on what is not measured would stop the arm.
        robot = load_robot(name)
        self.robot = replace(robot, safety=replace(robot.safety, contact=ContactLimits()))
        self.source = load_robot(source or name)
        settings = ExecutorSettings(others=() if self.source.name == name else (source,))
        self.bench, self.executor = Bench(self.robot), Executor(self.robot, settings)
        self.kinematics = Kinematics(self.robot)
        self.executor.reset(self.bench.robot_state())

    def run(self, seconds: float, target: Callable[[float], FloatArray] | None = None, space: str = "") -> FloatArray:
        """``[ticks, J + K]`` measured positions; ``target`` gives a chunk's row at a time from now, every 0.2 s."""
        begin, measured, bench, robot = self.bench.time_ns, [], self.bench, self.robot
        names, name = column_names(space, self.source.joints), self.source.name
        for tick in range(round(seconds * robot.rates.control_hz)):
            state = bench.robot_state()
            if target is not None and tick % 100 == 0:
                due = (state.stamp_ns - begin + robot.step_ns * np.arange(1, 9)) * 1e-9
                values = np.array([target(t) for t in due])
                stamp = state.stamp_ns
                chunk = ActionChunk(stamp, stamp + robot.step_ns, robot.step_ns, names, space, values, tick, robot=name)
                assert (taken := self.executor.accept(chunk, stamp)).accepted, taken
            bench.step(self.executor.tick(state, state.stamp_ns))
            measured.append(bench.robot_state().position)
        assert self.executor.status().reason_counts == {}, self.executor.status()
        return np.array(measured)
