"""The feed of changes: which zones have changed that somebody is to be notified of.

    sync.changes  number(6) + 00 + canonical key of an apex -> serial(4)
                  OVERRUN -> number(6): rows were let go of up to this transaction

`number` is that of the LMDB transaction. A row is written with the change itself, and taken away
once all have answered whom it was for, so that none is forgotten, whoever is killed. If nobody
reads, ROWS_MAX are kept, the latest, and OVERRUN says that zones have to be gone through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from resolver.store.seek import APEX_PREFIX
from resolver.sync.settings import CHANGES, EVERYWHERE, TARGETS, Moment

ROWS_MAX: Final = 10_000
_NUMBER_OCTETS: Final = 6
OVERRUN: Final = bytes(_NUMBER_OCTETS)


class Change(NamedTuple):
    """A row of the feed."""

    key: bytes  # of the row
    apex: bytes
    serial: int


def note(txn: Any, databases: Mapping[bytes, Any], apex: bytes, serial: int) -> None:
    """Note inside an LMDB transaction that a zone has another serial now, if somebody is to be
    notified.
    """
    targets = databases[TARGETS]
    get = txn.get
    if get(APEX_PREFIX + apex, db=targets) is None and get(EVERYWHERE, db=targets) is None:
        return
    table = databases[CHANGES]
    number = int(txn.id()).to_bytes(_NUMBER_OCTETS, "big")
    txn.put(number + APEX_PREFIX + apex, serial.to_bytes(4, "big"), db=table)
    if txn.stat(table)["entries"] > ROWS_MAX:
        txn.put(OVERRUN, number, db=table)
        cursor = txn.cursor(table)
        cursor.set_range(OVERRUN + b"\0")
        cursor.delete()


def changes(moment: Moment, start: bytes = b"") -> Iterator[Change]:
    """The rows from a key on, the oldest first, but for OVERRUN."""
    for key, value in moment.table(CHANGES).scan(b"", max(start, OVERRUN + b"\0")):
        apex = key[_NUMBER_OCTETS + 1 :]
        yield Change(key, apex, int.from_bytes(value, "big"))


def overrun(moment: Moment) -> bytes | None:
    """Up to which transaction rows were let go of; None: none were."""
    return moment.table(CHANGES).get(OVERRUN)


def tell_all(moment: Moment, number: int) -> None:
    """Have all zones gone through, as if rows had been let go of: somebody is to be told who was
    told of nothing yet.

    Args:
        number: of the transaction.
    """
    moment.table(CHANGES).put(OVERRUN, number.to_bytes(_NUMBER_OCTETS, "big"))


def remove(moment: Moment, keys: list[bytes], passed: bytes | None = None) -> None:
    """Take away rows that are done with.

    Args:
        passed: what `overrun` said when all zones began to be gone through, now that they are.
    """
    table = moment.table(CHANGES)
    for key in filter(None, keys):
        table.delete(key)
    if passed is not None and table.get(OVERRUN) == passed:
        table.delete(OVERRUN)
