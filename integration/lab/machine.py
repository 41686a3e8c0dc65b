"""What this machine can do: running commands, finding tools, trying out capabilities."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys

PREFIX = "natlab"


class LabError(Exception):
    """Why the laboratory cannot do what it was asked for."""


def log(*words):
    print("natlab:", *words, file=sys.stderr, flush=True)


def run(cmd, check=True, text_in=None, timeout=30):
    """Runs a command to its end; what it says is kept for the message."""
    try:
        r = subprocess.run(cmd, input=text_in, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise LabError(f"command not found: {cmd[0]} (run `natlab check`)")
    except subprocess.TimeoutExpired:
        raise LabError(f"timed out after {timeout} s: {shlex.join(cmd)}")
    if check and r.returncode != 0:
        raise LabError(f"failed ({r.returncode}): {shlex.join(cmd)}\n{(r.stderr or r.stdout).strip()}")
    return r


def find_tool(name):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"
    return shutil.which(name, path=path)


def proc_start(pid):
    """Start time of a process: tells a reused pid from the one we started."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def is_gone(pid):
    """Whether a process has ended, reaped or not."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def ns_name(lab, node):
    return f"{PREFIX}-{lab}-{node}"


def ns_path(lab, node):
    return f"/run/netns/{ns_name(lab, node)}"


def in_ns(lab, node, *cmd, **kw):
    return run(["ip", "netns", "exec", ns_name(lab, node), *cmd], **kw)


def ip_batch(lab, node, lines):
    run(["ip", "-n", ns_name(lab, node), "-batch", "-"], text_in="\n".join(lines) + "\n")


# ------------------------------------------------------------ capabilities

# Program, and the Debian package that brings it.
TOOLS = [
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("miniupnpd", "miniupnpd-nftables"),
    ("upnpc", "miniupnpc"),
    ("nc", "netcat-openbsd"),
    ("conntrack", "conntrack"),
]

NFT = [
    ("nft masquerade", "chain c { type nat hook postrouting priority 100; masquerade; }"),
    ("nft masquerade fully-random (+symmetric)",
     "chain c { type nat hook postrouting priority 100; masquerade fully-random; }"),
    ("nft dnat", "chain c { type nat hook prerouting priority -100; tcp dport 1 dnat ip to 10.9.9.1:2; }"),
    ("nft reject (+reject)", "chain c { type filter hook input priority 0; tcp dport 1 reject with tcp reset; }"),
]

LISTEN = (
    "import socket,struct;s=socket.socket(2,2);s.bind(('',1900));"
    "s.setsockopt(0,35,struct.pack('4s4s',socket.inet_aton('239.255.255.250'),socket.inet_aton('10.9.9.2')));"
    "print('up',flush=True);s.settimeout(3);print(s.recvfrom(99))"
)
CALL = "import socket;socket.socket(2,2).sendto(b'x',('239.255.255.250',1900))"


def capabilities():
    """Tries every capability in throw-away namespaces; yields (name, whether it is there, what to do without)."""
    root = os.geteuid() == 0
    yield "root", root, "run as root"
    for tool, package in TOOLS:
        yield f"tool {tool}", find_tool(tool), f"install Debian package {package}"
    daemon = find_tool("miniupnpd")
    if daemon:
        v = run([daemon, "--version"], check=False)
        yield ("miniupnpd is the nftables build", "nftables" in v.stdout + v.stderr,
               "install Debian package miniupnpd-nftables")
    if not root or not find_tool("ip") or not find_tool("nft"):
        return
    lab, a, b = "probe", f"a{os.getpid()}", f"b{os.getpid()}"
    try:
        yield from in_namespaces(lab, a, b)
    except LabError as e:
        yield "network namespaces and veth pairs", False, str(e)
    finally:
        for n in (a, b):
            run(["ip", "netns", "del", ns_name(lab, n)], check=False)


def in_namespaces(lab, a, b):
    for n in (a, b):
        run(["ip", "netns", "add", ns_name(lab, n)])
    run(["ip", "link", "add", "x0", "netns", ns_name(lab, a), "type", "veth",
         "peer", "name", "x1", "netns", ns_name(lab, b)])
    ip_batch(lab, a, ["addr add 10.9.9.1/24 dev x0", "link set x0 up", "link set lo up",
                      "route add default via 10.9.9.2"])
    ip_batch(lab, b, ["addr add 10.9.9.2/24 dev x1", "link set x1 up", "link set lo up"])
    yield "network namespaces and veth pairs", True, ""
    r = run(["unshare", "-m", "mount", "--make-rprivate", "/"], check=False)
    yield "mount namespaces", r.returncode == 0, r.stderr.strip()
    for name, chain in NFT:
        r = in_ns(lab, a, "nft", "-f", "-", check=False,
                  text_in=f"table inet probe {{\n{chain}\n}}\ndelete table inet probe\n")
        yield name, r.returncode == 0, r.stderr.strip().split("\n")[0]
    heard = False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        p = subprocess.Popen(["ip", "netns", "exec", ns_name(lab, b), sys.executable, "-c", LISTEN],
                             stdout=subprocess.PIPE, text=True)
        p.stdout.readline()
        in_ns(lab, a, sys.executable, "-c", CALL)
        heard = "b'x'" in p.communicate(timeout=5)[0]
    yield "multicast (SSDP) across veth", heard, "UPnP searches would find nothing"
    r = in_ns(lab, a, "ip", "addr", "add", "2001:db8::1/64", "dev", "x0", check=False)
    yield "IPv6", r.returncode == 0, r.stderr.strip()
    r = in_ns(lab, a, "conntrack", "-F", check=False)
    yield "conntrack flush", r.returncode == 0, r.stderr.strip().split("\n")[0]
