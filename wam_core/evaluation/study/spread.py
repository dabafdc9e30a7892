"""A study's trainings over the processes of one machine, or over the machines of a Ray cluster."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from wam_core.errors import ContractError
from wam_core.evaluation.study.entry import Place, run_entry
from wam_core.evaluation.study.plan import Entry, Plan

#: Yields the lines of each entry as it is done, in any order.
Spread = Callable[[Plan, Sequence[Entry], Place, int], Iterator[list[str]]]


def processes(plan: Plan, entries: Sequence[Entry], place: Place, jobs: int) -> Iterator[list[str]]:
    """``jobs`` at a time, each in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(partial(_run, plan, place), entries, chunksize=1)


def cluster(plan: Plan, entries: Sequence[Entry], place: Place, jobs: int) -> Iterator[list[str]]:
    """One core for each entry of the cluster that ``RAY_ADDRESS`` names; without one, of a cluster of ``jobs`` cores
    here.

    Raises:
        ContractError: Ray is not installed.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise ContractError("spread", "ray", "Ray on every machine: pip install -r requirements-ray.txt") from None
    own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": jobs}
    with ray.init(**own):
        remote = ray.remote(num_cpus=1, max_calls=1)(run_entry)
        waiting = [remote.remote(plan, entry, place) for entry in entries]
        while waiting:
            ready, waiting = ray.wait(waiting)
            yield from ray.get(ready)


SPREADS: Mapping[str, Spread] = {"processes": processes, "ray": cluster}


def _run(plan: Plan, place: Place, entry: Entry) -> list[str]:
    return run_entry(plan, entry, place)
