"""One demonstration: the expert drives, the recorder writes."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.data.episode_writer import EpisodeWriter
from wam_core.data.messages import DEMONSTRATION_TOPIC
from wam_core.data.recorder import Recorder
from wam_core.evaluation.expert_policy import ExpertPolicy, position_noise
from wam_core.evaluation.rollout import EpisodeResult, run_episode
from wam_core.executor.executor import Executor

#: Share of episodes without noise, so that undisturbed motion is seen too.
CLEAN_SHARE = 1 / 3


def episode_rng(task: str, seed: int, purpose: str) -> np.random.Generator:
    """Independent randomness for each purpose of an episode, the same on every machine."""
    return np.random.default_rng((seed, zlib.crc32(task.encode()), zlib.crc32(purpose.encode())))


def record_demonstration(
    cell: Cell,
    executor: Executor,
    task: str,
    seed: int,
    path: Path,
    cameras: Sequence[str],
    senses: Sequence[str] = (),
) -> EpisodeResult:
    """Run the task's expert once and write ``path``; the file exists under that name only when it is complete.

    The executed motion carries noise in two thirds of the episodes; the recorded actions are always the expert's own.
    """
    rng = episode_rng(task, seed, "noise")
    noisy = rng.random() >= CLEAN_SHARE
    metadata = {
        "task": task,
        "seed": str(seed),
        "cameras": ",".join(cameras),
        "renderer": cell.renderer,
        "noise": str(noisy).lower(),
        "source": "expert",
    }
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with Recorder(unfinished, cell.robot, metadata) as recorder:
        writer = EpisodeWriter(recorder, cell.robot)
        result = run_episode(
            cell,
            executor,
            ExpertPolicy(cell, episode_rng(task, seed, "expert"), writer.sub_instruction),
            task,
            seed,
            writer=writer,
            recorded_cameras=cameras,
            recorded_senses=senses,
            chunk_topic=DEMONSTRATION_TOPIC,
            perturb=position_noise(rng) if noisy else None,
        )
        success, seconds = str(result.success).lower(), f"{result.duration_s:.3f}"
        recorder.close({"success": success, "duration_s": seconds, "steps": str(result.steps)})
    unfinished.replace(path)
    return result
