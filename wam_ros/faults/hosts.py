"""Two hosts on one machine: network namespaces that only a wire joins, which nothing but this process can see.

The namespaces have no names and no files: they are gone when the processes in them are. Needs root.
"""

import ctypes
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from wam_core.paths import share_path

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
#: Addresses of the hosts, of a block that is kept for tests (RFC 5737).
ADDRESSES = ("192.0.2.1", "192.0.2.2")
#: What the hosts have of each other is the wire alone: without shared memory, and found beyond the own host.
ENVIRONMENT = {
    "FASTDDS_DEFAULT_PROFILES_FILE": "config/fastdds_udp.xml",
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
}


@dataclass(frozen=True)
class Wire:
    """Between the host of this process and the other.

    Attributes:
        prefix: what a command line begins with that is to run on the other host.
    """

    prefix: tuple[str, ...]
    link: "subprocess.Popen[bytes]"

    def set(self, loss: float, delay_s: float) -> None:
        """Lose a share of all packets and bring the others late, both ways; a loss of 1 cuts the wire."""
        assert self.link.stdin is not None
        self.link.stdin.write(f"{loss} {delay_s}\n".encode())
        self.link.stdin.flush()


@contextmanager
def two_hosts() -> Iterator[Wire]:
    """This thread, and what it starts, is on the first of two hosts meanwhile.

    Raises:
        OSError: the kernel has no network namespaces or TUN devices, or does not give them to this user.
    """
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    with ExitStack() as stack:
        home = stack.enter_context(open("/proc/thread-self/ns/net"))
        stack.callback(lambda: _enter(home.fileno()))
        spaces, ends = [], []
        for here, there in (ADDRESSES[::-1], ADDRESSES):  # the first host comes last: this thread stays there
            _check(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET))
            spaces.append(stack.enter_context(open("/proc/thread-self/ns/net")))
            ends.append(_device(here, there))
            stack.callback(os.close, ends[-1])
        os.environ |= {**ENVIRONMENT, "FASTDDS_DEFAULT_PROFILES_FILE": str(share_path("config/fastdds_udp.xml"))}
        stack.callback(_restore, before)
        link = subprocess.Popen(
            [sys.executable, "-m", "wam_ros.faults.link", *map(str, ends)], stdin=subprocess.PIPE, pass_fds=ends
        )
        stack.callback(_end, link)
        other = f"--net=/proc/{os.getpid()}/fd/{spaces[0].fileno()}"
        yield Wire(("nsenter", other, "--"), link)


def _device(here: str, there: str) -> int:
    """A TUN device of the namespace that this thread is in, up and with an address; its file descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"wire", _IFF_TUN | _IFF_NO_PI))
    for words in (
        "link set lo up",
        f"address add {here} peer {there} dev wire",
        "link set wire up",
        "route add 224.0.0.0/4 dev wire",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return device


def _enter(space: int) -> None:
    _check(ctypes.CDLL(None, use_errno=True).setns(space, _CLONE_NEWNET))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


def _end(link: "subprocess.Popen[bytes]") -> None:
    assert link.stdin is not None
    link.stdin.close()
    link.wait(5.0)
