"""A wire with a length: holds frames back between two interfaces. Started by the lab, inside a namespace.

In user space, since many kernels have no `netem`: good for a few hundred Mbit/s, no measure of throughput.

    wire.py nooffload DEVICE
    wire.py join DEVICE DEVICE MILLISECONDS READY_FILE
"""

import contextlib
import ctypes
import fcntl
import heapq
import select
import socket
import struct
import sys
import time


def nooffload(dev):
    """Turns checksum and segmentation offload off so raw frames are complete."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    buf = ctypes.create_string_buffer(8)
    for cmd in (0x17, 0x1F, 0x24, 0x2C):  # STXCSUM STSO SGSO SGRO
        struct.pack_into("II", buf, 0, cmd, 0)
        ifr = struct.pack("16sP", dev.encode(), ctypes.addressof(buf))
        with contextlib.suppress(OSError):
            fcntl.ioctl(s, 0x8946, ifr)


def join(a, b, delay_ms, mark):
    """Joins two interfaces, holding every frame back for delay_ms."""
    ends = []
    for dev in (a, b):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        s.bind((dev, 0))
        s.setblocking(False)
        ends.append(s)
    other = {ends[0].fileno(): ends[1], ends[1].fileno(): ends[0]}
    by = {s.fileno(): s for s in ends}
    ep = select.epoll()
    for s in ends:
        ep.register(s.fileno(), select.EPOLLIN)
    open(mark, "w").close()
    delay = delay_ms / 1000
    queue, n = [], 0
    while True:
        now = time.monotonic()
        while queue and queue[0][0] <= now:
            _, _, out, frame = heapq.heappop(queue)
            with contextlib.suppress(OSError):
                out.send(frame)
            now = time.monotonic()
        wait = max(0, queue[0][0] - now) if queue else 60
        for fd, _ in ep.poll(wait if wait > 0.0005 else 0):
            for _ in range(64):
                try:
                    frame, addr = by[fd].recvfrom(65536)
                except OSError:
                    break
                if addr[2] == socket.PACKET_OUTGOING:
                    continue
                n += 1
                heapq.heappush(queue, (time.monotonic() + delay, n, other[fd], frame))


if __name__ == "__main__":
    if sys.argv[1] == "nooffload":
        nooffload(sys.argv[2])
    else:
        join(sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5])
