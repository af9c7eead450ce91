"""The sync process as one more kind of process of a server."""

from __future__ import annotations

from typing import Final

from resolver.server.kinds import Kind, one_pair

# As the writer, it is started behind those that answer, and its failures end no server.
SYNC: Final = Kind(
    "sync",
    "registry.sync.process",
    one_pair,
    counted=("looks at zones", "commits"),
    vital=False,
)
