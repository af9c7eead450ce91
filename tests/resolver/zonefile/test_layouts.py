"""Record data of every type: right octets, as BIND has them, and text that is read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import ZoneError
from csid.protocol import SOA
from resolver.zonefile.reader import read_line, read_text
from resolver.zonefile.types import layouts
from resolver.zonefile.writer import dump
from tests.support.zone_checkers import bind_compiled, raw_records

HEAD = "$ORIGIN ex.\n$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns.x.\n"
APEX = (b"\2ex\0", SOA, 60, b"\0\0" + bytes(20))

# Records and their data, as `named-compilezone -F raw` of BIND 9.18 writes them.
SAME_AS_BIND = r"""
LOC 1 N 2 E 1.15m | 001216138036ee80806ddd00009896f3
LOC 1 2 3.5 S 2 3 4.05 W -100000m 0.29m 0.57m 0.58m | 002151517fc72f147f8f540e00000000
MB mb | 026d6202657800
MG mg.ex. | 026d6702657800
MR @ | 02657800
MINFO r e | 017202657800016502657800
NXT n A MX NXT | 016e0265780040010002
NXT n TYPE127 | 016e0265780000000000000000000000000000000001
A6 64 1:2:3:4:5:6:7:8 x | 400005000600070008017802657800
A6 0 2001:db8::1 | 0020010db8000000000000000000000001
A6 128 p | 80017002657800
TA 1 8 1 0011223344556677889900112233445566778899 | 000108010011223344556677889900112233445566778899
EID ab cd | abcd
NIMLOC abcd | abcd
ATMA +358400 | 01333538343030
RKEY 0 3 8 AwEAAag= | 0000030803010001a8
TALINK . x. | 00017800
DOA 0 1 2 "" - | 00000000000000010200
UINFO \# 2 0102 | 0102
DS 1 RSASHA256 0 00 | 0001080000
DS 1 8 3 0011 | 000108030011
TLSA 3 1 1 00 11 | 0301010011
SMIMEA 3 1 1 0011 | 0301010011
CERT PGP 0 0 AAAA | 0003000000000000
GPOS 91 x 1e4 | 023931017803316534
URI 10 1 "" | 000a0001
NSEC d A TYPE261 TYPE0 | 016402657800 0001c0 010104
NID 10 14:4fff:ff20:ee64 | 000a00144fffff20ee64
AMTRELAY \# 4 00040102 | 00040102
ZONEMD 0 0 0 001122334455667788990011 | 000000000000001122334455667788990011
LOC \# 2 0102 | 0102
HTTPS 0 . alpn=h2 | 00000000010003026832
HTTPS \# 9 00000000030002abcd | 00000000030002abcd
LOC 1 1 .5 N 2 E 42849672.95m 90000000m 19m 0 | 009913008037dad4806ddd00ffffffff
SVCB 1 . key8= | 00010000080000
SVCB 1 . key8=x | 0001000008000178
SVCB 1 . ech=AAAA | 00010000050003000000
SVCB 1 . mandatory=port,alpn port=1 alpn=h2 | 000100000000040001000300010003026832000300020001
SVCB 1 . alpn="f\\\\oo\\,bar,h2" | 0001000001000c08665c6f6f2c626172026832
WKS 10.0.0.1 TCP SMTP | 0a0000010600000040
WKS 10.0.0.1 udp domain 0 | 0a0000011180000000000004
WKS 10.0.0.1 6 | 0a00000106
NSAP 0X47.00.05 | 470005
NSAP 0x.4.7AB | 47ab
KEY 0xc000 3 8 | c0000308
KEY 0Xc000 dnssec 8 | c0000308
KEY NOKEY 3 3 | c0000303
KEY noconf|Zone|SIG2 TLS ECDSA256 AAAA | 4102010d000000
DNSKEY 0x101 DNSSEC nsec3rsasha1 ( AA == ) | 0101030700
CDNSKEY 0 3 0 AA== | 0000030000
RKEY 0 DNSSEC 8 AAAA | 00000308000000
SSHFP 0 0 | 0000
ISDN "1" "" | 013100
ISDN 150862028003217 | 0f313530383632303238303033323137
HIP 2 00ff AAAA rvs1 RVS2. \@ | 02020003 00ff 000000 047276733102657800 045256533200 014002657800
NSEC3PARAM SHA-1 0 0 - | 0100000000
EUI48 0-0-5E-0-53-2a | 00005e00532a
EUI64 00-00-5e-ef-10-00-00-2a | 00005eef1000002a
L32 1 10.1.2.0 | 00010a010200
HINFO a b\034 | 016102 6222
SPF a"" | 016100
AVC "" | 00
RRSIG A 8 1 1 20300101000060 4294967295 1 . AAAA | 0001080100000001 70dbd8bc ffffffff 000100 000000
RRSIG TYPE261 8 2 9 1893456000 1577836800 1 . AAAA | 010508020000000970dbd8805e0be100000100000000
"""
RECORDS = [
    tuple(part.strip() for part in line.split(" | ")) for line in SAME_AS_BIND.strip().split("\n")
]

# Right by their RFCs, which BIND 9.18 does not take.
BEYOND_BIND = [
    ("IPSECKEY 10 3 0 gw.", "0a030002677700"),  # RFC 4025 section 2.4
    ("IPSECKEY 10 0 0 .", "0a0000"),
    ("SVCB 0 x mandatory=alpn", "00000178026578000000 00020001"),  # RFC 9460 section 2.4.2
    ("IPSECKEY \\# 3 0a0000", "0a0000"),
    ("DS 1 RSASHA1-NSEC3-SHA1 0 00", "0001070000"),  # the registry's name
    ("DNSKEY ZONE|SEP 3 8 AAAA", "01010308000000"),
    ("NSEC3PARAM SHA1 0 0 -", "0100000000"),
    ("NSEC d CSID", "016402657800ff09000000000000000010"),
    ("SVCB 1 . tls-supported-groups=29,23", "00010000090004001d0017"),
]


def octets(record: str) -> bytes:
    (*_, read) = read_text(HEAD + f"z {record}\n")
    return read.rdata


@pytest.mark.parametrize(("record", "data"), RECORDS + BEYOND_BIND)
def test_a_record_has_the_octets_of_its_rfc_and_is_dumped_so(record: str, data: str) -> None:
    rdata = octets(record)
    assert rdata == bytes.fromhex(data)
    (*_, read) = read_text(HEAD + f"z {record}\n")
    row = read[:4]
    *_, line = dump(b"\2ex\0", [APEX, row])
    assert read_line(line)[:4] == row


@pytest.mark.skipif(shutil.which("named-compilezone") is None, reason="needs BIND")
def test_bind_makes_the_same_octets(tmp_path: Path) -> None:
    """One zone of all these records, read by BIND and written octet by octet."""
    lines = [f"r{number} {record}\n" for number, (record, _) in enumerate(RECORDS)]
    text = HEAD + "".join(lines)
    raw, said = bind_compiled(text, tmp_path)
    assert raw is not None, said
    ours = sorted((read.owner, read.rrtype, read.rdata, read.ttl) for read in read_text(text))
    assert ours == sorted(raw_records(raw))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("LOC 90 0 0.001 N 2 E 1m", "above 90 degrees"),
        ("LOC 1 N 2 E 1e3m", "no length"),
        ("LOC 1 N 2 E 1.155m", "at most two decimals"),
        ("LOC 1 N 2 E 42849672.96m", "42849672.95m"),
        ("LOC 1 N 2 E 1m 90000000.01m", "between 0 and 90000000.00m"),
        ("LOC \\# 15 0012161389EFDCE8709BF0900098F3", "version 0 has 16"),
        ("NULL abc", "has no text form of its own; write its data as .* with length"),
        ("UNSPEC abc", "has no text form of its own"),
        ("MB", "a domain name is missing"),
        ("MB a b", "not data of type MB"),
        ("MB \\# 2 c00c", "no uncompressed domain name"),
        ("MB \\# 4 00000000", "3 octets too many"),
        ("NXT n TYPE128", "types 1 to 127"),
        ("NXT n TYPE0", "types 1 to 127"),
        ("DS 1 8 2 0011", "a digest of 2 octets; type 2 has 32"),
        ("CDS \\# 4 00010801", "ends too early"),
        ("IPSECKEY 10 3 2 gw.", "algorithm 2 takes a key"),
        ("IPSECKEY 10 4 0 gw.", "gateway type 4"),
        ("IPSECKEY \\# 3 0a0002", "ends too early"),
        ("SVCB 1 . mandatory=alpn", "key 1 is mandatory"),
        ("SVCB 1 . no-default-alpn", "only beside alpn"),
        ("SVCB 1 . alpn=h2 key1=x", "comes twice"),
        ("SVCB 1 . key1", "parameter alpn is malformed"),
        ("SVCB 0 . port=65536", "no number up to 65535"),
        ("SVCB 1 . key65536=x", "keyNNNNN"),
        ("SVCB \\# 7 00010000020000", "only beside alpn"),
        ("X25 abcd", "X.25"),
        ("SSHFP 1 1 0011", "a fingerprint of 2 octets; type 1 has 20"),
        ("NSEC3 1 0 0 - 0000 A", "a hashed owner of 2 octets"),
        ("SVCB 1 . dohpath=", "parameter dohpath is malformed"),
        ("RRSIG \\# 2 0000", "ends too early"),
        ("CAA \\# 4 00027800", "letters and digits"),
        ("WKS 10.0.0.1 TCP nosuchservice", "no service known here; write its port"),
        ("WKS 10.0.0.1 nosuchprotocol", "no protocol known here; write its number"),
        ("WKS 10.0.0.1 6 65536", "no number up to 65535"),
        ("NSAP 0x", "no NSAP address"),
        ("KEY 256 3 8", "ends too early"),
        ("DNSKEY 256 3 8", "base64 data is missing"),
        ("DNSKEY \\# 4 01000308", "ends too early"),
        ("DNSKEY ZONE|PUBLIC 3 8 AAAA", "neither a number nor a name known here"),
        ("DNSKEY 0x10000 3 8 AAAA", "neither a number nor a name known here"),
        ("AMTRELAY 10 0 2 ::1%lo", "no address of 16 octets"),
        ("SVCB 1 . ipv6hint=::1%lo", "parameter ipv6hint"),
        ("HIP \\# 4 00000000", "empty or cut off"),
        ("RRSIG A 8 1 1 20200101000061 0 1 ex. AAAA", "is no time"),
        ("EUI48 00-00-5e-00-53-2g", "6 octets with dashes"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(record: str, reason: str) -> None:
    with pytest.raises(ZoneError, match=f"<text>:5: .*{reason}"):
        octets(record)


@given(st.sampled_from(sorted(layouts.LAYOUTS)), st.binary(max_size=60))
def test_what_is_taken_in_hexadecimal_is_dumped_and_read_back(rrtype: int, rdata: bytes) -> None:
    record = f"z.ex. 60 TYPE{rrtype} \\# {len(rdata)} {rdata.hex()}\n"
    try:
        row = read_line(record)[:4]
    except ZoneError:
        return
    *_, line = dump(b"\2ex\0", [APEX, row])
    assert read_line(line)[:4] == row == (b"\1z\2ex\0", rrtype, 60, rdata)
