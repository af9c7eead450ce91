"""How the supervisor finds out whether a process answers: by asking, through the real sockets.

The question is the SOA of the root, to which any answer will do, a refusal as well. It is put only
to a process that has answered nobody else lately, so a busy one is never asked.

The UDP workers of an address share its port, and the kernel deals datagrams out by a hash of both
addresses and ports. Which worker a port of ours leads to is found out once, before anybody reads
from the sockets, by looking where a question arrived; the sockets live as long as the server, so it
stays so.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from csid.address import Address
from resolver.server.sockets import Bound, family_of

# RFC 1035 section 4.1: no flags, one question, `. SOA IN`.
QUESTION: Final = bytes.fromhex("0000 0000 0001 0000 0000 0000 00 0006 0001")
_FRAMED: Final = len(QUESTION).to_bytes(2, "big") + QUESTION

ARRIVAL_SECONDS: Final = 0.05  # for a datagram to arrive on this same machine
PORTS_PER_WORKER: Final = 16  # tried at most to reach each worker by one of them
MAX_LOST: Final = 3  # questions that arrive nowhere before none is put to this address

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Asker(Protocol):
    """Puts the question to one process."""

    def ask(self) -> None:
        """Put the question, unless one is still open."""

    def pending(self) -> bool:
        """Whether something that the process has been asked waits for it."""

    def close(self) -> None:
        """Ask no more."""


class UdpAsker:
    """Asks the worker of one UDP socket.

    Args:
        worker: the socket the worker reads from, of which nothing is taken here.
        sock: a socket whose datagrams arrive there; None if none was found, so that the worker is
            judged by the questions of others.
    """

    def __init__(self, worker: socket.socket, sock: socket.socket | None) -> None:
        self._queue = select.poll()
        self._queue.register(worker, select.POLLIN)
        self._sock = sock
        self._open = False

    def ask(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):  # a full queue is a question of others
                self._sock.send(QUESTION)
                self._open = True

    def pending(self) -> bool:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                while self._sock.recv(1):
                    self._open = False
        return self._open or bool(self._queue.poll(0))

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()


class TcpAsker:
    """Asks a process over one of its listening sockets.

    The kernel completes connections by itself, so a process that hangs shows by saying nothing
    on them; one that closes them without an answer is alive and has no room.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._sock: socket.socket | None = None
        self._sent = False
        self._reaches = False  # a connection came about: nothing stands between us and the socket

    def ask(self) -> None:
        if self._sock is not None:
            return
        with contextlib.suppress(OSError):
            self._sock = socket.socket(family_of(self._address.host), socket.SOCK_STREAM)
            self._sock.setblocking(False)
            self._sent = False
            self._sock.connect_ex(self._address)
            self._talk()

    def pending(self) -> bool:
        if self._sock is not None:
            self._talk()
        return self._sock is not None and self._reaches

    def _talk(self) -> None:
        """Go as far with the open question as it goes without waiting."""
        assert self._sock is not None
        try:
            if not self._sent:
                self._sock.send(_FRAMED)
                self._sent = self._reaches = True
            self._sock.recv(len(_FRAMED))
        except BlockingIOError:
            return
        except OSError:
            pass  # it was closed, or could not be opened; another will do
        self.close()

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class SeveralAskers:
    """Asks one process in several ways; it is to answer all of them."""

    def __init__(self, askers: Sequence[Asker]) -> None:
        self._askers = askers

    def ask(self) -> None:
        for asker in self._askers:
            asker.ask()

    def pending(self) -> bool:
        pending = [asker.pending() for asker in self._askers]  # each takes its answers
        return any(pending)

    def close(self) -> None:
        for asker in self._askers:
            asker.close()


class PairAsker:
    """Asks over one end of a pair of sockets, the other of which the process has.

    It is asked by the very loop that serves all others, whoever listens at the directory's path.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._open = False

    def ask(self) -> None:
        # Each time, as one that was read by a process that has died is never answered.
        with contextlib.suppress(OSError):
            self._sock.send(b"?")
            self._open = True

    def pending(self) -> bool:
        with contextlib.suppress(OSError):
            while self._sock.recv(64):
                self._open = False
        return self._open

    def close(self) -> None:
        self._sock.close()


class Health:
    """Whether a process does anything, from one look to the next.

    A look at which it has done nothing since the last, though it was asked, is a miss. Time is
    counted in looks, for a machine that was paused has paused the supervisor, too.
    """

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._done: object = None
        self._misses = 0

    def renew(self) -> None:
        """There is another process now."""
        self._done = None
        self._misses = 0

    def look(self, done: object) -> int:
        """How many looks in a row were misses.

        Args:
            done: what the process has done so far, in any form that changes with it.
        """
        pending = self.asker.pending()
        idle = done == self._done
        self._misses = self._misses + 1 if idle and pending else 0
        if idle:
            self.asker.ask()
        self._done = done
        return self._misses


def udp_askers(bound: Bound) -> list[Asker]:
    """One for each worker of an address, in the order of its sockets.

    To be called before anybody reads from them. What strangers have sent by then is lost.
    """
    found: dict[int, socket.socket] = {}
    workers = {worker.fileno(): (at, worker) for at, worker in enumerate(bound.udp)}
    watch = select.poll()
    for fd in workers:
        watch.register(fd, select.POLLIN)
    target = reachable(bound.address)
    lost = 0
    for _ in range(PORTS_PER_WORKER * len(bound.udp)):
        if len(found) == len(bound.udp) or lost >= MAX_LOST:
            break
        sock = socket.socket(family_of(target.host), socket.SOCK_DGRAM)
        sock.setblocking(False)
        at = _arrival(sock, target, workers, watch)
        lost += at is None
        if at is None or at in found:
            sock.close()
        else:
            found[at] = sock
    return [UdpAsker(worker, found.get(at)) for at, worker in enumerate(bound.udp)]


def _arrival(
    sock: socket.socket,
    target: Address,
    workers: Mapping[int, tuple[int, socket.socket]],
    watch: select.poll,
) -> int | None:
    """At which of some sockets arrives what another sends to their address; None if at none."""
    end = time.monotonic() + ARRIVAL_SECONDS
    with contextlib.suppress(OSError):
        sock.connect(target)
        sock.send(QUESTION)
        asked_from = sock.getsockname()
        while (left := end - time.monotonic()) > 0:
            for fd, _ in watch.poll(left * 1000):
                at, worker = workers[fd]
                if worker.recvfrom(1, socket.MSG_DONTWAIT)[1] == asked_from:
                    return at
    return None


def reachable(address: Address) -> Address:
    """Where this machine itself asks what listens on an address, which may be a wildcard."""
    return Address(_LOOPBACK.get(address.host, address.host), address.port)
