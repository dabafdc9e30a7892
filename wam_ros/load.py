"""How much of the processor is left over, by the operating system's own account."""

from pathlib import Path

_ACCOUNT = Path("/proc/stat")


class Idle:
    """The share of all cores' time that nobody has used since this was made."""

    def __init__(self) -> None:
        self._begin = _account()

    def share(self) -> float:
        """0 .. 1; NaN where the operating system keeps no such account, or no time has gone by."""
        idle, total = (now - begin for now, begin in zip(_account(), self._begin, strict=True))
        return idle / total if total else float("nan")


def _account() -> tuple[int, int]:
    """Ticks of all cores since boot in which they were idle, and all (proc_stat(5))."""
    if not _ACCOUNT.exists():
        return 0, 0
    user, nice, system, idle, waiting, *others = map(int, _ACCOUNT.read_text().split("\n", 1)[0].split()[1:9])
    return idle + waiting, user + nice + system + idle + waiting + sum(others)
