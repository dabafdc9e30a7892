"""The one error type for bad input: it names the field, the value and what was expected."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class ContractError(ValueError):
    """A value does not fit what a robot, a preset, a chunk or a checkpoint declares.

    Attributes:
        field: dotted path of the offending field, e.g. ``chunk.names``.
        value: what was found.
        expected: what would have been accepted, in words.
    """

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{field}: got {value!r}, expected {expected}")


def look_up(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return ``table[name]``; an unknown name lists the known ones and the closest.

    Raises:
        ContractError: ``name`` is not in ``table``.
    """
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, table, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ContractError(kind, name, f"one of {', '.join(sorted(table))}{hint}")
