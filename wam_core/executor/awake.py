"""Processors that do not fall asleep between two ticks."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What is written here (microseconds, int32) is the longest that a processor may take to wake, while the file is open:
#: https://docs.kernel.org/power/pm_qos_interface.html
LATENCY_REQUEST = Path("/dev/cpu_dma_latency")


@contextmanager
def awake(request: Path = LATENCY_REQUEST) -> Iterator[str]:
    """Keep the machine's processors awake within the block, at the price of their power; yields what was achieved.

    A control thread sleeps for most of its period and finds its caches cold when it wakes: that, more than what it
    computes, is why some ticks take three times the median.
    """
    try:
        file = os.open(request, os.O_WRONLY)
    except OSError as error:
        yield f"processors sleep between ticks ({error.strerror}; allow writing {request})"
        return
    try:
        os.write(file, struct.pack("i", 0))
        yield "processors kept awake"
    finally:
        os.close(file)
