"""Leaves as they come: read, replayed, and built again from what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_origin, get_type_hints

import msgpack

from registry.replay import agreed, handover, identifiers, network, node, parties
from registry.replay.effect import Effect, ReplayFault, Step, require
from registry.rules.status import Status
from registry.tables import codec, log_entry
from registry.tables.changes import Changes, Row
from registry.tables.log_entry import EntryWriter, LogEntry
from registry.tables.rows import Replay as Remembered
from registry.tables.view import View

EFFECTS: Final[Mapping[str, Callable[[Step], Effect]]] = {
    "owner.add": parties.owner_added,
    "owner.introduce": parties.owner_introduced,
    "owner.update": parties.owner_updated,
    "owner.judge": parties.owner_judged,
    "owner.qualify": parties.owner_qualified,
    "scope.set": parties.scope_set,
    "pool.add": parties.pool_added,
    "location.retire": parties.location_retired,
    "alias.subtree": parties.subtree_closed,
    "assign": identifiers.assigned,
    "mint": identifiers.minted,
    "import": identifiers.imported,
    "update": identifiers.updated,
    "advance": identifiers.advanced,
    "retire": identifiers.retired,
    "alias": identifiers.aliased,
    "move": identifiers.moved,
    "lock.add": agreed.locked,
    "lock.remove": agreed.locked,
    "transfer.offer": agreed.offered,
    "transfer.accept": identifiers.accepted,
    "transfer.cancel": agreed.cancelled,
    "transfer.reject": agreed.rejected,
    "renew": identifiers.renewed,
    "expire": identifiers.expired,
    "lapse": identifiers.lapsed,
    "validity.set": agreed.validity_set,
    "network.begin": network.begun,
    "network.add": network.node_changed,
    "network.change": network.node_changed,
    "network.suspend": network.node_changed,
    "network.reinstate": network.node_changed,
    "network.rekey": network.node_changed,
    "network.remove": network.node_changed,
    "filing.mode": network.filing_set,
    "cut.file": network.cut_changed,
    "cut.approve": network.cut_changed,
    "cut.reject": network.cut_changed,
    "cut.withdraw": network.cut_changed,
    "cut.move": network.cut_changed,
    "cut.keep": network.cut_changed,
    "cut.freeze": network.cut_changed,
    "cut.decline": network.cut_changed,
    "receipt": identifiers.receipted,
    "filed.receipt": network.filed,
    "filed.end": network.filed,
    "filed.gone": network.filed,
    "filed.met": network.filed,
    "filing.request": parties.filing_asked,
    "filing.answer": parties.filing_answered,
    "filing.move": handover.noted,
    "hold.set": network.hold_changed,
    "hold.lift": network.hold_changed,
    "hold.note": network.hold_changed,
    "hold.ask": network.hold_asked,
    "hold.end": network.hold_asked,
    "hold.answer": network.hold_asked,
    "leave": handover.left,
    "take": handover.taken,
    "take.subtree": handover.subtree_taken,
    "token.add": parties.token_added,
    "token.revoke": parties.token_revoked,
    "zone.load": node.zone_changed,
    "zone.drop": node.zone_changed,
    "zone.update": node.zone_updated,
    "node.init": node.begun,
    "node.join": node.carried,
    "node.resume": node.carried,
    "node.migrate": node.carried,
    "audit.key": node.key_set,
}
WRITERS_KEPT: Final = 4_096  # of who, why and when leaves share
_SUCCESSES: Final = frozenset(status.number for status in Status if status.success)
_DAMAGED: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class Replay:
    """Replays leaves over a view, which the caller lets follow: each leaf needs the rows that those
    before it led to.
    """

    def __init__(self, seen: View) -> None:
        self._seen = seen
        self._writers: dict[tuple[object, ...], EntryWriter] = {}

    def apply(self, index: int, leaf: bytes) -> Changes:
        """What a leaf changes: rows, names of the tree, and the leaf as it follows from them.

        Raises:
            ReplayFault: it does not follow from the rows before, or is no leaf of the registry.
        """
        try:
            entry = log_entry.decode(leaf)
            _require_types(entry)
            effect = self._effect(Step(self._seen, index, entry))
            built = self._built(entry, effect)
        except _DAMAGED as error:
            raise ReplayFault(f"no leaf of the registry: {error or type(error).__name__}") from None
        if built != leaf:
            raise ReplayFault(_difference(entry, built))
        rows = (*effect.rows, *self._remembered(entry)) if entry.key else tuple(effect.rows)
        return Changes(rows, tuple(effect.tree), built)

    def _effect(self, step: Step) -> Effect:
        entry = step.entry
        if entry.status != Status.DONE.number:
            # Nothing was to be done, which is worth a leaf for its idempotency key alone.
            require(
                entry.status in _SUCCESSES and entry.key != b"", "is about nothing that was done"
            )
            return Effect(())
        replayed = EFFECTS.get(entry.kind)
        if replayed is None:
            raise ReplayFault(f"of no kind that is known: {entry.kind!r}")
        return replayed(step)

    def _remembered(self, entry: LogEntry) -> tuple[Row, ...]:
        """The row of a leaf's idempotency key."""
        key, digest = entry.key[:32], entry.key[32:]
        require(len(digest) == 32, f"a key of {len(entry.key)} octets")
        require(self._seen.get(codec.REPLAYS, key) is None, "its idempotency key was used before")
        row = Remembered(digest, entry.status, entry.to or entry.on, entry.time)
        return ((codec.REPLAYS, key, codec.encode(row)),)

    def _built(self, entry: LogEntry, effect: Effect) -> bytes:
        """The leaf that says this effect."""
        if entry.version == 1:
            return _built_1(entry, effect)
        wanted = len(effect.tree) if effect.serials is None else effect.serials
        require(len(entry.serial) == wanted, f"{len(entry.serial)} serials, not {wanted}")
        require(entry.ttl >= 0, f"ttl {entry.ttl}")
        ttl = effect.tree[0].ttl if effect.tree else 0
        if effect.ttl is not None:
            ttl = effect.ttl
        return self._writer(entry).entry(
            entry.on,
            effect.after,
            effect.prev,
            effect.to,
            entry.status,
            entry.serial,
            ttl,
            entry.key,
        )

    def _writer(self, entry: LogEntry) -> EntryWriter:
        shared = (
            entry.by,
            entry.role,
            entry.for_,
            entry.kind,
            entry.time,
            entry.why,
            entry.year,
            entry.peer,
        )
        writer = self._writers.get(shared)
        if writer is None:
            if len(self._writers) >= WRITERS_KEPT:
                self._writers.clear()
            writer = self._writers[shared] = EntryWriter(*shared)
        return writer


