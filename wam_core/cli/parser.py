"""Options of a verb, written as usual (``--model fast_wam``) or as in ROS launch (``model:=fast_wam``)."""

import argparse
import re
from collections.abc import Sequence

import yaml

from wam_core.errors import look_up

_ASSIGNMENT = re.compile(r"^([A-Za-z_][\w.]*):=(.*)$", re.DOTALL)


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """``parser.parse_args`` that also reads ``name:=value``.

    A name that is no option becomes an entry of ``overrides`` (dotted name -> value read as YAML) if the parser was
    given ``set_defaults(overrides={})``.

    Raises:
        ContractError: a name that is no option, where overrides are not accepted; lists the known ones.
    """
    options = {
        name.lstrip("-").replace("-", "_"): action
        for action in parser._actions  # argparse has no public list of what was added
        for name in action.option_strings
    }
    plain: list[str] = []
    overrides: dict[str, object] = {}
    for word in words:
        match = _ASSIGNMENT.match(word)
        if match is None:
            plain.append(word)
            continue
        name, value = match.groups()
        if name in options and options[name].nargs == 0:
            plain += [options[name].option_strings[-1]] if yaml.safe_load(value) else []
        elif name in options:
            plain.append(f"{options[name].option_strings[-1]}={value}")
        elif parser.get_default("overrides") is not None:
            overrides[name] = yaml.safe_load(value)
        else:
            look_up(options, name, "argument")
    arguments = parser.parse_args(plain)
    if overrides:
        arguments.overrides = overrides
    return arguments
