"""Assignments being added and changed, with every row and tree name that follows from them."""

from __future__ import annotations

from csid.identifier import Identifier
from registry.rules import marks
from registry.rules.lifecycle import LIVE
from registry.tables import codec, index, view
from registry.tables.changes import Row, TreeChange, TreeKind
from registry.tables.enums import WORDS, State
from registry.tables.rows import Assignment, Pool, PoolUse
from registry.tables.view import View

# What the resolution tree holds at an identifier in each state.
TREE_KIND = {
    State.RESERVED: TreeKind.RECORD,
    State.FILING: TreeKind.RECORD,
    State.REFUSED: TreeKind.RECORD,
    State.ACTIVE: TreeKind.RECORD,
    State.SUSPENDED: TreeKind.RECORD,
    State.RETIRED: TreeKind.TOMBSTONE,
    State.SUPERSEDED: TreeKind.ALIAS,
}


def tree_change(name: str, row: Assignment) -> TreeChange:
    """What the resolution tree is to hold at an identifier."""
    kind = TREE_KIND[row.state]
    if kind is TreeKind.ALIAS:
        return TreeChange(kind, name, target=row.target, ttl=row.ttl)
    return TreeChange(kind, name, record=row.record, ttl=row.ttl)


class Draft:
    """Rows and tree changes of one decision, gathered."""

    def __init__(self, seen: View) -> None:
        self._view = seen
        self._rows: list[Row] = []
        self._live: dict[str, int] = {}  # how many identifiers more each owner has
        self.tree: list[TreeChange] = []

    def enter(
        self, identifier: Identifier, row: Assignment, pool: tuple[Pool, PoolUse] | None
    ) -> None:
        """Add an identifier; ``pool`` with the use it will have, if it lies in one."""
        name = str(identifier)
        place = index.place_of(identifier)
        if self._view.get(codec.PLACES, index.location_key(place)) is None:
            self._rows += index.place_rows(place)
        family = index.family_key(index.family_of(identifier.spec), place)
        if self._view.get(codec.PLACES, family) is None:
            self._rows.append((codec.PLACES, family, b""))
        if pool is not None:
            block, use = pool
            self._rows.append((codec.COUNTS, codec.pool_use_key(block), codec.encode(use)))
        self._put(name, None, row)

    def change(self, name: str, before: Assignment, after: Assignment) -> None:
        """Change an identifier, what the tree holds at it, and what stands beside it."""
        self._put(name, before, after)
        if before.state in LIVE and after.state not in LIVE:
            self._rows += marks.ended(self._view, name)
        elif before.state is State.SUSPENDED and after.state is not State.SUSPENDED:
            self._rows += marks.released(self._view, name)

    def deepen(self, identifier: Identifier, before: Assignment, depth: int) -> None:
        """Note a longer chain of aliases that leads to an identifier."""
        row = before._replace(depth=depth)
        self._rows.append((codec.ASSIGNMENTS, str(identifier).encode("ascii"), codec.encode(row)))

    def _put(self, name: str, before: Assignment | None, after: Assignment) -> None:
        self._rows.append((codec.ASSIGNMENTS, name.encode("ascii"), codec.encode(after)))
        was_alias = before is not None and before.state is State.SUPERSEDED
        self.tree.append(tree_change(name, after)._replace(was_alias=was_alias))
        old = before.state if before is not None else State.ACTIVE
        if old is not after.state:
            for state, value in ((old, None), (after.state, b"")):
                if state is not State.ACTIVE:
                    key = codec.state_key(WORDS[state].record, name)
                    self._rows.append((codec.BY_STATE, key, value))
        more = (after.state in LIVE) - (before is not None and before.state in LIVE)
        if more:
            owner = name.partition("/")[0]
            self._live[owner] = self._live.get(owner, 0) + more

    def rows(self) -> list[Row]:
        """All rows, the counts of the owners at the end."""
        counted: list[Row] = []
        for owner, more in self._live.items():
            if more:
                count = view.count_live(self._view, owner) + more
                counted.append((codec.COUNTS, codec.owner_count_key(owner), codec.encode(count)))
        return self._rows + counted
