"""Parameters with a description, a type, and a range or choices where there are any."""

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    between: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
    read_only: bool = False,
) -> Any:
    """Declare one parameter and return its value; one outside ``between`` or ``choices`` is refused, now and later."""
    descriptor = ParameterDescriptor(name=name, description=description, read_only=read_only)
    if between is not None:
        lower, upper = between
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(lower), to_value=int(upper))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(lower), to_value=float(upper))]
    if choices:
        descriptor.additional_constraints = f"one of {', '.join(choices)}"
        node.add_on_set_parameters_callback(lambda changes: _among(changes, name, choices))
    return node.declare_parameter(name, default, descriptor).value


def _among(changes: Sequence[Parameter], name: str, choices: Sequence[str]) -> SetParametersResult:
    wrong = [change.value for change in changes if change.name == name and change.value not in choices]
    if wrong:
        return SetParametersResult(successful=False, reason=f"{name}: got {wrong[0]!r}, expected one of {choices}")
    return SetParametersResult(successful=True)
