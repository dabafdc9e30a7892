"""The faults that `wam faults` injects, in one table: how each begins and ends, and what must hold."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wam_core.evaluation.fault_runs import Heard, chunk_end_ns
from wam_core.robot.contract import RobotContract
from wam_ros.faults.graph import FaultGraph
from wam_ros.faults.relay import DELAY_S


class Onset(NamedTuple):
    """ROS times (ns) before which a fault was not there, and from which on it certainly is."""

    asked_ns: int
    there_ns: int


Act = Callable[[FaultGraph], None]
#: The ROS time (ns) from which on the arm must have begun to stop.
Patience = Callable[[RobotContract, Heard, Onset], int]
#: Whether what was heard shows that the fault really was there.
Evidence = Callable[[Heard, Onset], bool]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        about: what is done to the graph.
        layout: the graph that it is done to, a key of :data:`wam_ros.faults.layouts.LAYOUTS`.
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
    layout: str = "plain"


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


def _press(graph: FaultGraph) -> None:
    graph.stop_arm()


def _nothing(graph: FaultGraph) -> None:
    return None


def _relay(stream: str, way: str) -> tuple[Act, Act]:
    """Let the relay pass a stream on this way, and as it comes again."""

    def choose(way: str) -> Act:
        return lambda graph: graph.client.set_parameters("wam_relay", {stream: way})

    return choose(way), choose("as_it_came")


def _wire(loss: float, delay_s: float) -> tuple[Act, Act]:
    """Let the wire between the hosts be like this, and good again."""
    return lambda graph: graph.wire.set(loss, delay_s), lambda graph: graph.wire.set(0.0, 0.0)


def _chunk_runs_out(robot: RobotContract, heard: Heard, onset: Onset) -> int:
    followed_ns = chunk_end_ns(heard, onset.there_ns)
    return max(followed_ns, onset.there_ns) + round(robot.staleness.chunk_s * 1e9)


def _state_is_stale(robot: RobotContract, heard: Heard, onset: Onset) -> int:
    return onset.there_ns + round(robot.staleness.state_s * 1e9)


def _at_once(robot: RobotContract, heard: Heard, onset: Onset) -> int:
    return onset.there_ns


def _silence(heard: Heard, onset: Onset) -> bool:
    """No chunk answers anything that was seen after the fault."""
    return all(chunk.stamp_ns <= onset.there_ns for chunk in heard.chunks)


def _gap(heard: Heard, onset: Onset) -> bool:
    """Commands were missing for about as long as the executor was starved."""
    stamps_ns = heard.commands.stamps_ns
    gaps_ns = np.diff(stamps_ns[stamps_ns >= onset.asked_ns - GAP_SLACK_NS])
    return bool((gaps_ns >= STARVED_S * 1e9 - GAP_SLACK_NS).any())


def _late(heard: Heard, onset: Onset) -> bool:
    """Chunks, if there are any, answer what was seen at least as long ago as pictures are delayed."""
    ages_s = [(c.heard_ns - c.stamp_ns) * 1e-9 for c in heard.chunks if c.heard_ns > onset.there_ns + 1e9 * DELAY_S]
    return all(age_s > DELAY_S for age_s in ages_s)


#: How long the executor is starved (s), and by how much the gap may be shorter in ROS time (ns),
#: which slips where the cell is starved, too.
STARVED_S, GAP_SLACK_NS = 0.05, 30_000_000

FAULTS: Mapping[str, Fault] = {
    "none": Fault("nothing, to compare with", _nothing, _nothing, None, None, lasts_s=1.0),
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
    "e_stop": Fault("e-stop pressed", _press, _nothing, _at_once, None),
    "cameras_frozen": Fault(
        "every camera sends its last picture again and again",
        *_relay("cameras", "frozen"), _chunk_runs_out, _silence, layout="relayed",
    ),
    "cameras_stopped": Fault(
        "no camera sends anything", *_relay("cameras", "stopped"), _chunk_runs_out, _silence, layout="relayed"
    ),
    "cameras_delayed": Fault(
        "pictures arrive 200 ms late", *_relay("cameras", "delayed"), None, _late, lasts_s=2.0, layout="relayed"
    ),
    "cameras_dropped": Fault(
        "half of all pictures are lost", *_relay("cameras", "dropped"), None, None, lasts_s=2.0, layout="relayed"
    ),
    "joint_states_stopped": Fault(
        "no joint states", *_relay("joint_states", "stopped"), _state_is_stale, None, layout="relayed",
    ),
    "joint_states_nan": Fault(
        "NaN in every joint state", *_relay("joint_states", "not_a_number"), _at_once, None, layout="relayed",
    ),
    "links_heavier": Fault(
        "e-stop pressed with links 30 % heavier", _press, _nothing, _at_once, None, layout="heavy"
    ),
    "links_lighter": Fault(
        "e-stop pressed with links 30 % lighter", _press, _nothing, _at_once, None, layout="light"
    ),
    "link_cut": Fault(
        "the wire between model and executor is cut", *_wire(1.0, 0.0), _chunk_runs_out, _silence, layout="apart"
    ),
    "link_lossy": Fault(
        "a fifth of all packets between model and executor is lost", *_wire(0.2, 0.0), None, None,
        lasts_s=3.0, layout="apart",
    ),
    "link_delayed": Fault(
        "packets between model and executor arrive 200 ms late", *_wire(0.0, 0.2), None, _late,
        lasts_s=3.0, layout="apart",
    ),
}  # fmt: skip
