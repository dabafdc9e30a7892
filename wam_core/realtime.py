"""Keep what moves an arm running on time on a busy machine, as far as the operating system permits it."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
#: Blocks up to this size are taken from memory that the process has already: glibc allows no more (bytes).
_LARGEST_KEPT = 32 << 20
#: As much of what is free stays with the process (bytes).
_MOST_FREE = 1 << 30
#: What is written here (microseconds, int32) is the longest that a processor may take to wake, while the file is open:
#: https://docs.kernel.org/power/pm_qos_interface.html
LATENCY_REQUEST = Path("/dev/cpu_dma_latency")


def favour_process(niceness: int) -> str:
    """Raise the priority of this process and of the threads it will start, the middleware's among them; says what was
    achieved."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except OSError as error:
        return f"ordinary niceness ({error.strerror}; allow it with nice in limits.conf)"
    return f"niceness {niceness}"


def give_way() -> str:
    """Take back what this process was favoured with by the one that started it; says what it has now. Whoever only
    shows and asks must not delay whoever acts."""
    niceness = max(0, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    return f"niceness {niceness}"


def lock_memory() -> str:
    """Keep this process's memory from being paged out; says what was achieved."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        return "memory locked"
    return f"memory not locked ({os.strerror(ctypes.get_errno())}; allow it with memlock in limits.conf)"


def keep_memory() -> str:
    """Have freed memory used again instead of given back to the operating system; says what was achieved.

    Images and a model's activations come in the same sizes again and again. Given back, each comes as fresh pages that
    must be found and cleared first, which takes longer than what is then done with an image.
    """
    libc = ctypes.CDLL(None)
    settings = {_M_MMAP_THRESHOLD: _LARGEST_KEPT, _M_TRIM_THRESHOLD: _MOST_FREE, _M_TOP_PAD: _LARGEST_KEPT}
    if hasattr(libc, "mallopt") and all(libc.mallopt(name, value) for name, value in settings.items()):
        return "freed memory kept"
    return "freed memory given back (the C library has no mallopt)"


def favour_thread(priority: int) -> str:
    """Give the calling thread ``SCHED_FIFO`` with ``priority`` (0: leave it as it is); says what was achieved."""
    if priority == 0:
        return "ordinary scheduling, as asked"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"ordinary scheduling ({error.strerror}; allow SCHED_FIFO with rtprio in limits.conf)"
    return f"SCHED_FIFO, priority {priority}"


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
