"""What the future groups of an arm learn from: the control that tells the future from more pictures."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from wam_core.preset import ACTION
from wam_core.training.batches import Batches

#: Changes what is learned: batches, the stretch ``[M]`` that each window is of, random numbers.
Alter = Callable[[Batches, Tensor, torch.Generator], Batches]


def recorded(batches: Batches, stretch: Tensor, rng: torch.Generator) -> Batches:
    """As it happened."""
    return batches


def shuffled(batches: Batches, stretch: Tensor, rng: torch.Generator) -> Batches:
    """Each window gets the future of another instant of its own recording: as many pictures, of the same scene, arm and
    motion, but not what comes next. Actions stay as they are."""
    rows = torch.arange(len(stretch))
    for number in stretch.unique():
        own = rows[stretch == number]
        rows[stretch == number] = own[torch.randperm(len(own), generator=rng)]
    return replace(
        batches,
        features={
            (name, span): values[rows] if span == "future" and name != ACTION else values
            for (name, span), values in batches.features.items()
        },
    )


FUTURES: Mapping[str, Alter] = {"recorded": recorded, "shuffled": shuffled}
