"""What a safety filter did, to which joint, and why."""

from enum import IntEnum
from typing import NamedTuple


class Action(IntEnum):
    """What was done to the command; the values are those of wam_msgs/SafetyEvent."""

    SCALED = 0
    CLIPPED = 1
    HELD = 2
    STOPPED = 3
    REJECTED = 4


class SafetyEvent(NamedTuple):
    """One intervention.

    Attributes:
        code: reason, stable and upper case, e.g. ``POSITION_LIMIT``.
        filter: name of the step that acted.
        joint: joint, axis or chunk field concerned, or "".
        value, limit: what was found and what is allowed, in ``unit``.
        action: what was done.
        latch: whether the stop stays until it is cleared.
    """

    code: str
    filter: str
    joint: str
    value: float
    limit: float
    unit: str
    action: Action
    latch: bool = False

    @property
    def message(self) -> str:
        where = f" of {self.joint}" if self.joint else ""
        return f"{self.code}{where}: {self.value:.4g}, limit {self.limit:.4g} {self.unit}: {self.action.name}"
