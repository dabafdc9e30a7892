"""Episodes of a trained preset in the cell, and what they come to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from wam_core.cell.cell import Cell
from wam_core.evaluation.controls import BlindPolicy
from wam_core.evaluation.intervals import wilson_interval
from wam_core.evaluation.report.cost import Timed
from wam_core.evaluation.report.failures import ContactWatch
from wam_core.evaluation.rollout import EpisodeResult, run_episode
from wam_core.executor.executor import Executor


@dataclass(frozen=True)
class Success:
    """Episodes of all tasks together.

    Attributes:
        interval_95: Wilson's. by_task: task -> episodes that succeeded. failures: tag -> episodes, see
            :data:`wam_core.evaluation.report.failures.TAGS`.
    """

    succeeded: int
    episodes: int
    interval_95: tuple[float, float]
    by_task: dict[str, int]
    failures: dict[str, int]


def run_tagged(
    cell: Cell, task: str, seed: int, policy: Timed | BlindPolicy, delay_ms: int, variation: str = "none"
) -> tuple[EpisodeResult, str]:
    """How one episode went, and its tag."""
    watch = ContactWatch(cell)
    parted = policy.parted if isinstance(policy, Timed) else (lambda observation: False)
    result = run_episode(
        cell,
        Executor(cell.robot),
        policy,
        task,
        seed,
        variation=variation,
        delay_ns=delay_ms * 1_000_000,
        watch=watch,
        parted=parted,
        corrected=policy.corrected,
    )
    return result, watch.tag(result)


def success_of(episodes: Sequence[tuple[EpisodeResult, str]]) -> Success:
    """Episodes and their tags, counted."""
    results = [result for result, _ in episodes]
    good, tags = sum(r.success for r in results), Counter(tag for _, tag in episodes if tag)
    tasks = dict.fromkeys(r.task for r in results)
    by_task = {task: sum(r.success for r in results if r.task == task) for task in tasks}
    return Success(good, len(results), wilson_interval(good, len(results)), by_task, dict(tags))
