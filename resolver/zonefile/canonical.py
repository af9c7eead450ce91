"""Record data as it is compared: names that may be compressed or are old in lower case.

RFC 4034 section 6.2 (with RFC 6840 section 5.1, which takes NSEC off the list, and RFC 4343
section 3) lists the types; of all others, every octet tells records apart.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import dns.rdatatype

from csid.protocol import CNAME, DNAME, MX, NS, RRSIG, SOA, SRV

_T = dns.rdatatype.RdataType


class _Layout(NamedTuple):
    """Where the names of a type's data stand: behind fixed fields and character strings."""

    fixed: int = 0  # octets
    strings: int = 0
    names: int = 1


_LAYOUTS: Final[dict[int, _Layout]] = {
    NS: _Layout(),
    _T.MD: _Layout(),
    _T.MF: _Layout(),
    CNAME: _Layout(),
    SOA: _Layout(names=2),
    _T.MB: _Layout(),
    _T.MG: _Layout(),
    _T.MR: _Layout(),
    _T.PTR: _Layout(),
    _T.MINFO: _Layout(names=2),
    MX: _Layout(fixed=2),
    _T.RP: _Layout(names=2),
    _T.AFSDB: _Layout(fixed=2),
    _T.RT: _Layout(fixed=2),
    _T.SIG: _Layout(fixed=18),
    _T.PX: _Layout(fixed=2, names=2),
    _T.NXT: _Layout(),
    SRV: _Layout(fixed=6),
    _T.NAPTR: _Layout(fixed=4, strings=3),
    _T.KX: _Layout(fixed=2),
    DNAME: _Layout(),
    RRSIG: _Layout(fixed=18),
}
_A6: Final = int(_T.A6)
FOLDED: Final = frozenset({*map(int, _LAYOUTS), _A6})  # types of which `folded` may change the data


def folded(rrtype: int, rdata: bytes) -> bytes:
    """The data with those names in lower case; as it is where it is malformed.

    Two records of one owner and type are one exactly if this is the same.
    """
    layout = _LAYOUTS.get(rrtype) or (_a6_layout(rdata) if rrtype == _A6 else None)
    if layout is None:
        return rdata
    start = layout.fixed
    try:
        for _ in range(layout.strings):
            start += 1 + rdata[start]
        end = start
        for _ in range(layout.names):
            while rdata[end]:
                end += 1 + rdata[end]
            end += 1
    except IndexError:
        return rdata
    # Length octets are below 64, so never A-Z.
    return rdata[:start] + rdata[start:end].lower() + rdata[end:]


def _a6_layout(rdata: bytes) -> _Layout | None:
    """RFC 2874 section 3.1: the name stands behind what the prefix leaves of the address."""
    bits = rdata[0] if rdata else 0
    return _Layout(fixed=17 - bits // 8) if 0 < bits <= 128 else None
