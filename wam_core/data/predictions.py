"""Messages of what a model predicts to the contract's types, whether ROS or a recording decoded them."""

from typing import Any

import numpy as np

from wam_core.contract import ActionChunk, Future
from wam_core.errors import ContractError


def action_chunk(message: Any) -> ActionChunk:
    """A ``wam_msgs/ActionChunk`` as it was sent; whether it may be executed is the executor's intake to say.

    Raises:
        ContractError: the values do not make ``horizon`` rows of ``names``.
    """
    size, shape = len(message.values), (int(message.horizon), len(message.names))
    if size != shape[0] * shape[1]:
        raise ContractError("chunk.values", f"{size} values", f"horizon x names = {shape[0]} x {shape[1]}")
    return ActionChunk(
        stamp_ns=stamp_ns(message),
        start_ns=nanoseconds(message.start),
        step_ns=nanoseconds(message.step),
        names=tuple(message.names),
        space=message.space,
        values=np.array(message.values, np.float64).reshape(shape),
        sequence=int(message.sequence),
        model=message.model,
        inference_ns=nanoseconds(message.inference_duration),
        # Recordings of before the field was there are of the arm itself.
        robot=getattr(message, "robot", ""),
    )


def predicted_future(message: Any) -> Future:
    """A ``wam_msgs/PredictedFuture``.

    Raises:
        ContractError: the bytes do not fit shape and dtype, or boxes do not fit regions.
    """
    shape = tuple(int(size) for size in message.tensor.shape)
    try:
        values = np.frombuffer(message.tensor.data, dtype=message.tensor.dtype).reshape(shape)
    except (TypeError, ValueError) as error:
        found = f"{len(message.tensor.data)} bytes"
        raise ContractError("future.tensor", found, f"{message.tensor.dtype} {shape} ({error})") from error
    boxes = [int(edge) for edge in message.region_boxes]
    if len(boxes) != 4 * len(message.regions):
        raise ContractError("future.region_boxes", len(boxes), f"4 for each of {len(message.regions)} regions")
    corners = zip(boxes[0::4], boxes[1::4], boxes[2::4], boxes[3::4], strict=True)
    return Future(
        stamp_ns=stamp_ns(message),
        substrate=message.substrate,
        step_ns=nanoseconds(message.step),
        values=values,
        regions=dict(zip(message.regions, corners, strict=True)),
        sequence=int(message.sequence),
    )


def stamp_ns(message: Any) -> int:
    """Stamp of a message with a header."""
    return nanoseconds(message.header.stamp)


def nanoseconds(time: Any) -> int:
    """A ROS time or duration in ns."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)
