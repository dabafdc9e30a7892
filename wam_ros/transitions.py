"""Wait for nodes, and bring those with a life cycle to active through their services, whatever they are doing."""

import time
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

#: Wait for one answer before looking whether the node still lives (s).
ANSWER_S = 2.0

#: State -> the transition that leads towards active.
_FORWARD = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
}


class TransitionError(RuntimeError):
    """A node refused a transition, died, or did not answer in time; the message names it."""


class Transitions:
    """A small ROS node that drives others; use as a context manager."""

    def __init__(self, name: str = "wam_up") -> None:
        self._context = Context()
        # Ctrl-C stays with the program that owns the processes.
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> "Transitions":
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def appear(self, name: str, alive: Callable[[], bool], timeout_s: float) -> None:
        """Return when the node ``name`` is on the graph.

        Raises:
            TransitionError: it ended, or took longer.
        """
        deadline = time.monotonic() + timeout_s
        while not self._node.wait_for_node(f"/{name}", timeout=ANSWER_S):
            self._check(name, alive, deadline)

    def activate(self, name: str, alive: Callable[[], bool], timeout_s: float) -> None:
        """Configure and activate the lifecycle node ``name``; returns when it is active.

        Args:
            alive: whether its process still runs.
            timeout_s: for everything, loading a model included (wall time).

        Raises:
            TransitionError: it refused (its own log says why), ended, or took longer.
        """
        deadline = time.monotonic() + timeout_s
        state_client: Any = self._node.create_client(GetState, f"/{name}/get_state")
        change_client: Any = self._node.create_client(ChangeState, f"/{name}/change_state")
        try:
            while (state := self._state(state_client, name, alive, deadline)) != State.PRIMARY_STATE_ACTIVE:
                if state not in _FORWARD:
                    raise TransitionError(f"{name} is in state {state}, from which it cannot be activated")
                self._change(change_client, state_client, state, name, alive, deadline)
        finally:
            self._node.destroy_client(state_client)
            self._node.destroy_client(change_client)

    def _state(self, client: Any, name: str, alive: Callable[[], bool], deadline: float) -> int:
        """The primary state, asked again until answered: a request may meet a node that is just being discovered."""
        while True:
            self._check(name, alive, deadline)
            if client.wait_for_service(timeout_sec=ANSWER_S):
                answer = self._ask(client, GetState.Request())
                if answer is not None and answer.current_state.id <= State.PRIMARY_STATE_FINALIZED:
                    return answer.current_state.id

    def _change(
        self, client: Any, state_client: Any, state: int, name: str, alive: Callable[[], bool], deadline: float
    ) -> None:
        request = ChangeState.Request(transition=Transition(id=_FORWARD[state]))
        future = client.call_async(request)
        while not future.done():
            self._check(name, alive, deadline)
            self._executor.spin_until_future_complete(future, timeout_sec=ANSWER_S)
            if not future.done():
                # No answer: it is busy with the transition, or the request was lost to a predecessor that was
                # killed and is still listed, or the answer to a node that did not know us yet. A node that is in
                # between two states is busy; otherwise the caller looks at its state again.
                answer = self._ask(state_client, GetState.Request())
                settled = answer is not None and answer.current_state.id <= State.PRIMARY_STATE_FINALIZED
                if settled and not future.done():
                    client.remove_pending_request(future)
                    return
        if not future.result().success:
            verb = "configured" if state == State.PRIMARY_STATE_UNCONFIGURED else "activated"
            raise TransitionError(f"{name} refused to be {verb}; its log says why")

    def _ask(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=ANSWER_S)
        if not future.done():
            client.remove_pending_request(future)
            return None
        return future.result()

    @staticmethod
    def _check(name: str, alive: Callable[[], bool], deadline: float) -> None:
        if not alive():
            raise TransitionError(f"{name} ended while it was starting; its log says why")
        if time.monotonic() > deadline:
            raise TransitionError(f"{name} did not get ready in time")
