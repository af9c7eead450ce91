"""What the engine is told of and asks for: its whole way to the world outside."""

from __future__ import annotations

from typing import NamedTuple

from csid.address import Address
from resolver.sync.settings import Moment, Target
from resolver.sync.tsig import Key


class Present(NamedTuple):
    """The moment at which something is told to the engine."""

    moment: Moment  # of the store
    steady: float  # seconds of a clock that never jumps
    unix: int  # seconds of the one that people set


class Where(NamedTuple):
    """How a server is reached."""

    host: str
    port: int
    tls: str = ""  # as `Target.tls`
    source: str = ""  # as `Target.source`

    def __str__(self) -> str:
        return str(Address(self.host, self.port))


class Errand(NamedTuple):
    """A request to be put to a server until it is answered. Those to one server are put one after
    the other.
    """

    name: bytes  # by which whoever gives it knows it
    target: Target
    message: bytes  # unsigned; its ID is chosen when it is sent


class Open(NamedTuple):
    """Open a connection; told back by `opened` or `lost`."""

    link: int
    where: Where
    datagram: bool  # over UDP, where no TLS is asked for


class Send(NamedTuple):
    """Send a message on an open connection."""

    link: int
    message: bytes


class Shut(NamedTuple):
    """Close a connection, open or opening; nothing is told back."""

    link: int


class Transfer(NamedTuple):
    """Have a zone transferred on an open connection; told back by `transferred` or `failed`."""

    link: int
    apex: bytes
    key: Key | None
    full: bool  # ask for the whole zone, whatever is held
    forced: bool  # and take it, whatever serial it has
    tls: bool = False  # it goes over TLS


class Answered(NamedTuple):
    """An errand was answered; or the answer is none, for a reason."""

    errand: Errand
    answer: bytes  # without its TSIG record; empty if there is none
    reason: str


Action = Open | Send | Shut | Transfer | Answered


class Limits(NamedTuple):
    """How much is done at once, and how long is waited; seconds unless it says otherwise."""

    transfers: int = 64  # in all, but for ...
    first_transfers: int = 128  # ... the only one from a server, which goes on beside so many
    transfers_per_server: int = 4
    window: int = 256  # questions to one server that wait for their answers
    queue: int = 4_096  # zones that wait for their turn with one server
    zones: int = 16_384  # in hand, before those wait that are to be looked at at once
    crowded: int = 10  # before a zone that had no place in a queue is looked at again
    taken: int = 512  # zones taken up at a time
    answer: float = 5.0  # for the answer to a question
    patience: float = 30.0  # with whom a zone is asked of, once it has expired
    between: float = 1.0  # two looks for those that have
    keep: float = 8.0  # a connection that nobody uses; servers keep one for about ten
    first_pause: float = 1.0  # before a server that cannot be reached is tried again ...
    most_pause: float = 60.0  # ... which doubles up to here
    give_up: float = 86_400.0  # notices that nobody confirms
    refusals: int = 8  # answers of "not now" to a notice, before its row of the feed is let go of
