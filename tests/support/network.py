"""A whole network for the tests: nodes as `csid init` makes them, each with its real processes."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from csid.address import Address
from csid.identifier import Identifier
from csid.record import Record
from resolver.client.walking import walk
from tests.support.books import SUFFIX
from tests.support.commands import Ran, run
from tests.support.registering import OTHER, OWNER
from tests.support.servers import Server, eventually, serving

FILED_SECONDS = 30.0  # for a filing to go its way on a busy machine


class Member:
    """A node of the network.

    Attributes:
        server: it, where it runs.
        key: its own, NAME:ALGORITHM:BASE64; empty of the national node.
    """

    def __init__(self, data: Path, host: str, port: int) -> None:
        self.data = data
        self.host = host
        self.port = port
        self.server: Server | None = None
        self.key = ""

    @property
    def name(self) -> str:
        return self.data.name

    def run(self, *words: object) -> Ran:
        """One command with --data."""
        return run(*words, "--data", self.data)

    def must(self, *words: object) -> str:
        """One command that has to succeed; what it printed."""
        ran = self.run(*words)
        assert ran.code == 0, (words, ran)
        return ran.out

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        assert self.server is not None
        os.killpg(self.server.process.pid, number)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """All its processes stand still, as if the network were cut."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def record(self, identifier: Identifier) -> Record | None:
        """What is found of an identifier from here by following referrals."""
        name = identifier.to_dns_name()
        found = walk(name, [Address(self.host, self.port)], SUFFIX).found
        return None if found is None else found.record

    def state(self, identifier: Identifier) -> str:
        """The state of that record, empty if there is none."""
        record = self.record(identifier)
        return "" if record is None else record.state

    def becomes(self, identifier: Identifier, state: str) -> None:
        eventually(
            f"{identifier} is {state} by way of {self.name}",
            lambda: self.state(identifier) == state,
            FILED_SECONDS,
        )


class Network:
    """National node, aggregate, a region node with a registry, an industry node, and a region node
    of others, of which there is only the entry in the register.
    """

    def __init__(self, folder: Path) -> None:
        port = free_port(5)
        self.national = Member(folder / "national", "127.0.0.1", port)
        self.sum = Member(folder / "sum", "127.0.0.2", port)
        self.zhejiang = Member(folder / "zhejiang", "127.0.0.3", port)
        self.internet = Member(folder / "internet", "127.0.0.5", port)
        self.hebei = Member(folder / "hebei", "127.0.0.4", port)

    @property
    def running(self) -> list[Member]:
        return [self.national, self.sum, self.zhejiang, self.internet]

    def make(self) -> None:
        self.national.must("init", "--role", "national", "--address", "127.0.0.1")
        accredit(self.national)
        self.join(self.sum, "aggregate")
        self.join(self.zhejiang, "region", "--scope", "33")
        self.join(self.internet, "industry", "--scope", "64")
        self.join(self.hebei, "region", "--scope", "13")
        accredit(self.zhejiang)

    def join(self, node: Member, role: str, *words: str, init: Sequence[str] = ()) -> None:
        """Register a node, and make it as the register says, with more words of `csid init`."""
        at = ("--address", f"{node.host}:{node.port}")
        root = ("--root", f"{self.national.host}:{self.national.port}")
        said = self.national.must("node", "add", node.name, "--role", role, *words, *at, *root)
        line = next(one for one in said.splitlines() if one.startswith("csid init "))
        ran = run(*shlex.split(line.replace("DIR", str(node.data)))[1:], *init)
        assert ran.code == 0, ran
        found = re.search(r"--key (\S+)", line)
        assert found is not None
        node.key = found[1]

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for node in self.running:
                at = [f"{node.host}:{node.port}"]
                node.server = stack.enter_context(serving(node.data, listen=at))
            eventually("all have the root zone", lambda: all(map(_has_root, self.running[1:])))
            yield


def accredit(node: Member) -> None:
    for code in (OWNER, OTHER):
        facts = ("--kind", "resource", "--name", "示例", "--contact", "a@a.cn")
        node.must("owner", "add", code, *facts)
        node.must("owner", "accredit", code)


def _has_root(node: Member) -> bool:
    return node.run("sync", "status").code == 0


def free_port(count: int) -> int:
    """A port that is free at 127.0.0.1 and the next addresses, UDP and TCP."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            port = 0
            for number in range(1, count + 1):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    one = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    one.bind((f"127.0.0.{number}", port))
                    port = one.getsockname()[1]
            return port
