"""What wam_executor says of itself: its status, what its filters did, and its line of diagnostics."""

from wam_core.executor.events import SafetyEvent
from wam_core.executor.status import ExecutorStatus
from wam_core.robot.contract import RobotContract
from wam_msgs import msg
from wam_ros import diagnostics
from wam_ros.control_loop import ControlLoop
from wam_ros.conversion import header
from wam_ros.histogram import Histogram


def status_message(
    robot: RobotContract, status: ExecutorStatus, loop: ControlLoop | None, stamp_ns: int
) -> msg.ExecutorStatus:
    """``loop``: what controls the arm; None while the node is inactive."""
    message = msg.ExecutorStatus(
        header=header(stamp_ns, robot.base_frame),
        mode=_mode(status, loop),
        latched=status.latched,
        latch_reason=status.latch_reason,
        reasons=list(status.reasons),
        reason_names=list(status.reason_counts),
        reason_counts=list(status.reason_counts.values()),
        chunks_accepted=status.chunks_accepted,
        chunks_rejected=status.chunks_rejected,
        sequence=max(status.sequence, 0),
        chunk_slack_s=status.chunk_slack_s,
        tracking_error_rad=status.tracking_error_rad,
    )
    if loop is not None:
        for name, histogram in (("compute", loop.compute), ("lateness", loop.lateness)):
            for percent in (50, 95, 99):
                setattr(message, f"tick_{name}_p{percent}_s", histogram.quantile(percent / 100))
            setattr(message, f"tick_{name}_max_s", histogram.max_s)
    return message


def event_message(robot: RobotContract, event: SafetyEvent, stamp_ns: int, text: str = "") -> msg.SafetyEvent:
    """``text``: what is said in the place of the event's own message."""
    return msg.SafetyEvent(
        header=header(stamp_ns, robot.base_frame),
        code=event.code,
        filter=event.filter,
        joint=event.joint,
        value=float(event.value),
        limit=float(event.limit),
        unit=event.unit,
        action=int(event.action),
        message=text or event.message,
    )


def diagnosis(
    robot: RobotContract, status: ExecutorStatus, loop: ControlLoop | None, chunk_latency: Histogram
) -> tuple[bytes, str, dict[str, object]]:
    """Level, text and values for :class:`wam_ros.diagnostics.Diagnostics`."""
    if loop is None:
        return diagnostics.STALE, "inactive", {}
    level, text = diagnostics.OK, status.mode
    if loop.problem:
        level, text = diagnostics.ERROR, loop.problem
    elif not loop.has_state:
        level, text = diagnostics.ERROR, f"no usable joint states on {robot.topics.joint_states}"
    elif status.latched:
        level, text = diagnostics.ERROR, f"stopped: {status.latch_reason}"
    elif status.reasons:
        level, text = diagnostics.WARN, ", ".join(status.reasons)
    values = {
        "mode": _mode(status, loop),
        "chunks accepted": status.chunks_accepted,
        "chunks rejected": status.chunks_rejected,
        "chunk latency p50 (ms)": 1e3 * chunk_latency.quantile(0.5),
        "chunk latency p95 (ms)": 1e3 * chunk_latency.quantile(0.95),
        "chunk slack (s)": status.chunk_slack_s,
        "tracking error (rad)": status.tracking_error_rad,
        "tick compute p99 (ms)": 1e3 * loop.compute.quantile(0.99),
        "tick lateness p99 (ms)": 1e3 * loop.lateness.quantile(0.99),
        "ticks missed": loop.missed,
    }
    return level, text, values


def _mode(status: ExecutorStatus, loop: ControlLoop | None) -> str:
    """What is said of the mode: the executor's own is of its last tick, which may be long ago."""
    if loop is None:
        return "inactive"
    if loop.problem:
        return "failed"
    return status.mode if loop.has_state else "no_state"
