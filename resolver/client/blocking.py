"""The client for programs that wait for an answer."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final, Self

from csid import scheme
from csid.address import Address
from csid.client.answer import Answer, Result, Said
from csid.client.asking import Asking
from csid.client.memory import Memory
from csid.client.servers import Servers
from csid.client.session import Session
from csid.errors import ResolutionError, UnreachableError
from csid.identifier import Identifier
from resolver.client.settings import Settings
from resolver.client.sockets import Sockets

IDLE_MAX: Final = 16  # sessions that are kept for the next calls


class Line:
    """A session with its sockets."""

    def __init__(self, servers: Servers) -> None:
        self.session = Session(servers, os.urandom)
        self.sockets = Sockets(self.session)


class Lines:
    """What the calls of a client share: servers, memory, and lines that are free.

    Several threads may use it. A process that was forked off takes none of its parent's lines, or
    they would take each other's answers.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.suffix = settings.suffix or scheme.load().dns_suffix
        self.memory: Memory[Said] = Memory(settings.cache)
        self.servers: Servers | None = None
        self._free: list[Line] = []
        self._is_closed = False

    def take(self) -> Line:
        """A line that nobody else uses.

        Raises:
            ResolutionError: the client is closed.
        """
        if self._is_closed:
            raise ResolutionError("the client is closed; make another one")
        assert self.servers is not None
        while self._free:
            line = self._free.pop()
            if line.sockets.process == os.getpid():
                return line
            line.sockets.close()
        return Line(self.servers)

    def give_back(self, line: Line) -> None:
        """A line is used no more; one with questions on their way is closed."""
        is_busy = line.session.in_flight or line.session.finished
        if is_busy or self._is_closed or len(self._free) >= IDLE_MAX:
            line.sockets.close()
        else:
            self._free.append(line)

    def close(self) -> None:
        """Close all that are free, and the others once they are."""
        self._is_closed = True
        while self._free:
            self._free.pop().sockets.close()

    def asking(self, line: Line, given: Iterable[str | Identifier], over_tcp: bool) -> Asking:
        """One call."""
        return Asking(
            given, line.session, self.memory, self.suffix, self.settings.timeout, over_tcp
        )


def steps(line: Line, asking: Asking) -> Iterator[list[Result] | float]:
    """One call, step by step: results as they come, or for how many seconds the sockets of the line
    are to be waited for before the next step.
    """
    clock = time.monotonic
    session, sockets = line.session, line.sockets
    while True:
        asking.take_in()
        now = clock()
        if results := asking.go_on(now):
            yield results
        if asking.is_done:
            return
        sockets.send(now)
        if session.finished:
            continue
        deadline = session.deadline()
        if deadline is None:
            continue
        yield max(deadline - now, 0.0)
        now = clock()
        sockets.take(now)
        session.tick(now)


def look_up(servers: Sequence[Address]) -> Servers:
    """The servers of a client, with `addresses_of` them."""
    return Servers(addresses_of(servers))


def addresses_of(servers: Sequence[Address]) -> list[Address]:
    """Servers with IP addresses in place of names, all that a name has.

    Raises:
        UnreachableError: none has any.
    """
    found: list[Address] = []
    last = ""
    for server in servers:
        try:
            answers = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
            found += [Address(str(one[4][0]), server.port) for one in answers]
        except UnicodeError:  # of the IDNA codec, which has no words for it
            last = f"{server.host[:80]!r} is no name of a host"
        except OSError as error:
            last = f"{server.host}: {error.strerror}"
    if not found:
        raise UnreachableError(last)
    return found


class Client:
    """Resolves compute identifiers. Several threads may use one.

    Host names of servers are looked up once, with the first question.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lines = Lines(settings)

    def resolve(self, identifier: str | Identifier, *, over_tcp: bool = False) -> Answer:
        """What is known of an identifier.

        Args:
            identifier: in any form: identifier, DNS name or Handle.
            over_tcp: do not try UDP first.

        Returns:
            The answer. That there is no such identifier, or no record at it, is one, too.

        Raises:
            IdentifierError: it is no identifier.
            ResolutionError: no server says whether it exists.
            RecordError: the record that came is not valid.
        """
        (result,) = self.resolve_each((identifier,), over_tcp=over_tcp)
        return result.require()

    def resolve_many(
        self, identifiers: Iterable[str | Identifier], *, over_tcp: bool = False
    ) -> list[Result]:
        """As `resolve`, hundreds at a time: a result for each, in the order given, with its own
        error where there is no answer.
        """
        return list(self.resolve_each(identifiers, over_tcp=over_tcp))

    def resolve_each(
        self, identifiers: Iterable[str | Identifier], *, over_tcp: bool = False
    ) -> Generator[Result, None, None]:
        """As `resolve_many`, for more than fit the memory: results come as they are there."""
        lines = self._lines
        if lines.servers is None:
            lines.servers = look_up(self.settings.servers)
        line = lines.take()
        try:
            for step in steps(line, lines.asking(line, identifiers, over_tcp)):
                if isinstance(step, float):
                    line.sockets.wait(step)
                else:
                    yield from step
        finally:
            lines.give_back(line)

    def forget(self) -> None:
        """Remember no answer that came so far."""
        self._lines.memory.clear()

    def close(self) -> None:
        """Close its sockets; it is of no use afterwards."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
