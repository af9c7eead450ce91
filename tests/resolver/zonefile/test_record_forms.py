"""Every form a field may be written in, type by type: what BIND takes is taken, with its octets,
and what is taken is dumped so that NSD and Knot read it.
"""

from __future__ import annotations

import random
import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from csid.errors import ZoneError
from resolver.zonefile.reader import Record, read_text
from resolver.zonefile.writer import dump
from tests.support.zone_checkers import bind_compiled, knot_reads, raw_records, run

HEAD = "$ORIGIN ex.\n$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns.x.\n"
SEED = 20261125
MIXED = 25  # records of a type beside those that vary one field

NAMES = [*("x", "x.y", "@", ".", "X.Ex.", r"a\.b", r"\@.x", "*", "_a._tcp", r"a\000b.", r"\255")]
NAMES += ["x" * 63, "x" * 64, "x..y", r"\256", "a;b", "$x"]
U8 = ["0", "1", "255", "256", "-1", "007", "0x1"]
U16 = ["0", "65535", "65536", "01", "0x10"]
U32 = ["0", "4294967295", "4294967296", "1h"]
ALGORITHM = ["8", "0", "RSASHA256", "ecdsa256", "NSEC3DSA", "NSEC3RSASHA1", "ED448", "INDIRECT"]
DIGEST = ["3", "SHA-256", "sha384", "SHA1", "256"]
BASE64 = ["AAAA", "AA==", "AAA", "AA A=", "A A A A", "(AA\n AA )", "( AAAA ; c\n AAAA )", "AA = ="]
HEX = ["00", "aB cD", "0 0", "0", "( 00\n 11 )", "ab;c", "0x00", "00" * 20, "00" * 32, "00" * 48]
TIME = ["0", "4294967295", "20380119031408", "21060207062816", "20210229000000", "2020"]
TIME += ["20200101235960", "20200101240000", "99991231235959"]
TEXT = ["a", '"a b"', '""', r"a\"b", r"\000", r'"\255"', '"a;b"', '"("', "é", "x" * 255, "x" * 256]
TEXT += ['a"b"', '"a""b"', '("a"\n)']
TYPES = ["A", "a NS", "TYPE261", "TYPE65535 A A", "TYPE0", "NXT", "( A\n NS )", "X"]
FLAGS = ["256", "0x101", "0Xc000", "ZONE", "noconf|Zone", "NOKEY", "HOST|SIG3", "FLAG2", "65536"]
PROTOCOL = ["3", "DNSSEC", "tls", "255"]
IPV4 = ["10.0.0.1", "1.2.3", "1.2.3.04", "256.1.1.1"]
IPV6 = ["::1", "2001:DB8::1", "::ffff:1.2.3.4", "::1%lo", "1::2::3", "1:2:3:4:5:6:7::"]
GROUPS = ["14:4fff:ff20:EE64", "0:0:0:0", "1:2:3", "::1"]
PARAMETERS = ["alpn=h2", 'alpn="h2,h3"', "alpn=a,b", r"alpn=a\\,b", "port=80", "port=", "port"]
PARAMETERS += ["no-default-alpn alpn=h2", "no-default-alpn", "ipv4hint=1.2.3.4,5.6.7.8", "ech=AAAA"]
PARAMETERS += ["ipv6hint=::1", "ipv6hint=::1%lo", "mandatory=port,alpn port=1 alpn=h2", "key8"]
PARAMETERS += ["mandatory=alpn", "dohpath=/q{?dns}", "dohpath=", 'key9="a b"', "key65000=x key5=y"]
PREFIXES = [
    "1:1.2.3.0/24",
    "!2:2001:db8::/32",
    "2:::/0",
    "1:1.2.3.4/33",
    "1:1.2.3.4",
    "1:0.0.0.0/0",
]
KEY = [FLAGS, PROTOCOL, ALGORITHM, BASE64]
DIGESTS = [U16, ALGORITHM, DIGEST, HEX[-1:] + HEX]

