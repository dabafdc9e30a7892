"""``name:=value`` words of the command line, as ROS 2 launch writes them."""

from collections.abc import Mapping, Sequence

from wam_core.errors import ContractError, look_up


def parse_arguments(words: Sequence[str], known: Mapping[str, str | None]) -> dict[str, str]:
    """Values by name, over the defaults in ``known``; a default of None means that the argument must be given.

    Raises:
        ContractError: a word without ``:=``, an unknown name (the known ones are listed), or a missing argument.
    """
    values = dict(known)
    for word in words:
        name, assigned, value = word.partition(":=")
        if not assigned:
            raise ContractError("argument", word, "name:=value")
        look_up(known, name, "argument")
        values[name] = value
    given = {name: value for name, value in values.items() if value is not None}
    if missing := [name for name in values if name not in given]:
        raise ContractError(missing[0], None, f"{missing[0]}:=<value>")
    return given


def integer(values: Mapping[str, str], name: str, least: int) -> int:
    """``values[name]`` as a whole number of at least ``least``."""
    try:
        number = int(values[name])
    except ValueError:
        number = least - 1
    if number < least:
        raise ContractError(name, values[name], f"a whole number, {least} or more")
    return number


def truth(values: Mapping[str, str], name: str) -> bool:
    """``values[name]``, which is ``true`` or ``false``."""
    return look_up({"true": True, "false": False}, values[name], name)


def names(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    """``values[name]`` split at commas; empty for an empty value."""
    return tuple(part.strip() for part in values[name].split(",") if part.strip())
