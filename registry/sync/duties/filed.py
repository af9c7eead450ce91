"""The national node's register of what was filed (备案库), kept beside the aggregate copy of all
zones: each identifier that comes as *filing* is examined once, and gets a receipt.

What is said stands in the table `filed`, each time with a leaf; the number of a receipt is that of
its leaf, so that anybody can be shown that it was given. What was said and not confirmed yet by the
node waits in the table of what is owed. All of it is written in the transaction that lets the zone
be what its node has made it: nothing is said twice or forgotten, whoever is killed.

What is in use already when its zone is first seen, as all is once a register was lost and is made
anew, is entered as it is, so that its code is given to nobody else. What is in use later though it
was never taken is examined as if it were filed, and its node is told if it is refused. What was
taken and is gone, as after an older copy of a node was put back, may come back from the node that
had it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from csid import names
from registry.sync.duties.examination import FIRST, NAMES, Examination, key_of
from registry.sync.duties.receipt_duty import ReceiptDuty
from registry.sync.hooks import Network
from registry.tables import transaction, view
from registry.tables.enums import NodeRole
from registry.tables.naming import Names
from registry.tables.transaction import (
    ANSWERED,
    LOOKED,
    LOOKED_FOR,
    TransactionView,
)
from resolver.store.apexes import NOT_READY
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction
from resolver.sync.settings import follow_of


class FiledWatch:
    """Examines what transfers bring: a `resolver.sync.transfer.fetch.Watch` of the aggregate.

    Args:
        suffix: of the deployment.
        now: Unix seconds.
    """

    def __init__(self, suffix: str, now: Callable[[], int]) -> None:
        self._named = Names(suffix)
        self._suffix = names.key_of(self._named.wire)
        self._now = now

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Examine the names that an update has changed; all of a zone that is another node's."""
        if not self._concerns(txn, apex):
            return
        examination = Examination(txn, self._named, apex, self._now())
        place = self._begun(txn, apex) if examination.is_ready else NAMES
        if not place:
            examination.go_through(keys, examination.answered(keys, txn.asked))
        else:
            txn.table(LOOKED).put(apex, place)

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """Note that the whole zone is to be looked through."""
        if self._concerns(txn, apex):
            place = self._begun(txn, apex) or NAMES
            is_first = (txn.table(LOOKED).get(apex) or place).startswith(FIRST)
            txn.table(LOOKED).put(apex, FIRST if is_first else place)

    def _begun(self, txn: WriteTransaction, apex: bytes) -> bytes:
        """Where to begin with a zone that is another node's than when it was looked at last, which
        is noted: what still waits in it is to be answered to that one. Empty if it is the same.
        """
        follow = follow_of(txn, apex)
        name = b"" if follow is None else follow.group.encode()
        before = txn.table(LOOKED_FOR).get(apex)
        if before == name:
            return b""
        txn.table(LOOKED_FOR).put(apex, name)
        return FIRST if before is None else NAMES

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone that went takes nothing back of what was said."""
        txn.table(LOOKED).delete(apex)
        txn.table(LOOKED_FOR).delete(apex)

    def _concerns(self, txn: WriteTransaction, apex: bytes) -> bool:
        """Whether a zone is that of a cut: it lies below the suffix and follows a node."""
        follow = follow_of(txn, apex)
        is_below = apex.startswith(self._suffix) and len(apex) > len(self._suffix)
        return is_below and follow is not None and bool(follow.group)

    def look_again(self, txn: WriteTransaction, start: bytes) -> bytes:
        """Look once more at names that were answered and not seen since, those of the first zone at
        or behind a name; returns where to go on, empty at the end.
        """
        answered = txn.table(ANSWERED)
        row = answered.first(b"", start or b"\0")
        if row is None:
            return b""
        zone = txn.snapshot.zone_of(self._suffix + key_of(row[0]))
        if zone is None or zone.flags == NOT_READY or not self._concerns(txn, zone.apex):
            answered.delete(row[0])  # its zone went
            return row[0]
        examination = Examination(txn, self._named, zone.apex, self._now())
        if examination.is_ready:
            examination.go_through((), examination.answered(()))
        return examination.behind

    def look_on(self, txn: WriteTransaction) -> bool:
        """Look on at zones that came as a whole; whether there is more to be looked at now."""
        looked = txn.table(LOOKED)
        for apex, place in looked.scan(b""):
            zone = txn.snapshot.zone_of(apex)
            if zone is None or zone.apex != apex or zone.flags == NOT_READY:
                looked.delete(apex)  # it went meanwhile, and is looked at once it is there again
                return True
            examination = Examination(txn, self._named, apex, self._now())
            if examination.is_ready:
                following = examination.go_on(place)
                if following:
                    looked.put(apex, following)
                else:
                    looked.delete(apex)
                return True
        return False


def adds(store: Store) -> Network:
    """What the register of what was filed adds to the sync process of an aggregate."""
    transaction.open_tables(store)
    with store.read() as read:
        place = view.get_place(TransactionView(read))
    if place is None or place.role is not NodeRole.AGGREGATE:
        return Network()
    suffix = store.settings().suffix
    watch = FiledWatch(suffix, lambda: int(time.time()))

    def look_on() -> bool:
        with store.read() as read:
            if read.table(LOOKED).first(b"", b"\0") is None:
                return False
        with store.write() as txn:
            return watch.look_on(txn)

    duty = ReceiptDuty(suffix)
    return Network([duty], watch, [look_on, Again(store, watch, duty)])


class Again:
    """Looks once more at what was answered and is not seen in the copies: a
    `registry.sync.hooks.Work`, of one zone each time.
    """

    def __init__(self, store: Store, watch: FiledWatch, duty: ReceiptDuty) -> None:
        self._store = store
        self._watch = watch
        self._duty = duty
        self._start = b""  # the name to go on at

    def __call__(self) -> bool:
        if not self._duty.is_overdue:
            return False
        with self._store.write() as txn:
            following = self._watch.look_again(txn, self._start)
        self._start = following
        if not following:
            self._duty.looked_again()
        return bool(following)
