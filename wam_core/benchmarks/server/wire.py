"""Messages over a pipe: plain values and named arrays, as one ``.npz`` behind its length. Nothing is pickled."""

from __future__ import annotations

import io
import json
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

#: Bytes of a message at most: more is no message, but something else on the pipe.
LIMIT = 1 << 28
_LENGTH = struct.Struct(">Q")
_HEAD = "head"


class Message(NamedTuple):
    """What is said in plain values, and in arrays of numbers."""

    head: dict[str, Any]
    arrays: dict[str, np.ndarray]


class WireError(Exception):
    """What came is no message; ``str()`` says what came."""


def send(stream: BinaryIO, head: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> None:
    """Write one message and flush. ``arrays``: of numbers or booleans, under any name but ``head``."""
    buffer = io.BytesIO()
    content: dict[str, Any] = {_HEAD: np.array(json.dumps(head)), **(arrays or {})}
    np.savez(buffer, **content)
    data = buffer.getvalue()
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """The next message; None where the other side has ended between two messages.

    Raises:
        WireError: the other side ended within a message, or sent something else.
    """
    start = stream.read(_LENGTH.size)
    if not start:
        return None
    if len(start) < _LENGTH.size:
        raise WireError(f"{len(start)} bytes, then the end")
    (length,) = _LENGTH.unpack(start)
    if length > LIMIT:
        raise WireError(f"{start!r} in the place of a length")
    data = stream.read(length)
    if len(data) < length:
        raise WireError(f"{len(data)} of {length} bytes, then the end")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Message(json.loads(str(arrays.pop(_HEAD))), arrays)
    except Exception as error:  # whatever a decoder makes of other bytes
        raise WireError(f"{type(error).__name__}: {error}") from error
