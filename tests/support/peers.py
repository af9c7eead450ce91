"""Authoritative servers of others, run on loopback over the zones of a test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

PATIENCE = 20.0  # seconds until a server must answer, on a busy machine
HOST = "127.0.0.1"


class Peer:
    """A server of a kind: its program, its configuration, its command.

    Args:
        folder: where it finds its zones, `<origin>zone`, and keeps what it writes.
        origins: the zones it serves, with their final dots.
        port, host: where it listens, UDP and TCP.

    Attributes:
        pid: of its process.
    """

    program = ""

    def __init__(self, folder: Path, origins: list[str], port: int, host: str = HOST) -> None:
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
        zones = "".join(
            f'zone:\n  name: "{origin}"\n  zonefile: "{origin}zone"\n' for origin in self.origins
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
remote-control:
  control-enable: no
{zones}"""

    def command(self, file: Path) -> list[str]:
        return ["nsd", "-d", "-c", str(file)]


class Knot(Peer):
    program = "knotd"

    def configuration(self) -> str:
        zones = "".join(
            f'  - domain: "{origin}"\n    file: "{origin}zone"\n' for origin in self.origins
        )
        return f"""\
server:
  rundir: "{self.folder}"
  listen: {self.host}@{self.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: "{self.folder}"
template:
  - id: default
    storage: "{self.folder}"
    semantic-checks: off
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
{zones}"""

    def command(self, file: Path) -> list[str]:
        return ["knotd", "-c", str(file), "-s", str(self.folder / "knot.sock")]


class Bind(Peer):
    program = "named"

    def configuration(self) -> str:
        zones = "".join(
            f'zone "{origin}" {{ type primary; file "{self.folder}/{origin}zone"; }};\n'
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
{zones}"""

    def command(self, file: Path) -> list[str]:
        return ["named", "-g", "-n", "1", "-U", "1", "-c", str(file)]


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
) -> Iterator[Peer]:
    """A server that answers for these zones (text by origin), on a free port unless one is given;
    ended on the way out.
    """
    for origin, text in zones.items():
        (folder / f"{origin}zone").write_text(f"$ORIGIN {origin}\n{text}")
    peer = kind(folder, list(zones), port or free_port(), host)
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
