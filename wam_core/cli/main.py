"""The `wam` command: one verb per file, loaded only when asked for.

Options are written as usual (``--model fast_wam``) or as in ROS launch (``model:=fast_wam``). A verb that accepts
overrides takes further ``dotted.key:=value`` pairs, whose values are read as YAML.
"""

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from wam_core.cli import environment
from wam_core.errors import ContractError, look_up


class Verb(NamedTuple):
    """A module with ``add_arguments(parser)`` and ``run(arguments) -> exit code``, and its line in the help."""

    module: str
    help: str


VERBS: dict[str, Verb] = {
    "demo": Verb("wam_core.cli.demo", "live episodes over the ROS graph, with a report and pictures"),
    "up": Verb("wam_core.cli.up", "start the graph without ros2 launch"),
    "collect": Verb("wam_core.cli.collect", "record demonstrations of the scripted experts"),
    "train": Verb("wam_core.cli.train", "train a preset on recorded episodes"),
    "eval": Verb("wam_core.cli.eval", "success rates and predicted futures, without ROS"),
    "bench": Verb("wam_core.cli.bench", "latency of the variants, measured in one run"),
    "models": Verb("wam_core.cli.models", "the presets and what they are made of"),
    "film": Verb("wam_core.cli.film", "pictures of an episode"),
    "data": Verb("wam_core.cli.data", "what is in a set of recordings"),
    "doctor": Verb("wam_core.cli.doctor", "what is missing on this machine and how to get it"),
}

_ASSIGNMENT = re.compile(r"^([A-Za-z_][\w.]*):=(.*)$", re.DOTALL)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns its exit code, 2 for bad input (as argparse does)."""
    if argv is None:
        environment.enter()
        argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    try:
        arguments = parse(argv)
        return int(arguments.run(arguments))
    except ContractError as error:
        print(f"wam: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Arguments of ``wam <verb> ...``; ``run`` is the verb's function.

    Raises:
        ContractError: unknown verb, or a ``key:=value`` whose key the verb does not know.
    """
    verb = look_up(VERBS, argv[0], "verb")
    module = importlib.import_module(verb.module)
    parser = argparse.ArgumentParser(
        prog=f"wam {argv[0]}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    plain, overrides = _assignments(parser, argv[1:])
    arguments = parser.parse_args(plain)
    if overrides:
        arguments.overrides = overrides
    arguments.run = module.run
    return arguments


def _assignments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    """Turn ``key:=value`` into the option ``--key value`` where the verb has it, else into an override."""
    options = {
        name.lstrip("-").replace("-", "_"): action
        for action in parser._actions  # argparse has no public list of what was added
        for name in action.option_strings
    }
    plain: list[str] = []
    overrides: dict[str, object] = {}
    for token in argv:
        match = _ASSIGNMENT.match(token)
        if match is None:
            plain.append(token)
            continue
        key, value = match.groups()
        if key in options and options[key].nargs == 0:
            if yaml.safe_load(value):
                plain.append(options[key].option_strings[-1])
        elif key in options:
            plain.append(f"{options[key].option_strings[-1]}={value}")
        elif parser.get_default("overrides") is not None:
            overrides[key] = yaml.safe_load(value)
        else:
            look_up(options, key, "argument")
    return plain, overrides


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(["usage: wam <verb> [--option value | option:=value] ...", "", *lines, "", "wam <verb> --help"])


if __name__ == "__main__":
    sys.exit(main())
