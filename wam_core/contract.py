"""The types that flow through the system; everything in the core points towards this file.

    bytes -> Observation -> ActionChunk (and the Future it goes with) -> JointCommand

Stamps are integer nanoseconds of the ROS clock. SI units, right-handed frames (REP 103). Arrays are
row-major and never modified after construction. Missing data is ``None`` or an error, never zeros.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError

FloatArray = NDArray[np.float64]

#: Action spaces a chunk may be expressed in, with the meaning of one step's values. What is relative counts from where
#: the arm was told to be one step before the first step is due; what is held, from where it is at the first step.
ACTION_SPACES: Mapping[str, str] = {
    "joint_position": "rad per named joint, then gripper opening fraction 0 (closed) .. 1 (open)",
    "joint_velocity": "rad/s per named joint, held until the step is due, then gripper 0..1",
    "joint_delta": "rad per named joint since the step before, then gripper 0..1",
    "ee_pose": "x y z (m, base frame), rx ry rz (rotation vector from the robot's tool reference, rad), gripper 0..1",
    "ee_delta": "x y z (m), rx ry rz (rotation vector, rad) since the step before along base axes, gripper 0..1",
    "ee_delta_tool": "the same along the axes of the tool frame as it was at the step before",
    "tool_pose": "x y z (m), rx ry rz (rotation vector, rad) of a held object in the base frame; the grasp is kept",
    "object_points": "x y z (m, base frame) of each of 3 or more points on a held object; the grasp is kept",
    "hand_keypoints": "x y z (m, base frame) of the 21 points of a right hand, in MediaPipe's order",
}


@dataclass(frozen=True)
class Observation:
    """What the robot sensed at one instant, already checked against the robot contract.

    Attributes:
        stamp_ns: time of the newest image; all streams are no older than the contract's staleness.
        images: camera name -> uint8 RGB ``[H, W, 3]``.
        proprioception: ``[D]`` in the order of ``RobotContract.proprioception``.
        instruction: natural-language task.
        tactile: ``[taxels]`` normal force in N, or None when the robot has no tactile sensor.
        senses: name of a sense of the robot file -> what it says of this instant, as its kind in ``SENSES`` has it;
            those that were asked for.
    """

    stamp_ns: int
    images: Mapping[str, NDArray[np.uint8]]
    proprioception: FloatArray
    instruction: str
    tactile: FloatArray | None = None
    senses: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionChunk:
    """A horizon of actions answering one observation.

    Attributes:
        stamp_ns: stamp of the observation it answers.
        start_ns: instant at which step 0 is due; step k is due at ``start_ns + k * step_ns``.
        step_ns: time between steps.
        names: name of each column.
        space: a key of :data:`ACTION_SPACES`.
        values: ``[horizon, len(names)]``.
        sequence: increases by one with each chunk of one model instance.
        model: name of the preset that produced it.
        inference_ns: measured time from observation to chunk.
        robot: name of the robot whose joints, base and tool the values refer to; "" for the one that executes them.
    """

    stamp_ns: int
    start_ns: int
    step_ns: int
    names: tuple[str, ...]
    space: str
    values: FloatArray
    sequence: int
    model: str = ""
    inference_ns: int = 0
    robot: str = ""


@dataclass(frozen=True)
class Committed:
    """What a new chunk is to go on from.

    Attributes:
        chunk: the chunk in progress.
        until_ns: its steps due up to this instant are executed whatever the new chunk says.
    """

    chunk: ActionChunk
    until_ns: int


@dataclass(frozen=True)
class Future:
    """A predicted future in one substrate.

    Attributes:
        stamp_ns: stamp of the observation it continues.
        substrate: name of the substrate, e.g. ``video``.
        step_ns: time between predicted instants; entry k is due at ``stamp_ns + (k + 1) * step_ns``.
        values: the substrate's decoded tensor; for ``video`` uint8 RGB ``[T, H, W, 3]`` with cameras laid out
            as ``regions`` says.
        regions: camera name -> (top, left, height, width) in ``values``.
        sequence: the sequence of the chunk predicted with it.
    """

    stamp_ns: int
    substrate: str
    step_ns: int
    values: NDArray[np.generic]
    regions: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    sequence: int = 0


@dataclass(frozen=True)
class RobotState:
    """Measured joint state, arm joints first in contract order, then the gripper joint.

    Attributes:
        stamp_ns: measurement time.
        position: ``[J + 1]`` rad (gripper: m).
        velocity: ``[J + 1]`` rad/s (gripper: m/s).
        effort: ``[J + 1]`` N m (gripper: N), or None when not measured.
        wrench: ``[6]`` force (N) then torque (N m) at the tool in the tool frame, or None.
        tactile: ``[taxels]`` normal force in N, or None.
    """

    stamp_ns: int
    position: FloatArray
    velocity: FloatArray
    effort: FloatArray | None = None
    wrench: FloatArray | None = None
    tactile: FloatArray | None = None


@dataclass(frozen=True)
class JointCommand:
    """One control tick's output, arm joints first in contract order, then the gripper joint.

    Attributes:
        stamp_ns: tick time.
        position, velocity, acceleration: ``[J + 1]`` reference (rad, rad/s, rad/s^2; gripper m, ...).
        effort: ``[J + 1]`` N m (gripper N), gravity included.
    """

    stamp_ns: int
    position: FloatArray
    velocity: FloatArray
    acceleration: FloatArray
    effort: FloatArray


def check_finite(name: str, values: FloatArray) -> None:
    """Raise :class:`ContractError` naming the first non-finite entry of ``values``."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise ContractError(f"{name}{list(index)}", float(values[index]), "a finite number")
