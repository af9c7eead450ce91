"""The changes that an incremental transfer brings (RFC 1995), made to the zone in one transaction.

They are kept until the last one is here, and put together name by name, so that a name that was
changed by several versions is written once. A record taken away that is not there, or added that
is, tells that this copy is not what the primary takes it for: the whole zone is transferred then.
"""

from __future__ import annotations

from collections.abc import Collection

from csid import names
from csid.errors import ZoneError
from csid.limits import INTAKE_OCTETS, IXFR_NAMES, IXFR_RECORDS
from csid.protocol import RRSIG
from resolver.store.entries import replaced
from resolver.store.node import EMPTY, RRset, rrsets_of
from resolver.store.update import ZoneUpdate
from resolver.sync.transfer.unpack import Pieces
from resolver.zonefile.canonical import folded


class Unfit(Exception):
    """The changes cannot be made; the whole zone will do. Says why."""


class _Set:
    """The records of one type at a name, by folded data."""

    __slots__ = ("datas", "ttl")

    def __init__(self, ttl: int, datas: dict[bytes, bytes]) -> None:
        self.ttl = ttl
        self.datas = datas


_Name = dict[int, _Set]
_Row = tuple[bool, bytes]  # whether records are added or taken away, and they as a node


class Changes:
    """What is taken away and added, in its order."""

    def __init__(self) -> None:
        self._names: dict[bytes, list[_Row]] = {}
        self._count = 0  # of rows
        self._octets = 0

    def add(self, is_added: bool, pieces: Pieces) -> None:
        """Note records that are added, or taken away.

        Raises:
            Unfit: they are more than one transaction shall change.
        """
        for key, blob in pieces.pieces:
            self._names.setdefault(key, []).append((is_added, blob))
        self._count += len(pieces.pieces)
        self._octets += pieces.octets
        if (
            self._count > IXFR_RECORDS
            or len(self._names) > IXFR_NAMES
            or self._octets > INTAKE_OCTETS
        ):
            raise Unfit(
                f"the changes are of more than {IXFR_NAMES:,} names or {IXFR_RECORDS:,} records"
            )

    def make(self, update: ZoneUpdate) -> Collection[bytes]:
        """Change the zone, without finishing the update; returns the keys of the names.

        Raises:
            Unfit: they do not go with what the zone holds.
            ZoneError: what they make cannot be held.
        """
        held = {
            key: _changed(update, key, rows)
            for key, rows in self._names.items()
            if not _is_quick(update, key, rows)
        }
        for key, types in held.items():
            update.set(
                key,
                {
                    rrtype: RRset(one.ttl, list(one.datas.values()))
                    for rrtype, one in types.items()
                    if one.datas
                },
            )
        return self._names.keys()


def _is_quick(update: ZoneUpdate, key: bytes, rows: list[_Row]) -> bool:
    """Change a name if it is the plain case, which most are: new, or whole RRsets in place of
    others. Else nothing is changed.
    """
    *gone, (is_added, added) = rows
    if not key or not is_added or len(gone) > 1 or (gone and gone[0][0]):
        return False
    held = update.blob(key)
    if (held is None) == bool(gone):
        return False
    blob = replaced(held or EMPTY, gone[0][1] if gone else EMPTY, added)
    if not blob:
        return False
    if held is not None:
        update.exchange(key, held, blob)
        return True
    try:
        update.put(key, blob)
    except ZoneError:  # what is above says more than this name's own node
        return False
    return True


def _changed(update: ZoneUpdate, key: bytes, rows: list[_Row]) -> _Name:
    """What a name has by changes."""
    types = _read(update, key)
    for is_added, blob in rows:
        for rrtype, rrset in rrsets_of(blob):
            change = _add if is_added else _remove
            if not change(types, rrtype, rrset):
                owner = names.to_text(names.wire_of_key(update.apex + key))
                raise Unfit(
                    f"a record of type {rrtype} is added at {owner} that is there already"
                    if is_added
                    else f"a record of type {rrtype} is taken away at {owner} that is not there"
                )
    return types


def _read(update: ZoneUpdate, key: bytes) -> _Name:
    return {
        rrtype: _Set(ttl, {folded(rrtype, rdata): rdata for rdata in rdatas})
        for rrtype, (ttl, rdatas) in update.rrsets(key).items()
    }


def _add(types: _Name, rrtype: int, rrset: RRset) -> bool:
    """Add records of a type; False if one is there. The TTL is from now on that of all, but for
    signatures, each of which follows the records it signs (RFC 4035 section 2.2).
    """
    ttl, rdatas = rrset
    held = types.setdefault(rrtype, _Set(ttl, {}))
    held.ttl = min(ttl, held.ttl) if rrtype == RRSIG and held.datas else ttl
    for rdata in rdatas:
        compared = folded(rrtype, rdata)
        if compared in held.datas:
            return False
        held.datas[compared] = rdata
    return True


def _remove(types: _Name, rrtype: int, rrset: RRset) -> bool:
    """Take records of a type away; False if one is not there."""
    held = types.get(rrtype)
    return held is not None and all(
        held.datas.pop(folded(rrtype, rdata), None) is not None for rdata in rrset.rdatas
    )
