"""The changes that an incremental transfer brings (RFC 1995), made to the zone in one transaction.

They are kept until the last one is here, and put together name by name, so that a name that was
changed by several versions is written once. A record taken away that is not there, or added that
is, tells that this copy is not what the primary takes it for: the whole zone is transferred then.
"""

from __future__ import annotations

from collections.abc import Collection

from csid import names
from csid.limits import INTAKE_OCTETS, IXFR_NAMES, IXFR_RECORDS
from csid.protocol import RRSIG
from resolver.store.node import RRset, rrsets_of
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


class Changes:
    """What is taken away and added, in its order."""

    def __init__(self) -> None:
        self._rows: list[tuple[bool, bytes, bytes]] = []
        self._names: set[bytes] = set()
        self._octets = 0

    def add(self, is_added: bool, pieces: Pieces) -> None:
        """Note records that are added, or taken away.

        Raises:
            Unfit: they are more than one transaction shall change.
        """
        for key, blob in pieces.pieces:
            self._rows.append((is_added, key, blob))
            self._names.add(key)
        self._octets += pieces.octets
        if (
            len(self._rows) > IXFR_RECORDS
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
        held: dict[bytes, _Name] = {}
        for is_added, key, blob in self._rows:
            types = held.get(key)
            if types is None:
                types = held[key] = _read(update, key)
            for rrtype, rrset in rrsets_of(blob):
                change = _add if is_added else _remove
                if not change(types, rrtype, rrset):
                    owner = names.to_text(names.wire_of_key(update.apex + key))
                    raise Unfit(
                        f"a record of type {rrtype} is added at {owner} that is there already"
                        if is_added
                        else f"a record of type {rrtype} is taken away at {owner} that is not there"
                    )
        for key, types in held.items():
            update.set(
                key,
                {
                    rrtype: RRset(one.ttl, list(one.datas.values()))
                    for rrtype, one in types.items()
                    if one.datas
                },
            )
        return held.keys()


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
