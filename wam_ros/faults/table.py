"""The faults that `wam faults` injects, in one table: how each begins and ends, and what must hold."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wam_core.evaluation.fault_runs import Heard, chunk_end_ns
from wam_core.robot.contract import RobotContract
from wam_ros.faults.graph import FaultGraph

Act = Callable[[FaultGraph], None]
#: The ROS time from which on the arm must have begun to stop, of a fault that began at a ROS time.
Patience = Callable[[RobotContract, Heard, int], int]
#: Whether what was heard shows that the fault, begun at a ROS time, really was there.
Evidence = Callable[[Heard, int], bool]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        about: what is done to the graph.
        begin, end: inject it, and take it away again; then the graph must be ready for the next task.
        stops_by: when the arm must begin to stop at the latest; None where it must only stay within its limits.
        lasts_s: how long the arm is watched under a fault that need not stop it (s, ROS time).
        shows: what must be heard of it; None where the arm would not come to rest without it.
    """

    about: str
    begin: Act
    end: Act
    stops_by: Patience | None
    shows: Evidence | None
    lasts_s: float = 0.0


def _signal(name: str, number: signal.Signals) -> Act:
    return lambda graph: graph.processes.process(name).send_signal(number)


def _kill(graph: FaultGraph) -> None:
    process = graph.processes.process("wam_inference")
    process.kill()
    process.wait()


def _restart(graph: FaultGraph) -> None:
    graph.start("wam_inference")
    graph.forget()


def _kill_and_start(graph: FaultGraph) -> None:
    """What a supervisor does: the next process loads its model while the arm still follows the last chunk."""
    _kill(graph)
    graph.processes.start("wam_inference")


def _await_inference(graph: FaultGraph) -> None:
    graph.activate("wam_inference")
    graph.forget()


def _starve(graph: FaultGraph) -> None:
    process = graph.processes.process("wam_executor")
    process.send_signal(signal.SIGSTOP)
    time.sleep(STARVED_S)
    process.send_signal(signal.SIGCONT)


def _nothing(graph: FaultGraph) -> None:
    return None


def _chunk_runs_out(robot: RobotContract, heard: Heard, fault_ns: int) -> int:
    return max(chunk_end_ns(heard, fault_ns), fault_ns) + round(robot.staleness.chunk_s * 1e9)


def _at_once(robot: RobotContract, heard: Heard, fault_ns: int) -> int:
    return fault_ns


def _silence(heard: Heard, fault_ns: int) -> bool:
    """No chunk answers anything that was seen after the fault."""
    return all(chunk.stamp_ns <= fault_ns for chunk in heard.chunks)


def _gap(heard: Heard, fault_ns: int) -> bool:
    """Commands were missing for about as long as the executor was starved."""
    stamps_ns = heard.commands.stamps_ns
    gaps_ns = np.diff(stamps_ns[stamps_ns >= fault_ns - GAP_SLACK_NS])
    return bool((gaps_ns >= STARVED_S * 1e9 - GAP_SLACK_NS).any())


#: How long the executor is starved (s), and by how much the gap may be shorter in ROS time (ns).
STARVED_S, GAP_SLACK_NS = 0.05, 15_000_000

FAULTS: Mapping[str, Fault] = {
    "inference_killed": Fault(
        "SIGKILL to wam_inference, which is started again when the arm is at rest",
        _kill, _restart, _chunk_runs_out, _silence,
    ),
    "inference_hung": Fault(
        "SIGSTOP to wam_inference, SIGCONT when the arm is at rest",
        _signal("wam_inference", signal.SIGSTOP), _signal("wam_inference", signal.SIGCONT), _chunk_runs_out, _silence,
    ),
    "inference_restarted": Fault(
        "SIGKILL to wam_inference, which is started again at once",
        _kill_and_start, _await_inference, _chunk_runs_out, _silence,
    ),
    "executor_starved": Fault(
        "SIGSTOP to wam_executor for 50 ms",
        _starve, _nothing, None, _gap, lasts_s=1.0,
    ),
    "e_stop": Fault(
        "e-stop pressed", lambda graph: graph.stop_arm(), _nothing, _at_once, None,
    ),
}  # fmt: skip
