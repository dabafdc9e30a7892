"""Subscriptions that are read when their messages are wanted, instead of by callbacks.

An rclpy executor rebuilds its wait set for every message, which at hundreds of messages per second takes a good part
of a core and keeps the interpreter from the threads that matter. Reading the middleware's queue costs microseconds.
"""

from collections.abc import Mapping
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class _NeverReady(CallbackGroup):
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
            kind, topic, _unexpected, qos, raw=raw, callback_group=_NeverReady()
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

    def destroy(self) -> None:
        self._node.destroy_subscription(self._subscription)


def _unexpected(message: Any) -> None:
    raise RuntimeError("a polled subscription was served by an executor")
