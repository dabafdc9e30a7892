"""Two hosts on one machine: a wire that is what the table of faults says it is."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from wam_ros.faults.hosts import ADDRESSES, Wire, two_hosts

ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 9999))
while True:
    server.sendto(*server.recvfrom(65536))
"""


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    try:
        hosts = two_hosts()
        wire = hosts.__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces or TUN devices for this user: {error}")
    echo = subprocess.Popen([*wire.prefix, sys.executable, "-c", ECHO])
    try:
        while not answers(1, 0.2):
            assert echo.poll() is None
        yield wire
    finally:
        echo.kill()
        echo.wait()
        hosts.__exit__(None, None, None)


def answers(count: int, patience_s: float) -> list[float]:
    """Seconds until each datagram of ``count`` that came back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(patience_s)
        begin = time.monotonic()
        for _ in range(count):
            client.sendto(b"?", (ADDRESSES[1], 9999))
            time.sleep(0.0005)  # or a burst fills a buffer, which loses packets, too
        found = []
        try:
            while len(found) < count:
                client.recv(64)
                found.append(time.monotonic() - begin)
        except TimeoutError:
            pass
        return found


def test_the_wire_is_as_good_or_bad_as_it_was_set(wire: Wire) -> None:
    """Prevents: a link that is reported as cut, slow or lossy, and was none of it."""
    assert len(answers(50, 1.0)) == 50
    wire.set(1.0, 0.0)
    time.sleep(0.05)
    assert answers(5, 0.3) == []
    wire.set(0.0, 0.1)
    time.sleep(0.05)
    late = answers(5, 1.0)
    assert len(late) == 5 and min(late) > 0.2  # there and back
    wire.set(0.2, 0.0)
    time.sleep(0.3)
    assert 0.5 < len(answers(400, 0.5)) / 400 < 0.78  # 0.64 of what is sent: there and back
    wire.set(0.0, 0.0)


def test_the_hosts_have_nothing_else_in_common(wire: Wire) -> None:
    """Prevents: a cut link that leaves another way, over which everything goes on."""
    shown = subprocess.run([*wire.prefix, "ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in shown.splitlines()] == ["lo:", "wire:"]