FORMS = {  # fields by the types that have them
    "NS PTR DNAME MB NSAP-PTR": [NAMES],
    "MX AFSDB KX LP": [U16, NAMES],
    "RP MINFO TALINK": [NAMES, NAMES],
    "TXT SPF AVC NINFO": [TEXT, ["", *TEXT]],
    "DS CDS TA DLV": DIGESTS,
    "KEY DNSKEY CDNSKEY": KEY,
    "TLSA SMIMEA": [U8, U8, U8, HEX],
    "OPENPGPKEY DHCID": [BASE64],
    "SVCB HTTPS": [["1", "0", "65536"], [".", "x"], ["", *PARAMETERS]],
    "EID NIMLOC": [HEX],
    "NID L64": [U16, GROUPS],
    "A": [IPV4],
    "AAAA": [IPV6],
    "L32": [U16, IPV4],
    "HINFO": [TEXT, TEXT],
    "ISDN": [TEXT, ["", *TEXT]],
    "X25": [["3110", '"31106"', "311", "12a4"]],
    "GPOS": [["-32.6882", "91"], ["116.8652"], ["10.0", '"10"']],
    "PX": [U16, NAMES, NAMES],
    "SRV": [U16, U16, U16, NAMES],
    "NAPTR": [U16, U16, ["S", '""', '"SA"'], TEXT, ['"!^.*$!sip:a@b!"', '""'], NAMES],
    "NSAP": [["0x47.00.05", "0X47", "0x4.7", "47", "0x4", "0xAB"]],
    "WKS": [IPV4, ["TCP", "udp", "17", "256"], ["", "domain", "DOMAIN 0", "25 25", "( 80\n 1 )"]],
    "SSHFP": [U8, U8, HEX],
    "CERT": [["PKIX", "pgp", "1", "OID", "X"], U16, ALGORITHM, BASE64],
    "APL": [["", *PREFIXES], PREFIXES],
    "IPSECKEY": [U8, ["3", "0", "1", "2", "4"], ["2"], ["x", ".", *IPV4, *IPV6], BASE64],
    "AMTRELAY": [U8, ["0", "1", "2"], ["3", "0", "1", "2"], ["x", ".", *IPV4, *IPV6]],
    "HIP": [U8, ["00ff", "0"], ["AAAA", "AAA"], ["", "rvs", r"a. \@ x.y"]],
    "NSEC": [NAMES, TYPES],
    "NSEC3": [
        ["1", "SHA-1"],
        U8,
        U16,
        ["-", "aB", "0"],
        ["0P9mhaveqvm6t7vbl5lop2u3t2rp3tom"],
        TYPES,
    ],
    "NSEC3PARAM": [["1", "sha-1"], U8, U16, ["-", "aB", "", "00" * 256]],
    "RRSIG": [TYPES, ALGORITHM, U8, U32, TIME, TIME, U16, NAMES, BASE64],
    "CSYNC": [U32, U16, ["", *TYPES]],
    "ZONEMD": [U32, U8, U8, HEX],
    "URI": [U16, U16, TEXT],
    "CAA": [U8, ["issue", "ISSUE", "a-b", "x" * 16], TEXT],
    "EUI48": [["00-00-5E-00-53-2a", "0-0-5e-0-53-2a", "00:00:5e:00:53:2a"]],
    "EUI64": [["00-00-5e-ef-10-00-00-2A", "00-00-5e-ef-10-00-00"]],
    "A6": [["0 ::1", "64 1:2:3:4:5:6:7:8 x", "128 x", "129 ::1 x", "0 ::1%lo", "08 ::1 x"]],
    "LOC": [["1", "90", "91"], ["N", "2 S", "2 3.5 N"], ["2 E", "181 W"], ["1.15m", "-1", "1e3m"]],
}


@cache
def records() -> list[str]:
    """Type and data: each form of each field once, and fields mixed."""
    source = random.Random(SEED)
    found = []
    for names, fields in FORMS.items():
        for name in names.split(" "):
            for at, forms in enumerate(fields):
                for form in forms:
                    data = [form if at == place else field[0] for place, field in enumerate(fields)]
                    found.append(" ".join([name, *data]))
            for _ in range(MIXED if len(fields) > 1 else 0):
                found.append(" ".join([name, *map(source.choice, fields)]))
            for octets in ("", "00", "0000", "00000000", "ff" * 20):
                found.append(f"{name} \\# {len(octets) // 2} {octets}")
    return list(dict.fromkeys(found))


@cache
def taken() -> dict[int, Record]:
    """The records that are read, by their place in `records`."""
    found = {}
    for at, record in enumerate(records()):
        try:
            (*_, found[at]) = read_text(HEAD + f"r{at} {record}\n")
        except ZoneError:
            continue
    return found


def test_what_bind_takes_is_taken_with_the_same_octets(tmp_path: Path) -> None:
    if shutil.which("named-compilezone") is None:
        pytest.skip("named-compilezone is not installed")
    left = dict(enumerate(records()))
    assert len(left) > 1_500
    while True:  # BIND goes on behind most errors, but not behind all
        at_line, lines = {}, HEAD.count("\n") + 1
        for at, record in left.items():
            at_line.update(dict.fromkeys(range(lines, lines + record.count("\n") + 1), at))
            lines += record.count("\n") + 1
        text = HEAD + "".join(f"r{at} {record}\n" for at, record in left.items())
        raw, said = bind_compiled(text, tmp_path)
        if raw is not None:
            break
        refused = {at_line[int(line)] for line in re.findall(r"ex\.zone:(\d+): ", said)}
        assert refused, said
        for at in refused:
            del left[at]
    theirs = {int(owner[2 : 1 + owner[0]]): data for owner, _, data, _ in raw_records(raw)[2:]}
    assert len(theirs) > 800
    ours = {at: record.rdata for at, record in taken().items()}
    assert {at: (records()[at], data) for at, data in theirs.items() if ours.get(at) != data} == {}


def test_what_is_taken_is_dumped_and_the_dump_is_read_by_nsd_and_knot(tmp_path: Path) -> None:
    head = [record[:4] for record in read_text(HEAD)]
    path = tmp_path / "ex.zone"
    rows = [*head, *(record[:4] for record in taken().values())]
    path.write_text("".join(dump(b"\2ex\0", rows)), encoding="utf-8")
    assert [record[:4] for record in read_text(path.read_text(encoding="utf-8"))] == rows
    run("nsd-checkzone", "ex.", str(path))
    knot_reads(path)
