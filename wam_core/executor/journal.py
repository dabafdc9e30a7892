"""Which reasons are active, how often each began, and the events nobody has read yet."""

from collections import Counter

from wam_core.executor.events import SafetyEvent

#: Unread events beyond this are counted but not kept.
LONGEST_LIST = 1000


class Journal:
    """Book-keeping of safety events: one that lasts over many ticks is one event."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._unread: list[SafetyEvent] = []
        self._active: dict[tuple[str, str], SafetyEvent] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """Codes active in the last tick, sorted."""
        return tuple(sorted({code for code, _ in self._active}))

    def tick(self, events: tuple[SafetyEvent, ...]) -> None:
        """Note the events of one tick; those that were active in the tick before are not new."""
        if not events and not self._active:
            return
        before, self._active = self._active, {(e.code, e.joint): e for e in events}
        for key, event in self._active.items():
            if key not in before:
                self.note(event)

    def note(self, event: SafetyEvent) -> None:
        """Count and keep one event."""
        self.counts[event.code] += 1
        if len(self._unread) < LONGEST_LIST:
            self._unread.append(event)

    def take(self) -> list[SafetyEvent]:
        """Unread events, oldest first; they are then read."""
        events, self._unread = self._unread, []
        return events
