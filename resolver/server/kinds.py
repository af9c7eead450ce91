"""The kinds of process a server is made of. A further kind is one more row: of KINDS, or of those
that whoever starts the server adds.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from resolver.server.asking import Asker, PairAsker, SeveralAskers, TcpAsker, reachable, udp_askers
from resolver.server.child import Child, Timing
from resolver.server.process import command
from resolver.server.sockets import Bound


class Share(NamedTuple):
    """What one process of a kind serves."""

    name: str  # for the administrator, behind the name of the kind
    sockets: Sequence[socket.socket]
    asker: Asker  # how the supervisor asks whether it answers
    tls: int = 0  # how many of the sockets, the last ones, are for connections over TLS


class Kind(NamedTuple):
    """A kind of process.

    The module is run with the options of the server, one `--fd` for each socket, `--ready-fd` (one
    octet tells that it answers) and `--counters-fd` (`resolver.server.counters`). If some of the
    sockets are for TLS, `--tls` tells how many, and `--credentials-fd` once or twice with what.

    One that is not vital is started once the vital ones answer, and its failures do not end the
    server.
    """

    name: str
    module: str
    shares: Callable[[Sequence[Bound]], Iterator[Share]]  # one process for each
    counted: tuple[str, str] = ("queries", "batches")  # what its counters are of
    vital: bool = True
    options: tuple[str, ...] = ()  # of its own, besides those of the server
    inherited: tuple[int, ...] = ()  # descriptors besides those of its share


def udp_sockets(bound: Sequence[Bound]) -> Iterator[Share]:
    """A process for each UDP socket."""
    for one in bound:
        for number, (sock, asker) in enumerate(zip(one.udp, udp_askers(one), strict=True), start=1):
            yield Share(f" {number} of {one.address}", [sock], asker)


def all_listeners(bound: Sequence[Bound]) -> Iterator[Share]:
    """One process for all TCP sockets."""
    plain, tls = ([one for one in bound if one.tls is is_tls] for is_tls in (False, True))
    # The same process answers over TLS, and is asked where it takes no handshake.
    askers = [TcpAsker(reachable(one.address)) for one in plain]
    yield Share("", [one.tcp for one in (*plain, *tls)], SeveralAskers(askers), len(tls))


def one_pair(_bound: Sequence[Bound]) -> Iterator[Share]:
    """One process, which has one end of a pair of sockets to be asked over."""
    ours, theirs = socket.socketpair()
    yield Share("", [theirs], PairAsker(ours))


def one_each(listening: Sequence[Bound], _: Sequence[Bound] = ()) -> Iterator[Share]:
    """A process for each of some TCP sockets, which are not those of the server's addresses, and as
    `one_pair` each has one to be asked over.
    """
    for one in listening:
        for share in one_pair([]):
            yield Share(f" of {one.address}", [*share.sockets, one.tcp], share.asker)


UDP_WORKER: Final = "UDP worker"
TCP_SERVER: Final = "TCP server"
KINDS: Final = (
    Kind(UDP_WORKER, "resolver.server.worker", udp_sockets),
    Kind(TCP_SERVER, "resolver.server.tcp_process", all_listeners),
)


class Settings(NamedTuple):
    """What a server may be told anew while it runs; a process has it from its start on."""

    nsid: str = ""  # the name the server gives when asked (RFC 5001)
    added: Mapping[str, Sequence[str]] = {}  # further options by the name of the kind


class Told:
    """The settings that processes are started with."""

    def __init__(self, settings: Settings) -> None:
        self.now = self.before = settings

    def anew(self, settings: Settings) -> None:
        """Start processes with others from now on."""
        self.now = settings

    def settle(self) -> None:
        """All processes run with these."""
        self.before = self.now

    def undo(self) -> None:
        """Processes cannot be started with these: go back to the former."""
        self.now = self.before


def children_of(
    bound: Sequence[Bound],
    data: Path,
    told: Told,
    timing: Timing,
    selector: selectors.BaseSelector,
    kinds: Sequence[Kind] = KINDS,
    credentials: Sequence[int] = (),
) -> list[Child]:
    """All processes of a server on some sockets, none of them started yet, in the order of their
    kinds. `credentials` are those of `Credentials.fds`.
    """

    def command_of(kind: Kind, share: Share) -> Callable[[], list[str]]:
        fds = [sock.fileno() for sock in share.sockets]
        tls = _tls_options(share.tls, credentials) if share.tls else []

        def words() -> list[str]:
            nsid, added = told.now
            named = ["--nsid", nsid] if nsid else []
            options = ["--data", str(data), *named, *added.get(kind.name, ())]
            return command(kind.module, [*options, *kind.options, *tls], fds)

        return words

    return [
        Child(
            kind.name + share.name,
            command_of(kind, share),
            share.sockets,
            share.asker,
            timing,
            selector,
            kind.counted,
            kind.vital,
            (*kind.inherited, *(credentials if share.tls else ())),
            kind.name,
        )
        for kind in kinds
        for share in kind.shares(bound)
    ]


def _tls_options(sockets: int, credentials: Sequence[int]) -> list[str]:
    fds = [word for fd in credentials for word in ("--credentials-fd", str(fd))]
    return ["--tls", str(sockets), *fds]
