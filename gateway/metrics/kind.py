"""The state for Prometheus as one more kind of process of a server: one for each address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from resolver.server.kinds import Kind, Share, one_pair
from resolver.server.sockets import Bound

NAME: Final = "metrics"  # in the line that says where a server listens


def kind_of(bound: Sequence[Bound]) -> Kind:
    """The kind of process, with the sockets it is to serve."""
    return Kind(
        "metrics server",
        "gateway.metrics.process",
        partial(_shares, bound),
        counted=("calls", "problems"),
        vital=False,
    )


def _shares(bound: Sequence[Bound], _: Sequence[Bound]) -> Iterator[Share]:
    for one in bound:
        for share in one_pair([]):
            yield Share(f" of {one.address}", [*share.sockets, one.tcp], share.asker)
