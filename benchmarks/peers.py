"""The servers compared, each with its configuration.

Every server gets one UDP worker, serves the same zone on 127.0.0.1 and gives whole answers (with
the zone's name servers as authority, where it knows how to), without rate limits. No file outside
the work folder is touched.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import processes
from benchmarks.data import Data
from benchmarks.names import SUFFIX
from benchmarks.server import CHECKOUT, SERVER_CORE, Peer, PeerError

ORIGIN = SUFFIX.rstrip(".")
FIRST_PORT = 15_300  # below those that the kernel gives to clients, which may hold one for a minute
CSID = (sys.executable, "-m", "gateway.cli")


class Echo(Peer):
    """The floor: each datagram back with QR set."""

    name = "echo"
    program = sys.executable
    serves_zone = False

    def prepare(self) -> None:
        super().prepare()
        compiler = shutil.which("cc")
        if compiler is None:
            self.label = "echo (python)"
            return
        source = Path(__file__).with_suffix("").with_name("echo.c")
        self.run_tool(compiler, "-O2", "-o", self.folder / "echo", source)

    def command(self) -> Sequence[str | Path]:
        if self.label == self.name:
            return [self.folder / "echo", str(self.port)]
        return [sys.executable, "-m", "benchmarks.echo", str(self.port)]


class Nsd(Peer):
    """NSD with one server process, the zone in memory, without response rate limiting."""

    name = "nsd"
    program = "nsd"

    def files(self) -> dict[str, str]:
        settings = {
            "server-count": "1",
            "ip-address": f"127.0.0.1@{self.port}",
            "username": '""',
            "zonesdir": f'"{self.data.folder}"',
            "database": '""',
            "zonelistfile": f'"{self.folder}/zone.list"',
            "pidfile": f'"{self.folder}/pid"',
            "xfrdfile": f'"{self.folder}/xfrd.state"',
            "xfrdir": f'"{self.folder}"',
            "xfrd-tcp-max": "8",
            "xfrd-tcp-pipeline": "8",
            "rrl-ratelimit": "0",
            "rrl-whitelist-ratelimit": "0",
            "minimal-responses": "no",
        }
        lines = ["server:", *(f"  {name}: {value}" for name, value in settings.items())]
        lines += ["remote-control:", "  control-enable: no"]
        lines += ["zone:", f"  name: {SUFFIX}", f'  zonefile: "{self.data.zone.name}"']
        return {"nsd.conf": "\n".join(lines) + "\n"}

    def command(self) -> Sequence[str | Path]:
        return ["nsd", "-d", "-c", self.folder / "nsd.conf"]


class Knot(Peer):
    """Knot DNS with one UDP worker and no modules; it neither rewrites nor journals the zone."""

    name = "knot"
    program = "knotd"

    def files(self) -> dict[str, str]:
        return {
            "knot.conf": f"""\
server:
  rundir: "{self.folder}"
  listen: 127.0.0.1@{self.port}
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
    storage: "{self.data.folder}"
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: {SUFFIX}
    file: "{self.data.zone.name}"
"""
        }

    def command(self) -> Sequence[str | Path]:
        return ["knotd", "-c", self.folder / "knot.conf", "-s", self.folder / "knot.sock"]


class Bind(Peer):
    """BIND 9 with one worker, authoritative only."""

    name = "bind"
    program = "named"

    def files(self) -> dict[str, str]:
        return {
            "named.conf": f"""\
