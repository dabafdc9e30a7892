"""`wam up`: the same graph as launch/bringup.launch.py, without launch."""

import signal
from collections.abc import Sequence
from functools import partial
from types import FrameType

from wam_ros.graph_processes import GraphProcesses, installed
from wam_ros.node_table import Options
from wam_ros.transitions import TransitionError, Transitions

#: Loading and warming up a model may take this long (s).
START_TIMEOUT_S = 180.0


def bring_up(graph: GraphProcesses, names: Sequence[str]) -> None:
    """Start these nodes; returns when all are on the graph and those with a life cycle are active.

    Raises:
        TransitionError: one refused, ended or took too long; the others keep running.
    """
    for name in names:
        graph.start(name)
    with Transitions() as transitions:
        for name in names:
            wait = transitions.activate if graph.nodes[name].lifecycle else transitions.appear
            wait(name, partial(graph.alive, name), START_TIMEOUT_S)


def run(options: Options, only: Sequence[str] = ()) -> int:
    """Run the graph, or ``only`` some of its nodes, until Ctrl-C (0) or until no node is left (1).

    A node that ends is named and not restarted: the rest is made to hold without it.
    """
    graph = GraphProcesses(options, lambda line: print(line, flush=True))
    names = list(only or graph.nodes)
    for name in [name for name in names if name in graph.nodes and not installed(graph.nodes[name])]:
        print(f"[wam up] {name} is left out: package {graph.nodes[name].package} is not installed", flush=True)
        names.remove(name)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        bring_up(graph, names)
        print(f"[wam up] ready: {', '.join(names)}", flush=True)
        _watch(graph, names)
        return 1
    except TransitionError as error:
        print(f"[wam up] {error}", flush=True)
        return 1
    except KeyboardInterrupt:
        print("[wam up] stopping", flush=True)
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # impatience must not leave nodes behind
        graph.stop()


def _watch(graph: GraphProcesses, names: Sequence[str]) -> None:
    left = set(names)
    while left:
        name = graph.ended.get()
        left.discard(name)
        code = graph.process(name).returncode
        again = f"wam up only:={name}" if left else "wam up"
        print(f"[wam up] {name} ended with {code}; the others go on. Start it again: {again}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
