"""One decoded message to one row in the robot contract's order; ``None`` where a message has no valid value."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wam_core.contract import FloatArray
from wam_core.data import messages
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract

#: (contract, decoded message, what errors call it) -> row or None.
RowDecoder = Callable[[RobotContract, Any, str], FloatArray | None]


def joint_positions(robot: RobotContract, message: Any, field: str) -> FloatArray:
    """``[J + 1]`` of a JointState, in contract order whatever the message's order."""
    where = {name: i for i, name in enumerate(message.name)}
    if missing := [name for name in robot.joint_names if name not in where]:
        raise ContractError(f"{field}.name", list(message.name), f"joint {missing[0]} among them")
    if len(message.position) != len(message.name):
        raise ContractError(f"{field}.position", len(message.position), f"{len(message.name)} values, one per name")
    return np.asarray(message.position, np.float64)[[where[name] for name in robot.joint_names]]


def wrench(robot: RobotContract, message: Any, field: str) -> FloatArray:
    """``[6]`` of a WrenchStamped."""
    force, torque = message.wrench.force, message.wrench.torque
    return np.array([force.x, force.y, force.z, torque.x, torque.y, torque.z])


def tactile(robot: RobotContract, message: Any, field: str) -> FloatArray | None:
    """``[taxels]`` of a TactileArray, None when a taxel says that its reading is not valid."""
    if tuple(message.names) != robot.tactile:
        raise ContractError(f"{field}.names", list(message.names), f"the contract's tactile {list(robot.tactile)}")
    return np.asarray(message.force, np.float64) if np.all(message.valid) else None


def action(robot: RobotContract, message: Any, field: str) -> FloatArray:
    """``[A]`` of a one-step ActionChunk."""
    if message.space != robot.action.space:
        raise ContractError(f"{field}.space", message.space, f"{robot.action.space}, the contract's action.space")
    if tuple(message.names) != robot.action.names:
        raise ContractError(f"{field}.names", list(message.names), f"the contract's action.names {robot.action.names}")
    if message.horizon != 1 or len(message.values) != len(message.names):
        size = f"{message.horizon} x {len(message.names)} with {len(message.values)} values"
        raise ContractError(f"{field}.values", size, "one step, as a demonstration has")
    return np.asarray(message.values, np.float64)


def row_streams(robot: RobotContract) -> Mapping[str, tuple[str, RowDecoder]]:
    """Stream name -> (topic, row decoder); only ``joint_states`` must be in a recording."""
    return {
        "joint_states": (robot.topics.joint_states, joint_positions),
        "wrench": (robot.topics.wrench, wrench),
        "tactile": (robot.topics.tactile, tactile),
        "actions": (messages.DEMONSTRATION_TOPIC, action),
    }
