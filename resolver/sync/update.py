"""DNS UPDATE: prerequisites held against a zone, and what becomes of its names (RFC 2136).

    read (update_message.py) → check → worked_out → apply

Nothing is written before all is known: `worked_out` looks at the zone and says what each name had
and is to have, so that whoever has a say in it can look at that, and `apply` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

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
from resolver.sync.update_message import Asked as Asked
from resolver.sync.update_message import Record, is_meta
from resolver.sync.update_message import read as read
from resolver.sync.update_message import response as response
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
        elif rcode := _HOLDS[record.rrclass](zone.rrsets(record.key[len(asked.apex) :]), record):
            return rcode
    for (key, rrtype), values in wanted.items():
        held = zone.rrsets(key).get(rrtype)
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
    after: dict[bytes, dict[int, RRset]] = {}
    for record in asked.changes:
        key = record.key[len(asked.apex) :]
        if key not in after:
            before[key] = zone.rrsets(key)
            after[key] = dict(before[key])
        _CHANGES[record.rrclass](after[key], record, not key)
    serial = None
    if b"" in after and after[b""][SOA] != before[b""][SOA]:
        serial = int.from_bytes(after[b""][SOA].rdatas[0][_SERIAL], "big")
    changed = {
        key: (before[key], after[key])
        for key in sorted(after)
        if _compared(before[key]) != _compared(after[key])
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


def _add(held: dict[int, RRset], record: Record, is_apex: bool) -> None:
    """Section 3.4.2.2."""
    rrtype = record.rrtype
    if rrtype == CNAME:
        if not BESIDE_CNAME.issuperset(held):
            return
    elif CNAME in held and rrtype not in BESIDE_CNAME:
        return
    if rrtype == SOA and not (is_apex and _is_later(record.data, held[SOA].rdatas[0])):
        return
    rdatas: Sequence[bytes] = held[rrtype].rdatas if rrtype in held else ()
    if rrtype in SINGLE:
        held[rrtype] = RRset(record.ttl, _replaced(rrtype, rdatas, record.data))
        return
    if rrtype == _WKS:
        head = record.data[:_WKS_KEY_OCTETS]
        rdatas = [data for data in rdatas if data[:_WKS_KEY_OCTETS] != head]
    wanted = folded(rrtype, record.data)
    if all(folded(rrtype, data) != wanted for data in rdatas):
        rdatas = [*rdatas, record.data]
    held[rrtype] = RRset(record.ttl, list(rdatas))  # one TTL for all (RFC 2181 section 5.2)


def _replaced(rrtype: int, rdatas: Sequence[bytes], data: bytes) -> list[bytes]:
    """The one record of a type; the one held if that is the same."""
    return [*(one for one in rdatas if folded(rrtype, one) == folded(rrtype, data)), data][:1]


def _delete_rrsets(held: dict[int, RRset], record: Record, is_apex: bool) -> None:
    """Section 3.4.2.3: a whole RRset, or all of a name; an apex keeps its SOA and NS."""
    kept = _KEPT_AT_APEX if is_apex else ()
    for rrtype in list(held) if record.rrtype == ANY else [record.rrtype]:
        if rrtype not in kept:
            held.pop(rrtype, None)


def _delete_one(held: dict[int, RRset], record: Record, is_apex: bool) -> None:
    """Section 3.4.2.4: one record; an apex keeps its SOA and its last NS."""
    rrtype = record.rrtype
    if rrtype == SOA or rrtype not in held:
        return
    ttl, rdatas = held[rrtype]
    gone = folded(rrtype, record.data)
    kept = [data for data in rdatas if folded(rrtype, data) != gone]
    if kept:
        held[rrtype] = RRset(ttl, kept)
    elif not (is_apex and rrtype == NS):
        del held[rrtype]


_CHANGES: Final[Mapping[int, Callable[[dict[int, RRset], Record, bool], None]]] = {
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
