"""Real-time chunking over DDS: cell, executor and inference as processes."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from live_graph import live_graph
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.continuation import overlap
from wam_core.contract import ActionChunk, Committed
from wam_core.data.predictions import action_chunk
from wam_core.training.checkpoint import load_checkpoint, save_checkpoint
from wam_msgs.msg import ActionChunk as ActionChunkMessage


@pytest.mark.slow
def test_a_chunk_goes_on_from_the_steps_consumed_while_it_was_computed(tmp_path: Path) -> None:
    """Prevents: a parameter that is declared and changes nothing; a prefix by a latency that was guessed."""
    # So many steps take longer than a step of the chunk, 0.1 s: else none is consumed while they are computed.
    quick = load_checkpoint(make_tiny_checkpoint(tmp_path / "quick"))
    save_checkpoint(tmp_path / "slow", replace(quick, preset=replace(quick.preset, steps=240)))
    with live_graph("wam_cell", "wam_executor", "wam_inference") as live:
        live.client.set_parameters("wam_inference", {"model": str(tmp_path / "slow"), "imagine": "never"})
        live.activate("wam_executor", "wam_inference")
        live.wait_for_mode("holding")
        chunks: list[ActionChunk] = []
        hear = lambda message: chunks.append(action_chunk(message))  # noqa: E731
        live.client.listen(ActionChunkMessage, "/wam_inference/action_chunk", hear)
        found = {}
        for seam in ("none", "auto"):
            live.client.set_parameters("wam_inference", {"seam": seam})
            chunks.clear()
            live.client.result_of(live.client.start_task("reach the red ball", 8.0), 60.0)
            found[seam] = [k for old, new in pairwise(chunks) if (k := kept(old, new)) is not None]
    assert len(found["none"]) >= 3 and not any(found["none"])
    # A model of random weights may touch the ball by chance, and the task is over.
    assert sum(found["auto"]) >= 2, found


def kept(old: ActionChunk, new: ActionChunk) -> bool | None:
    """Whether the steps that were due while the chunk was computed are those of the chunk before; None without any."""
    due_ns = new.start_ns + new.step_ns * np.arange(len(new.values))
    meanwhile = due_ns <= min(new.stamp_ns + old.inference_ns, old.start_ns + (len(old.values) - 1) * old.step_ns)
    if not meanwhile.any():
        return None
    values = overlap(Committed(old, int(due_ns[-1])), due_ns[meanwhile]).values
    return bool(np.abs(new.values[meanwhile] - values).max() < 1e-6)
