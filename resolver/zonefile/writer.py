"""Writing a zone as a master file (RFC 1035 section 5) that every name server reads back.

Each line stands for itself: an absolute owner, TTL, class, type and data, and no directive.
Types that older servers may not know by name are written as RFC 3597 writes unknown types. Each
line is read again and compared before it is given out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import dns.exception

from csid import names
from csid.errors import ZoneError
from csid.protocol import SOA
from resolver.zonefile.rdata import data_text
from resolver.zonefile.reader import read_line
from resolver.zonefile.tokens import TYPES_KNOWN_EVERYWHERE
from resolver.zonefile.types.fields import NoTextForm, name_text

Row = tuple[bytes, int, int, bytes]  # owner (absolute wire), type, TTL in seconds, data (wire)

_MEMO_ENTRIES: Final = 4_096  # record data kept with its text


def dump(origin: bytes, rows: Iterable[Row]) -> Iterator[str]:
    """The lines of the zone's master file, each ended by a newline, the SOA first.

    Args:
        origin: wire name of the apex.
        rows: the records in any order. Those that come before the SOA are held back until it is
            found, so canonical order, which has the apex first, keeps memory small.

    Raises:
        ZoneError: the rows hold no SOA at `origin`, or a record that is not read back as it is.
    """
    held: list[Row] = []
    remaining = iter(rows)
    for row in remaining:
        if row[1] == SOA and row[0].lower() == origin.lower():
            yield line(row)
            yield from map(line, held)
            yield from map(line, remaining)
            return
        held.append(row)
    where = names.to_text(origin)
    raise ZoneError(where, "the zone has no SOA record and cannot be written; load it again")


def line(row: Row) -> str:
    """One record as a line of a master file, ended by a newline.

    Raises:
        ZoneError: it is not read back as it is.
    """
    owner, rrtype, ttl, rdata = row
    head = f"{name_text(owner)} {ttl} IN "
    for record_text in (_type_and_data(rrtype, rdata), _generic(rrtype, rdata)):
        text = f"{head}{record_text}\n"
        if _reads_as(text, row):
            return text
    raise ZoneError(
        names.to_text(owner),
        f"its record of type {rrtype} and TTL {ttl} has no text that is read back as it is; "
        "load the zone again without it",
    )


def _reads_as(text: str, row: Row) -> bool:
    try:
        return read_line(text)[:4] == row
    except ZoneError:
        return False


@lru_cache(maxsize=_MEMO_ENTRIES)
def _type_and_data(rrtype: int, rdata: bytes) -> str:
    name = TYPES_KNOWN_EVERYWHERE.get(rrtype)
    try:
        if name is not None:
            return f"{name} {data_text(rrtype, rdata)}"
    except (NoTextForm, dns.exception.DNSException, ValueError):
        pass  # handed on octet by octet
    return _generic(rrtype, rdata)


def _generic(rrtype: int, rdata: bytes) -> str:
    return f"TYPE{rrtype} \\# {len(rdata)} {rdata.hex()}".rstrip()
