"""A scripted expert as a policy of one-step chunks, and the noise that makes its demonstrations forgiving."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts import Expert, make_expert
from wam_core.contract import ActionChunk, Observation

#: Steps of the expert at least this long carry all of the noise; its share never falls below the second number.
FULL_NOISE_STEP_M, LEAST_NOISE = 0.02, 0.2


class ExpertPolicy:
    """Asks the task's expert at every step. One object per episode; the expert is made at its first observation."""

    cameras: tuple[str, ...] = ()
    senses: tuple[str, ...] = ()
    replan_steps = 1

    def __init__(
        self, cell: Cell, rng: np.random.Generator, say: Callable[[str, int], object] = lambda doing, stamp_ns: None
    ) -> None:
        """``say`` is told what the expert is doing, and since when, as often as that changes."""
        self._cell = cell
        self._say = say
        self._doing = ""
        self._rng = rng
        self._expert: Expert | None = None
        self._sequence = 0

    def act(self, observation: Observation) -> ActionChunk:
        if self._expert is None:
            self._expert = make_expert(self._cell, self._rng)
        robot, move = self._cell.robot, self._expert.act()
        if move.sub_instruction != self._doing:
            self._doing = move.sub_instruction
            self._say(self._doing, observation.stamp_ns)
        chunk = ActionChunk(
            stamp_ns=observation.stamp_ns,
            start_ns=observation.stamp_ns + robot.step_ns,
            step_ns=robot.step_ns,
            names=robot.action.names,
            space=robot.action.space,
            values=move.target[None, :],
            sequence=self._sequence,
            model="expert",
        )
        self._sequence += 1
        return chunk


def position_noise(
    rng: np.random.Generator, sd_m: float = 0.01, correlation: float = 0.8
) -> Callable[[Observation, ActionChunk], ActionChunk]:
    """Add first-order autoregressive noise to x y z of every executed one-step ``ee_pose`` chunk.

    The arm then leaves the expert's path while the recorded actions lead back to it (DART, Laskey et al. 2017). The
    noise shrinks with the length of the step, so that what is done slowly, such as closing in on a grasp, succeeds.

    Args:
        sd_m: stationary standard deviation per axis in m, at steps of :data:`FULL_NOISE_STEP_M` or more.
        correlation: of consecutive steps.
    """
    offset = rng.normal(0.0, sd_m, 3)

    def perturb(observation: Observation, chunk: ActionChunk) -> ActionChunk:
        nonlocal offset
        offset = correlation * offset + np.sqrt(1.0 - correlation**2) * rng.normal(0.0, sd_m, 3)
        values = chunk.values.copy()
        step = float(np.linalg.norm(values[0, :3] - observation.proprioception[:3]))
        values[:, :3] += offset * np.clip(step / FULL_NOISE_STEP_M, LEAST_NOISE, 1.0)
        return replace(chunk, values=values)

    return perturb
