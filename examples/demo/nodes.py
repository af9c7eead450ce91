"""The nodes of the demo: where each listens, and its processes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from csid.address import PORT_MAX
from examples.demo.terminal import DemoError, show, until

CSID: Final = (sys.executable, "-m", "gateway.cli")
ROOM: Final = Path("demo-data")  # of everything that the demo writes
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the demo
START_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0


class Node(NamedTuple):
    """A node of the demo, at 127.0.0.NUMBER."""

    name: str
    role: str
    number: int
    scope: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """Its data directory."""
        return ROOM / self.name

    @property
    def host(self) -> str:
        """Its address."""
        return f"127.0.0.{self.number}"


ROOT: Final = Node("national", "national", 1)
SUM: Final = Node("aggregate", "aggregate", 2)
ZHEJIANG: Final = Node("zhejiang", "region", 3, ("33", "31"))
BEIJING: Final = Node("beijing", "region", 4, ("11",))
INTERNET: Final = Node("internet", "industry", 5, ("64",))
JOINING: Final = (SUM, ZHEJIANG, BEIJING, INTERNET)
NODES: Final = (ROOT, *JOINING)
GATEWAY: Final = "gateway"  # beside them
SYSTEMS: Final = "systems"
OFFERING: Final = (ZHEJIANG, BEIJING)  # their registries over HTTP, to selection
GATEWAY_HOST: Final = f"127.0.0.{len(NODES) + 1}"
HOSTS: Final = (*(node.host for node in NODES), GATEWAY_HOST)


def check_addresses(port: int) -> None:
    """See that the addresses of all nodes are free.

    Raises:
        DemoError: one is in use, or this machine does not have it; with what to do.
    """
    places = [(host, port) for host in HOSTS]
    places += [(host, page_port(port)) for host in (GATEWAY_HOST, *(one.host for one in OFFERING))]
    places.append((GATEWAY_HOST, systems_port(port)))
    for host, at in places:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as tried:
                if kind is socket.SOCK_STREAM:  # connections that ended lately are in nobody's way
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    tried.bind((host, at))
                except OSError as error:
                    raise DemoError(what_to_do(error, host, at)) from None


def page_port(port: int) -> int:
    """Where the gateway answers over HTTP."""
    return port + 1 if port < PORT_MAX else port - 1


def systems_port(port: int) -> int:
    """Where selection answers."""
    return port + 2 if port < PORT_MAX - 1 else port - 2


def what_to_do(error: OSError, host: str, port: int) -> str:
    """Why an address cannot be listened at, in words."""
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"this machine has no address {host} 本机没有地址 {host}: the nodes of the demo are at "
            f"127.0.0.1 to {GATEWAY_HOST}. On macOS add them first: "
            f"for n in 2 3 4 5 6; do sudo ifconfig lo0 alias 127.0.0.$n; done"
        )
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use 端口已被占用: take another with "
            f"PORT={port + 100 if port < 65_000 else 5_400} make demo, or end what listens there "
            f"(ss -lnup 'sport = :{port}' shows it)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs rights that you have not 无权监听: take one with PORT=5300"
    return f"{host}:{port} cannot be listened on 无法监听: {error.strerror}"


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait, so that no process is started that nobody knows of to end it."""
    came: list[int] = []
    handlers = {one: signal.signal(one, lambda number, _: came.append(number)) for one in ENDING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


class Servers:
    """The servers of the nodes: a context that ends them all."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        with _undisturbed():
            for process in self._running.values():
                process.terminate()
            for process in self._running.values():
                try:
                    process.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def start(self, node: Node) -> None:
        """Start the server of a node; it goes on while others do."""
        words = ["serve", "--data", str(node.data), "--listen", f"{node.host}:{self._port}"]
        if node in OFFERING:
            file = ROOM / f"{node.name}.toml"
            file.write_text(f'[http]\nlisten = "{node.host}:{page_port(self._port)}"\n')
            words += ["--config", str(file)]
        self._start(node.name, *words, "--workers", "1")

    def start_gateway(self) -> None:
        """Start a gateway that begins at the national node, and wait until it answers.

        Raises:
            DemoError: it does not; with what it said.
        """
        words = ["gateway", "--data", str(ROOM / GATEWAY), "--root", f"{ROOT.host}:{self._port}"]
        words += ["--listen", f"{GATEWAY_HOST}:{self._port}"]
        words += ["--http", f"{GATEWAY_HOST}:{page_port(self._port)}"]
        self._start(GATEWAY, *words, "--workers", "1")
        self._wait_for(GATEWAY)

    def start_selection(self, file: Path) -> None:
        """Start selection as a file configures it, and wait until it answers.

        Raises:
            DemoError: it does not; with what it said.
        """
        self._start(SYSTEMS, "--config", str(file), "system", "run", "selection")
        self._wait_for(SYSTEMS)

    def _start(self, name: str, *words: str) -> None:
        show(words, " &")
        with self._log(name).open("wb") as log, _undisturbed():
            self._running[name] = subprocess.Popen(
                [*CSID, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for the demo, which ends it
            )

    def wait_ready(self) -> None:
        """Wait until all answer.

        Raises:
            DemoError: one does not; with what it said.
        """
        for node in NODES:
            self._wait_for(node.name)

    def _wait_for(self, name: str) -> None:
        until(f"{name} answers", lambda: self._is_ready(name), START_SECONDS)
        print(self._log(name).read_text().splitlines()[0], flush=True)

    def _is_ready(self, name: str) -> bool:
        said = self._log(name).read_text()
        if self._running[name].poll() is not None:
            raise DemoError(f"the server of {name} has ended: {said.strip()}")
        return "ready: " in said

    def wait(self) -> None:
        """Wait until one ends, which is told."""
        while True:
            for name, process in self._running.items():
                try:
                    process.wait(1.0)
                except subprocess.TimeoutExpired:
                    continue
                raise DemoError(f"the server of {name} has ended; {ROOM}/{name}.log says why")

    def _log(self, name: str) -> Path:
        return ROOM / f"{name}.log"


def environment() -> None:
    """Let commands keep what they keep beside a data directory in the demo's own folder."""
    os.environ["CSID_STATE"] = str((ROOM / "state").absolute())
