"""From the camera to the executor: every stage is timed, over real nodes, and nothing is counted twice or left out."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.errors import ContractError
from wam_core.evaluation.pipeline import MODEL, STAGES, passages
from wam_ros.pipeline import copies, observe

SIZE = (96, 128)
CHUNKS = 5


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=6, max_size=6), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_what_is_not_the_model_is_all_the_rest(spans: list[list[int]]) -> None:
    """A stage that nobody listed was lost between two others, and the rest looked shorter than it was."""
    found = passages([dict(zip(STAGES, np.cumsum([0, *one]).tolist(), strict=True)) for one in spans])
    times = 1e-6 * np.array(spans)
    model = times[:, list(STAGES).index(MODEL) - 1]
    assert found.total.median == pytest.approx(np.median(times.sum(axis=1)))
    assert found.rest.median == pytest.approx(np.median(times.sum(axis=1) - model), abs=1e-6)
    assert found.allowed_ms == max(8.0, 0.1 * float(np.median(model)))
    assert found.holds == (found.rest.median <= found.allowed_ms)


def test_a_chunk_whose_stamps_say_nothing_is_not_summed_up() -> None:
    """A node that no longer stamped a stage, or stamped by another clock, gave a time of zero or below."""
    whole = {name: k for k, name in enumerate(STAGES)}
    with pytest.raises(ContractError, match=r"stamps\.pictured"):
        passages([{name: k for name, k in whole.items() if name != "pictured"}])
    with pytest.raises(ContractError, match=r"stamps\.heard"):
        passages([{**whole, "heard": 0}])
    with pytest.raises(ContractError, match="at least one chunk"):
        passages([])


@pytest.mark.slow
def test_every_stage_of_a_running_graph_is_timed(tmp_path: Path) -> None:
    """A stage of the real nodes was not stamped; images that were lost were not missed."""
    model = make_tiny_checkpoint(tmp_path / "tiny")
    seen = observe(str(model), SIZE, CHUNKS, 0, {"imagine": "never"})
    found = passages(seen.stamps)
    assert found.chunks >= CHUNKS and all(spread.p95 > 0.0 for spread in found.stages.values())
    assert set(seen.sent) == {"front", "wrist"}
    for name, sent in seen.sent.items():
        assert CHUNKS <= seen.received[name] <= sent and seen.refused[name] == 0


def test_an_image_is_copied_by_nobody_after_it_was_received() -> None:
    """Half a megabyte was copied for each camera, into an array that was read once."""
    counted = copies(np.zeros((*SIZE, 3), np.uint8))
    assert (counted["read"], counted["decoded"]) == (0, 0)
