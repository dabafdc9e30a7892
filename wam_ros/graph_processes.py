"""The node table as processes of this machine: start, prefixed output, one process restarted, all stopped."""

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from wam_core.errors import ContractError, look_up
from wam_ros.node_table import GraphNode, Options, arguments, nodes_for, parameter_files, parameters

#: Time a process gets after SIGINT, then after SIGTERM, before SIGKILL (s).
INTERRUPT_PATIENCE_S, TERMINATE_PATIENCE_S = 5.0, 2.0

PR_SET_PDEATHSIG = 1


class GraphProcesses:
    """Every node that runs under ``options``, each in its own process; ``ended`` receives names as they end."""

    def __init__(self, options: Options, show: Callable[[str], None] = print) -> None:
        self.options = options
        self.nodes = {node.name: node for node in nodes_for(options)}
        self.ended: queue.Queue[str] = queue.Queue()
        self._show = show
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str) -> None:
        """Start one node, or start it again after it ended.

        Raises:
            ContractError: no such node under these options, or it belongs to a package that is not installed.
        """
        node = look_up(self.nodes, name, "node")
        if name in self._running and self._running[name].poll() is None:
            raise ContractError("node", name, "a node that is not running")
        process = subprocess.Popen(
            command(node, self.options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches the nodes through stop(), once
            preexec_fn=_end_with_parent,
        )
        self._running[name] = process
        threading.Thread(target=self._forward, args=(name, process), daemon=True).start()

    def process(self, name: str) -> subprocess.Popen[str]:
        return look_up(self._running, name, "running node")

    def alive(self, name: str) -> bool:
        return name in self._running and self._running[name].poll() is None

    def stop(self, names: Iterable[str] | None = None) -> None:
        """End these nodes, or all: SIGINT, then SIGTERM, then SIGKILL; returns when they are gone."""
        processes = [self._running[name] for name in (self._running if names is None else names)]
        for number, patience in (
            (signal.SIGINT, INTERRUPT_PATIENCE_S),
            (signal.SIGTERM, TERMINATE_PATIENCE_S),
            (signal.SIGKILL, None),
        ):
            for process in processes:
                if process.poll() is None:
                    process.send_signal(number)
            processes = [process for process in processes if not _gone(process, patience)]

    def _forward(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._show(f"[{name}] {line.rstrip()}")
        process.wait()
        self.ended.put(name)


def command(node: GraphNode, options: Options) -> list[str]:
    """The command line that runs ``node``.

    Raises:
        ContractError: a parameter file is missing, or the node's package is not installed.
    """
    program = [sys.executable, "-m", node.module] if node.module else [str(_executable(node))]
    ros = ["--ros-args", "-r", f"__node:={node.name}"]
    for path in parameter_files(node, options):
        ros += ["--params-file", str(path)]
    for name, value in parameters(node, options).items():
        ros += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML, which ROS expects here
    for topic, name in node.remappings.items():
        ros += ["-r", f"{topic}:={name}"]
    return [*node.prefix, *program, *arguments(node, options), *ros]


def installed(node: GraphNode) -> bool:
    """Whether the node can be run here; those of this package always can."""
    try:
        return bool(node.module or _executable(node))
    except ContractError:
        return False


def _executable(node: GraphNode) -> Path:
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in prefixes:
        path = prefix / "lib" / node.package / node.name
        if path.is_file():
            return path
    raise ContractError("package", node.package, "an installed ROS package (source your ROS, or install it there)")


def _gone(process: subprocess.Popen[str], patience_s: float | None) -> bool:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end_with_parent() -> None:
    """Even a killed parent leaves no node behind that moves an arm."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
