"""Messages onto a view, from a recording or from the running graph: their fields have the same names in both."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wam_core.data import messages
from wam_core.data.decode import joint_positions
from wam_core.data.predictions import action_chunk, predicted_future, stamp_ns
from wam_core.data.recording import Recording, recorded_contract
from wam_core.preprocess.raw import camera_image
from wam_core.robot.contract import Camera, RobotContract
from wam_core.viewing.pictures import LAYERS
from wam_core.viewing.view import View

#: (view, message, time of arrival in ns) -> None.
Show = Callable[[View, Any, int], None]

#: Actions of wam_msgs/SafetyEvent, as words.
ACTIONS = ("scaled", "clipped", "held", "stopped", "rejected")


def shows(robot: RobotContract) -> Mapping[str, Show]:
    """Topic -> how its messages are shown."""
    cameras = {camera.topic: _image(camera) for camera in robot.cameras}
    return {
        robot.topics.joint_states: _state,
        messages.INSTRUCTION_TOPIC: lambda view, m, at_ns: view.say(at_ns, f"instruction: {m.data or '(none)'}"),
        messages.POLICY_TOPIC: lambda view, m, at_ns: view.chunk(action_chunk(m)),
        messages.DEMONSTRATION_TOPIC: lambda view, m, at_ns: view.chunk(action_chunk(m)),
        messages.FUTURE_TOPIC: lambda view, m, at_ns: view.future(predicted_future(m)),
        messages.SURPRISE_TOPIC: _surprise,
        "/wam_executor/status": _status,
        "/wam_executor/safety_events": _event,
        **cameras,
    }


def play(path: Path, begin: Callable[[View], None]) -> int:
    """Show a whole recording; returns the number of messages shown. ``begin`` says where the view goes.

    Raises:
        ContractError: no recording, or none with an embedded contract.
    """
    recording = Recording(path)
    futures = (recording.decode(m).substrate for m in recording.messages((messages.FUTURE_TOPIC,)))
    kinds = tuple(dict.fromkeys(layer for kind in futures for layer in LAYERS.get(kind, (kind,)))) or ("video",)
    view = View(recorded_contract(recording, None), path.name, kinds)
    begin(view)
    table, count = shows(view.robot), 0
    for message in recording.messages(table):
        table[message.topic](view, recording.decode(message), message.stamp_ns)
        count += 1
    view.close()
    return count


def _image(camera: Camera) -> Show:
    def show(view: View, m: Any, at_ns: int) -> None:
        view.image(camera.name, stamp_ns(m), camera_image(camera, m).rgb())

    return show


def _state(view: View, m: Any, at_ns: int) -> None:
    view.state(stamp_ns(m), joint_positions(view.robot, m, "joint_states"))


def _surprise(view: View, m: Any, at_ns: int) -> None:
    view.surprise(stamp_ns(m), float(m.value), dict(zip(m.regions, m.values, strict=True)))


def _status(view: View, m: Any, at_ns: int) -> None:
    view.number("timing/tick lateness p99 (ms)", stamp_ns(m), 1e3 * m.tick_lateness_p99_s)
    view.number("timing/tick compute p99 (ms)", stamp_ns(m), 1e3 * m.tick_compute_p99_s)
    view.number("timing/chunk slack (ms)", stamp_ns(m), 1e3 * m.chunk_slack_s)


def _event(view: View, m: Any, at_ns: int) -> None:
    action = ACTIONS[int(m.action)] if int(m.action) < len(ACTIONS) else str(m.action)
    level = "ERROR" if action == "stopped" else "WARN"
    view.say(stamp_ns(m), f"{action}: {m.code} {m.joint} {m.message}".strip(), level)
