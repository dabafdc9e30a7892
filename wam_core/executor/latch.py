"""The one object that holds a latched stop; nothing but :meth:`Latch.clear` opens it."""


class Latch:
    """Closed by an operator's stop or a hard fault; keeps the first reason."""

    def __init__(self) -> None:
        self._reason: str | None = None

    @property
    def closed(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> str:
        """Why it was closed, or ""."""
        return self._reason or ""

    def close(self, reason: str) -> None:
        """Close it; a reason given while it is closed does not replace the first."""
        if self._reason is None:
            self._reason = reason

    def clear(self) -> None:
        """Open it."""
        self._reason = None
