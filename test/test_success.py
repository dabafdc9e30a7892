"""Success rates: what a trial depends on."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_checkpoint import make_tiny_checkpoint

from wam_core.dial import Dial
from wam_core.errors import ContractError
from wam_core.evaluation.success import Trial, run_trial


def test_a_trial_depends_on_its_seed_alone(tmp_path: Path) -> None:
    """Sampling noise counted on across episodes: results changed with the number of processes, and controls saw other
    noise than the run they are compared with."""
    model = str(make_tiny_checkpoint(tmp_path, spread=0.06))
    first, other = (
        Trial(model, "panda_cell", "reach", seed, "none", "raycast", 100, "real_time_chunking", Dial(1))
        for seed in (0, 1)
    )
    result = run_trial(first)
    run_trial(other)
    assert run_trial(first) == result
    assert run_trial(replace(first, variation="places")) != result
    with pytest.raises(ContractError, match="camera, colours, none, places"):
        run_trial(replace(first, variation="elsewhere"))
