"""Reading plain mappings into frozen dataclasses: a missing or unknown field is an error that names it."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from wam_core.errors import ContractError, look_up

T = TypeVar("T")


def exact_fields(kind: type, raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """``raw`` as keyword arguments of the dataclass ``kind``.

    Raises:
        ContractError: ``raw`` is no mapping, lacks a field without default, or has a field ``kind`` does not know.
    """
    if not isinstance(raw, Mapping):
        raise ContractError(source, raw, f"a mapping with the fields of {kind.__name__}")
    known = {f.name: f for f in fields(kind)}
    required = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if missing := required - set(raw):
        raise ContractError(f"{source}.{sorted(missing)[0]}", None, "a value (the field is missing)")
    for name in raw:
        look_up(known, name, f"{source} field")
    return dict(raw)


def read(kind: type[T], raw: Mapping[str, Any], source: str) -> T:
    """Build ``kind`` from ``raw``; lists become tuples, whole numbers become floats where a float is declared.

    Raises:
        ContractError: as :func:`exact_fields`, or a value of another type than declared.
    """
    values = exact_fields(kind, raw, source)
    declared = {f.name: f.type for f in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
        elif declared[name] in (float, "float") and isinstance(value, int) and not isinstance(value, bool):
            values[name] = float(value)
        else:
            kind_of = declared[name]
            if isinstance(kind_of, type) and not isinstance(value, kind_of):
                raise ContractError(f"{source}.{name}", value, f"a {kind_of.__name__}")
    return kind(**values)
