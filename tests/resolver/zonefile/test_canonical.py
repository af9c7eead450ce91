"""Which names in record data are compared without regard to case (RFC 4034 section 6.2)."""

from __future__ import annotations

import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.zonefile.canonical import folded
from resolver.zonefile.check import collect
from resolver.zonefile.reader import read_text

HEAD = "$ORIGIN ex.\n$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns.x.\n"

ONE_RECORD = """
NS a|NS A
PTR a|PTR A
MX 1 Mail|MX 1 mAIL
MD a|MD A
MF a|MF A
MB a|MB A
MG a|MG A
MR a|MR A
MINFO a B|MINFO A b
RP a B|RP A b
AFSDB 1 a|AFSDB 1 A
RT 1 a|RT 1 A
KX 1 a|KX 1 A
PX 1 a B|PX 1 A b
SRV 1 2 3 a|SRV 1 2 3 A
NAPTR 1 2 "s" "" "" a|NAPTR 1 2 "s" "" "" A
NXT a A|NXT A A
SIG A 8 2 60 2 1 1 a AAAA|SIG A 8 2 60 2 1 1 A AAAA
RRSIG A 8 2 60 2 1 1 a AAAA|RRSIG A 8 2 60 2 1 1 A AAAA
A6 64 ::1 a|A6 64 ::1 A
"""
TWO_RECORDS = """
TXT a|TXT A
NAPTR 1 2 "s" "" "" a|NAPTR 1 2 "S" "" "" a
CAA 0 issue "a"|CAA 0 issue "A"
HTTPS 1 a|HTTPS 1 A
NSEC a A|NSEC A A
RRSIG A 8 2 60 2 1 1 a AAAA|RRSIG A 8 2 60 2 1 1 a aaaa
NXT a TYPE1|NXT a TYPE1 TYPE2
LP 1 a|LP 1 A
TALINK a b|TALINK A b
"""


def count(pair: str) -> int:
    lines = "".join(f"z {record}\n" for record in pair.split("|"))
    (rrset,) = collect(read_text(HEAD + lines), "zone").rrsets[b"\1z\2ex\0"].values()
    return len(rrset.rdatas)


@pytest.mark.parametrize("pair", ONE_RECORD.strip().split("\n"))
def test_records_that_differ_in_the_case_of_such_a_name_are_one(pair: str) -> None:
    assert count(pair) == 1


@pytest.mark.parametrize("pair", TWO_RECORDS.strip().split("\n"))
def test_records_that_differ_elsewhere_are_two(pair: str) -> None:
    assert count(pair) == 2


@given(st.sampled_from(list(dns.rdatatype.RdataType)), st.binary(max_size=80))
def test_any_octets_fold_to_as_many_and_only_in_case(rrtype: int, rdata: bytes) -> None:
    once = folded(rrtype, rdata)
    assert once.lower() == rdata.lower()
    assert folded(rrtype, once) == once
