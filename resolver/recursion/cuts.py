"""Delegations that were learned, until they end; and where each zone that is configured begins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from csid.address import Address
from csid.names import is_at_or_below
from resolver.recursion.reading import Host

MOST: Final = 100_000  # cuts kept; the one that was learned or used longest ago goes
NODES: Final = b"\5nodes"  # the label below which nodes of a network have their names
SECONDS_MAX: Final = 86_400


class Cut(NamedTuple):
    """A zone and who serves it.

    Attributes:
        name: its apex, wire form, lower case.
        hosts: its name servers as the delegation names them.
        addresses: of servers that are configured.
        learned, expires: times.
        forwards: the servers are resolvers, and are asked for everything (RD set).
        port: of servers that are found by referral, which has none.
        nodes: name below which nodes of the network have theirs, whose ports are registered (SRV);
            empty for none.
    """

    name: bytes
    hosts: tuple[Host, ...] = ()
    addresses: tuple[Address, ...] = ()
    learned: float = 0.0
    expires: float = 0.0
    forwards: bool = False
    port: int = 53
    nodes: bytes = b""


def top(
    name: bytes, servers: Sequence[Address], forwards: bool = False, port: int | None = None
) -> Cut:
    """A zone whose servers are configured: those of a root, or resolvers that are asked instead.

    Args:
        name: its apex, wire form. Below it nodes of a network have their names.
        port: of servers that are found by referral; None is that of the first server.
    """
    name = name.lower()
    return Cut(
        name,
        addresses=tuple(servers),
        forwards=forwards,
        port=servers[0].port if port is None else port,
        nodes=b"" if forwards else NODES + name,
    )


class Cuts:
    """What is known of who serves what.

    Args:
        tops: zones whose servers are configured.
    """

    def __init__(self, tops: Iterable[Cut], most: int = MOST) -> None:
        self._tops = {one.name: one for one in tops}
        self._learned: OrderedDict[bytes, Cut] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        """How many were learned."""
        return len(self._learned)

    def deepest(self, name: bytes, now: float) -> Cut | None:
        """The cut that is nearest above a name or at it; None if it lies below nothing known."""
        at = 0
        while True:
            part = name[at:]
            cut = self._learned.get(part)
            if cut is not None:
                if cut.expires > now:
                    self._learned.move_to_end(part)
                    return cut
                del self._learned[part]
            top = self._tops.get(part)
            if top is not None or not name[at]:
                return top
            at += 1 + name[at]

    def learn(self, name: bytes, hosts: tuple[Host, ...], ttl: int, above: Cut, now: float) -> Cut:
        """Keep a delegation, for no longer than the one above it holds: below a zone that was
        taken away nothing lives on.
        """
        expires = now + min(ttl, SECONDS_MAX)
        if above.expires:
            expires = min(expires, above.expires)
        cut = Cut(name, hosts, (), now, expires, port=above.port, nodes=above.nodes)
        self._learned[name] = cut
        self._learned.move_to_end(name)
        if len(self._learned) > self._most:
            self._learned.popitem(last=False)
        return cut

    def forget(self, name: bytes) -> None:
        """Do not know a delegation any more."""
        self._learned.pop(name, None)

    def drop(self, name: bytes) -> int:
        """Forget all that was learned at and below a name; gives how many."""
        gone = [one for one in self._learned if is_at_or_below(one, name)]
        for one in gone:
            del self._learned[one]
        return len(gone)
