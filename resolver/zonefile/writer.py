"""Writing a zone as a master file (RFC 1035 section 5) that every name server reads back.

Each line stands for itself: an absolute owner, TTL, class, type and data, and no directive.
Types that older servers may not know by name are written as RFC 3597 writes unknown types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from csid import names
from csid.errors import ZoneError
from csid.protocol import SOA

Row = tuple[bytes, int, int, bytes]  # owner (absolute wire), type, TTL in seconds, data (wire)

_MEMO_ENTRIES: Final = 4_096  # record data kept with its text

# Types whose text form BIND 9.18, Knot 3.2, NSD 4.6 and PowerDNS 4.7 and all later ones read.
_KNOWN_EVERYWHERE: Final = (
    "A NS CNAME SOA PTR HINFO MX TXT RP AFSDB AAAA SRV NAPTR DNAME DS SSHFP RRSIG NSEC DNSKEY "
    "NSEC3 NSEC3PARAM TLSA CDS CDNSKEY SVCB HTTPS URI CAA"
)
_BY_NUMBER: Final = {
    int(kind): kind for kind in map(dns.rdatatype.from_text, _KNOWN_EVERYWHERE.split(" "))
}


def dump(origin: bytes, rows: Iterable[Row]) -> Iterator[str]:
    """The lines of the zone's master file, each ended by a newline, the SOA first.

    Args:
        origin: wire name of the apex.
        rows: the records in any order. Those that come before the SOA are held back until it is
            found, so canonical order, which has the apex first, keeps memory small.

    Raises:
        ZoneError: the rows hold no SOA at `origin`.
    """
    held: list[Row] = []
    remaining = iter(rows)
    for row in remaining:
        if row[1] == SOA and row[0].lower() == origin.lower():
            yield _line(row)
            yield from map(_line, held)
            yield from map(_line, remaining)
            return
        held.append(row)
    where = names.to_text(origin)
    raise ZoneError(where, "the zone has no SOA record and cannot be written; load it again")


def _line(row: Row) -> str:
    owner, rrtype, ttl, rdata = row
    type_text, data_text = _type_and_data(rrtype, rdata)
    return f"{names.to_text(owner)} {ttl} IN {type_text} {data_text}\n"


@lru_cache(maxsize=_MEMO_ENTRIES)
def _type_and_data(rrtype: int, rdata: bytes) -> tuple[str, str]:
    kind = _BY_NUMBER.get(rrtype)
    if kind is not None:
        try:
            data = dns.rdata.from_wire(dns.rdataclass.IN, kind, rdata, 0, len(rdata))
            return kind.name, data.to_text()
        except (dns.exception.DNSException, ValueError):
            pass  # not what the type prescribes: handed on octet by octet
    return f"TYPE{rrtype}", f"\\# {len(rdata)} {rdata.hex()}".rstrip()
