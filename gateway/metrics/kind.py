"""The state for Prometheus as one more kind of process of a server: one for each address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from resolver.server.kinds import Kind, one_each
from resolver.server.sockets import Bound

NAME: Final = "metrics"  # in the line that says where a server listens


def kind_of(bound: Sequence[Bound]) -> Kind:
    """The kind of process, with the sockets it is to serve."""
    return Kind(
        "metrics server",
        "gateway.metrics.process",
        partial(one_each, bound),
        counted=("calls", "problems"),
        vital=False,
    )
