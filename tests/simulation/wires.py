"""What lies between machines: connections with a latency that stall, break and hang, and datagrams
that are lost, come twice, late or out of order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from resolver.sync.actions import Open
from tests.simulation.world import Life, World

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

CONNECT_SECONDS: Final = 5.0  # after which whoever connects gives up
IDLE_SECONDS: Final = 10.0  # after which a server closes a connection
_REPLAY_SECONDS: Final = 40.0


class Connection:
    """One connection, over a stream or by datagrams, from its opening to its end."""

    def __init__(self, number: int, client: Machine, server: Machine, is_datagram: bool) -> None:
        self.number = number
        self.client = client
        self.server = server
        self.is_datagram = is_datagram
        self.client_life: Life = client.sync_life
        self.server_life: Life | None = None
        self.is_over = False  # for the client
        self.stalled: list[tuple[bool, bytes]] = []  # to the server?, message: sent while parted
        self.asked: deque[bytes] = deque()  # what the server has to answer yet, in order
        self.is_busy = False  # the server
        self.latest = [0.0, 0.0]  # arrival of what was sent last, to the client, to the server
        self.used = 0.0  # when something came to the server last
        # At the client, as `registry.sync.driver` has it of a link:
        self.read = 0
        self.expected = float("inf")
        self.is_held = False  # messages wait until those before have been worked on
        self.held: deque[bytes] = deque()


class Wires:
    """All connections of a world, and who is parted from whom."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.machines: dict[str, Machine] = {}  # by host
        self.open: list[Connection] = []
        self.parted: set[frozenset[str]] = set()
        self.is_bad = True  # whether anything goes wrong by itself
        self.latency = 0.0005 + world.random.random() ** 3 * 0.05

    def goes_wrong(self, share: float) -> bool:
        """True in this share of cases, as long as anything goes wrong by itself."""
        return self.is_bad and self.world.chance(share)

    def connect(self, client: Machine, action: Open) -> Connection:
        """Begin a connection; the client is told what comes of it."""
        world, server = self.world, self.machines[action.where.host]
        one = Connection(action.link, client, server, action.datagram)
        life = one.client_life
        if action.datagram:
            world.soon(life, client.synchronising.opened, one)
        elif self._is_parted(one) or (not server.is_up and world.chance(0.2)):
            world.after(CONNECT_SECONDS, life, self._end, one, "cannot be connected to in time")
        elif not server.is_up or self.goes_wrong(0.01):
            world.after(self._delay(), life, self._end, one, "Connection refused")
        else:
            world.after(3 * self._delay(), life, self._opened, one)
        return one

    def _opened(self, one: Connection) -> None:
        if one.is_over:
            return
        if not one.server.is_up:
            self._end(one, "Connection refused")
            return
        one.server_life = one.server.life
        one.used = self.world.now
        self.open.append(one)
        self.world.after(IDLE_SECONDS, one.server.life, self._tidy, one)
        one.client.synchronising.opened(one)

    def _tidy(self, one: Connection) -> None:
        """The server closes what is idle."""
        idle = self.world.now - one.used
        if one.is_over:
            return
        if idle < IDLE_SECONDS or one.is_busy:
            self.world.after(max(IDLE_SECONDS - idle, 1.0), one.server.life, self._tidy, one)
        else:
            self.cut(one, "closed the connection")

    def _delay(self) -> float:
        random = self.world.random
        slow = 20.0 if self.goes_wrong(0.02) else 1.0
        return self.latency * (0.5 + random.random()) * slow

    def _is_parted(self, one: Connection) -> bool:
        return frozenset((one.client.host, one.server.host)) in self.parted

    def send(self, one: Connection, to_server: bool, message: bytes) -> None:
        """Send a message over a connection."""
        if one.is_over and not one.is_datagram:
            return
        if one.is_datagram:
            self._throw(one, to_server, message)
        elif self._is_parted(one):
            one.stalled.append((to_server, message))
        else:
            self._carry(one, to_server, message)

    def _carry(self, one: Connection, to_server: bool, message: bytes) -> None:
        at = max(self.world.now + self._delay(), one.latest[to_server] + 1e-6)
        one.latest[to_server] = at
        self.world.after(at - self.world.now, None, self._arrive, one, to_server, message)

    def _throw(self, one: Connection, to_server: bool, message: bytes) -> None:
        world = self.world
        if self._is_parted(one) or self.goes_wrong(0.2):
            return
        for _ in range(2 if self.goes_wrong(0.2) else 1):
            late = world.random.random() * _REPLAY_SECONDS if world.chance(0.1) else 0.0
            world.after(self._delay() + late, None, self._arrive, one, to_server, message)

    def _arrive(self, one: Connection, to_server: bool, message: bytes) -> None:
        world = self.world
        if not to_server:
            if not one.is_over and one.client_life.is_alive:
                received = one.client.synchronising.received
                world.after(0.0, one.client_life, received, one, message)
            return
        server = one.server
        if one.is_datagram:
            if server.is_up:
                world.after(0.0, server.life, server.answering.thrown, one, message)
        elif one.server_life is None or not one.server_life.is_alive:
            # Its process is gone: the machine says so, unless that gets lost.
            if world.chance(0.7):
                self.cut(one, "Connection reset by peer")
        else:
            one.used = world.now
            one.asked.append(message)
            world.after(0.0, one.server_life, server.answering.serve, one)

    def cut(self, one: Connection, reason: str, silently: bool = False) -> None:
        """Let a connection break; what is on its way does not arrive. Silently: the client is not
        told, and has to find out.
        """
        if one in self.open:
            self.open.remove(one)
        one.asked.clear()
        if silently:
            one.server_life = Life("")
            one.server_life.is_alive = False
            one.latest = [float("inf"), 0.0]
            return
        if not one.is_over:
            self.world.after(self._delay(), one.client_life, self._end, one, reason)

    def _end(self, one: Connection, reason: str) -> None:
        if not one.is_over:
            one.is_over = True
            one.client.synchronising.lost(one, reason)

    def shut(self, one: Connection) -> None:
        """The client closes it."""
        one.is_over = True
        one.asked.clear()
        if one in self.open:
            self.open.remove(one)

    def between(self, pair: frozenset[str]) -> Iterator[Connection]:
        """The connections between two machines."""
        for one in list(self.open):
            if frozenset((one.client.host, one.server.host)) == pair:
                yield one

    def part(self, pair: frozenset[str]) -> None:
        """Let two machines not reach each other."""
        self.parted.add(pair)

    def heal(self, pair: frozenset[str]) -> None:
        """Let them reach each other again: what was sent meanwhile arrives, or the connection is
        found to be broken.
        """
        self.parted.discard(pair)
        for one in self.between(pair):
            stalled, one.stalled = one.stalled, []
            if self.world.chance(0.4):
                self.cut(one, "Connection timed out", silently=self.world.chance(0.3))
            else:
                for to_server, message in stalled:
                    self._carry(one, to_server, message)

    def gone(self, life: Life) -> None:
        """A process has ended, and with it its ends of connections."""
        for one in list(self.open):
            if one.client_life is life:
                self.shut(one)
            elif one.server_life is life:
                self.open.remove(one)
                one.asked.clear()
                if self.world.chance(0.8):
                    self.cut(one, "Connection reset by peer")
