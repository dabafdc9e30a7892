"""When a chunk passed each stage of wam_inference, for whoever asks; without a listener four readings of the clock."""

from collections.abc import Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from numpy.typing import NDArray
from rclpy.node import Node

from wam_core.contract import ActionChunk
from wam_core.policy import Policy
from wam_core.preprocess.table import Pictures
from wam_ros import conversion
from wam_ros.qos import RELIABLE


class StageClock:
    """Stamps of the chunk in the making, by the names of :data:`wam_core.evaluation.pipeline.STAGES`.

    They are published on ``~/stages`` as a ``diagnostic_msgs/DiagnosticArray``: its stamp is the observation's, the
    status's message the chunk's sequence, its values the stamps (ns, ROS clock).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "~/stages", RELIABLE)
        self._stamps: dict[str, int] = {}

    def watch(self, policy: Policy) -> None:
        """Note when ``policy`` has its picture."""
        policy.pictures = self._noted(policy.pictures)

    def begin(self, received_ns: int) -> None:
        """An observation was made of what had been received at ``received_ns``."""
        self._stamps = {"received": received_ns}
        self.mark("taken")

    def mark(self, stage: str) -> None:
        """The stage has ended."""
        self._stamps[stage] = self._node.get_clock().now().nanoseconds

    def publish(self, chunk: ActionChunk) -> None:
        """``chunk`` has been published: tell whoever listens."""
        if self._publisher.get_subscription_count():
            values = [KeyValue(key=name, value=str(stamp_ns)) for name, stamp_ns in self._stamps.items()]
            status = DiagnosticStatus(name=self._node.get_name(), message=str(chunk.sequence), values=values)
            self._publisher.publish(DiagnosticArray(header=conversion.header(chunk.stamp_ns, ""), status=[status]))

    def _noted(self, pictures: Pictures) -> Pictures:
        def noted(images: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
            made = pictures(images)
            self.mark("pictured")
            return made

        return noted


def stamps_of(message: DiagnosticArray) -> tuple[int, dict[str, int]]:
    """Sequence of the chunk, and the stamps (ns) of its stages; ``captured`` is the observation's."""
    (status,) = message.status
    stamps = {pair.key: int(pair.value) for pair in status.values}
    return int(status.message), {"captured": conversion.nanoseconds(message.header.stamp), **stamps}
