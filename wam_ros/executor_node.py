"""wam_executor: action chunks in, joint commands out, within the robot's limits or at rest."""

import gc
import math
import sys
import time

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState

from wam_core.contract import JointCommand, RobotState
from wam_core.data.predictions import action_chunk
from wam_core.errors import ContractError
from wam_core.executor.events import Action, SafetyEvent
from wam_core.executor.executor import Executor
from wam_core.executor.seams import SEAMS
from wam_core.executor.settings import ExecutorSettings
from wam_core.realtime import favour_process, favour_thread, lock_memory
from wam_core.robot.robot_file import load_robot
from wam_msgs import msg
from wam_msgs.msg import ActionChunk
from wam_msgs.srv import ClearEStop, EStop
from wam_ros import conversion
from wam_ros.control_loop import ControlLoop
from wam_ros.diagnostics import Diagnostics
from wam_ros.executor_report import diagnosis, event_message, status_message
from wam_ros.histogram import Histogram
from wam_ros.outputs import OUTPUTS
from wam_ros.parameters import declare, fix_at_configure
from wam_ros.polled import PolledSubscription
from wam_ros.process import run_node
from wam_ros.qos import RELIABLE, SENSOR
from wam_ros.ros_time import RosTime
from wam_ros.safety_inputs import SafetyInputs

STATUS_HZ, DIAGNOSTICS_HZ = 10.0, 1.0
#: Settings of the executor that are parameters of this node.
TUNED = ("seam", "fade_s", "ensemble_decay", "velocity_share", "acceleration_share", "jerk_share", "feedback_delay_s")
#: Over a transport, on a machine that is busy: with the 0.01 s that do within one process the arm diverges at 16 ms.
TRANSPORT_DELAY_S = 0.03


