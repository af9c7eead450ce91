"""The kinds of process a recursive resolver is made of, and what joins them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Final

from resolver.server.kinds import (
    TCP_SERVER,
    UDP_WORKER,
    Kind,
    Share,
    all_listeners,
    one_pair,
    udp_sockets,
)
from resolver.server.sockets import Bound

RECURSION: Final = "recursion"
PAIR_OCTETS: Final = 1 << 21  # of packets that wait on their way; the kernel gives what it allows


class Joined:
    """The sockets between the processes, which outlive each of them.

    Args:
        pairs: how many processes ask, besides the UDP workers.
    """

    def __init__(self, pairs: int) -> None:
        self.missed_out, self.missed_in = _pair()
        self.pairs = [_pair() for _ in range(pairs)]  # whose first end asks

    def close(self) -> None:
        """Close them."""
        for sock in (self.missed_out, self.missed_in, *[one for two in self.pairs for one in two]):
            sock.close()


def kinds_of(joined: Joined, cache_octets: int) -> tuple[Kind, ...]:
    """The kinds: who asks others, UDP workers, and the TCP server, which asks over the first
    pair.
    """
    missed_out, missed_in = joined.missed_out.fileno(), joined.missed_in.fileno()
    asking = joined.pairs[0][0].fileno()
    asked = [theirs.fileno() for _, theirs in joined.pairs]
    options = ["--missed-fd", str(missed_in), "--cache-octets", str(cache_octets)]
    for fd in asked:
        options += ["--pair-fd", str(fd)]
    return (
        Kind(
            RECURSION,
            "resolver.server.recursive.process",
            _with_udp_sockets,
            counted=("questions", "batches"),
            options=tuple(options),
            inherited=(missed_in, *asked),
        ),
        Kind(
            UDP_WORKER,
            "resolver.server.recursive.worker",
            udp_sockets,
            options=("--missed-fd", str(missed_out)),
            inherited=(missed_out,),
        ),
        Kind(
            TCP_SERVER,
            "resolver.server.recursive.tcp_process",
            all_listeners,
            options=("--pair-fd", str(asking)),
            inherited=(asking,),
        ),
    )


def _with_udp_sockets(bound: Sequence[Bound]) -> Iterator[Share]:
    """One process, which answers over the sockets of the UDP workers."""
    for share in one_pair(bound):
        sockets = [*share.sockets, *[sock for one in bound for sock in one.udp]]
        yield Share("", sockets, share.asker)


def _pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for one in (ours, theirs):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_OCTETS)
    return ours, theirs
