"""The laboratory itself: nodes, cables, routers, and the daemons on them."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

from machine import (LabError, PREFIX, find_tool, in_ns, ip_batch, is_gone, ns_name, ns_path, proc_start, run)
from sites import Site

HERE = os.path.dirname(os.path.realpath(__file__))
STATE_ROOT = os.environ.get("NATLAB_STATE", "/run/natlab")
RDP_PORT = 3389

# "Public" addresses.  They must look globally routable: miniupnpd refuses to
# map ports when its outside address is private or one of the documentation
# ranges.  They exist only inside the namespaces.
PUB4 = "11.0"
PUB6 = "2001:db8"  # documentation prefix; nothing in the lab rejects it

# Side, and the number in its addresses.  "second" is the novice's second line.
SIDES = {"novice": 1, "expert": 2, "second": 3}


class Lab:
    def __init__(self, lab):
        if not re.fullmatch(r"[a-z0-9]{1,12}", lab):
            raise LabError("a lab id is 1 to 12 characters of a-z 0-9")
        self.id = lab
        self.dir = os.path.join(STATE_ROOT, lab)
        self.file = os.path.join(self.dir, "state.json")
        self.s = {"id": lab, "nodes": [], "daemons": [], "addr": {}, "sites": {},
                  "routers": {}, "options": {}}

    # -- state

    def exists(self):
        return os.path.exists(self.file)

    def load(self):
        try:
            with open(self.file) as f:
                self.s = json.load(f)
        except FileNotFoundError:
            raise LabError(f"no lab {self.id!r} is up")
        return self

    def save(self):
        os.makedirs(self.dir, exist_ok=True)
        tmp = self.file + ".new"
        with open(tmp, "w") as f:
            json.dump(self.s, f, indent=1)
        os.replace(tmp, self.file)

    # -- building

    def up(self, novice, expert, relays=1, delay=0, same_subnet=False, same_lan=False, second=None):
        sites = {"novice": Site(novice), "expert": Site(expert)}
        if second:
            sites["second"] = Site(second)
        if self.exists():
            raise LabError(f"lab {self.id!r} is already up; `natlab down --id {self.id}` first")
        if (same_lan or second) and not sites["novice"].has_router:
            raise LabError("--same-lan and --second need a router on the novice's side")
        if second and not (sites["second"].has_router and sites["second"].v4):
            raise LabError("--second needs a kind with a router and IPv4")
        self.s["options"] = {"delay": delay, "same_subnet": same_subnet}
        self.s["sites"] = {k: v.text for k, v in sites.items()}
        self.save()
        self.node("inet", forward=True)
        for n in range(relays):
            self._relay(n)
        for side, site in sites.items():
            if side == "expert" and same_lan:
                self._lan_host("expert", "novice", 20)
            elif site.has_router:
                self._site(side, site, same_subnet)
            else:
                self._on_the_net(side, site)
        self._hosts_file()
        self.save()
        return self

    def node(self, name, forward=False):
        run(["ip", "netns", "add", ns_name(self.id, name)])
        self.s["nodes"].append(name)
        self.save()
        script = ["echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad",
                  "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad",
                  "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit"]
        if forward:
            script += ["echo 1 > /proc/sys/net/ipv4/ip_forward",
                       "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
                       # with br_netfilter, frames between two LAN hosts would
                       # meet the router's firewall; a home router switches them
                       "for f in /proc/sys/net/bridge/bridge-nf-call-*; do"
                       " [ ! -e $f ] || echo 0 > $f; done"]
        in_ns(self.id, name, "sh", "-c", "; ".join(script) + "; ip link set lo up")

    def link(self, n1, if1, a1, n2, if2, a2):
        """A cable between two nodes; a1 and a2 are lists of address/prefix."""
        run(["ip", "link", "add", if1, "netns", ns_name(self.id, n1), "type", "veth",
             "peer", "name", if2, "netns", ns_name(self.id, n2)])
        for n, i, addrs in ((n1, if1, a1), (n2, if2, a2)):
            ip_batch(self.id, n, [f"addr add {a} dev {i}" + (" nodad" if ":" in a else "") for a in addrs]
                     + [f"link set {i} up"])

    def _relay(self, n):
        name = "relay" if n == 0 else f"relay{n + 1}"
        k = 9 + n
        self.node(name)
        self.link("inet", f"r{n}", [f"{PUB4}.{k}.1/24", f"{PUB6}:{k:x}::1/64"],
                  name, "eth0", [f"{PUB4}.{k}.2/24", f"{PUB4}.{k}.3/24",
                                 f"{PUB6}:{k:x}::2/64", f"{PUB6}:{k:x}::3/64"])
        ip_batch(self.id, name, [f"route add default via {PUB4}.{k}.1",
                                 f"route add default via {PUB6}:{k:x}::1"])
        self.s["addr"][name] = [f"{PUB4}.{k}.2", f"{PUB4}.{k}.3",
                                f"{PUB6}:{k:x}::2", f"{PUB6}:{k:x}::3"]

    def _wan(self, side, node, v4, v6):
        """Connects `node`'s wan0 to the public segment, through a wire if asked."""
        i = SIDES[side]
        up = ([f"{PUB4}.{i}.1/24"] if v4 else []) + ([f"{PUB6}:{i}::1/64"] if v6 else [])
        dn = ([f"{PUB4}.{i}.2/24"] if v4 else []) + ([f"{PUB6}:{i}::2/64"] if v6 else [])
        dev, delay = f"w{i}", self.s["options"]["delay"]
        if delay:
            w, wire = f"{side}-wire", [sys.executable, os.path.join(HERE, "wire.py")]
            self.node(w)
            self.link("inet", dev, up, w, "up0", [])
            self.link(w, "dn0", [], node, "wan0", dn)
            for n, d in (("inet", dev), (node, "wan0")):
                in_ns(self.id, n, *wire, "nooffload", d)
            in_ns(self.id, w, "sh", "-c",
                  "for i in up0 dn0; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done")
            mark = os.path.join(self.dir, f"{w}.ready")
            self.daemon(w, "wire", [*wire, "join", "up0", "dn0", str(delay), mark],
                        ready=lambda: os.path.exists(mark))
        else:
            self.link("inet", dev, up, node, "wan0", dn)
        ip_batch(self.id, node, ([f"route add default via {PUB4}.{i}.1"] if v4 else [])
                 + ([f"route add default via {PUB6}:{i}::1"] if v6 else []))

    def _on_the_net(self, side, site):
        i = SIDES[side]
        self.node(side)
        self._wan(side, side, True, site.v6)
        self.s["addr"][side] = [f"{PUB4}.{i}.2"] + ([f"{PUB6}:{i}::2"] if site.v6 else [])

    def _site(self, side, site, same_subnet):
        i = SIDES[side]
        gw = f"{side}-router"
        net = "192.168.1" if same_subnet else f"192.168.{10 + i}"
        self.node(gw, forward=True)
        if "cgn" in site.mods and site.v4:
            wan4 = self._carrier(side, site, gw)
        else:
            self._wan(side, gw, site.v4, site.v6)
            if site.v6:
                ip_batch(self.id, "inet", [f"route add {PUB6}:{i}:1::/64 via {PUB6}:{i}::2"])
            wan4 = f"{PUB4}.{i}.2"
        # LAN: a bridge in the router, one port per host
        ip_batch(self.id, gw, ["link add lan0 type bridge", "link set lan0 up"]
                 + ([f"addr add {net}.1/24 dev lan0"] if site.v4 else [])
                 + ([f"addr add {PUB6}:{i}:1::1/64 dev lan0 nodad"] if site.v6 else []))
        self.s["routers"][side] = {"node": gw, "net": net, "v4": site.v4, "v6": site.v6, "wan4": wan4, "ports": 0}
        if side == "second":
            self._second_line()
        else:
            self._lan_host(side, side, 10)
        if "taken" in site.mods:
            self._lan_host(f"{side}-peer", side, 11)
        self._nft(gw, self._ruleset(site, self.s["addr"][side]))
        self._igd(side, site)
        if "taken" in site.mods:
            in_ns(self.id, f"{side}-peer", "upnpc", "-m", "eth0", "-a",
                  self.s["addr"][f"{side}-peer"][0], str(RDP_PORT), str(RDP_PORT), "TCP", "3600")

    def _carrier(self, side, site, gw):
        """The provider's own NAT, between the router and the public segment."""
        i = SIDES[side]
        cgn = f"{side}-cgn"
        self.node(cgn, forward=True)
        self._wan(side, cgn, True, site.v6)
        self.link(cgn, "lan0", [f"100.64.{i}.1/24"] + ([f"{PUB6}:{i}:f::1/64"] if site.v6 else []),
                  gw, "wan0", [f"100.64.{i}.2/24"] + ([f"{PUB6}:{i}:f::2/64"] if site.v6 else []))
        ip_batch(self.id, gw, [f"route add default via 100.64.{i}.1"]
                 + ([f"route add default via {PUB6}:{i}:f::1"] if site.v6 else []))
        if site.v6:
            ip_batch(self.id, cgn, [f"route add {PUB6}:{i}:1::/64 via {PUB6}:{i}:f::2"])
            ip_batch(self.id, "inet", [f"route add {PUB6}:{i}::/48 via {PUB6}:{i}::2"])
        self._nft(cgn, self._ruleset(site, None))
        return f"100.64.{i}.2"

    def _lan_host(self, name, side, last):
        r = self.s["routers"][side]
        i = SIDES[side]
        self.node(name)
        a4, a6 = f"{r['net']}.{last}", f"{PUB6}:{i}:1::{last}"
        self._plug(name, "eth0", side, ([f"{a4}/24"] if r["v4"] else []) + ([f"{a6}/64"] if r["v6"] else []))
        ip_batch(self.id, name, ([f"route add default via {r['net']}.1"] if r["v4"] else [])
                 + ([f"route add default via {PUB6}:{i}:1::1"] if r["v6"] else []))
        self.s["addr"][name] = ([a4] if r["v4"] else []) + ([a6] if r["v6"] else [])

    def _second_line(self):
        """The novice's second interface; answers go out by the line on which the question came."""
        r = self.s["routers"]["second"]
        a4 = f"{r['net']}.10"
        self._plug("novice", "eth1", "second", [f"{a4}/24"])
        ip_batch(self.id, "novice", [f"route add default via {r['net']}.1 table 3",
                                     f"rule add from {a4} table 3"])
        self.s["addr"]["second"] = [a4]

    def _plug(self, host, dev, side, addrs):
        r = self.s["routers"][side]
        port = f"p{r['ports']}"
        r["ports"] += 1
        self.link(r["node"], port, [], host, dev, addrs)
        ip_batch(self.id, r["node"], [f"link set {port} master lan0"])

    def _nft(self, node, rules):
        path = os.path.join(self.dir, f"{node}.nft")
        with open(path, "w") as f:
            f.write(rules)
        in_ns(self.id, node, "nft", "-f", path)

    @staticmethod
    def _ruleset(site, host):
        masq = "masquerade" + (" fully-random" if "symmetric" in site.mods else "")
        deny = "reject with tcp reset" if "reject" in site.mods else "drop"
        fwd = []
        if "noudp" in site.mods:
            fwd.append('iifname "lan0" meta l4proto udp drop')
        if "web" in site.mods:
            fwd.append('iifname "lan0" meta l4proto != tcp drop')
            fwd.append('iifname "lan0" tcp dport != { 80, 443 } drop')
        pre = fwd6 = ""
        if "fullcone" in site.mods and host:
            pre = f'iifname "wan0" udp dport 1024-65535 dnat ip to {host[0]}'
        if "open" in site.mods:
            fwd6 = "meta nfproto ipv6 accept"
        nl = "\n    "
        return f"""
table inet natlab {{
  chain miniupnpd {{ }}
  chain miniupnpd_pre {{ }}
  chain miniupnpd_post {{ }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump miniupnpd_pre
    {pre}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    jump miniupnpd_post
    meta nfproto ipv4 oifname "wan0" {masq}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {nl.join(fwd)}
    ct state established,related accept
    iifname "lan0" oifname {{ "wan0", "lan0" }} accept
    ct status dnat accept
    {fwd6}
    meta l4proto icmpv6 accept
    jump miniupnpd
    iifname "wan0" meta l4proto tcp {deny}
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    iifname "wan0" icmp type echo-request accept
    iifname "wan0" meta l4proto icmpv6 accept
    iifname "wan0" meta l4proto tcp {deny}
    iifname "wan0" drop
  }}
}}
"""

    # -- daemons

    def daemon(self, node, name, cmd, ready, ready_s=10):
        logf = os.path.join(self.dir, f"{node}-{name}.log")
        with open(logf, "ab") as lf:
            p = subprocess.Popen(["ip", "netns", "exec", ns_name(self.id, node), *cmd],
                                 stdin=subprocess.DEVNULL, stdout=lf, stderr=lf, start_new_session=True, cwd="/")
        self.s["daemons"].append({"node": node, "name": name, "pid": p.pid, "start": proc_start(p.pid), "log": logf})
        self.save()
        end = time.monotonic() + ready_s
        while not ready():
            if p.poll() is not None:
                with open(logf, errors="replace") as f:
                    tail = f.read()[-800:]
                raise LabError(f"{name} on {node} exited with {p.returncode}:\n{tail}")
            if time.monotonic() > end:
                raise LabError(f"{name} on {node} not ready after {ready_s} s; see {logf}")
            time.sleep(0.02)

    def _stop_daemon(self, node, name, sig):
        for d in [d for d in self.s["daemons"] if d["node"] == node and d["name"] == name]:
            self._kill(d["pid"], d["start"], sig)
            self.s["daemons"].remove(d)
        self.save()

    @staticmethod
    def _kill(pid, start, sig):
        if start is None or proc_start(pid) != start:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        end = time.monotonic() + 2
        while proc_start(pid) == start and time.monotonic() < end:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if is_gone(pid):
                return
            time.sleep(0.01)
        if proc_start(pid) == start:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _igd(self, side, site):
        if site.igd == "miniupnpd":
            self._miniupnpd(side, site)
        elif site.igd == "fakeigd":
            r = self.s["routers"][side]
            self.daemon(r["node"], "fakeigd", [
                sys.executable, os.path.join(HERE, "fakeigd.py"), "--lan", f"{r['net']}.1",
                "--external", r["wan4"], *sum((["--quirk", q] for q in site.quirks), [])],
                ready=lambda: self._listening(r["node"], 5000, True))

    def _miniupnpd(self, side, site):
        r = self.s["routers"][side]
        gw = r["node"]
        conf = os.path.join(self.dir, f"{gw}-miniupnpd.conf")
        pid = os.path.join(self.dir, f"{gw}-miniupnpd.pid")
        yes = {True: "yes", False: "no"}
        upnp = site.kind in ("upnp", "ics") or "upnp" in site.mods
        opts = {
            "ext_ifname": "wan0",
            "listening_ip": "lan0",
            "http_port": "5000",
            "enable_upnp": yes[upnp],
            "enable_natpmp": yes[site.kind != "ics"],
            "force_igd_desc_v1": yes[site.kind == "ics"],
            "secure_mode": "yes",
            "min_lifetime": "2",
            "max_lifetime": "86400",
            "notify_interval": "60",
            "system_uptime": "no",
            "clean_ruleset_interval": "600",
            "upnp_table_name": "natlab",
            "upnp_nat_table_name": "natlab",
            "upnp_forward_chain": "miniupnpd",
            "upnp_nat_chain": "miniupnpd_pre",
            "upnp_nat_postrouting_chain": "miniupnpd_post",
            "friendly_name": f"natlab {side} router",
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.id}.{side}.natlab")),
            "ipv6_disable": yes[not site.v6],
        }
        if site.v6:
            opts["ext_ifname6"] = "wan0"
        with open(conf, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in opts.items())
            if site.v4:
                f.write(f"allow 1-65535 {r['net']}.0/24 1-65535\n")
            f.write("deny 0-65535 0.0.0.0/0 0-65535\n")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(pid)
        self.daemon(gw, "miniupnpd", [find_tool("miniupnpd"), "-d", "-f", conf, "-P", pid],
                    ready=lambda: self._listening(gw, 5000 if upnp else 5351, upnp))

    def _listening(self, node, port, tcp):
        t = in_ns(self.id, node, "ss", "-Hltn" if tcp else "-Hlun", check=False).stdout
        return re.search(rf":{port}\s", t) is not None

    # -- what happens to it

    def _router(self, side):
        if side not in self.s["routers"]:
            raise LabError(f"{side} has no router")
        return self.s["routers"][side]

    def reboot_router(self, side, change_ip=False):
        """Power-cycles a router: all mappings and NAT state are lost."""
        r = self._router(side)
        site, gw = Site(self.s["sites"][side]), r["node"]
        self._stop_daemon(gw, "miniupnpd", signal.SIGKILL)
        self._stop_daemon(gw, "fakeigd", signal.SIGKILL)
        ip_batch(self.id, gw, ["link set lan0 down"])
        in_ns(self.id, gw, "nft", "flush", "ruleset")
        in_ns(self.id, gw, "conntrack", "-F", check=False)
        if change_ip and "cgn" not in site.mods:
            i = SIDES[side]
            new = f"{PUB4}.{i}.{random.randint(100, 200)}"
            ip_batch(self.id, gw, [f"addr del {r['wan4']}/24 dev wan0",
                                   f"addr add {new}/24 dev wan0",
                                   f"route replace default via {PUB4}.{i}.1"])
            r["wan4"] = new
        self._nft(gw, self._ruleset(site, self.s["addr"][side]))
        ip_batch(self.id, gw, ["link set lan0 up"])
        self._igd(side, site)
        self._hosts_file()
        self.save()

    def line(self, name, cut):
        """Cuts the line between a side or a relay and the rest: every packet is lost in silence, no device notices."""
        lines = {side: f"w{i}" for side, i in SIDES.items() if side in self.s["sites"]}
        lines |= {n: f"r{0 if n == 'relay' else int(n[5:]) - 1}" for n in self.s["addr"] if n.startswith("relay")}
        if name not in lines:
            raise LabError(f"no line {name!r}; there are: {', '.join(lines)}")
        table = f"table inet cut_{lines[name]}"
        rules = f"{table}\ndelete {table}\n"
        if cut:
            rules += (f"{table} {{\n chain f {{\n type filter hook forward priority -300;\n"
                      f" iifname {lines[name]} drop\n oifname {lines[name]} drop\n }}\n}}\n")
        in_ns(self.id, "inet", "nft", "-f", "-", text_in=rules)

    # -- running things

    def _hosts_file(self):
        """Name service for `exec`: NAME.natlab for the addresses hosts know."""
        with open(os.path.join(self.dir, "hosts"), "w") as f:
            f.write("127.0.0.1 localhost\n::1 localhost\n")
            for n, addrs in self.s["addr"].items():
                for a in addrs:
                    alt = "-alt" if n.startswith("relay") and a.endswith("3") else ""
                    f.write(f"{a} {n}{alt}.natlab\n")
        with open(os.path.join(self.dir, "resolv.conf"), "w") as f:
            f.write("# the lab has no DNS\noptions timeout:1 attempts:1\n")

    def exec_argv(self, node, cmd):
        if node not in self.s["nodes"]:
            raise LabError(f"no node {node!r}; there are: {', '.join(self.s['nodes'])}")
        sh = ('mount --make-rprivate / && mount --bind "$1" /etc/hosts && '
              '{ [ ! -e /etc/resolv.conf ] || mount --bind "$2" /etc/resolv.conf; } && '
              'shift 2 && exec "$@"')
        return ["nsenter", f"--net={ns_path(self.id, node)}", "unshare", "-m",
                "sh", "-c", sh, "natlab", f"{self.dir}/hosts", f"{self.dir}/resolv.conf", *cmd]

    def description(self):
        """What somebody who works in the lab has to know."""
        return {"id": self.id, "state": self.dir, "sites": self.s["sites"], "addresses": self.s["addr"],
                "outside": {side: r["wan4"] for side, r in self.s["routers"].items() if r["v4"]},
                "enter": {node: self.exec_argv(node, []) for node in self.s["nodes"]}}

    def down(self):
        """Ends every process in the lab's namespaces and deletes them."""
        if self.exists():
            self.load()
        for d in list(self.s["daemons"]):
            self._kill(d["pid"], d["start"], signal.SIGTERM)
        names = [n for n in os.listdir("/run/netns")
                 if n.startswith(f"{PREFIX}-{self.id}-")] if os.path.isdir("/run/netns") else []
        for n in names:
            for sig in (signal.SIGTERM, signal.SIGKILL):
                pids = run(["ip", "netns", "pids", n], check=False).stdout.split()
                if not pids:
                    break
                for p in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(p), sig)
                end = time.monotonic() + 1
                while time.monotonic() < end and not all(is_gone(int(p)) for p in pids):
                    time.sleep(0.02)
        for n in names:
            run(["ip", "netns", "del", n], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def temporary_lab(lab=None, **kw):
    """A lab that is gone when the block ends, however it ends."""
    one = Lab(lab or f"t{os.getpid() % 100000}x{random.randint(0, 9999)}")

    def stop(num, _frame):
        raise SystemExit(128 + num)

    old = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        one.up(**kw)
        yield one
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        one.down()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for s, h in old.items():
            signal.signal(s, h)