class ExecutorNode(LifecycleNode):
    def __init__(self) -> None:
        super().__init__("wam_executor")
        declare(self, "robot", "panda_cell", "Robot file in config/robots, or its path", read_only=True)
        declare(self, "chunk_topic", "/wam_inference/action_chunk", "Topic of the chunks to execute")
        others = "Other robots (files in config/robots) whose chunks are brought to this arm"
        declare(self, "others", [""], others, read_only=True)
        priority = "SCHED_FIFO priority of the control thread, with processors kept awake; 0: neither"
        declare(self, "realtime_priority", 20, priority, (0, 99), read_only=True)
        defaults = ExecutorSettings()
        declare(self, "seam", defaults.seam, "How a chunk takes over from the one before", choices=tuple(SEAMS))
        declare(self, "fade_s", defaults.fade_s, "Time over which a new chunk takes over (s)", (0.0, 2.0))
        declare(self, "ensemble_decay", defaults.ensemble_decay, "How much less each younger chunk counts", (0.0, 10.0))
        for name in ("velocity_share", "acceleration_share", "jerk_share"):
            limit = name.removesuffix("_share")
            declare(self, name, getattr(defaults, name), f"Part of the {limit} limits that motion uses", (0.01, 1.0))
        delay = "Longest delay between a measurement and the torque that answers it at which the feedback is stable (s)"
        declare(self, "feedback_delay_s", TRANSPORT_DELAY_S, delay, (0.002, 0.1))
        fix_at_configure(self, ("chunk_topic", *TUNED))
        self._latched = ""
        self._loop: ControlLoop | None = None
        self._latest: RobotState | None = None
        self._status_publisher = self.create_publisher(msg.ExecutorStatus, "~/status", RELIABLE)
        self._event_publisher = self.create_publisher(msg.SafetyEvent, "~/safety_events", RELIABLE)

    # ---- lifecycle ------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        value = {name: parameter.value for name, parameter in self.get_parameters_by_prefix("").items()}
        try:
            self.robot = load_robot(value["robot"])
            tuned = {name: value[name] for name in TUNED}
            others = tuple(name for name in value["others"] if name)
            self._executor = Executor(self.robot, ExecutorSettings(**tuned, others=others))
        except ContractError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        if self._latched:
            self._executor.stop(self._latched)
        self._time = RosTime(self)
        self._chunk_latency = Histogram()
        self._states = PolledSubscription(self, JointState, self.robot.topics.joint_states, SENSOR)
        self._inputs = SafetyInputs(
            self, self.robot, self._executor, lambda text: self.get_logger().error(text, throttle_duration_sec=1.0)
        )
        output = OUTPUTS[self.robot.command]
        self._commands: Publisher = self.create_publisher(output.message, self.robot.topics.joint_command, output.qos)
        self._encode = output.encoder(self._executor)
        self._chunks = self.create_subscription(ActionChunk, value["chunk_topic"], self._on_chunk, RELIABLE)
        self._own_services = (
            self.create_service(EStop, "~/e_stop", self._on_e_stop),
            self.create_service(ClearEStop, "~/clear_e_stop", self._on_clear_e_stop),
        )
        self._diagnostics = Diagnostics(self, self.robot.name)
        self._own_timers = (
            self.create_timer(1.0 / STATUS_HZ, self._publish_status),
            self.create_timer(1.0 / DIAGNOSTICS_HZ, self._publish_diagnostics),
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._latest = None
        self._loop = ControlLoop(
            self._executor,
            self._read_state,
            self._time.now_ns,
            self._send,
            self.get_parameter("realtime_priority").value,
            self.get_logger().info,
            lambda problem: self.get_logger().error(problem, throttle_duration_sec=1.0),
        )
        self._rest_from_garbage()
        self._loop.start(self._time.now_ns())
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_loop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_loop()
        self._latched = self._executor.status().latch_reason  # a new configuration is no reason to let go
        self._states.destroy()
        self._inputs.destroy()
        self.destroy_subscription(self._chunks)
        self.destroy_publisher(self._commands)
        for service in self._own_services:
            self.destroy_service(service)
        for timer in self._own_timers:
            self.destroy_timer(timer)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_loop()
        return TransitionCallbackReturn.SUCCESS

    def start(self) -> None:
        """The spin thread must not be put aside while it holds the interpreter that the control thread waits for."""
        priority = self.get_parameter("realtime_priority").value
        self.get_logger().info(f"spin thread: {favour_thread(priority // 2)}")

    def stop(self) -> None:
        """End of the process: bring the arm to rest first."""
        self._stop_loop()

    def _stop_loop(self) -> None:
        """Wait until the arm is at rest, then leave it to its own controller. Nothing here touches the latch: it may be
        closed at any time, by this thread or by the control thread, and only a person may open it."""
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        self._executor.rest()
        time.sleep(2.0 / self.robot.rates.control_hz)
        give_up = time.monotonic() + self._executor.stop_s + 0.5
        while loop.has_state and loop.moving and time.monotonic() < give_up:
            time.sleep(0.005)
        loop.stop()
        gc.unfreeze()
        gc.enable()

    def _rest_from_garbage(self) -> None:
        """A full collection takes longer than a tick: what exists now is never looked at again, and the rest, which is
        little, is collected in the spin thread."""
        gc.collect()
        gc.freeze()
        gc.disable()

    # ---- control thread -------------------------------------------------------------------------------------------

    def _read_state(self) -> RobotState | None:
        message = self._states.newest()
        if message is not None:
            try:
                self._latest = conversion.robot_state(self.robot, message)
                self._time.saw(self._latest.stamp_ns)
            except ContractError as error:
                self.get_logger().error(str(error), throttle_duration_sec=1.0)
        return self._inputs.read(self._latest, self._time.now_ns())

    def _send(self, command: JointCommand) -> None:
        if (message := self._encode(command)) is not None:
            self._commands.publish(message)

    # ---- spin thread ----------------------------------------------------------------------------------------------

    def _on_chunk(self, message: ActionChunk) -> None:
        if self._loop is None:
            return
        now_ns = self._time.now_ns()
        self._chunk_latency.add((now_ns - conversion.nanoseconds(message.header.stamp)) / 1e9)
        try:
            intake = self._executor.accept(action_chunk(message), now_ns)
        except ContractError as error:
            self._refuse("SHAPE", error.field, str(error))
            return
        if not intake.accepted:
            self._refuse(intake.reason, intake.field, intake.message)

    def _refuse(self, code: str, field: str, message: str) -> None:
        self.get_logger().error(f"chunk refused: {message}", throttle_duration_sec=1.0)
        refused = SafetyEvent(code, "intake", field, math.nan, math.nan, "", Action.REJECTED)
        self._event_publisher.publish(event_message(self.robot, refused, self._time.now_ns(), message))

    def _on_e_stop(self, request: EStop.Request, response: EStop.Response) -> EStop.Response:
        self._executor.stop(f"e_stop: {request.reason}" if request.reason else "e_stop")
        response.success, response.message = True, self._executor.status().latch_reason
        self.get_logger().warning(f"stopped: {response.message}")
        return response

    def _on_clear_e_stop(self, request: ClearEStop.Request, response: ClearEStop.Response) -> ClearEStop.Response:
        self._publish_status()  # however brief the latch was, the model must hear of it before it is open
        status = self._executor.status()
        self._executor.clear()
        self._publish_status()
        response.success, response.message = True, f"released: {status.latch_reason}" if status.latched else "no latch"
        self.get_logger().warning(response.message)
        return response

    def _publish_status(self) -> None:
        now_ns = self._time.now_ns()
        self._status_publisher.publish(status_message(self.robot, self._executor.status(), self._loop, now_ns))
        if self._loop is not None:
            gc.collect(1)
        for event in self._executor.take_events():
            if event.action != Action.REJECTED:
                self._event_publisher.publish(event_message(self.robot, event, self._time.now_ns()))

    def _publish_diagnostics(self) -> None:
        level, text, values = diagnosis(self.robot, self._executor.status(), self._loop, self._chunk_latency)
        self._diagnostics.publish(level, text, values)


def main(args: list[str] | None = None) -> None:
    # The spin thread must not keep the control thread waiting for the interpreter.
    sys.setswitchinterval(0.0002)
    print(f"wam_executor: {favour_process(-10)}, {lock_memory()}", flush=True)
    run_node(ExecutorNode, args)


if __name__ == "__main__":
    main()
