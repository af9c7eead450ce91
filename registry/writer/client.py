"""Asking the writer of a running node.

Any thread may ask, and any number of things at once; whoever waits for an answer and finds nobody
reading reads for all. What was asked and not begun when the writer ended is asked again of the next
one, without a word. Where it cannot be known whether something was done, that is said.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

from csid.errors import CsidError, StoreError
from csid.limits import MAX_IN_FLIGHT, WRITER_READ_OCTETS
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.writer import address, protocol
from registry.writer.protocol import Frames, ProtocolError
from resolver.store.environment import identity

ANSWER_SECONDS: Final = 30.0  # for an answer
NEXT_SECONDS: Final = 10.0  # for the next writer, once one has ended
_PAUSE_SECONDS: Final = 0.02  # between two attempts to reach it

Greeted = tuple[socket.socket, Frames]
_AGAIN: Final = "ask again under the same --key, or look at csid history first"


class Pending:
    """What was asked and has no answer yet."""

    __slots__ = ("answer", "asked", "error", "number", "until")

    def __init__(self, number: int, asked: bytes) -> None:
        self.number = number
        self.asked = asked
        self.until = time.monotonic() + ANSWER_SECONDS
        self.answer: tuple[Any, ...] | None = None
        self.error: CsidError | None = None

    @property
    def open(self) -> bool:
        """Whether it is still waited for."""
        return self.answer is None and self.error is None


class Client:
    """A connection to the writer of a running node, renewed where one writer follows another.

    Args:
        data: the data directory.
        sock: connected; both sides have said hello.
        frames: what was read from it beyond that.
    """

    def __init__(self, data: Path, sock: socket.socket, frames: Frames) -> None:
        self._data = data
        self._lock = Lock()  # over what is sent, and the fields below
        self._reading = Lock()  # held by the thread that reads
        self._sock: socket.socket | None = sock
        self._frames = frames
        self._pending: dict[int, Pending] = {}
        self._number = 0

    def submit(self, requests: Sequence[Request]) -> list[Decision]:
        """Decide on requests one after the other and carry them out; returns once that is durable.

        Raises:
            StoreError: the store is full or fails: nothing was changed. Or it is not known whether
                anything was, as the text says.
        """
        return self.decisions(self.ask(requests))

    def ask(self, requests: Sequence[Request]) -> Pending:
        """Ask as `submit`, and do not wait; `decisions` does."""
        return self._ask(lambda number: protocol.requests(number, requests))

    def decisions(self, pending: Pending) -> list[Decision]:
        """The answer to what was asked; raises as `submit`."""
        found = []
        for outcome in protocol.read_outcomes(self._answer(pending, protocol.DECISIONS)):
            if isinstance(outcome, CsidError):
                raise outcome
            found.append(outcome)
        return found

    def perform(self, name: str, args: Any) -> Any:
        """Have one unit carried out (`registry.units`).

        Raises:
            CsidError: as the unit says, or as `submit`.
        """
        pending = self._ask(lambda number: protocol.unit(number, name, args))
        return self._answer(pending, protocol.RESULT)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            if self._sock is not None:
                self._sock.close()
                self._sock = None

    # -- asking

    def _ask(self, frame: Callable[[int], bytes]) -> Pending:
        while (oldest := self._oldest()) is not None:
            self._wait(oldest)
        while True:
            with self._lock:
                if self._sock is None:
                    self._renew()
                self._number += 1
                pending = Pending(self._number, frame(self._number))
                ended = self._send(pending)
            if ended is None:
                return pending
            with self._reading:  # what it has answered before its end is still to be read
                while self._sock is ended:
                    self._read()

    def _oldest(self) -> Pending | None:
        """What has to be answered first, as the writer reads no more for now."""
        with self._lock:
            if len(self._pending) < MAX_IN_FLIGHT:
                return None
            return next(iter(self._pending.values()))

    def _send(self, pending: Pending) -> socket.socket | None:
        """Send, with the lock held. Gives the connection if it has ended: then of this nothing was
        begun.
        """
        sock = self._sock
        assert sock is not None
        self._pending[pending.number] = pending
        try:
            sock.sendall(pending.asked)
        except BaseException as error:
            del self._pending[pending.number]
            if isinstance(error, OSError) and not isinstance(error, BlockingIOError):
                return sock
            self._end("has ended")  # a part may be sent: the connection is of no more use
            if isinstance(error, BlockingIOError):
                raise self._silent() from None
            raise
        return None

    def _renew(self) -> None:
        """Connect to the writer that has followed; with the lock held."""
        until = time.monotonic() + NEXT_SECONDS
        while time.monotonic() < until:
            found = greeted(self._data)
            if found is not None:
                self._sock, self._frames = found
                return
            time.sleep(_PAUSE_SECONDS)
        raise StoreError(
            f"{self._data}: the writer of the running node has ended, and no other has followed "
            f"for {NEXT_SECONDS:.0f} s; what was done stays: run the command again"
        )

    # -- answers

    def _answer(self, pending: Pending, kind: int) -> Any:
        self._wait(pending)
        if pending.error is not None:
            raise pending.error
        _, found, *rest = pending.answer or (0, None)
        if found == protocol.ERROR and len(rest) == 1:
            raise protocol.read_error(rest[0])
        if found != kind or len(rest) != 1:
            raise ProtocolError("the writer's answer is none to what was asked")
        return rest[0]

    def _wait(self, pending: Pending) -> None:
        while pending.open:
            left = pending.until - time.monotonic()
            if left <= 0 or not self._reading.acquire(timeout=left):
                with self._lock:
                    self._pending.pop(pending.number, None)
                    if pending.open:
                        pending.error = self._silent()
                return
            try:
                if pending.open:
                    self._read()
            finally:
                self._reading.release()

    def _read(self) -> None:
        """Take what has come, or the end; by the one thread that reads."""
        sock = self._sock
        if sock is None:
            return
        try:
            octets = sock.recv(WRITER_READ_OCTETS)
        except BlockingIOError:  # whoever waits looks at the time
            return
        except OSError:
            octets = b""
        with self._lock:
            if sock is not self._sock:
                return
            try:
                if not octets:
                    self._end("has ended")
                    return
                self._frames.receive(octets)
                while (values := self._frames.take()) is not None:
                    if values[:2] == (0, protocol.BYE):
                        self._ask_again()
                        return
                    pending = self._pending.pop(values[0], None)
                    if pending is not None:
                        pending.answer = values
            except ProtocolError as error:
                self._end(f"speaks what is not understood ({error})")

    def _ask_again(self) -> None:
        """Ask the next writer what this one has not begun; with the lock held."""
        left, self._pending = self._pending, {}
        self._end("has ended")
        try:
            if left:
                self._renew()
            for pending in left.values():
                pending.until = time.monotonic() + ANSWER_SECONDS
                if self._send(pending) is not None:
                    self._pending[pending.number] = pending
                    self._end("has ended")
                    return
        except CsidError as error:
            for pending in left.values():
                if pending.open:
                    pending.error = error

    def _end(self, how: str) -> None:
        """Give the connection up. Whether what was asked on it was done is not known."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        left, self._pending = self._pending, {}
        for pending in left.values():
            pending.error = StoreError(
                f"{self._data}: the writer of the running node {how}; whether this was done is not "
                f"known: {_AGAIN}"
            )

    def _silent(self) -> StoreError:
        return StoreError(
            f"{self._data}: the writer of the running node (csid serve) has not answered for "
            f"{ANSWER_SECONDS:.0f} s; whether this was done is not known: {_AGAIN}"
        )


