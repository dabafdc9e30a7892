"""Processors are asked to stay awake, for as long as that is wanted, and no longer."""

import struct
from pathlib import Path

from wam_core.realtime import awake


def held(file: Path) -> bool:
    return file.resolve() in {entry.resolve() for entry in Path("/proc/self/fd").iterdir()}


def test_the_request_stands_within_the_block_alone(tmp_path: Path) -> None:
    """A request ends with its file: closed too early processors sleep, closed never they burn a battery."""
    request = tmp_path / "latency"
    request.touch()
    with awake(request) as said:
        assert said == "processors kept awake"
        assert held(request) and request.read_bytes() == struct.pack("i", 0)
    assert not held(request)


def test_what_is_not_permitted_is_said(tmp_path: Path) -> None:
    """An arm that would not start without root, or whose owner does not hear why its ticks are slow."""
    with awake(tmp_path / "missing" / "latency") as said:
        assert said.startswith("processors sleep between ticks (No such file") and "allow writing" in said
