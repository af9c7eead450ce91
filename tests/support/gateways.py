"""The HTTP process of a gateway with the process that asks others, as a supervisor starts them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from resolver.server.recursive.folder import prepare
from resolver.server.recursive.kinds import Joined
from tests.support.servers import CHECKOUT, PATIENCE

CACHE_OCTETS = 64 << 20


class GatewayHttp:
    """The two processes.

    Attributes:
        address: HOST:PORT over HTTP.
        asking: the process that asks others.
        http: the process that answers.
    """

    def __init__(
        self, address: str, asking: subprocess.Popen[bytes], http: subprocess.Popen[bytes]
    ) -> None:
        self.address = address
        self.asking = asking
        self.http = http

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self) -> httpx.Client:
        """A client of HTTP/1.1, without TLS."""
        return httpx.Client(base_url=f"http://{self.address}", timeout=20, trust_env=False)


@contextlib.contextmanager
def gateway_http(
    folder: Path,
    top: str,
    *options: str,
    suffix: str = "csid.internal.",
    allow: Sequence[str] = ("0.0.0.0/0", "::/0"),
) -> Iterator[GatewayHttp]:
    """A gateway that answers over HTTP.

    Args:
        top: HOST:PORT of the root's server.
        options: of the HTTP process, besides.
        allow: networks that are answered.
    """
    prepare(folder, CACHE_OCTETS)
    joined = Joined(1)
    ours = joined.pairs[0][0]
    tops = ["--data", str(folder), "--top", f"{suffix} {top}"]
    for network in allow:
        tops += ["--allow", network]
    with contextlib.ExitStack() as opened:
        opened.callback(joined.close)
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        with (folder.with_name(folder.name + "-http.log")).open("wb") as log:
            asking = _start(
                opened,
                log.fileno(),
                "resolver.server.recursive.process",
                [*tops, *_asking_options(joined)],
                [],
                [joined.missed_in.fileno(), joined.pairs[0][1].fileno()],
            )
            http = _start(
                opened,
                log.fileno(),
                "gateway.resolving.process",
                [*tops, "--pair-fd", str(ours.fileno()), "--suffix", suffix, *options],
                [listener.fileno()],
                [ours.fileno()],
            )
        yield GatewayHttp(f"127.0.0.1:{listener.getsockname()[1]}", asking, http)


def _asking_options(joined: Joined) -> list[str]:
    found = ["--missed-fd", str(joined.missed_in.fileno())]
    found += ["--pair-fd", str(joined.pairs[0][1].fileno())]
    return [*found, "--cache-octets", str(CACHE_OCTETS)]


def _start(
    opened: contextlib.ExitStack,
    log: int,
    module: str,
    words: Sequence[str],
    served: Sequence[int],
    inherited: Sequence[int],
) -> subprocess.Popen[bytes]:
    """A process that has said that it answers; ended with what is opened."""
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    fds = [theirs.fileno(), *served]
    command = [sys.executable, "-m", module, *words, "--ready-fd", str(write)]
    for fd in fds:
        command += ["--fd", str(fd)]
    process = subprocess.Popen(
        command,
        stderr=log,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        pass_fds=[*fds, *inherited, write],
    )
    opened.callback(ours.close)
    opened.callback(_end, process)
    theirs.close()
    os.close(write)
    with os.fdopen(read, "rb") as ready:
        assert ready.read(1) == b"+", f"{module} does not start"
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