def connected(data: Path) -> Client | None:
    """The writer of the node that runs on a data directory; None if none does.

    Raises:
        StoreError: there is one that does not answer, or is of another version.
    """
    found = greeted(data)
    return None if found is None else Client(data, *found)


def greeted(data: Path) -> Greeted | None:
    """A connection on which both sides have said hello, and what was read of it beyond; None if no
    node runs.

    Raises:
        StoreError: as `connected`.
    """
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until:
        try:
            sock = address.connect(data, ANSWER_SECONDS)
            if sock is None:
                return None
            frames = Frames()
            try:
                sock.sendall(protocol.hello())
                while (values := frames.take()) is None:
                    octets = sock.recv(WRITER_READ_OCTETS)
                    if not octets:
                        raise ConnectionResetError
                    frames.receive(octets)
                if values[:2] == (0, protocol.BYE):
                    raise ConnectionResetError  # it ended before it greeted
                if _is_ours(data, protocol.read_hello(values)):
                    return sock, frames
            except BaseException:
                sock.close()
                raise
            sock.close()
            return None
        except (BlockingIOError, TimeoutError):
            break
        except OSError:  # it ended just now
            time.sleep(_PAUSE_SECONDS)
    raise StoreError(
        f"{data}: the writer of the running node (csid serve) does not answer; see what it says, "
        f"or end it: then commands write by themselves"
    )


def _is_ours(data: Path, hello: protocol.Hello) -> bool:
    """Whether the writer that says hello writes what stands at the path now.

    Raises:
        StoreError: it is of another version.
    """
    if hello.version != protocol.VERSION:
        raise StoreError(
            f"{data}: the running node speaks version {hello.version} of the writer's protocol, "
            f"this csid version {protocol.VERSION}: use the csid that the node runs, or restart "
            f"the node with this one"
        )
    found = identity(data)
    return found is not None and found.data == hello.data
