"""The `wam` command: one verb per file, loaded only when asked for."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from wam_core.cli import environment
from wam_core.cli.parser import parse
from wam_core.errors import ContractError, look_up


class Verb(NamedTuple):
    """A module with ``add_arguments(parser)`` and ``run(arguments) -> exit code``, and its line in the help."""

    module: str
    help: str


VERBS: dict[str, Verb] = {
    "demo": Verb("wam_ros.cli.demo", "live episodes over the ROS graph, with a report and pictures"),
    "faults": Verb("wam_ros.cli.faults", "faults in a running graph: within limits, and at rest where it must be"),
    "up": Verb("wam_ros.cli.up", "start the graph without ros2 launch"),
    "collect": Verb("wam_core.cli.collect", "record demonstrations of the scripted experts"),
    "train": Verb("wam_core.cli.train", "train a preset on recorded episodes"),
    "eval": Verb("wam_core.cli.eval", "success rates and predicted futures, without ROS"),
    "study": Verb("wam_core.cli.study", "a question asked of several ways of training, with intervals"),
    "report": Verb("wam_core.cli.report", "every preset at one budget: success, cost, prediction, failures"),
    "benchmark": Verb("wam_core.cli.closed_loop", "presets in a simulator that others measure by: Meta-World"),
    "bench": Verb("wam_core.cli.bench", "latency of the variants, measured in one run"),
    "models": Verb("wam_core.cli.models", "the presets and what they are made of"),
    "import": Verb("wam_core.cli.import_weights", "published weights into a folder of ours"),
    "memory": Verb("wam_core.cli.memory", "memory that published weights take on a card"),
    "film": Verb("wam_core.cli.film", "pictures of an episode"),
    "rviz": Verb("wam_ros.cli.rviz", "the RViz configuration for a preset on a robot"),
    "view": Verb("wam_ros.cli.view", "see a recording or the running graph in Rerun, or send it as a file"),
    "replay": Verb("wam_core.cli.replay", "a recording through the same model again: equal, or where they part"),
    "data": Verb("wam_core.cli.data", "what is in a set of recordings"),
    "convert": Verb("wam_core.cli.convert", "recordings to and from the LeRobot dataset format"),
    "urdf": Verb("wam_core.cli.urdf", "a maker's URDF with boxes in place of meshes"),
    "doctor": Verb("wam_core.cli.doctor", "what is missing on this machine and how to get it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns its exit code, 2 for bad input (as argparse does)."""
    if argv is None:
        environment.enter()
        argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0 if argv else 2
    try:
        return run(argv[0], argv[1:])
    except ContractError as error:
        print(f"wam: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output, `head` or a pager, has left; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def run(verb: str, words: Sequence[str]) -> int:
    """Run ``wam <verb> <words>``; returns its exit code.

    Raises:
        ContractError: unknown verb or argument, or whatever the verb finds wrong with its input.
    """
    module = importlib.import_module(look_up(VERBS, verb, "verb").module)
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=f"wam {verb}", description=module.__doc__, formatter_class=kind)
    module.add_arguments(parser)
    return int(module.run(parse(parser, words)))


def overview() -> str:
    """The table of verbs for a person."""
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items()]
    usage = "usage: wam <verb> [option:=value | --option value] ...     wam <verb> --help"
    return "\n".join([usage, "", *lines])


if __name__ == "__main__":
    sys.exit(main())
