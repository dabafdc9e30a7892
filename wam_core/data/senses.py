"""Messages of the senses: written as CDR bytes, read from recordings and live topics alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray, check_finite
from wam_core.data import messages
from wam_core.errors import ContractError
from wam_core.preprocess.undistort import undistortion_of
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import SENSES, Sense

Values = NDArray[Any]

#: Image encoding of each kind that is sent as one.
ENCODINGS = {"depth": "32FC1", "object_mask": "mono8", "touch_image": "32FC1"}


def encode_sense(robot: RobotContract, sense: Sense, values: Values, stamp_ns: int) -> messages.Encoded:
    """``values`` of one instant as a message; of ``sound``, a block of any length that ends at ``stamp_ns``."""
    kind = SENSES[sense.kind].message
    if sense.kind in ENCODINGS:
        frame = robot.camera(sense.camera).frame if sense.camera else robot.tool_frame
        return messages.encode_grid(ENCODINGS[sense.kind], frame, _sent(sense, values), stamp_ns)
    if sense.kind == "sound":
        return messages.encode(kind, messages.header(stamp_ns, robot.tool_frame), sense.rate_hz, np.float32(values))
    return messages.encode_pose(robot.base_frame, values[:3], Rotation.from_rotvec(values[3:]).as_quat(), stamp_ns)


def decode_sense(robot: RobotContract, sense: Sense, message: Any, field: str) -> Values:
    """One instant of a sense from its decoded message; of ``sound``, the message's block.

    Raises:
        ContractError: another encoding, size or rate than the robot file's, or a value that is none.
    """
    if sense.kind in ENCODINGS:
        return _grid(robot, sense, message, field)
    if sense.kind == "sound":
        if message.rate != sense.rate_hz:
            raise ContractError(f"{field}.rate", message.rate, f"{sense.rate_hz} Hz as in the robot file")
        samples = np.asarray(message.samples, np.float32)
        check_finite(f"{field}.samples", samples.astype(np.float64))
        return samples
    return _pose(message, field)


def heard(
    blocks: Sequence[tuple[int, Values]], newest: int, rate_hz: float, samples: int
) -> NDArray[np.float32] | None:
    """The last ``samples`` up to the end of block ``newest``; None where sound is missing or the blocks have a break.

    Args:
        blocks: (stamp of the last sample in ns, samples) in order. Stamps may be off by half a block.
    """
    found: list[Values] = []
    end_ns, count = blocks[newest][0], 0
    for stamp_ns, block in reversed(blocks[: newest + 1]):
        expected_ns = end_ns - round(1e9 * count / rate_hz)
        if abs(stamp_ns - expected_ns) > 0.5e9 * len(block) / rate_hz:
            return None
        found.append(block)
        count += len(block)
        if count >= samples:
            return np.concatenate(found[::-1])[count - samples :]
    return None


def _sent(sense: Sense, values: Values) -> Values:
    return np.where(values, 255, 0).astype(np.uint8) if sense.kind == "object_mask" else values.astype(np.float32)


def _grid(robot: RobotContract, sense: Sense, message: Any, field: str) -> Values:
    camera = robot.camera(sense.camera) if sense.camera else None
    shape = (sense.rows, sense.columns) if camera is None else (camera.height, camera.width)
    kind = np.dtype(np.uint8 if sense.kind == "object_mask" else np.float32)
    if message.encoding != ENCODINGS[sense.kind]:
        raise ContractError(f"{field}.encoding", message.encoding, ENCODINGS[sense.kind])
    if (message.height, message.width) != shape:
        found, wanted = f"{message.width}x{message.height}", f"{shape[1]}x{shape[0]}"
        raise ContractError(f"{field}.size", found, f"{wanted} as in the robot file")
    data, row = np.frombuffer(message.data, np.uint8), shape[1] * kind.itemsize
    if message.step < row or data.size != message.height * message.step:
        raise ContractError(f"{field}.data", f"{data.size} bytes in rows of {message.step}", f"{shape[0]} of {row}")
    ordered = kind.newbyteorder(">" if message.is_bigendian else "<")
    values = np.ascontiguousarray(data.reshape(shape[0], message.step)[:, :row]).view(ordered).astype(kind)
    if camera is None:
        check_finite(field, values.astype(np.float64))
        return values
    # REP 118: what is too near, too far or not measured is not finite. Nothing is known there.
    if sense.kind == "depth":
        values = np.where(np.isfinite(values) & (values > 0.0), values, np.float32(np.inf))
    # It belongs to the camera's picture pixel by pixel, and is made straight and cut with it.
    undistortion = undistortion_of(camera)
    if undistortion is not None:
        values = undistortion.nearest(values, np.inf if sense.kind == "depth" else 0.0)
    values = camera.cut(values)
    return values > 0 if sense.kind == "object_mask" else values


def _pose(message: Any, field: str) -> FloatArray:
    at, turn = message.pose.position, message.pose.orientation
    values = np.array([at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w])
    check_finite(f"{field}.pose", values)
    if abs(np.linalg.norm(values[3:]) - 1.0) > 1e-3:
        raise ContractError(f"{field}.pose.orientation", values[3:].tolist(), "a quaternion of length 1")
    return np.concatenate([values[:3], Rotation.from_quat(values[3:]).as_rotvec()])
