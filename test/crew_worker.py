"""One of the processes of a training run, as torchrun starts it: folder, updates to begin with, updates to go on."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from test_training import batches
from tiny import tiny_preset

from wam_core.training.crew import dismiss, muster, spread
from wam_core.training.trainer import load_state, save_state, start, train_step

PARTS = 2
SETTINGS = replace(tiny_preset("fast_wam").training, steps=8, batch=8, warmup=2)


def main(folder: Path, steps: int) -> None:
    """Go on from ``state.pt`` where there is one, by ``steps`` updates, and leave another; print the losses."""
    torch.set_num_threads(1)
    crew = muster()
    model, data = batches("fast_wam")
    spread(model, crew)
    state = start(model, SETTINGS)
    if (folder / "state.pt").exists():
        load_state(state, folder / "state.pt")
    for _ in range(steps):
        losses = train_step(state, SETTINGS, data, 3, PARTS, crew)
    held = sum(p.to_local().numel() if crew.size > 1 else p.numel() for p in model.parameters())  # type: ignore[operator]
    save_state(state, folder / "state.pt", crew)
    (folder / f"held_{crew.rank}").write_text(str(held))
    if crew.leads:
        print(losses)
    dismiss(crew)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
