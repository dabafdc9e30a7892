"""A chunk ends where an event happens that it leads to: contact made or lost, the gripper opened or closed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wam_core.contract import FloatArray
from wam_core.errors import ContractError, look_up
from wam_core.model.groups import Wiring
from wam_core.triggers.trigger import Course, TriggerSpec

GRIPPER = "gripper"
#: Signals and gripper openings are 0..1; an event is a way across the middle.
MIDDLE = 0.5


@dataclass(frozen=True)
class EventBoundary(TriggerSpec):
    """A new chunk is due once the first event has passed that the generated ``signal`` promises, or, with ``gripper``,
    that the chunk's own gripper column commands.

    What holds from the start on is no event, so that one event ends one chunk.
    """

    kind: str
    signal: str = ""
    gripper: bool = False

    def check(self, wiring: Wiring, action: str, shows: Mapping[str, str]) -> None:
        if not self.signal and not self.gripper:
            raise ContractError("trigger.signal", self.signal, "a generated signal, or the gripper's events")
        if self.signal and look_up(shows, self.signal, "trigger.signal") != "signal":
            raise ContractError("trigger.signal", self.signal, "a generated signal")

    def parted(self, course: Course) -> bool:
        chunk, events = course.chunk, []
        if self.signal:
            events.append(_first_event(np.asarray(course.promised(self.signal), np.float64)[:, 0], len(chunk.values)))
        if self.gripper and GRIPPER in chunk.names:
            events.append(_first_event(chunk.values[:, chunk.names.index(GRIPPER)], len(chunk.values)))
        return course.steps >= min(events, default=np.inf)


def _first_event(values: FloatArray, horizon: int) -> float:
    """Action steps until ``values [T]``, evenly spread over ``horizon`` steps, first cross the middle."""
    crossed = np.flatnonzero(np.diff(values > MIDDLE))
    return float((crossed[0] + 2) * horizon / len(values)) if len(crossed) else np.inf
