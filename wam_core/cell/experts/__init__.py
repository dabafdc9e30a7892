"""Scripted experts, one per task: they make the demonstrations."""

from collections.abc import Callable, Mapping

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.cell.experts.drawer import DrawerExpert
from wam_core.cell.experts.expert import Expert, Move, Stride
from wam_core.cell.experts.pick_place import PickPlaceExpert
from wam_core.cell.experts.push import PushExpert
from wam_core.cell.experts.reach import ReachExpert
from wam_core.errors import look_up

EXPERTS: Mapping[str, Callable[[Cell, Stride], Expert]] = {
    "reach": ReachExpert,
    "push": PushExpert,
    "drawer": DrawerExpert,
    "pick_place": PickPlaceExpert,
}

#: Tool speed in m/s, drawn per episode.
SLOWEST, FASTEST = 0.26, 0.30


def make_expert(cell: Cell, rng: np.random.Generator) -> Expert:
    """An expert for the episode the cell is in; ``rng`` draws its speed.

    Raises:
        ContractError: there is no expert for the task.
    """
    return look_up(EXPERTS, cell.task, "expert")(cell, Stride(cell, float(rng.uniform(SLOWEST, FASTEST))))


__all__ = ["EXPERTS", "Expert", "Move", "make_expert"]
