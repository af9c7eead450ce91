"""Tables that only find or count what other rows say (`rows.INDEXES`), made right again.

Who asks replays the log and says which rows differ; the unit writes them if the log is the same
still, so that nothing was decided in between. They are no facts of their own: no leaf tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from csid.errors import CsidError
from registry import audit
from registry.rules.acting import Acting
from registry.rules.requests import Actor, Role
from registry.tables.transaction import AuditStore, TransactionView, write_rows
from registry.tables.view import View
from registry.verify.ledger import TABLES, Ledger
from registry.verify.rows import INDEXES, differences
from registry.verify.run import Progress, in_silence
from resolver.store.environment import Store, scratch

UNIT: Final = "indexes.mend"
ROWS_PER_UNIT: Final = 500
_ATTEMPTS: Final = 5  # others may decide at the same time

Perform = Callable[[str, Any], Any]
Wrong = tuple[str, bytes, bytes | None]  # table, key, the value that should be there


class RebuildError(CsidError):
    """The indexes cannot be made right now."""


def rebuild(store: Store, perform: Perform, actor: Actor, progress: Progress = in_silence) -> int:
    """Make the indexes right; gives how many rows were wrong.

    Args:
        perform: has a unit carried out.

    Raises:
        RebuildError: a leaf of the log does not follow, or others changed the registry meanwhile,
            again and again.
        StoreError: the store is full or fails.
    """
    mended = attempts = 0
    with scratch(TABLES.values()) as made:
        ledger = Ledger(made)
        while attempts < _ATTEMPTS:
            with store.read() as read:
                table = AuditStore(read)
                size, root = audit.Log(table).size, audit.Log(table).root()
                _catch_up(ledger, table, size, progress)
                wrong = list(islice(_wrong(TransactionView(read), ledger), ROWS_PER_UNIT))
            if not wrong:
                return mended
            if perform(UNIT, [actor.name, actor.role.value, size, root, wrong]):
                mended += len(wrong)
            else:
                attempts += 1
    raise RebuildError("others changed the registry at the same time, again and again; try again")


def _catch_up(ledger: Ledger, table: AuditStore, size: int, progress: Progress) -> None:
    """Replay the leaves that came since."""

    def faulty(index: int, reason: str) -> None:
        raise RebuildError(
            f"leaf {index} of the audit log: {reason}; without the log nothing can be made right: "
            "verify it"
        )

    begun = ledger.leaves()
    leaves = ((index, leaf) for index, leaf in table.numbered(begun) if 0 <= index < size)
    ledger.replay(leaves, faulty, lambda done: progress("leaves replayed", done, size - begun))


def _wrong(held: View, wanted: View) -> Iterator[Wrong]:
    for name in sorted(INDEXES):
        for key, _, value in differences(held.scan(name, b""), wanted.scan(name, b"")):
            yield name, key, value


def mend(store: Store, args: Any, by: Acting) -> bool:
    """Unit: write rows of indexes. False if the log is another by now, so that they may be stale.

    Raises:
        ActingError: who asks is not who it says.
        RebuildError: the role may not, or a row is none of an index.
    """
    name, role, size, root, rows = args
    actor = by.actor(name, role)
    if actor.role is not Role.ADMINISTRATOR:
        raise RebuildError(
            f"{actor.name} is {actor.role.value}; indexes are for: {Role.ADMINISTRATOR.value}"
        )
    for table, _, _ in rows:
        if table not in INDEXES:
            raise RebuildError(f"{table!r} is no index: its rows follow from the log alone")
    with store.write() as txn:
        log = audit.Log(AuditStore(txn))
        if log.size != size or log.root() != root:
            return False
        seen = TransactionView(txn)
        for table, key, value in rows:
            write_rows(seen.table(table), [(key, value)])
    return True
