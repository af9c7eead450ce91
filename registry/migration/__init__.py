"""A data directory of schema version 1 made one of version 2 (schemas/{store,registry}.md).

What version 2 knows besides is found in the old data (TTLs in the tree, key ids in checkpoints) or
begun anew (journals). The log is not rewritten: its leaves stay, octet for octet. What a replay of
them does not give (idempotency keys, TTLs, the first inventory, the zones) is in leaves of kind
`node.migrate` behind them. All else must follow from the log, or nothing is migrated.
"""

from __future__ import annotations

from registry.migration.run import Migrated, MigrationError, Progress, migrate

__all__ = ["Migrated", "MigrationError", "Progress", "migrate"]
