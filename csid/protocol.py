"""Numbers of the DNS protocol, by name: record types, response codes, EDNS options.

Source: IANA DNS Parameters. A type without a name here is written as RFC 3597 TYPEnnn.
"""

from __future__ import annotations

from typing import Final

CLASS_IN: Final = 1
CLASS_NONE: Final = 254  # RFC 2136 section 2.4
CLASS_ANY: Final = 255

# Opcodes (RFC 6895 section 2.2)
QUERY: Final = 0
STATUS: Final = 2
NOTIFY: Final = 4
UPDATE: Final = 5

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
MB: Final = 7
PTR: Final = 12
MX: Final = 15
TXT: Final = 16
RT: Final = 21
SIG: Final = 24
KEY: Final = 25
AAAA: Final = 28
NXT: Final = 30
SRV: Final = 33
KX: Final = 36
DNAME: Final = 39
OPT: Final = 41
DS: Final = 43
RRSIG: Final = 46
NSEC: Final = 47
NSEC3: Final = 50
ZONEMD: Final = 63
SVCB: Final = 64
HTTPS: Final = 65
TKEY: Final = 249
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
MAILB: Final = 253
MAILA: Final = 254
ANY: Final = 255
CSID: Final = 65347  # private use (RFC 6895 section 3.1): a resource record as msgpack
RECEIPT: Final = 65348  # private use: what the national node says to the filing of an identifier

# RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 6891 section 9
NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
YXRRSET: Final = 7
NXRRSET: Final = 8
NOTAUTH: Final = 9
NOTZONE: Final = 10
BADVERS: Final = 16
RCODES: Final = {
    NOERROR: "NOERROR",
    FORMERR: "FORMERR",
    SERVFAIL: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
    YXDOMAIN: "YXDOMAIN",
    YXRRSET: "YXRRSET",
    NXRRSET: "NXRRSET",
    NOTAUTH: "NOTAUTH",
    NOTZONE: "NOTZONE",
    BADVERS: "BADVERS",
}

# Errors in TSIG records (RFC 8945 section 3)
BADSIG: Final = 16
BADKEY: Final = 17
BADTIME: Final = 18
BADTRUNC: Final = 22

# EDNS options (RFC 6891 section 6.1.2)
OPTION_NSID: Final = 3  # RFC 5001
OPTION_EXPIRE: Final = 9  # RFC 7314
OPTION_COOKIE: Final = 10  # RFC 7873
OPTION_KEEPALIVE: Final = 11  # RFC 7828
OPTION_PADDING: Final = 12  # RFC 7830
OPTION_EDE: Final = 15  # RFC 8914

# Extended errors (RFC 8914 section 5.2)
EDE_OTHER: Final = 0
EDE_NOT_READY: Final = 14
EDE_PROHIBITED: Final = 18
EDE_NOT_AUTHORITATIVE: Final = 20
EDE_NOT_SUPPORTED: Final = 21
EDE_NO_AUTHORITY: Final = 22
EDE_INVALID_DATA: Final = 24
