"""The jobs of the cell, by name."""

from collections.abc import Mapping

from wam_core.cell.tasks.drawer import Drawer
from wam_core.cell.tasks.pick_place import PickPlace
from wam_core.cell.tasks.push import Push
from wam_core.cell.tasks.reach import Reach
from wam_core.cell.tasks.task import Goal, Task

TASKS: Mapping[str, Task] = {
    "reach": Reach(),
    "push": Push(),
    "drawer": Drawer(),
    "pick_place": PickPlace(),
}

__all__ = ["TASKS", "Goal", "Task"]
