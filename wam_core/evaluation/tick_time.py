"""How long a tick of the executor takes, paced as on an arm, while another core runs inference: `wam bench tick`."""

import gc
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.contract import ActionChunk, FloatArray, Observation, RobotState
from wam_core.evaluation.demonstrations import episode_rng
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.evaluation.rollout import run_episode
from wam_core.executor.executor import Executor
from wam_core.realtime import awake, favour_thread
from wam_core.robot.contract import RobotContract

#: Ticks at the beginning that are not counted: an arm is not moved in them either.
WARM_UP = 100
#: Of the control thread, as the executor's node has it.
PRIORITY = 20


@dataclass(frozen=True)
class Spread:
    """Quantiles, ms."""

    median: float
    p99: float
    p999: float
    most: float


@dataclass(frozen=True)
class TickTime:
    """``wall``: from the beginning of a tick to its end. ``cpu``: the thread's processor time in it, without what other
    threads of the machine took. ``allowed``: what the operating system let the control thread have."""

    ticks: int
    period_ms: float
    allowed: str
    wall: Spread
    cpu: Spread


def measure(robot: RobotContract, tasks: Sequence[str], seed: int, load: str) -> TickTime:
    """Drive an arm that follows its reference through one expert episode of each task, at the control rate.

    Args:
        load: preset whose inference another process runs meanwhile, "" for none. Where the machine has several cores
            the two are kept on different ones.
    """
    cell = Cell(robot, "auto")
    episodes = [_record(cell, task, seed) for task in tasks]
    with _busy(load, seed), _collected(), awake() as processors, ThreadPoolExecutor(1) as thread:
        said = thread.submit(favour_thread, PRIORITY).result()
        taken = np.concatenate([thread.submit(_replay, robot, *episode).result()[WARM_UP:] for episode in episodes])
    period_ms, allowed = 1e3 / robot.rates.control_hz, f"{said}, {processors}"
    return TickTime(len(taken), period_ms, allowed, _spread(taken[:, 0]), _spread(taken[:, 1]))


def _record(cell: Cell, task: str, seed: int) -> tuple[RobotState, list[ActionChunk]]:
    """Where the arm begins, and what the expert sends it."""
    chunks: list[ActionChunk] = []

    def keep(observation: Observation, chunk: ActionChunk) -> ActionChunk:
        chunks.append(chunk)
        return chunk

    run_episode(
        cell, Executor(cell.robot), ExpertPolicy(cell, episode_rng(task, seed, "expert")), task, seed, perturb=keep
    )
    cell.reset(task, seed)
    return cell.robot_state(), chunks


def _replay(robot: RobotContract, state: RobotState, chunks: Sequence[ActionChunk]) -> FloatArray:
    """``[T, 2]`` ms of wall and processor time of every tick."""
    executor, period = Executor(robot), 1.0 / robot.rates.control_hz
    executor.reset(state)
    now_ns, due, taken = state.stamp_ns, time.perf_counter(), []
    for chunk, following in zip(chunks, [*chunks[1:], chunks[-1]], strict=True):
        executor.accept(chunk, chunk.stamp_ns)
        for _ in range(round((following.stamp_ns - chunk.stamp_ns) * 1e-9 / period)):
            due += period
            time.sleep(max(due - time.perf_counter(), 0.0))
            now_ns += round(period * 1e9)
            wall, cpu = time.perf_counter(), time.thread_time()
            command = executor.tick(state, now_ns)
            taken.append((time.perf_counter() - wall, time.thread_time() - cpu))
            state = replace(state, stamp_ns=now_ns, position=command.position, velocity=command.velocity)
    return 1e3 * np.array(taken)


def _spread(taken: FloatArray) -> Spread:
    return Spread(*(float(np.quantile(taken, share)) for share in (0.5, 0.99, 0.999, 1.0)))


@contextmanager
def _collected() -> Iterator[None]:
    """Without garbage collection in the middle of a tick, as in the executor's node."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


@contextmanager
def _busy(load: str, seed: int) -> Iterator[None]:
    """Inference of preset ``load`` in another process."""
    if not load:
        yield
        return
    context = multiprocessing.get_context("spawn")
    ready, allowed = context.Event(), os.sched_getaffinity(0)
    mine, *rest = sorted(allowed)
    worker = context.Process(target=_infer, args=(load, seed, rest or [mine], ready), daemon=True)
    worker.start()
    os.sched_setaffinity(0, {mine})
    try:
        while not ready.wait(1.0):
            if not worker.is_alive():
                raise RuntimeError(f"inference of {load} ended with exit code {worker.exitcode}")
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        worker.terminate()
        worker.join()


def _infer(load: str, seed: int, cores: Sequence[int], ready: "multiprocessing.synchronize.Event") -> None:
    import torch

    from wam_core.evaluation.latency import make_runner
    from wam_core.presets import load_preset

    os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))
    run = make_runner(load_preset(load), seed, "eager")
    run()
    ready.set()
    while True:
        run()
