"""What a person or a program asks of a running graph: transitions, resets, tasks, stops. Answers are waited for."""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from wam_core.errors import ContractError
from wam_msgs.action import RunTask
from wam_msgs.srv import ClearEStop, EStop, Reset, SetInstruction
from wam_ros.qos import RELIABLE

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP

#: Where a transition leads.
_GOAL = {
    CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
}
#: Wait for an answer before asking whether it is still to come (s).
ANSWER_S = 2.0


class GraphClient:
    """A node of its own context, spun while it waits; use as a context manager.

    Every method raises TimeoutError, naming what did not answer, when ``patience_s`` (wall time) is over.
    """

    def __init__(self, name: str = "wam_client", patience_s: float = 30.0) -> None:
        self.patience_s = patience_s
        self._context = Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[tuple[type, str], Any] = {}
        self._tasks: Any = ActionClient(self.node, RunTask, "/wam_inference/run_task")

    def __enter__(self) -> "GraphClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Ctrl-C in the middle of a wait leaves what cannot be taken down in order, and must come out nevertheless.
        with nullcontext() if error is None else suppress(RuntimeError):
            self._tasks.destroy()
            self._executor.shutdown()
            self.node.destroy_node()
        self._context.try_shutdown()

    def listen(self, kind: type, topic: str, heard: Callable[[Any], None], qos: QoSProfile = RELIABLE) -> None:
        """Call ``heard`` with each message, whenever this client waits for something."""
        self.node.create_subscription(kind, topic, heard, qos)

    def wait_until(self, condition: Callable[[], bool], what: str, patience_s: float | None = None) -> None:
        """Spin until ``condition`` holds."""
        give_up = time.monotonic() + (self.patience_s if patience_s is None else patience_s)
        while not condition():
            if time.monotonic() > give_up:
                raise TimeoutError(f"waited in vain for {what}")
            self._executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        """Listen for some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left)

    def call(self, kind: type, service: str, request: Any) -> Any:
        """One service call; asked again where the request or the answer was lost.

        That happens with nodes that were just started: they may hear a request before they have discovered who asks.
        """
        client = self._client(kind, service)
        give_up = time.monotonic() + self.patience_s
        self.wait_until(client.service_is_ready, f"service {service}")
        future = client.call_async(request)
        while not self._done(future, ANSWER_S):
            if time.monotonic() > give_up:
                raise TimeoutError(f"waited in vain for an answer from {service}")
            if self._is_idle(service.rpartition("/")[0]) and not self._done(future, ANSWER_S):
                client.remove_pending_request(future)
                future = client.call_async(request)
        return future.result()

    def change_state(self, node: str, transition: int) -> bool:
        """One lifecycle transition; whether the node made it."""
        request = ChangeState.Request(transition=Transition(id=transition))
        if self.call(ChangeState, f"/{node}/change_state", request).success:
            return True
        # Asked again because the answer was lost, a node that already made the transition refuses it.
        state = self.call(GetState, f"/{node}/get_state", GetState.Request()).current_state
        return state.id == _GOAL[transition]

    def _client(self, kind: type, service: str) -> Any:
        client = self._clients.get((kind, service))
        if client is None:
            client = self._clients[kind, service] = self.node.create_client(kind, service)
        return client

    def _done(self, future: Any, patience_s: float) -> bool:
        end = time.monotonic() + patience_s
        while not future.done() and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)
        return future.done()

    def _is_idle(self, node: str) -> bool:
        """Whether the node answers a question that every node answers, so that it is not busy with an earlier one."""
        client = self._client(GetParameters, f"{node}/get_parameters")
        future = client.call_async(GetParameters.Request())
        if self._done(future, ANSWER_S):
            return True
        client.remove_pending_request(future)
        return False

    def set_parameters(self, node: str, values: Mapping[str, Any]) -> None:
        """Set parameters together.

        Raises:
            ContractError: the node refused; nothing was changed.
        """
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParametersAtomically.Request(parameters=parameters)
        result = self.call(SetParametersAtomically, f"/{node}/set_parameters_atomically", request).result
        if not result.successful:
            raise ContractError(f"{node} parameters", dict(values), result.reason)

    def reset(self, task: str, seed: int) -> Reset.Response:
        return self.call(Reset, "/wam_cell/reset", Reset.Request(task=task, seed=seed))

    def set_instruction(self, instruction: str) -> SetInstruction.Response:
        request = SetInstruction.Request(instruction=instruction)
        return self.call(SetInstruction, "/wam_inference/set_instruction", request)

    def e_stop(self, reason: str) -> EStop.Response:
        return self.call(EStop, "/wam_executor/e_stop", EStop.Request(reason=reason))

    def clear_e_stop(self) -> ClearEStop.Response:
        return self.call(ClearEStop, "/wam_executor/clear_e_stop", ClearEStop.Request())

    def start_task(
        self, instruction: str, timeout_s: float, feedback: Callable[[RunTask.Feedback], None] | None = None
    ) -> Any:
        """Send a goal; returns its handle once it is accepted.

        Raises:
            RuntimeError: it was rejected.
        """
        self.wait_until(self._tasks.server_is_ready, "the run_task action")
        goal = RunTask.Goal(instruction=instruction, timeout_s=timeout_s)
        future = self._tasks.send_goal_async(
            goal, feedback_callback=None if feedback is None else lambda message: feedback(message.feedback)
        )
        self.wait_until(future.done, "the goal to be answered")
        handle = future.result()
        if not handle.accepted:
            raise RuntimeError(f"task {instruction!r} was rejected")
        return handle

    def result_of(self, handle: Any, patience_s: float, meanwhile: Callable[[], None] = lambda: None) -> RunTask.Result:
        """Wait for the end of a task; ``meanwhile`` is called again and again and may raise to give up."""
        future: Any = handle.get_result_async()

        def ended() -> bool:
            meanwhile()
            return future.done()

        self.wait_until(ended, "the end of the task", patience_s)
        return future.result().result
