"""DNS UPDATE: prerequisites held against a zone, and what becomes of its names (RFC 2136).

    read (update_message.py) → check → worked_out → apply

Nothing is written before all is known: `worked_out` looks at the zone and says what each name had
and is to have, so that whoever has a say in it can look at that, and `apply` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

from csid.limits import MAX_TTL
from csid.protocol import (
    ANY,
    CLASS_ANY,
    CLASS_IN,
    CLASS_NONE,
    CNAME,
    FORMERR,
    NOERROR,
    NOTZONE,
    NS,
    NXDOMAIN,
    NXRRSET,
    SOA,
    YXDOMAIN,
    YXRRSET,
)
from resolver.store.build import BESIDE_CNAME, SINGLE
from resolver.store.node import RRset
from resolver.store.update import ZoneUpdate
from resolver.sync.update.message import Asked as Asked
from resolver.sync.update.message import Record, is_meta
from resolver.sync.update.message import read as read
from resolver.sync.update.message import response as response
from resolver.zonefile.canonical import folded

RRsets = Mapping[int, RRset]

_WKS: Final = 11
_WKS_KEY_OCTETS: Final = 5  # address and protocol (RFC 2136 section 1.1.5)
_KEPT_AT_APEX: Final = (SOA, NS)
_SERIAL: Final = slice(-20, -16)  # in the data of an SOA


class Change(NamedTuple):
    """What becomes of a zone.

    Attributes:
        names: by key below the apex what each name had and is to have, in order of the keys. Names
            that stay as they are are left out; the serial of the SOA counts for nothing.
        serial: that the asker gives the zone; None: it is one more if there are `names`.
    """

    names: Mapping[bytes, tuple[RRsets, RRsets]]
    serial: int | None

    @property
    def is_any(self) -> bool:
        """Whether anything changes."""
        return bool(self.names) or self.serial is not None


def check(zone: ZoneUpdate, asked: Asked) -> int:
    """Whether the prerequisites hold (RFC 2136 section 3.2), and the changes are such as can be
    asked for (section 3.4.1); the response code, NOERROR if so.
    """
    wanted: dict[tuple[bytes, int], set[bytes]] = {}
    rrsets_of = cache(zone.rrsets)  # as thousands may be about one name
    for record in asked.prerequisites:
        if record.ttl:
            return FORMERR
        if not record.key.startswith(asked.apex):
            return NOTZONE
        if record.rrclass == CLASS_IN:
            values = wanted.setdefault((record.key[len(asked.apex) :], record.rrtype), set())
            values.add(folded(record.rrtype, record.data))
        elif record.rrclass not in _HOLDS or record.data:
            return FORMERR
        elif rcode := _HOLDS[record.rrclass](rrsets_of(record.key[len(asked.apex) :]), record):
            return rcode
    for (key, rrtype), values in wanted.items():
        held = rrsets_of(key).get(rrtype)
        if held is None or {folded(rrtype, data) for data in held.rdatas} != values:
            return NXRRSET
    return _prescan(asked)


def _is_there(held: RRsets, record: Record) -> int:
    """Sections 2.4.1 and 2.4.4: the RRset or name must be there."""
    if record.rrtype == ANY:
        return NOERROR if held else NXDOMAIN
    return NOERROR if record.rrtype in held else NXRRSET


def _is_absent(held: RRsets, record: Record) -> int:
    """Sections 2.4.3 and 2.4.5: the RRset or name must not be there."""
    if record.rrtype == ANY:
        return YXDOMAIN if held else NOERROR
    return YXRRSET if record.rrtype in held else NOERROR


_HOLDS: Final[Mapping[int, Callable[[RRsets, Record], int]]] = {
    CLASS_ANY: _is_there,
    CLASS_NONE: _is_absent,
}


def _prescan(asked: Asked) -> int:
    """Section 3.4.1."""
    for record in asked.changes:
        if not record.key.startswith(asked.apex):
            return NOTZONE
        meta = is_meta(record.rrtype)
        if record.rrclass == CLASS_IN:
            fits = not meta
        elif record.rrclass == CLASS_ANY:
            fits = not (record.ttl or record.data or (meta and record.rrtype != ANY))
        else:
            fits = record.rrclass == CLASS_NONE and not (record.ttl or meta)
        if not fits:
            return FORMERR
    return NOERROR


def worked_out(zone: ZoneUpdate, asked: Asked) -> Change:
    """What becomes of the names of a zone by changes that were checked (section 3.4.2): each on
    what those before it have left. What may not be is passed over in silence, as the RFC has it.
    """
    before: dict[bytes, dict[int, RRset]] = {}
    after: dict[bytes, _Held] = {}
    for record in asked.changes:
        key = record.key[len(asked.apex) :]
        if key not in after:
            before[key] = zone.rrsets(key)
            after[key] = _held(before[key])
        _CHANGES[record.rrclass](after[key], record, not key)
    serial = None
    made = {
        key: {rrtype: RRset(one.ttl, list(one.datas.values())) for rrtype, one in held.items()}
        for key, held in after.items()
    }
    if b"" in made:
        soas = (rrsets[b""][SOA].rdatas[0][_SERIAL] for rrsets in (before, made))
        old, new = (int.from_bytes(one, "big") for one in soas)
        serial = new if new != old else None
    changed = {
        key: (before[key], made[key])
        for key in sorted(made)
        if _compared(before[key]) != _compared(made[key])
    }
    return Change(changed, serial)


def apply(zone: ZoneUpdate, change: Change) -> int:
    """Write a change, with its new serial; returns that.

    Raises:
        ZoneError, DomainNameError: it is more than the store or a message takes, or more follows
            from it than one transaction bears; the transaction must be undone.
    """
    for key, (_, rrsets) in change.names.items():
        zone.set(key, rrsets)
    return zone.finish(change.serial)


class _Set:
    """The records of one type at a name, by folded data: a message may be about thousands."""

    __slots__ = ("datas", "ttl")

    def __init__(self, ttl: int, datas: dict[bytes, bytes]) -> None:
        self.ttl = ttl
        self.datas = datas


_Held = dict[int, _Set]


def _held(rrsets: RRsets) -> _Held:
    return {
        rrtype: _Set(ttl, {folded(rrtype, data): data for data in rdatas})
        for rrtype, (ttl, rdatas) in rrsets.items()
    }


def _add(held: _Held, record: Record, is_apex: bool) -> None:
    """Section 3.4.2.2."""
    rrtype, data = record.rrtype, record.data
    if rrtype == CNAME:
        if not BESIDE_CNAME.issuperset(held):
            return
    elif CNAME in held and rrtype not in BESIDE_CNAME:
        return
    if rrtype == SOA and not (is_apex and _is_later(data, next(iter(held[SOA].datas.values())))):
        return
    compared = folded(rrtype, data)
    one = held.setdefault(rrtype, _Set(0, {}))
    # One TTL for all (RFC 2181 section 5.2); what is taken for negative is 0 (section 8).
    one.ttl = record.ttl if record.ttl <= MAX_TTL else 0
    if rrtype in SINGLE and compared not in one.datas:
        one.datas.clear()
    elif rrtype == _WKS:
        head = data[:_WKS_KEY_OCTETS]
        for key in [key for key in one.datas if key[:_WKS_KEY_OCTETS] == head]:
            del one.datas[key]
    one.datas.setdefault(compared, data)


def _delete_rrsets(held: _Held, record: Record, is_apex: bool) -> None:
    """Section 3.4.2.3: a whole RRset, or all of a name; an apex keeps its SOA and NS."""
    kept = _KEPT_AT_APEX if is_apex else ()
    for rrtype in list(held) if record.rrtype == ANY else [record.rrtype]:
        if rrtype not in kept:
            held.pop(rrtype, None)


def _delete_one(held: _Held, record: Record, is_apex: bool) -> None:
    """Section 3.4.2.4: one record; an apex keeps its SOA and its last NS."""
    rrtype = record.rrtype
    if rrtype == SOA or rrtype not in held:
        return
    datas = held[rrtype].datas
    gone = folded(rrtype, record.data)
    if datas.keys() == {gone}:
        if not (is_apex and rrtype == NS):
            del held[rrtype]
    else:
        datas.pop(gone, None)


_CHANGES: Final[Mapping[int, Callable[[_Held, Record, bool], None]]] = {
    CLASS_IN: _add,
    CLASS_ANY: _delete_rrsets,
    CLASS_NONE: _delete_one,
}


def _is_later(data: bytes, held: bytes) -> bool:
    """Whether an SOA has a greater serial than another (RFC 1982 section 3.2)."""
    new, old = (int.from_bytes(one[_SERIAL], "big") for one in (data, held))
    return 0 < (new - old) % 2**32 < 2**31


def _compared(rrsets: RRsets) -> list[tuple[int, int, list[bytes]]]:
    """What tells names apart: the order of records says nothing, nor do the serial and the case of
    names.
    """
    return [
        (rrtype, ttl, sorted(folded(rrtype, _without_serial(rrtype, data)) for data in rdatas))
        for rrtype, (ttl, rdatas) in sorted(rrsets.items())
    ]


def _without_serial(rrtype: int, data: bytes) -> bytes:
    return data[: _SERIAL.start] + data[_SERIAL.stop :] if rrtype == SOA else data
