"""The loop from measurement to torque when a busy machine makes it slow."""

from collections import deque
from dataclasses import replace

import numpy as np
from executor_harness import ROBOT, TICK_NS, chunk

from wam_core.cell.bench import Bench
from wam_core.cell.cell import Cell
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import Drive
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.safety import ContactLimits
from wam_ros.cell_node import OLDEST_COMMAND_NS
from wam_ros.executor_node import TRANSPORT_DELAY_S
from wam_ros.ros_time import LONGEST_GUESS_NS

#: A command's stamp is ahead of the measurement it answers by what the executor carried simulated time on.
LONGEST_DELAY_NS = OLDEST_COMMAND_NS + LONGEST_GUESS_NS
#: Chunks come during the first, then run out; in the end the arm must be at rest.
RESTLESS_TICKS, TICKS = 1000, 1900


def test_the_arm_is_stable_at_the_longest_delay_the_cell_accepts() -> None:
    """Prevents: an arm that swings ever further, and on after the stop has latched, because a core was busy."""
    cell, rng = Cell(ROBOT, "raycast"), np.random.default_rng(1)
    executor = Executor(ROBOT, ExecutorSettings(feedback_delay_s=TRANSPORT_DELAY_S))
    executor.reset(cell.robot_state())
    home, hold = cell.tool_pose(), executor.tick(cell.robot_state(), 0).effort
    on_the_way = deque([hold] * (LONGEST_DELAY_NS // TICK_NS))
    for tick in range(TICKS):
        state = cell.robot_state()
        if tick < RESTLESS_TICKS and tick % 400 == 100:  # as restless as a model that was not trained
            wild = np.tile(home, (8, 1)) + rng.normal(0.0, [0.06] * 3 + [0.02] * 3 + [0.0], (8, 7))
            assert executor.accept(chunk(wild, state.stamp_ns), state.stamp_ns).accepted
        on_the_way.append(executor.tick(state, state.stamp_ns).effort)
        cell.step(on_the_way.popleft())
    status = executor.status()
    assert not status.latched, status.latch_reason
    assert np.abs(cell.robot_state().velocity).max() < 0.05


#: Coulomb friction (N m) of the Panda's joints: half the span of the sigmoids of Gaz et al., RA-L 2019.
FRICTION = np.array([0.273, 0.436, 0.320, 0.640, 0.420, 0.152, 0.282])


def test_friction_that_is_named_does_not_stop_an_arm_whose_feedback_is_late() -> None:
    """Prevents: a wrist that its own friction holds until the tracking error latches, as feedback that is stable at
    this delay is too soft to overcome it."""
    unfelt = replace(ROBOT, safety=replace(ROBOT.safety, contact=ContactLimits()))  # the bench measures no contact
    robot = replace(unfelt, drive=Drive(np.zeros(7), FRICTION, np.zeros(7)))
    bench, executor = Bench(robot), Executor(robot, ExecutorSettings(feedback_delay_s=TRANSPORT_DELAY_S))
    executor.reset(bench.robot_state())
    home, errors = proprioception(Kinematics(ROBOT), bench.robot_state()), []
    on_the_way = deque([executor.tick(bench.robot_state(), 0)] * (LONGEST_DELAY_NS // TICK_NS))
    for tick in range(1500):
        state = bench.robot_state()
        if tick % 100 == 0:
            due = 1e-9 * (state.stamp_ns + ROBOT.step_ns * np.arange(1, 9))
            swing = np.minimum(due / 0.5, 1.0) * np.sin(2.0 * due)
            poses = home + swing[:, None] * np.array([0.0, 0.08, 0.0, 0.0, 0.0, 0.3, 0.0])
            assert executor.accept(chunk(poses, state.stamp_ns), state.stamp_ns).accepted
        on_the_way.append(executor.tick(state, state.stamp_ns))
        bench.step(on_the_way.popleft())
        errors.append(on_the_way[-1].position[:7] - bench.robot_state().position[:7])
    assert not executor.status().latched, executor.status().latch_reason
    assert np.abs(errors).max() < 0.03
