"""The registry's say in what becomes of zones, inside the transaction that makes them so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from csid import names
from csid.errors import CsidError, ZoneError
from csid.protocol import AAAA, DNAME, DS, NS, PTR, SRV, TXT, A
from registry.audit.store import leaf_key
from registry.authority import Network, Territory, closed_above
from registry.authority.network import is_prefix
from registry.rules.decision import Decision
from registry.rules.status import Status
from registry.tables import codec, log_entry, network
from registry.tables.changes import ZoneChange
from registry.tables.naming import Names
from registry.tables.registered import node_of
from registry.tables.rows import DEFAULT_TTL, ZoneRow
from registry.tables.transaction import AuditStore, TransactionView
from registry.tables.view import get_place
from registry.zones import asked, places
from resolver.answer.source import Stages
from resolver.store import node
from resolver.store.build import ancestors
from resolver.store.node import RRset
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction

LEAVES_MAX: Final = 300  # whose names are carried over in one transaction
_OF_CUT: Final = frozenset({NS, DS, A, AAAA, TXT, SRV, PTR})  # what the network has at its names
_OF_NETWORK: Final = ("network.", "cut.", "owner.judge", "hold.set", "hold.lift")  # kinds of leaves
_TOPS: Final = node.CUT | node.REDIRECT


class Again(CsidError):
    """What was looked at is not so any more; it must be looked at again."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What was found of a zone before its transaction.

    Attributes:
        since: leaves of the log then.
        territory: of the zone then; None if it has no names below the suffix.
        names, digest: as `registry.authority.Walk` counts foreign names.
        heir: of a zone that is dropped, the one above the suffix that answers for it then: its
            origin, and its names and digest.
    """

    since: int
    territory: Territory | None
    names: int = 0
    digest: bytes = bytes(32)
    heir: tuple[bytes, int, bytes] | None = None


class Keeper:
    """The guard of one change of zones.

    Attributes:
        named: names below the suffix.
        now: Unix seconds.
    """

    def __init__(self, named: Names, stages: Stages, who: asked.Asked, now: int) -> None:
        self.named = named
        self._stages = stages
        self._asked = who
        self.now = now

    def settle(
        self, txn: WriteTransaction, origin: bytes, update: ZoneUpdate | None, begun: object
    ) -> None:
        """Carry over what the registry wrote since, and leave a leaf.

        Raises:
            Again: too much was written since, or a zone came or went around this one.
            ZoneError: a name of the registry would be taken away, or a plugin refuses.
        """
        assert isinstance(begun, Begun)
        apex = names.key_of(origin)
        if reason := places.followed(txn, apex):
            raise ZoneError(names.to_text(origin), reason)
        territory = places.territory(txn, self.named, apex)
        if not is_same(territory, begun.territory):
            raise Again(f"{names.to_text(origin)}: zones around it came or went meanwhile")
        if update is not None and territory is not None:
            for closed, _ in closed_above(TransactionView(txn), self.named, territory):
                raise ZoneError(
                    names.to_text(origin),
                    f"{closed.decode('ascii')} was closed meanwhile; give the zone another apex",
                )
            if Network(TransactionView(txn), self.named, territory).hides(territory.below):
                raise ZoneError(
                    names.to_text(origin),
                    "a cut was filed there meanwhile, which it would hide; give it another apex",
                )
        if update is not None and territory is not None:
            end = TransactionView(txn).leaves()
            if end - begun.since > LEAVES_MAX:
                raise Again(f"{names.to_text(origin)}: much was changed meanwhile")
            written = written_between(txn, begun.since, end)
            carry_over(txn, self.named, territory, update, written)
        if territory is None:
            self._check(txn, origin, None)
            return
        kind = asked.LOAD if update is not None else asked.DROP
        serial = update.next_serial() if update is not None else txn.serial(origin) or 0
        row = ZoneRow(serial, begun.names, begun.digest, 0, self.now, update is not None)
        self._check(txn, origin, row)
        asked.note(txn, kind, names.to_text(origin), row, self._asked)
        if begun.heir is not None:
            heir, count, digest = begun.heir
            row = ZoneRow(txn.serial(heir) or 0, count, digest, 0, self.now, True)
            asked.note(txn, asked.LOAD, names.to_text(heir), row, self._asked)

    def _check(self, txn: WriteTransaction, origin: bytes, row: ZoneRow | None) -> None:
        if not self._stages.check:
            return
        view = TransactionView(txn)
        for check in self._stages.check:
            if reason := check(view, ZoneChange(names.to_text(origin), row)):
                raise ZoneError(names.to_text(origin), reason)

    def told(self, origin: bytes) -> None:
        """Tell the plugins, once it is durable."""
        for observe in self._stages.observe:
            observe(Decision(Status.DONE, names.to_text(origin)))


def is_same(one: Territory | None, other: Territory | None) -> bool:
    """Whether two territories of one apex are the same."""
    if one is None or other is None:
        return one is other
    return one.deeper == other.deeper


def written_between(txn: places.Txn, since: int, end: int) -> list[str]:
    """The names that leaves from ``since`` to before ``end`` are about, each once.

    Raises:
        ZoneError: the log is damaged.
    """
    return list(dict.fromkeys(_subjects(txn, since, end)))


def _subjects(txn: places.Txn, since: int, end: int) -> Iterator[str]:
    log = AuditStore(txn)
    place = get_place(TransactionView(txn))
    for index in range(since, end):
        entry = _entry(log, index)
        yield entry.on
        if entry.to:
            yield entry.to
        if place is not None and entry.after and entry.kind.startswith(_OF_NETWORK):
            # A cut may have had servers in it that it has no more.
            rows = [entry.after, *([_entry(log, entry.prev).after] if entry.prev >= 0 else [])]
            for row in rows:
                yield from network.paths_of(Names(place.suffix), entry.kind, entry.on, row)


def _entry(log: AuditStore, index: int) -> log_entry.LogEntry:
    try:
        return log_entry.decode(log.get(leaf_key(index)) or b"")
    except ValueError as error:
        raise ZoneError(f"leaf {index}", f"{error}; run: csid audit verify") from None


def carry_over(
    txn: WriteTransaction,
    named: Names,
    territory: Territory,
    update: ZoneUpdate,
    written: list[str],
) -> bool:
    """Let names be in a zone that is not served yet as the registry has them now; returns whether
    one of them lies in it.

    Raises:
        ZoneError: one of them would be delegated or redirected away.
    """
    view = TransactionView(txn)
    theirs = Network(view, named, territory)
    cuts: list[bytes] = []
    is_any = False
    for name in written:
        row = name.encode("ascii", "replace")
        key = territory.key_of_name(row)
        if key is None:
            continue
        rrsets = _wanted(view, named, territory, theirs, update, key, row)
        if rrsets is None:
            continue
        if DNAME in rrsets and NS in rrsets and key:
            raise ZoneError(name, "was closed meanwhile, and the zone delegates it; take that out")
        is_theirs = theirs.at(key) is not None or not rrsets
        for above in (key, *ancestors(key)) if DNAME not in rrsets else ancestors(key):
            if is_theirs and (above == key or theirs.at(above) is not None):
                continue
            blob = update.blob(above)
            if blob is not None and blob[0] & _TOPS and above:
                raise ZoneError(
                    name,
                    f"was assigned meanwhile, and {territory.name_of_key(above)} would delegate "
                    "or redirect it away; take that out of the zone",
                )
        update.set(key, rrsets)
        is_any = True
        if is_theirs and NS in rrsets:
            cuts.append(key)
    for key in cuts:
        _require_alone(txn, territory, theirs, update, key)
    return is_any


def _require_alone(
    txn: WriteTransaction, territory: Territory, theirs: Network, update: ZoneUpdate, cut: bytes
) -> None:
    """Refuse other names below a cut that was filed meanwhile."""
    for stored, blob in txn.table(b"tree").scan(update.generation + cut):
        key = stored[len(update.generation) :]
        if len(blob) > len(node.EMPTY) and not theirs.at(key):
            raise ZoneError(
                territory.name_of_key(key),
                f"lies below {territory.name_of_key(cut)}, a cut that was filed meanwhile; take "
                "it out of the zone",
            )


def has_written(txn: places.Txn, named: Names, territory: Territory | None, since: int) -> bool:
    """Whether the registry changed an identifier, closed a prefix or wrote a name of the network
    that lies in a zone, with one of the few leaves from one on.
    """
    view = TransactionView(txn)
    end = view.leaves()
    if territory is None or end - since > LEAVES_MAX:
        return territory is not None
    theirs = Network(view, named, territory)
    for name in written_between(txn, since, end):
        row = name.encode("ascii", "replace")
        key = territory.key_of_name(row)
        if key is not None and (
            any(view.get(table, row) for table in (codec.ASSIGNMENTS, codec.SUBTREES))
            or theirs.at(key) is not None
        ):
            return True
    return False


def _wanted(
    view: TransactionView,
    named: Names,
    territory: Territory,
    theirs: Network,
    update: ZoneUpdate,
    key: bytes,
    row: bytes,
) -> dict[int, RRset] | None:
    """What the registry writes at a name; None if it writes nothing there."""
    value = view.get(codec.ASSIGNMENTS, row)
    if value is not None:
        return dict(node.rrsets_of(node_of(named, codec.decode_assignment(value))))
    found = theirs.at(key)
    if found is not None:
        if found and any(rrtype not in _OF_CUT for rrtype in update.rrsets(key)):
            raise ZoneError(
                territory.name_of_key(key),
                "was written meanwhile for the network, and the zone has other records there; take "
                "them out",
            )
        return found
    if theirs.is_root and row != row.upper():  # of a server in a cut that is withdrawn
        return {}
    if (
        theirs.is_root
        and (held := update.rrsets(key))
        and NS in held
        and is_prefix(key[len(territory.above) :])
    ):
        return {rrtype: rrset for rrtype, rrset in held.items() if rrtype not in (NS, DS)}
    closed = view.get(codec.SUBTREES, row)
    if closed is None or next(view.scan(codec.ASSIGNMENTS, row + b"/"), None) is not None:
        return None
    target = named.target(codec.decode_redirect(closed).new)
    return update.rrsets(key) | {DNAME: RRset(DEFAULT_TTL, [target])}
