"""How well another arm does what was recorded on the cell's: its tool's way from home, smaller where the arm is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wam_core.cell.bench import Bench
from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, FloatArray, Observation
from wam_core.evaluation.demonstrations import episode_rng
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.executor.resolve import Body, reach_scale
from wam_core.executor.settings import ExecutorSettings
from wam_core.robot.contract import RobotContract, column_names
from wam_core.robot.robot_file import load_robot
from wam_core.robot.safety import ContactLimits

SOURCE = "panda_cell"
#: Steps of a chunk, and steps until the next one.
HORIZON, REPLAN = 8, 2


@dataclass(frozen=True)
class Match:
    """One arm on all courses: errors ``[N]`` of the tool at the instants of the recorded steps.

    Attributes:
        scale: how much smaller than recorded the motion is. reasons: ticks in which the executor limited or stopped.
    """

    scale: float
    millimetres: FloatArray
    degrees: FloatArray
    reasons: Mapping[str, int]


def record(task: str, seed: int) -> FloatArray:
    """``[T, J + 1]`` joint positions (rad) and opening of the cell's arm at every step of an expert's episode."""
    cell = Cell(load_robot(SOURCE), "raycast")
    rows: list[FloatArray] = []

    def keep(observation: Observation, chunk: ActionChunk) -> ActionChunk:
        joints = cell.robot_state().position[: len(cell.robot.joints)]
        rows.append(np.append(joints, np.clip(observation.proprioception[-1], 0.0, 1.0)))
        return chunk

    expert = ExpertPolicy(cell, episode_rng(task, seed, "expert"))
    run_episode(cell, Executor(cell.robot), expert, task, seed, perturb=keep)
    return np.array(rows)


def match(name: str, courses: Sequence[FloatArray]) -> Match:
    """Drive the arm of robot file ``name`` on the bench by ``courses`` as joint chunks of the cell's arm."""
    loaded = load_robot(name)
    # The bench measures neither wrench nor touch; a limit on what is not measured would stop the arm.
    robot = replace(loaded, safety=replace(loaded.safety, contact=ContactLimits()))
    source, body = Body(load_robot(SOURCE)), Body(robot)
    scale, errors, reasons = reach_scale(source.robot, robot), [], Counter[str]()
    for course in courses:
        tools, status = _drive(robot, source.robot, course)
        reasons.update(status)
        wanted = source.poses(course[:, : len(source.robot.joints)])
        for k, (rotation, position) in enumerate(tools, start=1):
            place = body.home + scale * (wanted.position[k] - source.home)
            turn = 0.5 * (np.trace(rotation.T @ wanted.rotation[k]) - 1.0)
            angle = np.degrees(np.arccos(np.clip(turn, -1.0, 1.0)))
            errors.append((1e3 * np.linalg.norm(position - place), angle))
    millimetres, degrees = np.array(errors).T
    return Match(scale, millimetres, degrees, reasons)


def _drive(
    robot: RobotContract, source: RobotContract, course: FloatArray
) -> tuple[list[tuple[FloatArray, FloatArray]], Mapping[str, int]]:
    """The tool at each step after the first, and what the executor did against the course."""
    bench, executor = Bench(robot), Executor(robot, ExecutorSettings(others=(source.name,)))
    executor.reset(bench.robot_state())
    names, tools = column_names("joint_position", source.joints), []
    for step in range(len(course) - 1):
        now_ns = bench.time_ns
        if step % REPLAN == 0:
            values = course[step + 1 : step + 1 + HORIZON]
            start_ns = now_ns + source.step_ns
            chunk = ActionChunk(
                now_ns, start_ns, source.step_ns, names, "joint_position", values, step, robot=source.name
            )
            executor.accept(chunk, now_ns)
        while bench.time_ns < now_ns + source.step_ns:
            state = bench.robot_state()
            bench.step(executor.tick(state, state.stamp_ns))
        tools.append(bench.tool())
    return tools, executor.status().reason_counts
