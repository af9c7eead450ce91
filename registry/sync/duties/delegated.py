"""What the root zone says of this node's cuts, beside the answers to what it has asked: that one
which was refused is delegated to it after all, or one that was filed is so no longer (withdrawn,
moved, or unknown to a national node that was brought back from an older copy).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice
from typing import Final

from csid import names
from registry.network import unseen
from registry.rules.decide import decide
from registry.rules.requests import Actor, AnswerFiling, MoveFiling, Request, Role
from registry.tables import codec, view
from registry.tables.enums import FilingState
from registry.tables.naming import Names
from registry.tables.resolution import is_own
from registry.tables.transaction import LOOKED, TransactionView, append_leaves
from registry.zones import founding, moving
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction

AT_ONCE: Final = 1_000  # cuts looked at in one transaction
_FIRST: Final = b"n"  # what the place begins with at which a look has arrived; the last cut follows
_IS_OURS: Final = "the root zone delegates it to this node by now"
_IS_GONE: Final = "the root zone does not delegate it to this node any more"


class DelegationWatch:
    """Looks on while the root zone is transferred: a `resolver.sync.transfer.fetch.Watch`.

    Args:
        suffix: of the deployment.
        now: Unix seconds.
    """

    def __init__(self, suffix: str, now: Callable[[], int]) -> None:
        self._named = Names(suffix)
        self._apex = names.key_of(self._named.wire)
        self._now = now

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Names of a zone were changed."""
        if apex == self._apex:
            for key in keys:
                self._look(txn, key[:-1].replace(b"\0", b"/").upper())

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone is another as a whole: all cuts are to be looked at."""
        if apex == self._apex:
            txn.table(LOOKED).put(apex, _FIRST)

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """Nothing: cuts are as they were known last."""

    def has_more(self, read: ReadTransaction) -> bool:
        """Whether there are cuts to be looked at."""
        is_left = read.table(LOOKED).get(self._apex) is not None
        return is_left or any(unseen.due(read, self._named, AT_ONCE))

    def look_on(self, txn: WriteTransaction) -> bool:
        """Look on at cuts; whether there are more."""
        for unsure in list(unseen.due(txn, self._named, AT_ONCE)):
            self._look(txn, unsure.encode("ascii"))
        looked = txn.table(LOOKED)
        place = looked.get(self._apex)
        if place is None:
            return False
        last = place[len(_FIRST) :]
        rows = TransactionView(txn).scan(codec.FILINGS, b"", last + b"\0" if last else b"")
        cuts = [cut for cut, _ in islice(rows, AT_ONCE)]
        for cut in cuts:
            self._look(txn, cut)
        if len(cuts) < AT_ONCE:
            looked.delete(self._apex)
            return False
        looked.put(self._apex, _FIRST + cuts[-1])
        return True

    def _look(self, txn: WriteTransaction, key: bytes) -> None:
        seen = TransactionView(txn)
        cut = key.decode("ascii", "replace")
        if not cut or not cut.isascii() or unseen.is_unseen(txn, self._named, cut):
            return
        row = view.get_cut_filing(seen, cut)
        if row is None or row.state not in (FilingState.FILED, FilingState.REFUSED):
            return
        is_ours = founding.is_delegated_here(txn, seen, self._named, cut)
        if row.state is FilingState.REFUSED and is_ours:
            key = self._named.key(cut)
            around = txn.snapshot.zone_of(key)
            if not moving.holder(txn, self._named, cut) or (
                around is not None and is_own(txn, around.apex)
            ):
                # Asked for, it is confirmed; else it has moved here, and is taken over (again).
                self._write(txn, AnswerFiling(cut, FilingState.WANTED), _IS_OURS)
        elif row.state is FilingState.FILED and is_ours is False:
            holder = moving.holder(txn, self._named, cut)
            place = view.get_place(seen)
            if holder and place is not None and holder != place.name:
                # This node was put back from a copy that is older than the move: it leaves again.
                self._write(txn, MoveFiling(cut, FilingState.MOVING, holder), "")
            else:
                self._write(txn, AnswerFiling(cut, FilingState.REFUSED), _IS_GONE)

    def _write(self, txn: WriteTransaction, body: AnswerFiling | MoveFiling, reason: str) -> None:
        seen = TransactionView(txn)
        root = view.get_root(seen)
        assert root is not None  # or nothing was filed
        actor = Actor(root.key, Role.NODE, body.cut.partition("/")[0])
        decision = decide(seen, Request(actor, body, reason), self._now())
        for table, key, value in decision.changes.rows:
            if value is None:
                seen.table(table).delete(key)
            else:
                seen.table(table).put(key, value)
        if decision.changes.leaf is not None:
            append_leaves(txn, [decision.changes.leaf], seen.leaves() + 1)


def work_of(store: Store, watch: DelegationWatch) -> Callable[[], bool]:
    """The work that whole transfers of the root zone leave behind."""

    def look_on() -> bool:
        with store.read() as read:
            if not watch.has_more(read):
                return False
        with store.write() as txn:
            return watch.look_on(txn)

    return look_on
