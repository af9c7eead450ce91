"""The servers compared: each writes its configuration, starts pinned to a core, and is ended.

Every server gets one UDP worker, serves the same zone on 127.0.0.1, and gives the same answers:
minimal ones, without rate limits. No file outside the work folder is touched.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks import processes
from benchmarks.names import SUFFIX, Data

CHECKOUT = Path(__file__).parent.parent
SERVER_CORE, LOADER_CORE = 0, 1
PATIENCE = 180.0  # seconds for a server to give its first answer
PROBE_INTERVAL = 0.002  # seconds between questions while it starts
GRACE = 5.0  # seconds to end by itself
PR_SET_PDEATHSIG = 1
ORIGIN = SUFFIX.rstrip(".")

_running: list[Peer] = []


class PeerError(Exception):
    """A server could not be built, loaded or started; the message ends with its log."""


class Peer:
    """A server: `prepare` once, then `started` as a context for each measurement."""

    name: ClassVar[str]
    program: ClassVar[str]
    # A server that answers any packet in kind has no records to be asked for.
    serves_zone: ClassVar[bool] = True

    def __init__(self, data: Data, work: Path, port: int) -> None:
        self.data = data
        self.port = port
        self.folder = work / f"{self.name}-{data.folder.name}"
        self.label = self.name
        self.pids: list[int] = []
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        """Why this server cannot be run here, or nothing."""
        found = shutil.which(cls.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        return None if found else f"{cls.program} is not installed"

    def prepare(self) -> None:
        """Write configuration and load data; what may be kept is kept from run to run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files().items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def files(self) -> dict[str, str]:
        """The configuration files by name."""
        return {}

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT)}

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @contextlib.contextmanager
    def started(self) -> Iterator[Peer]:
        """The server, answering, alone on its core; ended on the way out whatever happens."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Start it and wait for its first answer; sets `pids` and `start_seconds`."""
        if self._answers(0.02):
            raise PeerError(f"port {self.port} is taken: something answers there already")
        _running.append(self)
        begin = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self.command()],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_pin_and_bind_to_parent,
            )
        while not self._answers(PROBE_INTERVAL):
            if self._process.poll() is not None:
                raise PeerError(f"{self.name} ended at start: {self._last_words()}")
            if time.monotonic() - begin > PATIENCE:
                raise PeerError(f"{self.name} gave no answer in {PATIENCE:.0f} s")
        self.start_seconds = time.monotonic() - begin
        self.pids = processes.family(self._process.pid)

    def stop(self) -> None:
        """End the server and its children, first kindly; no process of it stays behind."""
        if self._process is None:
            return
        pids = processes.family(self._process.pid) if self._process.poll() is None else self.pids
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in pids:
            if pid != self._process.pid and processes.alive(pid, self.folder):
                os.kill(pid, signal.SIGKILL)
        self._process = None
        self.pids = []
        _running.remove(self)

    def _answers(self, wait: float) -> bool:
        """Whether an existing name gets an answer with a record, within `wait` seconds."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(wait)
            try:
                probe.connect(("127.0.0.1", self.port))
                probe.send(self.data.hosted)
                answer = probe.recv(4096)
            except ConnectionRefusedError:
                time.sleep(wait)
                return False
            except TimeoutError:
                return False
        records = int.from_bytes(answer[6:8], "big")
        good = answer[3] & 15 == 0 and (records > 0 or not self.serves_zone)
        if not good:
            time.sleep(wait)
        return good

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-1500:].strip() or "it said nothing"

    def run_tool(self, *words: str | Path) -> None:
        """Run a loading or compiling command to its end."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise PeerError(f"{words[0]} failed: {(done.stdout + done.stderr)[-1500:].strip()}")


_libc = ctypes.CDLL(None)


def _pin_and_bind_to_parent() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@atexit.register
def _stop_all() -> None:
    for peer in list(_running):
        peer.stop()


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
            "minimal-responses": "yes",
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
            tool = ("pdnsutil", "--config-dir", self.folder)
            self.run_tool(*tool, "load-zone", ORIGIN, self.data.zone)
            loaded.touch()

    def command(self) -> Sequence[str | Path]:
        return ["pdns_server", "--daemon=no", "--guardian=no", f"--config-dir={self.folder}"]


class PdnsCached(Pdns):
    """The same with the caches of the size and lifetime an operator would give them."""

    name = "pdns-cached"
    packet_ttl, query_ttl = 60, 60


class Ours(Peer):
    """This project's server with one UDP worker; its TCP process runs on the same core."""

    name = "ours"
    program = sys.executable
    pure = False

    @classmethod
    def missing(cls) -> str | None:
        if (CHECKOUT / "gateway" / "cli").is_dir():
            return None
        return "gateway/cli is not in this checkout"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **({"CSID_PURE": "1"} if self.pure else {})}

    @property
    def directory(self) -> Path:
        """The data directory; compiled and interpreted servers share it."""
        return self.folder.parent / f"ours-data-{self.data.folder.name}"

    def prepare(self) -> None:
        super().prepare()
        loaded = self.directory / "benchmark-source"
        source = _source_mark()
        if loaded.exists() and loaded.read_text() == source:
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        csid = (sys.executable, "-m", "gateway.cli")
        self.run_tool(*csid, "init", "--data", self.directory, "--suffix", SUFFIX)
        self.run_tool(*csid, "zone", "load", self.data.zone, "--data", self.directory)
        loaded.write_text(source)

    def command(self) -> Sequence[str | Path]:
        listen = f"127.0.0.1:{self.port}"
        options = ["--data", self.directory, "--listen", listen, "--workers", "1"]
        return [sys.executable, "-m", "gateway.cli", "serve", *options]


class OursPure(Ours):
    """The same without the compiled part."""

    name = "ours-pure"
    pure = True


def _source_mark() -> str:
    """Names the code that wrote a data directory: another may lay it out otherwise."""
    digest = hashlib.sha256()
    for package in ("csid", "resolver"):
        for path in sorted((CHECKOUT / package).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


PEERS: dict[str, type[Peer]] = {
    kind.name: kind for kind in (Echo, Ours, OursPure, Nsd, Knot, Bind, Pdns, PdnsCached)
}


def make(names: Sequence[str], data: Data, work: Path, first_port: int = 55300) -> list[Peer]:
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
