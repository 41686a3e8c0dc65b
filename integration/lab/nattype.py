"""What kind of NAT stands in front of a host, in the manner of RFC 5780. Started by the lab, inside namespaces.

    nattype.py reflect ADDRESS ADDRESS      on the public side
    nattype.py ask ADDRESS ADDRESS          on the host
"""

import json
import select
import socket
import sys

REFLECT_PORTS = (3478, 3479)


def reflect(addrs):
    """Answers each datagram with the source it saw; `alt-...` has another socket answer."""
    socks = {}
    for ai, a in enumerate(addrs):
        for pi, p in enumerate(REFLECT_PORTS):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((a, p))
            socks[(ai, pi)] = s
    where = {s.fileno(): k for k, s in socks.items()}
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select(list(socks.values()), [], [])
        for s in ready:
            data, src = s.recvfrom(2048)
            ai, pi = where[s.fileno()]
            if data.startswith(b"alt-addr"):
                out = socks[(1 - ai, 1 - pi)]
            elif data.startswith(b"alt-port"):
                out = socks[(ai, 1 - pi)]
            else:
                out = s
            out.sendto(json.dumps(src).encode(), src)


def ask(addrs):
    """The mapping and filtering test."""

    def exchange(sock, dst, what=b"here", timeout=0.5):
        sock.settimeout(timeout)
        for _ in range(2):
            sock.sendto(what, dst)
            try:
                return tuple(json.loads(sock.recvfrom(2048)[0]))
            except OSError:
                continue
        return None

    a, b = addrs
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 0))
    m1 = exchange(s, (a, REFLECT_PORTS[0]))
    if not m1:
        return {"udp": "blocked"}
    m2 = exchange(s, (b, REFLECT_PORTS[0]))
    m3 = exchange(s, (b, REFLECT_PORTS[1]))
    if m1 == m2 == m3:
        mapping = "endpoint-independent"
    elif m2 == m3:
        mapping = "address-dependent"
    else:
        mapping = "address- and port-dependent"
    f = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    f.bind(("", 0))
    exchange(f, (a, REFLECT_PORTS[0]))
    if exchange(f, (a, REFLECT_PORTS[0]), b"alt-addr"):
        filtering = "endpoint-independent"
    elif exchange(f, (a, REFLECT_PORTS[0]), b"alt-port"):
        filtering = "address-dependent"
    else:
        filtering = "address- and port-dependent"
    return {"udp": "ok", "mapping": mapping, "filtering": filtering,
            "port_preserved": m1[1] == s.getsockname()[1], "seen_as": m1[0]}


if __name__ == "__main__":
    if sys.argv[1] == "reflect":
        reflect(sys.argv[2:])
    else:
        print(json.dumps(ask(sys.argv[2:])))
