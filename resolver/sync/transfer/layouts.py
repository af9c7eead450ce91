"""Where names stand in the data of records, as transfers bring it: behind fixed fields and texts,
before a tail. `unpack` and its compiled twin read it by this table.

Names may be compressed in the types of RFC 1035 and in those that RFC 3597 section 4 tells servers
to decompress as well; DNAME and KX are there because old servers compress them. Of the other types
listed names stand in full, and a pointer is a fault. Of A and AAAA the length is known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import dns.rdatatype

from csid.protocol import (
    AAAA,
    CNAME,
    DNAME,
    HTTPS,
    KX,
    MB,
    MX,
    NS,
    NSEC,
    NXT,
    PTR,
    RRSIG,
    RT,
    SIG,
    SOA,
    SRV,
    SVCB,
    A,
)

_T = dns.rdatatype.RdataType
ANY_TAIL: Final = -1


class Layout(NamedTuple):
    """The data of one type."""

    fixed: int = 0  # octets
    strings: int = 0  # of a length octet and so many octets
    names: int = 1
    tail: int = 0  # octets behind the names; ANY_TAIL: however many
    is_plain: bool = False  # names stand in full


LAYOUTS: Final[dict[int, Layout]] = {
    A: Layout(fixed=4, names=0),
    NS: Layout(),
    _T.MD: Layout(),
    _T.MF: Layout(),
    CNAME: Layout(),
    SOA: Layout(names=2, tail=20),
    MB: Layout(),
    _T.MG: Layout(),
    _T.MR: Layout(),
    PTR: Layout(),
    _T.MINFO: Layout(names=2),
    MX: Layout(fixed=2),
    _T.RP: Layout(names=2),
    _T.AFSDB: Layout(fixed=2),
    RT: Layout(fixed=2),
    SIG: Layout(fixed=18, tail=ANY_TAIL),
    _T.PX: Layout(fixed=2, names=2),
    AAAA: Layout(fixed=16, names=0),
    NXT: Layout(tail=ANY_TAIL),
    SRV: Layout(fixed=6),
    _T.NAPTR: Layout(fixed=4, strings=3),
    KX: Layout(fixed=2),
    DNAME: Layout(),
    RRSIG: Layout(fixed=18, tail=ANY_TAIL, is_plain=True),
    NSEC: Layout(tail=ANY_TAIL, is_plain=True),
    SVCB: Layout(fixed=2, tail=ANY_TAIL, is_plain=True),
    HTTPS: Layout(fixed=2, tail=ANY_TAIL, is_plain=True),
}
HIGHEST: Final = max(LAYOUTS)

# What a message can be wrong in.
CUT_SHORT: Final = "a message that ends within a record"
FORWARD: Final = "a compression pointer that does not lead back (RFC 1035 4.1.4)"
LONG_CHAIN: Final = "a name with more compression pointers than a name has labels"
LABEL_TYPE: Final = "a label of a type that does not exist (RFC 6891 section 5)"
LONG_NAME: Final = "a name of more than 255 octets"
LONG_KEY: Final = "a name almost wholly of 00 and 01 octets, which the store cannot hold"
WRONG_CLASS: Final = "a record of a class other than IN"
OUTSIDE: Final = "a record outside the zone"
NO_DATA: Final = "a record of a type that no zone holds (OPT, TSIG, a query type)"
WRONG_DATA: Final = "a record whose data is not what its type asks for"
LARGE_DATA: Final = "a record that fits no answer"

# Types that are none of a zone: 0, OPT, and those for questions (RFC 6895 section 3.1).
OPT_TYPE: Final = 41
FIRST_QUERY_TYPE: Final = 128
LAST_QUERY_TYPE: Final = 255
MAX_POINTERS: Final = 127  # of one name, as many as it has labels: each leads to one at least
GROUP_RECORDS: Final = 64  # records of a name that are put together at once
