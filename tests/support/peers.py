"""Authoritative servers of others, run on loopback over the zones of a test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.message
import dns.query
import dns.rcode

PATIENCE = 20.0  # seconds until a server must answer, on a busy machine
HOST = "127.0.0.1"


class Primary(NamedTuple):
    """Whom a server follows; its transfers are allowed from HOST."""

    port: int
    key: str = ""  # name of a key of hmac-sha256, without final dot; empty: unsigned
    secret: str = ""  # of it, Base64
    ca: Path | None = None  # certificate of the server, which is then followed over TLS


class Peer:
    """A server of a kind: its program, its configuration, its command.

    Args:
        folder: where it finds its zones, `<origin>zone`, and keeps what it writes.
        origins: the zones it serves, with their final dots.
        port, host: where it listens, UDP and TCP.
        primary: whom it has its zones from; None if it has files of them.

    Attributes:
        pid: of its process.
    """

    program = ""

    def __init__(
        self,
        folder: Path,
        origins: list[str],
        port: int,
        host: str = HOST,
        primary: Primary | None = None,
    ) -> None:
        self.primary = primary
        self.pid = 0
        self.host = host
        self.folder = folder
        self.origins = origins
        self.port = port

    def configuration(self) -> str:
        raise NotImplementedError

    def command(self, file: Path) -> list[str]:
        raise NotImplementedError

    def ask(
        self, query: dns.message.Message, stream: bool = False, seconds: float = PATIENCE
    ) -> dns.message.Message:
        """Its answer to a query."""
        exchange = dns.query.tcp if stream else dns.query.udp
        return exchange(query, self.host, timeout=seconds, port=self.port, one_rr_per_rrset=True)

    def prepare(self) -> None:
        """Make what it needs beside its configuration."""

    def answers(self) -> bool:
        """Whether it serves its last zone yet."""
        try:
            reply = self.ask(dns.message.make_query(self.origins[-1], "SOA"), seconds=0.05)
        except (OSError, dns.exception.DNSException):
            return False
        return reply.rcode() == dns.rcode.NOERROR and bool(reply.answer)


class Nsd(Peer):
    program = "nsd"

    def configuration(self) -> str:
        follows, keys, tls = self._follows() if self.primary else ("", "", "")
        zones = "".join(
            f'zone:\n  name: "{origin}"\n  zonefile: "{origin}zone"\n{follows}'
            for origin in self.origins
        )
        return f"""\
server:
  server-count: 1
  ip-address: {self.host}@{self.port}
  username: ""
  zonesdir: "{self.folder}"
  database: ""
  zonelistfile: "{self.folder}/nsd.list"
  pidfile: "{self.folder}/nsd.pid"
  xfrdfile: "{self.folder}/nsd.xfrd"
  xfrdir: "{self.folder}"
  rrl-ratelimit: 0
  minimal-responses: no
  refuse-any: no
{tls}remote-control:
  control-enable: no
{keys}{zones}"""

    def _follows(self) -> tuple[str, str, str]:
        """What is said of the primary: in a zone, of keys, of the server."""
        assert self.primary is not None
        port, key, secret, ca = self.primary
        keys = (
            f'key:\n  name: {key}\n  algorithm: hmac-sha256\n  secret: "{secret}"\n' if key else ""
        )
        if ca:
            keys += 'tls-auth:\n  name: ours\n  auth-domain-name: "ns.test"\n'
        zone = f"  request-xfr: {HOST}@{port} {key or 'NOKEY'}{' ours' if ca else ''}\n"
        zone += f"  allow-notify: {HOST} NOKEY\n  provide-xfr: {HOST} NOKEY\n"
        return zone, keys, f'  tls-cert-bundle: "{ca}"\n' if ca else ""

    def command(self, file: Path) -> list[str]:
        return ["nsd", "-d", "-c", str(file)]


class Knot(Peer):
    program = "knotd"

    def configuration(self) -> str:
        follows, remote = self._follows() if self.primary else ("", "")
        zones = "".join(
            f'  - domain: "{origin}"\n    file: "{origin}zone"\n{follows}'
            for origin in self.origins
        )
        return f"""\
