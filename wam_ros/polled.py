"""Subscriptions that are read when their messages are wanted, instead of by callbacks.

An rclpy executor rebuilds its wait set for every message, which at hundreds of messages per second takes a good part
of a core and keeps the interpreter from the threads that matter. Reading the middleware's queue costs microseconds.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription


class NeverReady(CallbackGroup):
    """Keeps its subscriptions out of every executor's wait set."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        return None


class PolledSubscription:
    """The queue of one topic; its depth is the QoS profile's. To be read from one thread."""

    def __init__(self, node: Node, kind: type, topic: str, qos: QoSProfile, raw: bool = False) -> None:
        """With ``raw`` messages are their serialized bytes."""
        self._kind, self._raw, self._node = kind, raw, node
        self._subscription = node.create_subscription(
            kind, topic, _unexpected, qos, raw=raw, callback_group=NeverReady()
        )

    def take_with_info(self) -> tuple[Any, Mapping[str, Any]] | None:
        """The oldest message that was not taken yet and what the middleware says about it, or None."""
        return self._subscription.handle.take_message(self._kind, self._raw)

    def take(self) -> Any | None:
        """The oldest message that was not taken yet, or None."""
        taken = self.take_with_info()
        return None if taken is None else taken[0]

    def newest(self) -> Any | None:
        """The newest message, or None when none came since the last call; older ones are dropped."""
        message, following = None, self.take()
        while following is not None:
            message, following = following, self.take()
        return message

    @property
    def handle(self) -> Any:
        return self._subscription.handle

    def destroy(self) -> None:
        self._node.destroy_subscription(self._subscription)


def await_any(node: Node, subscriptions: Sequence[PolledSubscription | Subscription[Any]], timeout_s: float) -> bool:
    """Whether one of ``subscriptions`` has a message within the time; at once if one was not taken yet.

    Only they are waited for, so that the thread that wants the message is the one that wakes: by way of an executor's
    callback another thread would wake first, look at everything else of the node, and have to wake this one.
    """
    context = node.context.handle
    assert context is not None
    wait_set = rclpy_implementation.WaitSet(len(subscriptions), 0, 0, 0, 0, 0, context)
    with ExitStack() as in_use:
        in_use.callback(wait_set.destroy_when_not_in_use)
        try:
            for subscription in subscriptions:
                in_use.enter_context(subscription.handle)
                wait_set.add_subscription(subscription.handle)
        except InvalidHandle:  # destroyed meanwhile: nothing will come
            return False
        wait_set.wait(round(1e9 * timeout_s))
        return bool(wait_set.get_ready_entities("subscription"))


def _unexpected(message: Any) -> None:
    raise RuntimeError("a polled subscription was served by an executor")
