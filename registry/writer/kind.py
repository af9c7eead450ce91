"""The writer as one more kind of process of a server."""

from __future__ import annotations

from resolver.server.kinds import Kind, one_pair

# Resolving goes on without it, so it is started behind the others, and its failures end no server.
WRITER = Kind(
    "writer", "registry.writer.process", one_pair, counted=("requests", "commits"), vital=False
)
