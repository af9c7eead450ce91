"""The writer's loop in a thread, over work that a test provides, and raw connections to it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from registry.rules.acting import Acting, Peer, nothing_said
from registry.rules.decision import Decision
from registry.rules.requests import Assign, Request
from registry.rules.status import Status
from registry.writer import protocol
from registry.writer.address import Place, connect
from registry.writer.commit import Outcomes
from registry.writer.protocol import Frames
from registry.writer.server import Server
from resolver.store.environment import identity
from tests.support.registering import ADMINISTRATOR, RECORD, identifier
from tests.support.servers import PATIENCE


class Work:
    """Says that everything is done, in the order in which it was.

    Attributes:
        log: "commit N" for N requests, or the name of a unit.
        slow: seconds that each commit takes.
        fails: what a commit raises.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.slow = 0.0
        self.fails: Exception | None = None
        self.units: dict[str, Callable[[Any], Any]] = {"echo": lambda args: args}
        self.rests = 0

    def commit(self, waiting: Sequence[Sequence[Request]]) -> list[Outcomes]:
        self.log.append(f"commit {sum(map(len, waiting))}")
        time.sleep(self.slow)
        if self.fails is not None:
            raise self.fails
        return [
            [Decision(Status.DONE, request.reason, request.actor.peer) for request in requests]
            for requests in waiting
        ]

    def acting(self, peer: Peer) -> Acting:
        return Acting(peer, peer.uid, nothing_said, lambda _: "us")

    def perform(self, by: Acting, name: str, args: Any) -> Any:
        self.log.append(name)
        return self.units[name](args)

    def rest(self) -> None:
        self.rests += 1


@contextlib.contextmanager
def looping(folder: Path, work: Work, most: int = 64) -> Iterator[Server]:
    """The loop, listening in a folder with something like data in it."""
    (folder / "data.mdb").write_bytes(b"")
    found = identity(folder)
    assert found is not None
    place = Place(folder)
    assert place.taken()
    counters = memoryview(bytearray(64)).cast("Q")
    server = Server(work, counters, most)
    server.listen(place.listen(), protocol.hello(found.data))
    thread = Thread(target=server.run, args=(lambda: 0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        place.leave()


class Raw:
    """A connection on which a test says what it wants."""

    def __init__(self, folder: Path, greet: bool = True) -> None:
        sock = connect(folder, PATIENCE)
        assert sock is not None
        self.sock: socket.socket = sock
        self._frames = Frames()
        if greet:
            self.say(protocol.hello())
            assert self.hear()[0] == protocol.NAME

    def say(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def ask(self, number: int, *reasons: str) -> None:
        """Ask for requests that can be told apart by their reasons."""
        self.say(protocol.requests(number, [asked(reason) for reason in reasons]))

    def hear(self) -> tuple[Any, ...]:
        """The next frame; empty if the connection was closed."""
        while (values := self._frames.take()) is None:
            try:
                octets = self.sock.recv(65_536)
            except ConnectionError:
                octets = b""
            if not octets:
                return ()
            self._frames.receive(octets)
        return values


def asked(reason: str) -> Request:
    """A request; its reason tells it from others."""
    return Request(ADMINISTRATOR, Assign(identifier(), RECORD), reason)