# Of the fields of `LogEntry`, in order.
_TYPES: Final = tuple(get_origin(one) or one for one in get_type_hints(LogEntry).values())


def _require_types(entry: LogEntry) -> None:
    """Rows hold what a leaf says, so each field must be what it is to be."""
    if tuple(map(type, entry)) != _TYPES or any(type(one) is not int for one in entry.serial):
        raise ValueError("a field is of another type")


def _built_1(entry: LogEntry, effect: Effect) -> bytes:
    """A leaf of version 1."""
    values: dict[str, Any] = {
        "after": effect.after,
        "by": entry.by,
        "for": entry.for_,
        "kind": entry.kind,
        "on": entry.on,
        "prev": effect.prev,
        "role": entry.role,
        "status": entry.status,
        "t": entry.time,
        "to": effect.to,
        "v": 1,
        "why": entry.why,
    }
    packed: bytes = msgpack.packb(values)
    return packed


def _difference(entry: LogEntry, built: bytes) -> str:
    """What a leaf says that does not follow."""
    follows = log_entry.decode(built)
    parts = [
        f"{name} {_short(said)}, not {_short(other)}"
        for name, said, other in zip(LogEntry._fields, entry, follows, strict=True)
        if said != other
    ]
    return f"does not follow: says {'; '.join(parts) or 'the same in other octets'}"


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
