"""Copies that are of another node than the catalog names: an aggregate that has not heard yet of a
cut that was withdrawn and filed anew hands on what its former node had. The zone of the node that
has it now may have lower serials, so such a copy would stay; it is asked for as a whole, again and
again for a while, until it is the right one.

registry.looked  03 + canonical key of the apex -> due, Unix seconds(8) times asked for(1)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Final

from csid import names
from csid.protocol import NS
from registry.sync.hooks import Network
from registry.tables import transaction, view
from registry.tables.enums import NodeRole
from registry.tables.naming import Names
from registry.tables.network import CATALOG
from registry.tables.transaction import LOOKED, TransactionView
from registry.zones import others
from registry.zones.places import Txn
from resolver.store import node
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.actions import Errand
from resolver.sync.settings import follow_of

_PREFIX: Final = b"\3"
_DUE: Final = 8  # octets
FIRST_SECONDS: Final = 30  # before it is looked at once more; twice as long each time
ASKED_MOST: Final = 9  # in four hours; what is here then may be as its node wants it
LOOK_SECONDS: Final = 2  # at least, until it is asked again
AT_ONCE: Final = 100


class LeftoverWatch:
    """Looks on while zones are transferred: a `resolver.sync.transfer.fetch.Watch`.

    Args:
        suffix: of the deployment.
        now: Unix seconds.
    """

    def __init__(self, suffix: str, now: Callable[[], int]) -> None:
        self._named = Names(suffix)
        self._now = now

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Nothing: what goes on from one version to the next is of the same node."""

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """Note a zone that came whole and is another node's."""
        if txn.table(LOOKED).get(_PREFIX + apex) is None and is_leftover(txn, self._named, apex):
            _put(txn, apex, self._now() + FIRST_SECONDS, 0)

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone that went is nobody's."""
        txn.table(LOOKED).delete(_PREFIX + apex)


def is_leftover(txn: Txn, named: Names, apex: bytes) -> bool:
    """Whether the zone of a cut, which the network's catalog names a node for, is served by others
    of the network, as far as it says, and not by that one.
    """
    follow = follow_of(txn, apex)
    if follow is None or follow.catalog != named.key(CATALOG) or not follow.group:
        return False
    zone = txn.snapshot.zone_of(apex)
    blob = txn.table(b"tree").get(zone.generation) if zone is not None else None
    if zone is None or zone.apex != apex or blob is None:
        return False
    rrsets = dict(node.rrsets_of(blob))
    servers = [one.lower() for one in rrsets[NS].rdatas] if NS in rrsets else []
    own, nodes = others.name_of(named, follow.group), others.all_of(named)
    return own not in servers and any(names.is_at_or_below(one, nodes) for one in servers)


class LeftoverDuty:
    """Sends nothing, and wakes what looks at copies: a `registry.sync.hooks.Duty`.

    Attributes:
        now: Unix seconds, when it was asked last.
        is_time: some copies are to be looked at.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self.now = 0
        self.is_time = False

    def due(self, read: ReadTransaction, now: int, /) -> list[Errand]:
        """Nothing."""
        rows = list(_rows(read))
        self._next = min((max(due, now + LOOK_SECONDS) for _, due, _ in rows), default=None)
        self.now, self.is_time = now, any(_is_due(due, asked, now) for _, due, asked in rows)
        return []

    def wake(self) -> int | None:
        """When the next copy is looked at, in Unix seconds."""
        return self._next

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> None:
        """Nothing was asked."""


def _rows(moment: Txn) -> Iterator[tuple[bytes, int, int]]:
    """Of some that wait the apex, when they are due, and how often they were asked for."""
    for key, value in islice(moment.table(LOOKED).scan(_PREFIX), AT_ONCE):
        yield key[1:], int.from_bytes(value[:_DUE], "big"), value[_DUE]


def _is_due(due: int, asked: int, now: int) -> bool:
    """Whether a time has come; one that is too far off is of a clock that was set back."""
    return not now < due <= now + (FIRST_SECONDS << asked)


def _put(txn: WriteTransaction, apex: bytes, due: int, asked: int) -> None:
    txn.table(LOOKED).put(_PREFIX + apex, due.to_bytes(_DUE, "big") + bytes((asked,)))


def look_on(txn: WriteTransaction, named: Names, now: int) -> bool:
    """Have those asked for whose time has come; whether there may be more."""
    found = [(apex, asked) for apex, due, asked in _rows(txn) if _is_due(due, asked, now)]
    for apex, asked in found:
        if asked == ASKED_MOST or not is_leftover(txn, named, apex):
            txn.table(LOOKED).delete(_PREFIX + apex)
        else:
            states.ask(txn, apex, full=True)
            _put(txn, apex, now + (FIRST_SECONDS << asked + 1), asked + 1)
    return bool(found)


def adds(store: Store) -> Network:
    """What it adds to the sync process of a node that holds copies from the aggregates."""
    transaction.open_tables(store)
    with store.read() as read:
        place, root = view.get_place(TransactionView(read)), view.get_root(TransactionView(read))
    if root is None or place is None or place.role is NodeRole.AGGREGATE:
        return Network()
    suffix = store.settings().suffix
    named = Names(suffix)

    duty = LeftoverDuty()

    def work() -> bool:
        if not duty.is_time:
            return False
        duty.is_time = False
        with store.write() as txn:
            return look_on(txn, named, duty.now)

    return Network([duty], LeftoverWatch(suffix, lambda: int(time.time())), [work])
