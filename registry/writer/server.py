"""The writer's loop: one thread, plain epoll, requests gathered into commits.

A turn: hear what was asked, wait a moment until as many have asked as last time, decide on all of
them in one transaction, commit, answer; the same for UPDATEs of zones that servers of the node hand
on; then one unit of long work, if any waits. So single requests and UPDATEs wait for one unit at
most, and long work for one commit of each at a time.

What strangers send is answered with an error, or their connection is closed; whoever does not take
answers is not read on, and dropped after a while. Nothing of it ends the loop.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from csid.errors import BusyError, CsidError, StoreError
from csid.limits import (
    MAX_HELD_OCTETS,
    REQUESTS_PER_COMMIT,
    REQUESTS_PER_FRAME,
    UPDATES_PER_COMMIT,
    WRITER_STALL_SECONDS,
)
from registry.rules.acting import Acting, Peer
from registry.rules.requests import Request
from registry.writer import protocol
from registry.writer.address import peer_of
from registry.writer.commit import Outcomes
from registry.writer.connection import Connection, UpdateConnection
from registry.writer.values import ValuesError, read_request
from registry.zones import updates
from resolver.server import forwarded
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.notices import Repeated

GATHER_SECONDS: Final = 0.002  # at most, to wait for as many as came last time
LOOK_SECONDS: Final = 1.0  # between two looks for connections that stall, when nothing else is due
BUSY_SECONDS: Final = 20.0  # for other processes to end what they write; less than clients wait
ENDING_SECONDS: Final = 0.5  # for answers to be taken at the end
EVENTS_AT_ONCE: Final = 256
ACCEPTED_AT_ONCE: Final = 64

_READABLE: Final = select.EPOLLIN
_WRITABLE: Final = select.EPOLLOUT
_BROKEN: Final = select.EPOLLERR | select.EPOLLHUP


class Work(Protocol):
    """What the loop has done for those who ask."""

    def commit(self, waiting: Sequence[Sequence[Request]]) -> list[Outcomes]:
        """As `registry.writer.commit.commit`."""
        ...

    def update(self, waiting: Sequence[updates.Arrived]) -> list[updates.Answer]:
        """As `registry.zones.updates.answers`."""
        ...

    def failed(self, waiting: Sequence[updates.Arrived], error: Exception) -> list[updates.Answer]:
        """As `registry.zones.updates.failed`."""
        ...

    def perform(self, by: Acting, name: str, args: Any) -> Any:
        """Carry out one unit for a process."""
        ...

    def acting(self, peer: Peer) -> Acting:
        """How a process acts that has connected."""
        ...

    def rest(self) -> None:
        """Do what is to be done now and then, in a moment at which nobody waits."""
        ...


class _Asked(NamedTuple):
    """Requests of one frame."""

    connection: Connection
    number: int
    requests: Sequence[Request]


class _Update(NamedTuple):
    connection: Connection
    number: int
    arrived: updates.Arrived


class _Unit(NamedTuple):
    connection: Connection
    number: int
    name: str
    args: Any


class Server:
    """Serves those who connect until told to end.

    Args:
        work: what is done for them.
        counters: requests and commits are counted there.
        most: connections at a time.

    Attributes:
        process: which the unit at hand is carried out for.
    """

    def __init__(self, work: Work, counters: Counters, most: int) -> None:
        self._work = work
        self._hello = b""
        self._counters = counters
        self._most = most
        self._epoll = select.epoll()
        self._others: dict[int, Callable[[], object]] = {}  # descriptors that are no connections
        self._listeners: list[socket.socket] = []
        self._connections: dict[int, Connection] = {}  # the one used longest ago first
        self._held = 0  # octets of what they ask, not taken yet
        self._asked: deque[_Asked] = deque()
        self._waiting = 0  # requests in these
        self._updates: deque[_Update] = deque()
        self._units: deque[_Unit] = deque()
        self._expected = 1  # that were asked for the last commit
        self._pause = 0.0  # seconds to wait for as many
        self._busy_since: float | None = None  # others write, and what was asked has to wait
        self._look_due = 0.0
        self._complaints = Repeated()
        self._ending = False
        self.process = 0

    def watch(self, fd: int, heard: Callable[[], object]) -> None:
        """Have a function called whenever a descriptor is readable."""
        self._others[fd] = heard
        self._epoll.register(fd, _READABLE)

    def listen(self, listener: socket.socket, hello: bytes) -> None:
        """Take connections from a listening socket, and greet them."""
        self._hello = hello
        self._listen(listener, Connection)

    def listen_for_updates(self, listener: socket.socket) -> None:
        """Take connections by which servers of the node hand on UPDATEs."""
        self._listen(listener, UpdateConnection)

    def _listen(self, listener: socket.socket, kind: type[Connection]) -> None:
        self._listeners.append(listener)
        self.watch(listener.fileno(), partial(self._accept, listener, kind))

    def end(self) -> None:
        """Carry out what was asked so far, answer, and return from `run`."""
        self._ending = True

    def run(self, idle: Callable[[], float]) -> None:
        """Serve until `end`; ``idle`` is called in each turn, and says in how many seconds it is
        to be called again at the latest.
        """
        while not self._ending:
            busy = bool(self._asked or self._updates or self._units)
            self._hear(0.0 if busy else min(idle(), LOOK_SECONDS))
            if self._asked:
                self._gather()
                self._commit()
            if self._updates:
                self._update()
            if self._units:
                self._perform()
            self._look(resting=not (self._asked or self._updates or self._units))
        while self._asked and self._commit():
            pass
        while self._updates and self._update():
            pass
        self._say_goodbye()

    # -- connections

    def _hear(self, seconds: float) -> None:
        for fd, events in self._epoll.poll(seconds, EVENTS_AT_ONCE):
            connection = self._connections.get(fd)
            if connection is not None:
                self._serve(connection, events)
            elif fd in self._others:
                self._others[fd]()

    def _serve(self, connection: Connection, events: int) -> None:
        try:
            if events & _BROKEN and not events & _READABLE:
                raise ConnectionError
            if events & _READABLE:
                del self._connections[fd := connection.sock.fileno()]
                self._connections[fd] = connection
                connection.read(time.monotonic())
            self._go_on(connection)
        except OSError:
            self._drop(connection)
        if self._held > MAX_HELD_OCTETS:
            self._complain(connection, "asks for too much at a time; it is closed")

    def _go_on(self, connection: Connection) -> None:
        """Take what it has asked, send what it is to be told, and watch it for the rest.

        Raises:
            OSError: it is broken.
        """
        for number, kind, rest in connection.asked(self._hello):
            self._take(connection, number, kind, rest)
        self._held += connection.held - connection.counted
        connection.counted = connection.held
        if connection.out:
            connection.send(time.monotonic())
        if connection.finished:
            raise ConnectionError
        events = (_READABLE if connection.takes_more else 0) | (_WRITABLE if connection.out else 0)
        if events != connection.watched:
            self._epoll.modify(connection.sock, events)
            connection.watched = events

    def _take(self, connection: Connection, number: int, kind: int, rest: tuple[Any, ...]) -> None:
        if kind == protocol.UNIT:
            self._units.append(_Unit(connection, number, *rest))
        elif kind == protocol.UPDATE:
            self._updates.append(_Update(connection, number, updates.Arrived(*rest)))
        elif kind == protocol.PING:
            self._answer(connection, protocol.frame(number, protocol.PONG))
        else:
            try:
                requests = [read_request(one, connection.by) for one in rest[0]]
                if len(requests) > REQUESTS_PER_FRAME:
                    raise ValuesError(f"at most {REQUESTS_PER_FRAME} requests are taken at a time")
            except Exception as error:
                self._answer(connection, protocol.error(number, self._told(error)))
                return
            self._asked.append(_Asked(connection, number, requests))
            self._waiting += len(requests)

    def _answer(self, connection: Connection, frame: bytes) -> None:
        connection.out += frame
        connection.in_flight -= 1

    def _accept(self, listener: socket.socket, kind: type[Connection]) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptor is left, or it went away
                self._complaints.tell(
                    f"writer: a connection cannot be taken: {error}", "not-accepting"
                )
                self._make_room()
                return
            if len(self._connections) >= self._most and not self._make_room():
                sock.close()  # they will come again
                return
            by = self._work.acting(peer_of(sock))
            if kind is UpdateConnection and not by.is_of_node:
                sock.close()
                continue
            sock.setblocking(False)
            connection = kind(sock, time.monotonic(), by)
            self._connections[sock.fileno()] = connection
            connection.watched = _READABLE
            self._epoll.register(sock, _READABLE)

    def _make_room(self) -> bool:
        """Part with the connection that was used longest ago of those that wait for no answer."""
        for connection in self._connections.values():
            if not connection.in_flight:
                connection.out += connection.farewell
                with contextlib.suppress(OSError):
                    connection.send(time.monotonic())
                self._drop(connection)
                return True
        return False

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None) is not None:
            self._held -= connection.counted
            connection.forget()
            connection.sock.close()  # which ends its being watched

    def _complain(self, connection: Connection, what: str) -> None:
        """Drop a connection, and say why."""
        self._complaints.tell(f"writer: a connection of {connection.by.label} (user/group) {what}")
        self._drop(connection)

    def _look(self, resting: bool) -> None:
        """Now and then: drop the connections that stall, and let the work rest."""
        now = time.monotonic()
        if now < self._look_due:
            return
        self._look_due = now + LOOK_SECONDS
        for connection in list(self._connections.values()):
            if connection.stalls and now - connection.since > WRITER_STALL_SECONDS:
                self._complain(connection, "does not go on; it is closed")
        if resting:
            self._work.rest()

    # -- work

    def _gather(self) -> None:
        """Let those who were just answered ask again, so that they share this commit, where else
        half of them would always wait for the next.
        """
        deadline = time.monotonic() + self._pause
        while self._waiting < self._expected and (left := deadline - time.monotonic()) > 0:
            self._hear(left)

    def _commit(self) -> bool:
        """Carry out what was asked, up to the bounds of one commit, and answer; False if it has to
        wait.
        """
        taken: list[_Asked] = []
        count = 0
        while self._asked and count < REQUESTS_PER_COMMIT:
            taken.append(self._asked.popleft())
            count += len(taken[-1].requests)
        started = time.monotonic()
        try:
            outcomes = self._work.commit([one.requests for one in taken])
            self._busy_since = None
        except Exception as error:
            if self._has_to_wait(error):
                self._asked.extendleft(reversed(taken))
                return False
            outcomes = [[error] for _ in taken]
        self._expected = count
        for asked, mine in zip(taken, outcomes, strict=False):
            told = [self._told(one) if isinstance(one, Exception) else one for one in mine]
            self._answer(asked.connection, protocol.decisions(asked.number, told))
        while len(taken) > len(outcomes):
            self._asked.appendleft(taken.pop())
            count -= len(self._asked[0].requests)
        self._pause = min((time.monotonic() - started) / 2, GATHER_SECONDS)
        self._waiting -= count
        self._counters[QUERIES] += count
        self._counters[BATCHES] += 1
        self._tell({asked.connection for asked in taken})
        return True

    def _update(self) -> bool:
        """Carry out UPDATEs, up to the bounds of one commit, and answer; False if they wait."""
        taken = list(islice(self._updates, UPDATES_PER_COMMIT))
        try:
            answers = self._work.update([one.arrived for one in taken])
            self._busy_since = None
        except Exception as error:
            if self._has_to_wait(error):
                return False
            answers = self._work.failed([one.arrived for one in taken], self._told(error))
        for answer in answers:
            one = self._updates.popleft()
            self._answer(one.connection, forwarded.answer(one.number, answer.message))
            if answer.said:
                self._complaints.tell(answer.said, "update-failed")
        self._counters[QUERIES] += len(answers)
        self._counters[BATCHES] += 1
        self._tell({one.connection for one in taken})
        return True

    def _perform(self) -> None:
        """Carry out one unit, and answer."""
        unit = self._units.popleft()
        if unit.connection.sock.fileno() < 0:  # nobody waits for it any more
            return
        try:
            self.process = unit.connection.process
            result = self._work.perform(unit.connection.by, unit.name, unit.args)
            self._busy_since = None
            frame = protocol.frame(unit.number, protocol.RESULT, result)
        except Exception as error:
            if self._has_to_wait(error):
                self._units.appendleft(unit)
                return
            frame = protocol.error(unit.number, self._told(error))
        self._counters[BATCHES] += 1
        self._answer(unit.connection, frame)
        self._tell({unit.connection})

    def _has_to_wait(self, error: Exception) -> bool:
        """Whether nothing was done because others write, and it may be tried again. Meanwhile the
        loop goes on, and answers the supervisor.
        """
        now = time.monotonic()
        since = now if self._busy_since is None else self._busy_since
        waits = isinstance(error, BusyError) and now - since < BUSY_SECONDS
        self._busy_since = since if waits else None
        return waits

    def _tell(self, connections: set[Connection]) -> None:
        """Send answers, and take what these connections have asked meanwhile."""
        for connection in connections:
            if connection.sock.fileno() >= 0:
                try:
                    self._go_on(connection)
                except OSError:
                    self._drop(connection)

    def _told(self, error: Exception) -> Exception:
        """The error as it is told; what is no fault of who asked is also told here."""
        if not isinstance(error, CsidError) or isinstance(error, StoreError):
            self._complaints.tell(
                f"writer: {error if isinstance(error, CsidError) else repr(error)}", "write-failed"
            )
        return error

    def _say_goodbye(self) -> None:
        """Tell all that what has no answer was not begun, and let them take their answers."""
        for listener in self._listeners:
            listener.close()
        until = time.monotonic() + ENDING_SECONDS
        for connection in list(self._connections.values()):
            connection.out += connection.farewell
        while self._connections and (left := until - time.monotonic()) > 0:
            for connection in list(self._connections.values()):
                try:
                    connection.send(time.monotonic())
                except OSError:
                    connection.out.clear()
                if not connection.out:
                    self._drop(connection)
                elif connection.watched != _WRITABLE:
                    self._epoll.modify(connection.sock, _WRITABLE)
                    connection.watched = _WRITABLE
            if self._connections:
                self._epoll.poll(left)
