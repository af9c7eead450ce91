"""From the RRsets of a zone to the nodes of its tree: all that can be worked out before a question.

Empty non-terminals get nodes of their own (RFC 4592 section 2.2.2), names at and below delegations
and DNAMEs learn what covers them, and name servers' addresses are laid beside the NS records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from csid import names
from csid.errors import ZoneError
from csid.limits import (
    MAX_DELEGATION_NS,
    MAX_RRSET_OCTETS,
    MAX_RRSET_RECORDS,
    MAX_TYPES_PER_NAME,
)
from csid.protocol import AAAA, MX, NS, SRV, A
from resolver.store import node
from resolver.store.node import Extra, RRset

# Where in the rdata the host name stands whose addresses help the asker (RFC 1035, RFC 2782).
HOST_OFFSET: Final = {NS: 0, MX: 2, SRV: 6}

RRsets = Mapping[int, RRset]
ZoneData = Mapping[bytes, RRsets]  # lower-case owner in wire form -> its RRsets


def build(origin: bytes, data: ZoneData) -> Iterator[tuple[bytes, bytes]]:
    """The nodes of a zone as (key relative to the apex, blob), in key order.

    Args:
        origin: the apex, lower-case wire form.
        data: every name of the zone, lower-case wire form, with its RRsets.

    Raises:
        ZoneError: a name or RRset beyond what `csid.limits` allows, or outside the zone.
    """
    apex_key = names.key_of(origin)
    skip = len(apex_key)
    by_key: dict[bytes, bytes | None] = {}
    for owner in data:
        key = names.checked_key(owner)
        if not key.startswith(apex_key):
            raise ZoneError(names.to_text(owner), f"lies outside {names.to_text(origin)}")
        by_key[key[skip:]] = owner
    for key in list(by_key):
        for ancestor in ancestors(key):
            if ancestor in by_key:
                break
            by_key[ancestor] = None

    covers: list[tuple[bytes, int]] = []  # (key, cover) of the topmost cover we are inside of
    for key in sorted(by_key):
        while covers and not key.startswith(covers[-1][0]):
            covers.pop()
        owner_ = by_key[key]
        rrsets = data[owner_] if owner_ is not None else {}
        flags = node.flags_of(rrsets)
        if not covers and flags & (node.CUT | node.REDIRECT):
            covers.append((key, 1 + depth_of(key)))
        cover = covers[-1][1] if covers else 0
        if owner_ is None:
            yield key, bytes((0, cover))
            continue
        check_caps(owner_, rrsets)
        yield key, node.encode(rrsets, cover, extras_of(rrsets, data))


def ancestors(key: bytes) -> Iterator[bytes]:
    """The keys above a key, nearest first, the apex (empty) last."""
    end = len(key) - 1
    while end > 0:
        end = key.rfind(b"\0", 0, end)
        yield key[: end + 1]
        if end < 0:
            return


def depth_of(key: bytes) -> int:
    """How many labels a key has."""
    return key.count(0)


def extras_of(rrsets: RRsets, data: ZoneData) -> dict[int, Extra]:
    """The address records that accompany each RRset whose rdata names a host of the same zone.

    A delegation's addresses are found wherever they lie in the zone, below this or another cut:
    there they are glue (RFC 9471).
    """
    extras = {}
    for rrtype, offset in HOST_OFFSET.items():
        if rrtype not in rrsets:
            continue
        hosts = [rdata[offset:] for rdata in rrsets[rrtype].rdatas[:MAX_DELEGATION_NS]]
        records: list[bytes] = []
        room = MAX_RRSET_OCTETS
        for folded, host in {host.lower(): host for host in hosts}.items():
            at_host = data.get(folded) or {}
            for address in (A, AAAA):
                ttl, rdatas = at_host.get(address, RRset(0, ()))
                fresh = [node.rr(host, address, ttl, rdata) for rdata in rdatas]
                octets = sum(map(len, fresh))
                if octets <= room:  # whole RRsets, as many as a message can carry
                    records += fresh
                    room -= octets
        if records:
            extras[rrtype] = Extra(len(records), b"".join(records))
    return extras


def check_caps(owner: bytes, rrsets: RRsets) -> None:
    """Refuse a name whose data no message could carry."""
    if len(rrsets) > MAX_TYPES_PER_NAME:
        raise ZoneError(
            names.to_text(owner), f"has {len(rrsets)} types; at most {MAX_TYPES_PER_NAME} are held"
        )
    for rrtype, (_, rdatas) in rrsets.items():
        octets = sum(map(len, rdatas)) + 12 * len(rdatas)
        if len(rdatas) > MAX_RRSET_RECORDS or octets > MAX_RRSET_OCTETS:
            raise ZoneError(
                names.to_text(owner),
                f"its RRset of type {rrtype} has {len(rdatas)} records of {octets} octets; at most "
                f"{MAX_RRSET_RECORDS} records of {MAX_RRSET_OCTETS} octets fit an answer",
            )


def wildcard_count(keys: Iterator[bytes]) -> int:
    """How many keys are wildcards: their last label is `*`."""
    return sum(key.endswith(b"\0*\0") or key == b"*\0" for key in keys)


def negative_ttl(soa: RRset) -> int:
    """Seconds an absence may be remembered (RFC 2308 section 5)."""
    return min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))


def serial_of(soa: RRset) -> int:
    """The serial of an SOA (RFC 1035 section 3.3.13)."""
    return int.from_bytes(soa.rdatas[0][-20:-16], "big")


def with_serial(soa: RRset, serial: int) -> RRset:
    """The SOA under another serial."""
    rdata = soa.rdatas[0]
    return RRset(soa.ttl, [rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:]])


def next_serial(serial: int) -> int:
    """One more, in the arithmetic of RFC 1982; 0 is left out since some servers read it as none."""
    return (serial + 1) % 2**32 or 1
