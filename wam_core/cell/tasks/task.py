"""What a task is: objects, a way to lay them out from a seed, and a condition."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from wam_core.cell.scene import COLOURS, Scene
from wam_core.cell.variations import Variation


@dataclass(frozen=True)
class Goal:
    """One episode's goal.

    Attributes:
        subject: the body that the instruction is about; thing: how the instruction calls it.
        target, place: the same of where it is to go, where something is to go somewhere.
    """

    instruction: str
    subject: str
    thing: str
    target: str = ""
    place: str = ""


class Task(ABC):
    """A kind of job in the cell. Instances hold no episode state: the scene does."""

    #: Time an episode may take.
    max_seconds: ClassVar[float]
    #: The condition must hold this long without a break.
    hold_seconds: ClassVar[float]

    @abstractmethod
    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the task's bodies to the scene; called once."""

    @abstractmethod
    def lay_out(self, scene: Scene, rng: np.random.Generator, variation: Variation) -> Goal:
        """Pose and colour the objects for a new episode and say what is to be done."""

    @abstractmethod
    def satisfied(self, scene: Scene, goal: Goal) -> bool:
        """Whether the scene is as the goal wants it, at this instant."""


def draw_colours(rng: np.random.Generator, count: int) -> list[str]:
    """``count`` different colour words."""
    return [str(word) for word in rng.permutation(list(COLOURS))[:count]]
