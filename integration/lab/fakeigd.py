#!/usr/bin/env python3
"""A small UPnP IGDv1 with faults that real routers have and miniupnpd has not.

It answers SSDP searches, serves a device description and the WANIPConnection:1
control point, and really maps ports with nft (table inet natlab, chains
miniupnpd_pre), so a successful mapping can be dialled.  `natlab` starts it for
sites of kind `fakeigd`; faults are chosen with fakeigd+q:NAME.
"""

import argparse
import contextlib
import http.server
import re
import socket
import struct
import subprocess
import threading
import time

QUIRKS = {
    "permanent-only": "error 725 for any lease other than 0",
    "same-port-only": "error 724 unless outside and inside port are equal",
    "always-conflict": "error 718 for every AddPortMapping",
    "refuse": "error 606 (not authorised) for every action that changes something",
    "no-delete": "DeletePortMapping answers 401 invalid action",
    "html500": "control answers HTTP 500 with an HTML page",
    "hang-control": "control accepts the request and never answers",
    "hang-desc": "the device description never arrives",
    "slow-desc": "the device description takes 4 s",
    "bad-xml": "the device description is not well-formed",
    "zero-ip": "GetExternalIPAddress answers 0.0.0.0",
    "empty-ip": "GetExternalIPAddress answers an empty string",
    "lying": "AddPortMapping answers OK and maps nothing",
    "forgetful": "mappings vanish 5 s after they were made, whatever the lease",
    "foreign-location": "the SSDP answer points at another machine's address",
    "deaf-first": "the first SSDP search is lost, later ones are answered",
    "chatty": "each SSDP search is answered five times",
    "disconnected": "GetStatusInfo says Disconnected (second router in the house)",
    "conflict-twice": "error 718 for the first two AddPortMapping, whatever the port",
    "late-answer": "AddPortMapping is done at once and answered 2 s later",
    "endless-desc": "the device description never ends",
}

SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
ROOT = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<friendlyName>natlab fake IGD</friendlyName><manufacturer>natlab</manufacturer><modelName>fakeigd</modelName>
<UDN>uuid:6e61746c-6162-0000-0000-000000000001</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<friendlyName>WANDevice</friendlyName><manufacturer>natlab</manufacturer><modelName>fakeigd</modelName>
<UDN>uuid:6e61746c-6162-0000-0000-000000000002</UDN>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANCommonIFC1</serviceId>
<controlURL>/ctlc</controlURL><eventSubURL>/evtc</eventSubURL><SCPDURL>/scpdc.xml</SCPDURL></service></serviceList>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<friendlyName>WANConnectionDevice</friendlyName><manufacturer>natlab</manufacturer><modelName>fakeigd</modelName>
<UDN>uuid:6e61746c-6162-0000-0000-000000000003</UDN>
<serviceList><service><serviceType>%s</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>/ctl</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>
""" % SERVICE


def action_xml(name, *args):
    a = "".join(
        f"<argument><name>{n}</name><direction>{d}</direction>"
        f"<relatedStateVariable>X</relatedStateVariable></argument>"
        for d, n in args
    )
    return f"<action><name>{name}</name><argumentList>{a}</argumentList></action>"


ADD_ARGS = ["NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalPort",
            "NewInternalClient", "NewEnabled", "NewPortMappingDescription", "NewLeaseDuration"]
SCPD = (
    '<?xml version="1.0"?>\n<scpd xmlns="urn:schemas-upnp-org:service-1-0">'
    "<specVersion><major>1</major><minor>0</minor></specVersion><actionList>"
    + action_xml("GetExternalIPAddress", ("out", "NewExternalIPAddress"))
    + action_xml("GetStatusInfo", ("out", "NewConnectionStatus"),
                 ("out", "NewLastConnectionError"), ("out", "NewUptime"))
    + action_xml("AddPortMapping", *[("in", n) for n in ADD_ARGS])
    + action_xml("DeletePortMapping", *[("in", n) for n in ADD_ARGS[:3]])
    + action_xml("GetSpecificPortMappingEntry", *[("in", n) for n in ADD_ARGS[:3]],
                 *[("out", n) for n in ADD_ARGS[3:]])
    + action_xml("GetGenericPortMappingEntry", ("in", "NewPortMappingIndex"),
                 *[("out", n) for n in ADD_ARGS])
    + "</actionList><serviceStateTable/></scpd>"
)
SCPD_COMMON = (
    '<?xml version="1.0"?>\n<scpd xmlns="urn:schemas-upnp-org:service-1-0">'
    "<specVersion><major>1</major><minor>0</minor></specVersion>"
    "<actionList/><serviceStateTable/></scpd>"
)


class Fault(Exception):
    pass


class Igd:
    def __init__(self, lan, external, quirks):
        self.lan, self.external, self.q = lan, external, set(quirks)
        self.maps = {}  # (proto, ext) -> dict
        self.lock = threading.Lock()
        self.boot = time.time()
        self.heard = 0
        self.refused = 0

    def apply(self):
        lines = ["flush chain inet natlab miniupnpd_pre"]
        for (proto, ext), m in self.maps.items():
            lines.append(
                f'add rule inet natlab miniupnpd_pre iifname "wan0" '
                f"{proto.lower()} dport {ext} dnat ip to {m['client']}:{m['port']}"
            )
        subprocess.run(["nft", "-f", "-"], input="\n".join(lines) + "\n", text=True, check=True)

    def expire(self):
        while True:
            time.sleep(0.2)
            now = time.time()
            with self.lock:
                old = [k for k, m in self.maps.items() if m["until"] and m["until"] < now]
                for k in old:
                    del self.maps[k]
                if old:
                    self.apply()

    def call(self, action, a):
        if "hang-control" in self.q:
            time.sleep(3600)
        changes = action in ("AddPortMapping", "DeletePortMapping")
        if changes and "refuse" in self.q:
            raise Fault(606, "Action not authorized")
        if action == "GetExternalIPAddress":
            ip = self.external
            if "zero-ip" in self.q:
                ip = "0.0.0.0"
            if "empty-ip" in self.q:
                ip = ""
            return {"NewExternalIPAddress": ip}
        if action == "GetStatusInfo":
            return {"NewConnectionStatus": "Disconnected" if "disconnected" in self.q else "Connected",
                    "NewLastConnectionError": "ERROR_NONE", "NewUptime": int(time.time() - self.boot)}
        if action == "AddPortMapping":
            return self.add(a)
        with self.lock:
            if action == "GetGenericPortMappingEntry":
                items = list(self.maps.items())
                n = int(a.get("NewPortMappingIndex", 0))
                if n >= len(items):
                    raise Fault(713, "SpecifiedArrayIndexInvalid")
                (proto, ext), m = items[n]
                return {"NewRemoteHost": "", "NewExternalPort": ext, "NewProtocol": proto, **self.out(m)}
            key = (a.get("NewProtocol", "").upper(), int(a.get("NewExternalPort", 0)))
            if action == "DeletePortMapping":
                if "no-delete" in self.q:
                    raise Fault(401, "Invalid Action")
                if key not in self.maps:
                    raise Fault(714, "NoSuchEntryInArray")
                del self.maps[key]
                self.apply()
                return {}
            if action == "GetSpecificPortMappingEntry":
                if key not in self.maps:
                    raise Fault(714, "NoSuchEntryInArray")
                return self.out(self.maps[key])
        raise Fault(401, "Invalid Action")

    @staticmethod
    def out(m):
        left = 0 if not m["lease"] else max(0, int(m["until"] - time.time()))
        return {"NewInternalPort": m["port"], "NewInternalClient": m["client"], "NewEnabled": 1,
                "NewPortMappingDescription": m["desc"], "NewLeaseDuration": left}

    def add(self, a):
        ext, port = int(a["NewExternalPort"]), int(a["NewInternalPort"])
        proto, client = a["NewProtocol"].upper(), a["NewInternalClient"]
        lease = int(a.get("NewLeaseDuration", 0) or 0)
        if "always-conflict" in self.q or "conflict-twice" in self.q and self.refused < 2:
            self.refused += 1
            raise Fault(718, "ConflictInMappingEntry")
        if "permanent-only" in self.q and lease != 0:
            raise Fault(725, "OnlyPermanentLeasesSupported")
        if "same-port-only" in self.q and ext != port:
            raise Fault(724, "SamePortValuesRequired")
        if ext == 0:
            raise Fault(716, "WildCardNotPermittedInExtPort")
        with self.lock:
            old = self.maps.get((proto, ext))
            if old and old["client"] != client:
                raise Fault(718, "ConflictInMappingEntry")
            until = time.time() + lease if lease else 0
            if "forgetful" in self.q:
                until = time.time() + 5
            if "lying" not in self.q:
                self.maps[(proto, ext)] = {
                    "client": client, "port": port, "lease": lease, "until": until,
                    "desc": a.get("NewPortMappingDescription", "")}
                self.apply()
        if "late-answer" in self.q:
            time.sleep(2)
        return {}

    def ssdp(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", 1900))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     struct.pack("4s4s", socket.inet_aton("239.255.255.250"), socket.inet_aton(self.lan)))
        host = "192.0.2.66" if "foreign-location" in self.q else self.lan
        while True:
            data, src = s.recvfrom(2048)
            text = data.decode(errors="replace")
            m = re.search(r"^ST:\s*(\S+)", text, re.I | re.M)
            if not text.startswith("M-SEARCH") or not m:
                continue
            st = m.group(1)
            known = ("ssdp:all", "upnp:rootdevice", SERVICE,
                     "urn:schemas-upnp-org:device:InternetGatewayDevice:1")
            if st not in known:
                continue
            self.heard += 1
            if "deaf-first" in self.q and time.time() - self.boot < 3600 and self.heard <= 4:
                continue
            answer = (
                "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n"
                f"ST: {known[3] if st == 'ssdp:all' else st}\r\n"
                "USN: uuid:6e61746c-6162-0000-0000-000000000001::"
                f"{st}\r\nEXT:\r\nSERVER: natlab/1 UPnP/1.0 fakeigd/1\r\n"
                f"LOCATION: http://{host}:5000/root.xml\r\n\r\n"
            ).encode()
            for _ in range(5 if "chatty" in self.q else 1):
                s.sendto(answer, src)


def handler(igd):
    class H(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, code, body, kind="text/xml"):
            b = body.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(b)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b)
            self.close_connection = True

        def flood(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.write(ROOT[:400].encode())
                while True:
                    self.wfile.write(b"<specVersion/>" * 4096)

        def do_GET(self):
            if self.path == "/root.xml":
                if "hang-desc" in igd.q:
                    time.sleep(3600)
                if "slow-desc" in igd.q:
                    time.sleep(4)
                if "endless-desc" in igd.q:
                    return self.flood()
                return self.reply(200, ROOT[:400] if "bad-xml" in igd.q else ROOT)
            if self.path == "/scpd.xml":
                return self.reply(200, SCPD)
            if self.path == "/scpdc.xml":
                return self.reply(200, SCPD_COMMON)
            self.reply(404, "<html/>", "text/html")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
            if "html500" in igd.q:
                return self.reply(500, "<html><body>Internal error</body></html>", "text/html")
            action = self.headers.get("SOAPAction", "").strip('"').rpartition("#")[2]
            args = dict(re.findall(r"<(New\w+)[^>]*>([^<]*)</\1>", body))
            try:
                out = igd.call(action, args)
                inner = "".join(f"<{k}>{v}</{k}>" for k, v in out.items())
                code, xml = 200, f'<u:{action}Response xmlns:u="{SERVICE}">{inner}</u:{action}Response>'
            except Fault as f:
                n, text = f.args
                code, xml = 500, (
                    "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>"
                    '<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
                    f"<errorCode>{n}</errorCode><errorDescription>{text}</errorDescription>"
                    "</UPnPError></detail></s:Fault>")
            print(f"{action} {args} -> {code} {xml if code != 200 else ''}", flush=True)
            self.reply(code, '<?xml version="1.0"?>\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
                       's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
                       + xml + "</s:Body></s:Envelope>")

        def log_message(self, *a):
            pass

    return H


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--lan", required=True, help="the router's LAN address")
    p.add_argument("--external", required=True, help="the outside address to report")
    p.add_argument("--quirk", action="append", default=[], choices=sorted(QUIRKS))
    a = p.parse_args()
    igd = Igd(a.lan, a.external, a.quirk)
    threading.Thread(target=igd.ssdp, daemon=True).start()
    threading.Thread(target=igd.expire, daemon=True).start()
    srv = http.server.ThreadingHTTPServer((a.lan, 5000), handler(igd))
    srv.daemon_threads = True
    srv.serve_forever()


if __name__ == "__main__":
    main()