options {{
  directory "{self.folder}";
  pid-file none;
  lock-file none;
  session-keyfile none;
  listen-on port {self.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  notify no;
}};
controls {{ }};
zone "{ORIGIN}" {{ type primary; file "{self.data.zone}"; }};
"""
        }

    def command(self) -> Sequence[str | Path]:
        return ["named", "-g", "-n", "1", "-U", "1", "-c", self.folder / "named.conf"]


class Pdns(Peer):
    """PowerDNS with its LMDB backend, packet and query caches off."""

    name = "pdns"
    program = "pdns_server"
    packet_ttl, query_ttl = 0, 0  # seconds

    def files(self) -> dict[str, str]:
        settings = {
            "launch": "lmdb",
            "lmdb-filename": self._database,
            "local-address": "127.0.0.1",
            "local-port": self.port,
            "socket-dir": self.folder,
            "receiver-threads": 1,
            "distributor-threads": 1,
            "cache-ttl": self.packet_ttl,
            "query-cache-ttl": self.query_ttl,
            "negquery-cache-ttl": self.query_ttl,
            "max-packet-cache-entries": 1_000_000,
            "max-cache-entries": 1_000_000,
            "security-poll-suffix": "",
            "loglevel": 3,
        }
        return {"pdns.conf": "".join(f"{name}={value}\n" for name, value in settings.items())}

    @property
    def _database(self) -> Path:
        return self.folder.parent / f"pdns-data-{self.data.folder.name}" / "pdns.lmdb"

    def prepare(self) -> None:
        super().prepare()
        loaded = self._database.parent / "loaded"
        if not loaded.exists():
            shutil.rmtree(self._database.parent, ignore_errors=True)
            self._database.parent.mkdir(parents=True)
            words = ("--config-dir", self.folder, "load-zone", ORIGIN, self.data.zone)
            self.run_tool("pdnsutil", *words)
            loaded.touch()

    def command(self) -> Sequence[str | Path]:
        return ["pdns_server", "--daemon=no", "--guardian=no", f"--config-dir={self.folder}"]


class PdnsCached(Pdns):
    """The same with its caches on; a load of random names seldom finds anything in them."""

    name = "pdns-cached"
    packet_ttl, query_ttl = 60, 60


# Below its suffix a node takes identifiers from its registry alone, and the zone that all serve is
# loaded: so it is not the zone of the suffix.
ELSEWHERE = "elsewhere.internal."


class Ours(Peer):
    """This project's server with one UDP worker; its TCP process runs on the same core."""

    name = "ours"
    program = sys.executable
    pure = False

    @classmethod
    def missing(cls) -> str | None:
        found = (CHECKOUT / "gateway" / "cli" / "__main__.py").exists()
        return None if found else "gateway.cli is not in this checkout"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **({"CSID_PURE": "1"} if self.pure else {})}

    @property
    def directory(self) -> Path:
        """The data directory; compiled and interpreted servers share it."""
        return self.folder.parent / f"ours-data-{self.data.folder.name}"

    def prepare(self) -> None:
        super().prepare()
        if not self.pure and not list((CHECKOUT / "resolver" / "answer").glob("*.so")):
            self.label = f"{self.name} (interpreted)"
        loaded = self.directory / "benchmark-source"
        source = _source_mark()
        if loaded.exists() and loaded.read_text() == source:
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        self.run_tool(*CSID, "init", "--data", self.directory, "--suffix", ELSEWHERE)
        self.run_tool(*CSID, "zone", "load", self.data.zone, "--data", self.directory)
        loaded.write_text(source)

    def load_zone(self) -> processes.Cost:
        """`csid zone load` of the zone into a new data directory."""
        directory = self.folder / "loaded"
        shutil.rmtree(directory, ignore_errors=True)
        self.run_tool(*CSID, "init", "--data", directory, "--suffix", ELSEWHERE)
        words = [*CSID, "zone", "load", str(self.data.zone), "--data", str(directory)]
        try:
            return processes.cost_of(words, self.folder, self.environment(), SERVER_CORE)
        except subprocess.CalledProcessError as error:
            raise PeerError(f"zone load failed: {error.output[-1500:]!r}") from error
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def command(self) -> Sequence[str | Path]:
        listen = f"127.0.0.1:{self.port}"
        return [*CSID, "serve", "--data", self.directory, "--listen", listen, "--workers", "1"]


class OursPure(Ours):
    """The same without the compiled part."""

    name = "ours-pure"
    pure = True


def _source_mark() -> str:
    """Names the code that wrote a data directory: another may lay it out otherwise."""
    digest = hashlib.sha256()
    for package in ("csid", "resolver"):
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


PEERS: dict[str, type[Peer]] = {
    kind.name: kind for kind in (Echo, Ours, OursPure, Nsd, Knot, Bind, Pdns, PdnsCached)
}


def make(names: Sequence[str], data: Data, work: Path, first_port: int = FIRST_PORT) -> list[Peer]:
    """The servers of these names, prepared, each with a port of its own.

    A server that is not installed is left out with a line on stderr.
    """
    peers = []
    for offset, name in enumerate(names):
        if name not in PEERS:
            raise PeerError(f"no server {name!r}: choose among {', '.join(PEERS)}")
        reason = PEERS[name].missing()
        if reason:
            print(f"{name} left out: {reason}", file=sys.stderr)
            continue
        peer = PEERS[name](data, work, first_port + offset)
        try:
            peer.prepare()
        except PeerError as error:
            print(f"{name} left out: {error}", file=sys.stderr)
            continue
        peers.append(peer)
    return peers
