"""What a check of one property found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One property of one preset.

    Attributes:
        holds: None where the wiring promises nothing of the kind.
        found: what was tried and seen, in a line.
    """

    name: str
    holds: bool | None
    found: str
