"""What a site can be: a kind, and modifiers behind it, as in `upnp+symmetric`."""

from machine import LabError

KINDS = {
    "none": "host sits directly on the public segment",
    "nat": "NAT router, no port-mapping protocol",
    "upnp": "NAT router with miniupnpd: UPnP IGDv2 + NAT-PMP + PCP",
    "ics": "NAT router with miniupnpd as IGDv1 only (what Windows XP ICS offered)",
    "pcp": "NAT router with miniupnpd, NAT-PMP and PCP only, no UPnP",
    "fakeigd": "NAT router with the lab's own misbehaving IGDv1 (see +q:NAME)",
    "v6": "IPv6-only host behind a stateful firewall, no NAT",
}
MODIFIERS = {
    "symmetric": "NAT picks a random outside port per destination (address- and port-dependent mapping)",
    "fullcone": "NAT lets unsolicited inbound UDP through to the host",
    "cgn": "a second, carrier-grade NAT outside the home router (100.64.0.0/10)",
    "reject": "the router answers unsolicited inbound TCP with RST instead of dropping it",
    "noudp": "the router forwards no UDP: TCP only",
    "web": "the router forwards only outgoing TCP 80 and 443",
    "v6": "dual stack: a firewalled global IPv6 address beside the IPv4 one",
    "open": "no IPv6 firewall (with kind v6 or +v6)",
    "upnp": "with kind v6: run miniupnpd for IPv6 pinholes",
    "taken": "another machine already holds outside TCP port 3389",
    "q:NAME": "with kind fakeigd: a fault, see `natlab kinds`",
}


class Site:
    """A parsed KIND[+MODIFIER...]."""

    def __init__(self, text):
        self.text = text
        parts = text.split("+")
        self.kind = parts[0]
        self.mods = set()
        self.quirks = []
        if self.kind not in KINDS:
            raise LabError(f"unknown kind {self.kind!r}; known: {', '.join(KINDS)}")
        for m in parts[1:]:
            if m.startswith("q:"):
                self.quirks.append(m[2:])
            elif m in MODIFIERS:
                self.mods.add(m)
            else:
                raise LabError(f"unknown modifier +{m}; known: +{', +'.join(MODIFIERS)}")
        if self.quirks and self.kind != "fakeigd":
            raise LabError("+q:NAME needs kind fakeigd")
        if "upnp" in self.mods and self.kind != "v6":
            raise LabError("+upnp is for kind v6 only; use kind upnp")
        if self.kind == "none" and self.mods - {"v6", "open"}:
            raise LabError("kind none has no router: only +v6 applies")
        if "taken" in self.mods and self.igd is None:
            raise LabError("+taken needs a router with a port-mapping protocol")

    @property
    def has_router(self):
        return self.kind != "none"

    @property
    def v4(self):
        return self.kind != "v6"

    @property
    def v6(self):
        return self.kind == "v6" or "v6" in self.mods

    @property
    def igd(self):
        """Which port-mapping daemon the router runs, if any."""
        if self.kind in ("upnp", "ics", "pcp") or "upnp" in self.mods:
            return "miniupnpd"
        return "fakeigd" if self.kind == "fakeigd" else None
