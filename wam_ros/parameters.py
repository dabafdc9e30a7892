"""Parameters with a description, a type, and a range where there is one."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    between: tuple[float, float] | None = None,
    read_only: bool = False,
) -> Any:
    """Declare one parameter and return its value; a value outside ``between`` is refused by rclpy."""
    descriptor = ParameterDescriptor(name=name, description=description, read_only=read_only)
    if between is not None:
        lower, upper = between
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(lower), to_value=int(upper))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(lower), to_value=float(upper))]
    return node.declare_parameter(name, default, descriptor).value
