"""Training in two processes on this machine's CPU, against one that does all of it."""

import subprocess
import sys
from pathlib import Path

import crew_worker
import pytest
import torch

from wam_core.errors import ContractError
from wam_core.training.crew import Crew


def together(folder: Path, steps: int) -> None:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = [str(Path(crew_worker.__file__)), str(folder), str(steps)]
    done = subprocess.run([sys.executable, *command, *worker], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_come_to_the_same_weights_as_one_and_hold_half_each(tmp_path: Path) -> None:
    """Averaged twice, or drawn from the same random numbers on every GPU, eight GPUs learned what one would have, or
    an eighth of it. Each saved its own share as the whole, so that no run could go on."""
    alone, crew = tmp_path / "alone", tmp_path / "crew"
    alone.mkdir()
    crew.mkdir()
    crew_worker.main(alone, 6)
    together(crew, 4)
    together(crew, 2)
    expected, found = (torch.load(f / "state.pt", weights_only=True) for f in (alone, crew))
    assert found["step"] == 6
    for kind in ("model", "average"):
        assert expected[kind].keys() == found[kind].keys()
        for key, value in expected[kind].items():
            assert torch.allclose(value, found[kind][key], atol=2e-5, rtol=1e-4), (kind, key)
    held = [int((crew / f"held_{rank}").read_text()) for rank in range(2)]
    total = int((alone / "held_0").read_text())
    assert max(held) < 0.6 * total and sum(held) >= total
    # One process can go on from what two have left.
    crew_worker.main(crew, 1)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    """A GPU that got one part less than the others made the average wrong, and nobody was told."""
    assert list(Crew(1, 2).parts(4)) == [1, 3]
    with pytest.raises(ContractError, match="parts.*3.*multiple of 2"):
        Crew(0, 2).parts(3)
