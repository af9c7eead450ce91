"""One connection to the writer: what it has asked, what it is still to be told, and its bounds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, ClassVar

from csid.limits import MAX_IN_FLIGHT, WRITER_ANSWER_OCTETS, WRITER_READ_OCTETS
from registry.rules.acting import Acting
from registry.writer import protocol
from registry.writer.address import process_of
from registry.writer.protocol import Frames, ProtocolError
from resolver.server import forwarded


class Connection:
    """The state of one connection.

    Attributes:
        sock: the socket, which never makes us wait.
        by: how the process at the other end acts.
        in_flight: asked and not answered.
        out: what it is to be told.
        ended: nothing more is taken from it; it is closed once all is answered.
        counted: octets kept of what it asked, as the server has counted them.
        since: when it last sent something or took an answer, on the monotonic clock.
        watched: the events that it is watched for.
    """

    farewell: ClassVar[bytes] = protocol.frame(0, protocol.BYE)  # where it ends unasked
    __slots__ = (
        "_broken",
        "_frames",
        "_greeted",
        "by",
        "counted",
        "ended",
        "in_flight",
        "out",
        "process",
        "since",
        "sock",
        "watched",
    )

    def __init__(self, sock: socket.socket, now: float, by: Acting) -> None:
        self.sock = sock
        self.by = by
        self.process = process_of(sock)
        self.in_flight = 0
        self.counted = 0
        self.ended = False
        self.since = now
        self.watched = 0
        self.out = bytearray()
        self._frames = Frames()
        self._greeted = False
        self._broken = False  # what follows is not understood

    @property
    def held(self) -> int:
        """Octets kept of what it asked."""
        return self._frames.held

    @property
    def takes_more(self) -> bool:
        """Whether it is to be read on."""
        return (
            not self.ended
            and self.in_flight < MAX_IN_FLIGHT
            and len(self.out) < WRITER_ANSWER_OCTETS
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is under way on it."""
        return not (self.in_flight or self.out or self._frames.held)

    @property
    def finished(self) -> bool:
        """Whether it is to be closed: it asks no more, and all is answered."""
        return self.ended and not (self.in_flight or self.out)

    @property
    def stalls(self) -> bool:
        """Whether it is to go on: a frame is not whole, or answers wait to be taken."""
        return bool(self.out or (self._frames.held and self.takes_more))

    def read(self, now: float) -> None:
        """Take what it has sent, or that it will send no more.

        Raises:
            OSError: it is broken.
        """
        try:
            octets = self.sock.recv(WRITER_READ_OCTETS)
        except BlockingIOError:
            return
        self.since = now
        if octets:
            self._frames.receive(octets)
        else:
            self.ended = True

    def asked(self, hello: bytes) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
        """What was asked and may be dealt with now: id, kind and the rest of each (`protocol`).
        A hello is answered with ``hello``, what is not understood with the reason and the end.
        """
        while (
            not self._broken
            and self.in_flight < MAX_IN_FLIGHT
            and len(self.out) < WRITER_ANSWER_OCTETS
        ):
            try:
                values = self._frames.take()
                if values is None:
                    return
                if not self._greeted:
                    theirs = protocol.read_hello(values)
                    self.out += hello
                    self._greeted = True
                    # If it is not ours, they will see that, and say so.
                    self._broken = self.ended = theirs.version != protocol.VERSION
                    continue
                asked = protocol.read_asked(values)
            except ProtocolError as error:
                self.out += protocol.error(0, error)
                self._broken = self.ended = True
                return
            self.in_flight += 1
            yield asked

    def forget(self) -> None:
        """Let go what it asked and was to be told."""
        self._frames = Frames()
        self.out.clear()

    def send(self, now: float) -> None:
        """Send as much as it takes now.

        Raises:
            OSError: it is broken.
        """
        try:
            sent = self.sock.send(self.out)
        except BlockingIOError:
            return
        self.since = now
        del self.out[:sent]


class UpdateConnection(Connection):
    """One over which a server of this node hands on UPDATEs (`resolver.server.forwarded`)."""

    farewell: ClassVar[bytes] = b""  # the end says that nothing more is answered
    __slots__ = ()

    def asked(self, hello: bytes) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
        """What was asked: id, UPDATE, and message, address, whether it came over TCP. What is not
        understood ends it.
        """
        while not self._broken and self.takes_more:
            try:
                octets = self._frames.take_octets(forwarded.FRAME_OCTETS)
                if octets is None:
                    return
                number, *rest = forwarded.read_question(octets)
            except (ProtocolError, ValueError):
                self._broken = self.ended = True
                return
            self.in_flight += 1
            yield number, protocol.UPDATE, tuple(rest)
