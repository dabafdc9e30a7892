"""One line of /diagnostics per node."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from wam_ros.qos import RELIABLE

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)


class Diagnostics:
    def __init__(self, node: Node, hardware: str) -> None:
        self._node, self._hardware = node, hardware
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

    def publish(self, level: bytes, message: str, values: Mapping[str, object]) -> None:
        """Numbers are shown with four digits."""
        pairs = [KeyValue(key=k, value=f"{v:.4g}" if isinstance(v, float) else str(v)) for k, v in values.items()]
        status = DiagnosticStatus(
            level=level, name=self._node.get_name(), message=message, hardware_id=self._hardware, values=pairs
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
