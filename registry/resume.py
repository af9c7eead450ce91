"""Going on from an older copy: what was lost is said, and passed over.

Between the copy and now, codes were given that the registry does not know of. The leaves that are
missing say how many at most, so each pool goes on so many serials further, and each zone of the
registry so many serials, for secondaries that have seen the ones that are lost. It is all in leaves
of kind `node.resume`, so that a replay gives the same rows.

The national node and its aggregate number by their leaves what others have from them: receipts,
filings, moves of cuts. There so many leaves without rows follow, and no number is given twice.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from csid import names
from registry import audit
from registry.audit import AuditError
from registry.deployment import note_node
from registry.rules import serials
from registry.rules.acting import Acting
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.carried import parts
from registry.tables.changes import Row
from registry.tables.enums import NodeRole
from registry.tables.log_entry import EntryWriter
from registry.tables.rollback import RESTORED, RollbackWatch
from registry.tables.rows import NO_LEAF, Lost
from registry.tables.transaction import AuditStore, TransactionView, append_leaves, write_rows
from registry.zones.asked import Asked
from registry.zones.serials import behind
from resolver.store.environment import Store
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.settings import follow_of

GO_ON: Final = "node.resume"  # unit, and kind of its leaves
RENEW: Final = "node.renew"  # unit
_NODE_OCTETS: Final = 16


class Resumed(NamedTuple):
    """What going on has come to."""

    missing: int  # leaves, at most
    pools: int  # that go on further
    size: int  # leaves of the log from now on
    restored: bool = False  # it was a backup that was restored


def resume(store: Store, args: Any, by: Acting | None = None) -> Resumed:
    """A unit (`registry.units`): go on from here.

    Args:
        store: open for writing.
        args: who asks (`Asked.told`), and size and root of the newest checkpoint known, whose
            signature was looked at; 0 and empty without one.
        by: who asks, as the writer knows; None: as it says.

    Raises:
        AuditError: the log is not that of the checkpoint.
        ZoneError: the role may not.
    """
    given, size, root = args
    asked = Asked.of(given, by)
    actor = asked.actor
    watch = RollbackWatch(store.path)
    with store.write(watched=False) as txn:
        log = audit.Log(AuditStore(txn))
        if 0 < size <= log.size and log.root(size) != root:
            raise AuditError(
                f"the first {size:,} leaves of the audit log are not those of the checkpoint: this "
                "is no older copy, but a log that was changed, or another one; verify it"
            )
        missing = max(watch.at_most(txn), size - log.size, 0)
        restored = txn.table(b"meta").get(RESTORED) is not None
        if not missing and not restored:
            return Resumed(0, 0, log.size)
        now = int(time.time())
        seen = TransactionView(txn)
        pools = list(_pools_passed_on(seen, missing))
        before = view.get_lost_row(seen) or Lost(0, NO_LEAF, now)
        filled = missing if _gives_numbers(seen) else 0
        row = codec.encode(Lost(before.leaves + missing, log.size, now, before.filled + filled))
        rows: list[Row] = [*pools, (codec.SETTINGS, codec.LOST_KEY, row)]
        node = txn.table(b"meta").get(b"node") or b""
        writer = EntryWriter(
            actor.name, actor.role.value, actor.owner, GO_ON, now, asked.reason, 0, actor.peer
        )
        leaves = [
            writer.entry(node.hex(), part, NO_LEAF, "", Status.DONE.number) for part in parts(rows)
        ]
        [nothing] = parts(())
        leaves += [writer.entry(node.hex(), nothing, NO_LEAF, "", Status.DONE.number)] * filled
        for table, key, value in rows:
            write_rows(seen.table(table), [(key, value)])
        end = log.size + len(leaves)
        append_leaves(txn, leaves, end)
        _pass_serials(txn, missing)
        txn.table(b"meta").delete(RESTORED)
        # What others have told since the copy was made, they do not tell again.
        for apex, _ in list(states.states(txn)):
            states.ask(txn, apex)
    return Resumed(missing, len(pools), end, restored)


def _gives_numbers(seen: TransactionView) -> bool:
    """Whether other nodes are given numbers of leaves."""
    place = view.get_place(seen)
    return place is not None and place.role in (NodeRole.NATIONAL, NodeRole.AGGREGATE)


def _pools_passed_on(seen: TransactionView, missing: int) -> Iterator[Row]:
    """The use of each pool that gave codes which are lost, as far as it may have."""
    for _, value in seen.scan(codec.POOLS, b""):
        pool = codec.decode_pool(value)
        use = view.get_use(seen, pool)
        following = min(use.next + missing, serials.number(pool.last) + 1)
        if following != use.next:
            yield (
                codec.COUNTS,
                codec.pool_use_key(pool),
                codec.encode(use._replace(next=following)),
            )


def _pass_serials(txn: WriteTransaction, missing: int) -> None:
    """Have each zone that the registry writes pass over the serials that are lost; one that follows
    another server has those of that, which it takes up again.
    """
    suffix = names.key_of(names.from_text((txn.table(b"meta").get(b"suffix") or b".").decode()))
    below = txn.table(b"apexes").scan(APEX_PREFIX + suffix)
    apexes = {key[len(APEX_PREFIX) :] for key, _ in below}
    around = txn.deepest_zone(suffix)
    for apex in sorted(apexes if around is None else apexes | {around}):
        if follow_of(txn, apex) is not None:
            continue
        update = txn.update(names.wire_of_key(apex))
        update.finish(behind(update.serial(), missing), always=True)


def renew_node(store: Store, args: Any, by: Acting | None = None) -> bytes:
    """A unit: make this copy another node, which is not compared with the first any more.

    Args:
        store: open for writing.
        args: who asks (`Asked.told`).
        by: who asks, as the writer knows; None: as it says.

    Returns:
        The node's new id.

    Raises:
        ZoneError: the role may not.
    """
    asked = Asked.of(args, by)
    node = secrets.token_bytes(_NODE_OCTETS)
    settings = store.settings()
    with store.write(watched=False) as txn:
        txn.table(b"meta").put(b"node", node)
        txn.table(b"meta").delete(RESTORED)
        note_node(txn, settings.suffix, settings.handle_authority, asked, int(time.time()))
    return node
