"""Persistent: what a chunk costs does not grow, and how far a future of futures drifts."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from wam_core.contract import Observation
from wam_core.errors import ContractError
from wam_core.evaluation.properties.finding import Finding
from wam_core.evaluation.report.cost import LiveTensors, operations
from wam_core.policy import Policy
from wam_core.training.checkpoint import Checkpoint
from wam_core.world import ModelWorld

#: Chunks one after the other, and horizons that a future goes on for.
HORIZONS = 10


def persistent(checkpoint: Checkpoint, observation: Observation) -> Finding:
    """Operations of a chunk and bytes that are kept after it: with all there is to remember, and ten horizons later."""
    policy = Policy(checkpoint, seed=0)
    step_ns, filled = checkpoint.robot.step_ns * checkpoint.preset.horizon, 1 + checkpoint.preset.memory
    ends, spent, kept = (filled, filled + HORIZONS), [], []
    with LiveTensors() as live:
        for k in range(ends[1] + 1):
            later = replace(observation, stamp_ns=observation.stamp_ns + k * step_ns)
            if k in ends:
                spent.append(operations(partial(policy.act, later)))
                kept.append(live.now)
            else:
                policy.act(later)
    bounded = spent[1] <= spent[0] and kept[1] <= kept[0]
    cost = f"{spent[1] / 1e9:.3g} GFLOP a chunk and {kept[1] / 1e6:.3g} MB kept after {HORIZONS} horizons"
    before = "" if bounded else f", {spent[0] / 1e9:.3g} and {kept[0] / 1e6:.3g} before them"
    return Finding("persistent", bounded, f"{cost}{before}; {drift(policy.look(observation))}")


def drift(world: ModelWorld) -> str:
    """How far a future of futures is from the picture it began with, after one horizon and after ten."""
    preset = world.checkpoint.preset
    pictured = [g for g in preset.futures() if preset.substrates[g.substrate].shows == "video"]
    if not pictured:
        return "no pictures that could drift"
    begin, away = world.scenes.images[0].astype(float), []
    for k in range(HORIZONS):
        try:
            made = world.generate(tuple(dict.fromkeys((preset.basis, pictured[0].name))), _rng(k))
            end = np.asarray(world.shown(pictured[0], made[pictured[0].name]))[0, -1]
            away.append(float(np.abs(end.astype(float) - begin).mean()))
            world = world.after(made)
        except ContractError:
            return "its futures go on from measured pictures alone"
    return f"pictures {away[0]:.0f} grey levels from the first after one horizon, {away[-1]:.0f} after {len(away)}"


def _rng(k: int) -> torch.Generator:
    return torch.Generator().manual_seed(k)
