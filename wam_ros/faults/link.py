"""The wire between two hosts of one machine: packets go from one TUN device to the other, late, or not at all.

What `tc netem` does, for kernels that were built without it. Each line on standard input sets the wire anew:
``loss delay_s``, e.g. ``0.2 0.0``; a loss of 1 is a wire that is cut.
"""

import os
import random
import select
import sys
import time
from collections import deque

#: The largest packet, bytes: more than any MTU.
LARGEST = 65536
#: Packets under way in one direction, at most: with more the wire loses the newest, as a switch does.
MOST = 4096


def carry(ends: tuple[int, int], control: int, seed: int = 0) -> None:
    """Carry packets between two file descriptors until ``control`` ends."""
    chance = random.Random(seed)
    loss, delay_s = 0.0, 0.0
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait_s = None if not under_way else max(under_way[0][0] - time.monotonic(), 0.0)
        ready, _, _ = select.select([*ends, control], [], [], wait_s)
        if control in ready:
            words = os.read(control, LARGEST).decode().split("\n")[-2:-1]
            if not words:
                return
            loss, delay_s = map(float, words[0].split())
        for end, other in (ends, ends[::-1]):
            if end in ready:
                packet = os.read(end, LARGEST)
                if chance.random() >= loss and len(under_way) < MOST:
                    under_way.append((time.monotonic() + delay_s, other, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, end, packet = under_way.popleft()
            os.write(end, packet)


if __name__ == "__main__":
    carry((int(sys.argv[1]), int(sys.argv[2])), sys.stdin.fileno())