server:
  rundir: "{self.folder}"
  listen: {self.host}@{self.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  tcp-io-timeout: 10000
  tcp-remote-io-timeout: 10000
log:
  - target: stderr
    any: warning
database:
  storage: "{self.folder}"
{remote}template:
  - id: default
    storage: "{self.folder}"
    semantic-checks: off
    zonefile-load: {"none" if remote else "whole"}
    zonefile-sync: -1
    journal-content: {"changes" if remote else "none"}
zone:
{zones}"""

    def _follows(self) -> tuple[str, str]:
        """What is said of the primary: in a zone, and of it."""
        assert self.primary is not None
        port, key, secret, _ = self.primary
        keys = (
            f"key:\n  - id: {key}\n    algorithm: hmac-sha256\n    secret: {secret}\n"
            if key
            else ""
        )
        remote = f"{keys}remote:\n  - id: ours\n    address: {HOST}@{port}\n"
        remote += f"    key: {key}\n" if key else ""
        remote += f"acl:\n  - id: here\n    address: {HOST}\n    action: [notify, transfer]\n"
        return "    master: ours\n    acl: here\n", remote

    def command(self, file: Path) -> list[str]:
        return ["knotd", "-c", str(file), "-s", str(self.folder / "knot.sock")]


class Bind(Peer):
    program = "named"

    def configuration(self) -> str:
        follows, keys = self._follows() if self.primary else ("type primary;", "")
        zones = "".join(
            f'zone "{origin}" {{ {follows} file "{self.folder}/{origin}zone"; }};\n'
            for origin in self.origins
        )
        return f"""\
options {{
  directory "{self.folder}";
  pid-file none;
  lock-file none;
  session-keyfile none;
  listen-on port {self.port} {{ {self.host}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  minimal-responses no;
  minimal-any yes;
  check-names primary ignore;
  check-integrity no;
  notify no;
}};
controls {{ }};
{keys}{zones}"""

    def _follows(self) -> tuple[str, str]:
        """What is said of the primary: in a zone, and of it."""
        assert self.primary is not None
        port, key, secret, ca = self.primary
        keys = f'key "{key}" {{ algorithm hmac-sha256; secret "{secret}"; }};\n' if key else ""
        keys += f'server {HOST} {{ keys "{key}"; }};\n' if key else ""
        if ca:
            keys += f'tls ours {{ ca-file "{ca}"; remote-hostname "ns.test"; }};\n'
        primaries = f"primaries port {port} {{ {HOST}{' tls ours' if ca else ''}; }};"
        zone = f"type secondary; masterfile-format text; {primaries} min-refresh-time 1;"
        return f"{zone} allow-notify {{ {HOST}; }}; allow-transfer {{ {HOST}; }};", keys

    def command(self, file: Path) -> list[str]:
        return ["named", "-g", "-n", "1", "-U", "1", "-c", str(file)]


class Pdns(Peer):
    """PowerDNS with its LMDB backend, for zones that it follows."""

    program = "pdns_server"

    def configuration(self) -> str:
        return f"""\
launch=lmdb
lmdb-filename={self.folder}/pdns.lmdb
local-address={self.host}
local-port={self.port}
socket-dir={self.folder}
secondary=yes
xfr-cycle-interval=1
dname-processing=yes
allow-axfr-ips={HOST}
allow-notify-from={HOST}
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
security-poll-suffix=
"""

    def prepare(self) -> None:
        assert self.primary is not None
        port, key, secret, _ = self.primary
        (self.folder / "pdns.conf").write_text(self.configuration())
        if key:
            self._util("import-tsig-key", key, "hmac-sha256", secret)
        for origin in self.origins:
            self._util("create-secondary-zone", origin, f"{HOST}:{port}")
            self._util("set-meta", origin, "IXFR", "1")
            if key:
                self._util("activate-tsig-key", origin, key, "secondary")

    def _util(self, *words: str) -> None:
        done = subprocess.run(
            ["pdnsutil", "--config-dir", str(self.folder), *words], capture_output=True, text=True
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def command(self, file: Path) -> list[str]:
        return [
            "pdns_server",
            "--daemon=no",
            "--guardian=no",
            f"--config-dir={self.folder}",
        ]


KINDS: tuple[type[Peer], ...] = (Nsd, Knot, Bind)


def installed(kind: type[Peer]) -> bool:
    """Whether this machine has the program; Debian keeps it outside a user's path."""
    return shutil.which(kind.program, path="/usr/sbin:/usr/bin:/usr/local/sbin") is not None


@contextlib.contextmanager
def running(
    kind: type[Peer],
    folder: Path,
    zones: Mapping[str, str],
    port: int | None = None,
    host: str = HOST,
    primary: Primary | None = None,
) -> Iterator[Peer]:
    """A server that answers for these zones (text by origin), on a free port unless one is given;
    ended on the way out. The text of zones that it has from its primary is of no account.
    """
    for origin, text in zones.items():
        if primary is None:
            (folder / f"{origin}zone").write_text(f"$ORIGIN {origin}\n{text}")
    peer = kind(folder, list(zones), port or free_port(), host, primary)
    peer.prepare()
    file = folder / f"{kind.program}.conf"
    file.write_text(peer.configuration())
    log = folder / f"{kind.program}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            peer.command(file),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": "/usr/sbin:/usr/bin:/usr/local/sbin"},
        )
    peer.pid = process.pid
    try:
        end = time.monotonic() + PATIENCE
        while not peer.answers():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{kind.program} does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield peer
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of HOST that neither UDP nor TCP uses now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((HOST, 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind((HOST, port))
                return port
