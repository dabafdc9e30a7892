"""One episode in a benchmark: a policy's, or the benchmark's own expert's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from wam_core.benchmarks.simulator import Seen, Simulator
from wam_core.contract import FloatArray, Observation
from wam_core.evaluation.rollout import Policy


@dataclass(frozen=True)
class Episode:
    """How it went; ``success``: the benchmark's own word, ``steps``: until then, or until time was over."""

    task: str
    seed: int
    success: bool
    steps: int


class Trial(NamedTuple):
    """A task as ``seed`` sets it up, for ``limit`` steps at most; the benchmark's own limit holds as well."""

    task: str
    seed: int
    limit: int


def run_policy(
    simulator: Simulator,
    policy: Policy,
    trial: Trial,
    parted: Callable[[Observation], bool] | None = None,
) -> Episode:
    """Ask ``policy`` every ``replan_steps``, and carry its chunks out as they are; pictures are made when it is asked.

    Args:
        parted: whether an observation asks for a new chunk before that, if anything can.

    Raises:
        ContractError: the policy or the simulator refuses what the other gives.
    """
    instruction, step_ns = simulator.reset(trial.task, trial.seed), simulator.body.step_ns
    values, begun, due = np.empty((0, 0)), 0, 0
    for step in range(trial.limit):
        if step >= due or parted:
            seen = simulator.observe(policy.cameras)
            observation = Observation(step * step_ns, seen.images, seen.state, instruction)
            if step >= due or (parted and parted(observation)):
                chunk = policy.act(observation)
                if chunk is not None:
                    values, begun = chunk.values, step
                due = step + policy.replan_steps
        outcome = simulator.step(values[min(step - begun, len(values) - 1)])
        if outcome.success or outcome.over:
            return Episode(trial.task, trial.seed, outcome.success, step + 1)
    return Episode(trial.task, trial.seed, False, trial.limit)


@dataclass
class Rows:
    """What an expert's episode showed, a row for each step: what was seen, and what the expert did then."""

    instruction: str
    seen: list[Seen] = field(default_factory=list)
    actions: list[FloatArray] = field(default_factory=list)


def run_expert(
    simulator: Simulator,
    trial: Trial,
    cameras: Sequence[str] = (),
    noise: Callable[[], FloatArray] | None = None,
    hold: int = 0,
) -> tuple[Episode, Rows]:
    """Let the benchmark's expert do it.

    Args:
        noise: what is added to an action that is carried out; the row keeps the expert's own.
        hold: steps that go on after success.
    """
    rows = Rows(simulator.reset(trial.task, trial.seed))
    done: int | None = None
    for step in range(trial.limit):
        action = simulator.expert()
        rows.seen.append(simulator.observe(cameras))
        rows.actions.append(action)
        outcome = simulator.step(action + noise() if noise else action)
        if done is None and outcome.success:
            done = step + 1
        if outcome.over or (done is not None and step + 1 >= done + hold):
            break
    return Episode(trial.task, trial.seed, done is not None, done or len(rows.actions)), rows
