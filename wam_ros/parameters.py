"""Parameters with a description, a type, and a range or choices where there are any."""

from collections.abc import Sequence
from typing import Any

from lifecycle_msgs.msg import State
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.lifecycle import LifecycleNode
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


def fix_at_configure(node: LifecycleNode, names: Sequence[str]) -> None:
    """Refuse to change these parameters while ``node`` is configured: it read them then, and looks no more."""

    def check(changes: Sequence[Parameter]) -> SetParametersResult:
        late = [c.name for c in changes if c.name in names and c.value != node.get_parameter(c.name).value]
        # rclpy has no public way to ask a node of this process for its state.
        if late and node._state_machine.current_state[0] != State.PRIMARY_STATE_UNCONFIGURED:
            reason = f"{', '.join(late)}: takes effect at configure; clean up first"
            return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
