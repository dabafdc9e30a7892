"""Keep what moves an arm running on time on a busy machine, as far as the operating system permits it."""

import ctypes
import os

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def favour_process(niceness: int) -> str:
    """Raise the priority of this process and of the threads it will start, the middleware's among them; says what was
    achieved."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except OSError as error:
        return f"ordinary niceness ({error.strerror}; allow it with nice in limits.conf)"
    return f"niceness {niceness}"


def lock_memory() -> str:
    """Keep this process's memory from being paged out; says what was achieved."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        return "memory locked"
    return f"memory not locked ({os.strerror(ctypes.get_errno())}; allow it with memlock in limits.conf)"


def favour_thread(priority: int) -> str:
    """Give the calling thread ``SCHED_FIFO`` with ``priority`` (0: leave it as it is); says what was achieved."""
    if priority == 0:
        return "ordinary scheduling, as asked"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"ordinary scheduling ({error.strerror}; allow SCHED_FIFO with rtprio in limits.conf)"
    return f"SCHED_FIFO, priority {priority}"
