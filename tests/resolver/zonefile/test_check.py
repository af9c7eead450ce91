"""Whole zones: what is put together, what is merged, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.errors import ZoneError
from csid.limits import MAX_RRSET_RECORDS, MAX_TYPES_PER_NAME
from csid.protocol import CNAME, DNAME, MX, NS, NSEC, RRSIG, SOA, TXT, A
from resolver.store.build import build
from resolver.zonefile.check import Zone, collect, read_zone
from resolver.zonefile.reader import MAX_WARNINGS, read_text

HEAD = "$ORIGIN ex.\n$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\n"


def zone_of(text: str) -> Zone:
    return collect(read_text(text, "zone.db"), "zone.db")


ROWS = [
    "a A 192.0.2.1", "a A 192.0.2.2", "a AAAA ::1", "a.b.c TXT x", "*.c TXT x", "c CNAME a",
    "cut NS ns.cut", "cut NS a", "ns.cut A 192.0.2.3", "x.y.cut TXT x", "d DNAME a", "x.d TXT x",
    "e MX 1 a", "f SVCB 0 a", "f SVCB 1 .", "f A 192.0.2.4", "\\001.g TXT x", "\\000.g TXT x",
]  # fmt: skip


def refused(text: str) -> str:
    with pytest.raises(ZoneError) as caught:
        zone_of(text)
    return str(caught.value)


def test_a_zone_maps_lower_case_owners_to_rrsets_in_file_order() -> None:
    zone = zone_of(HEAD + "Www A 2.2.2.2\nwww 60 A 1.1.1.1\nwww TXT X\nm MX 1 Mail\n")
    assert zone.origin == b"\2ex\0"
    www = zone.rrsets[names.from_text("www.ex.")]
    assert www == {A: (60, (b"\2\2\2\2", b"\1\1\1\1")), TXT: (60, (b"\1X",))}
    assert zone.rrsets[names.from_text("m.ex.")][MX].rdatas == (b"\0\1\4Mail\2ex\0",)
    assert set(zone.rrsets[zone.origin]) == {SOA, NS}
    assert zone.warnings == []


def test_the_origin_is_the_owner_of_the_soa_wherever_it_stands() -> None:
    assert zone_of(
        "a.b.ex. 9 A 1.1.1.1\nb.ex. 9 NS a\\.b.ex.\nb.EX. 9 SOA a b 1 2 3 4 5\n"
    ).origin == (b"\1b\2ex\0")


def test_the_root_zone_is_a_zone() -> None:
    zone = zone_of(". 9 SOA a. b. 1 2 3 4 5\n. 9 NS a.\na. 9 A 1.1.1.1\n")
    assert zone.origin == b"\0"
    assert len(zone.rrsets) == 2


def test_identical_records_are_merged_and_case_in_names_does_not_tell_them_apart() -> None:
    zone = zone_of(
        HEAD
        + "@ SOA NS1 host 1 2 3 4 5\n@ NS NS1\na NS x\na NS X\nc CNAME x\nc CNAME X.EX.\n"
        + "m MX 16705 x\nm MX 16737 x\nm MX 16705 X\nt TXT a\nt TXT A\n"  # 16705 is "AA"
    )
    counts = {
        names.to_text(owner): {rrtype: len(rrset.rdatas) for rrtype, rrset in rrsets.items()}
        for owner, rrsets in zone.rrsets.items()
    }
    assert counts == {
        "ex.": {SOA: 1, NS: 1},
        "a.ex.": {NS: 1},
        "c.ex.": {CNAME: 1},
        "m.ex.": {MX: 2},
        "t.ex.": {TXT: 2},
    }


def test_differing_ttls_become_the_lowest_with_a_warning() -> None:
    zone = zone_of(HEAD + "a 9 A 1.1.1.1\na 5 A 1.1.1.2\na 7 A 1.1.1.1\n")
    assert zone.rrsets[names.from_text("a.ex.")][A].ttl == 5
    assert [warning.split(" differs")[0] for warning in zone.warnings] == [
        "zone.db:6: TTL 5",
        "zone.db:7: TTL 7",
    ]


def test_warnings_are_counted_when_they_grow_many() -> None:
    pairs = "".join(f"a{n} 1 TXT x\na{n} 2 TXT y\n" for n in range(MAX_WARNINGS + 7))
    warnings = zone_of(HEAD + pairs).warnings
    assert len(warnings) == MAX_WARNINGS + 1
    assert warnings[-1] == "zone.db: 7 more TTLs that differ"


SIGNATURE = "8 1 60 20300101000000 20200101000000 1 ex. AAAA"


@pytest.mark.parametrize(
    "record",
    [
        "KEY 256 3 8 AAAA",
        f"SIG CNAME {SIGNATURE}",
        "NXT b CNAME",
        "NSEC3 1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s CNAME",
    ],
)
def test_records_of_dnssec_stand_beside_an_alias(record: str) -> None:
    """RFC 2181 section 10.1 for the old types; BIND, NSD and Knot take NSEC3 so."""
    for lines in (f"c CNAME x\nc {record}\n", f"c {record}\nc CNAME x\n"):
        assert len(zone_of(HEAD + lines).rrsets[names.from_text("c.ex.")]) == 2


def test_what_stands_beside_an_alias_by_right_is_accepted() -> None:
    zone = zone_of(
        HEAD
        + f"c CNAME x\nc RRSIG CNAME {SIGNATURE}\nc NSEC d CNAME RRSIG NSEC\n"
        + "d DNAME x.\nd A 1.1.1.1\nd TXT x\nsub.d A 1.1.1.1\n"
        + "cut NS a.cut\na.cut A 1.1.1.1\nb.a.cut TXT occluded\n@ DNAME other.\n"
    )
    assert set(zone.rrsets[names.from_text("c.ex.")]) == {CNAME, RRSIG, NSEC}
    assert set(zone.rrsets[names.from_text("d.ex.")]) == {DNAME, A, TXT}


def test_signatures_of_several_types_may_have_several_ttls() -> None:
    zone = zone_of(HEAD + f"@ 60 RRSIG SOA {SIGNATURE}\n@ 9 RRSIG NS {SIGNATURE}\n")
    assert zone.warnings == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "zone.db: no SOA record"),
        ("ex. 9 NS a.\n", "zone.db: no SOA record"),
        ("ex. 9 SOA a b 1 2 3 4 5\na.ex. 9 NS a\n", "zone.db: no NS record at the origin ex."),
        (HEAD + "@ SOA ns1 host 2 2 3 4 5\n", "zone.db:5: second SOA at ex. with other data"),
        (HEAD + "a SOA ns1 host 1 2 3 4 5\n", "zone.db:5: second SOA, at a.ex. in the zone ex."),
        (HEAD + "a.other. A 1.1.1.1\n", "zone.db:5: a.other. is outside the zone ex."),
        (HEAD + "aex. A 1.1.1.1\n", "zone.db:5: aex. is outside the zone ex."),
        (HEAD + "a\\002ex. A 1.1.1.1\n", r"zone.db:5: a\002ex. is outside the zone ex."),
        (HEAD + ". A 1.1.1.1\n", "zone.db:5: . is outside the zone ex."),
        ("b. 9 A 1.1.1.1\n" + HEAD, "zone.db:1: b. is outside the zone ex."),
        (HEAD + "c CNAME x\nc A 1.1.1.1\n", "zone.db:6: CNAME and other data at c.ex."),
        (HEAD + "c A 1.1.1.1\nc CNAME x\n", "zone.db:6: CNAME and other data at c.ex."),
        (HEAD + "c DNAME x\nc CNAME x\n", "zone.db:6: CNAME and other data at c.ex."),
        (HEAD + "@ CNAME x\n", "zone.db:5: CNAME and other data at ex."),
        (HEAD + "c CNAME x\nc CNAME y\n", "zone.db:6: second CNAME at c.ex. with other data"),
        (HEAD + "c DNAME x\nc DNAME y\n", "zone.db:6: second DNAME at c.ex. with other data"),
    ],
)
def test_a_zone_that_cannot_be_served_is_refused(text: str, reason: str) -> None:
    assert refused(text).startswith(reason)


def test_what_no_answer_could_carry_is_refused() -> None:
    many = "".join(f"a TYPE65400 \\# 2 {n:04x}\n" for n in range(MAX_RRSET_RECORDS + 1))
    assert f"zone.db:{4 + MAX_RRSET_RECORDS + 1}: the records of type 65400" in refused(HEAD + many)
    assert "fit no answer" in refused(HEAD + f"a TYPE65400 \\# 60000 {'00' * 60_000}\n")
    half = f"\\# 30000 {'00' * 30_000}"
    assert "fit no answer" in refused(HEAD + f"a TYPE65400 {half}\na TYPE65400 {half[:-1]}1\n")
    types = "".join(f"a TYPE{65_000 + n} \\# 0\n" for n in range(MAX_TYPES_PER_NAME + 1))
    assert "more than 256 record types at a.ex." in refused(HEAD + types)


def test_a_name_too_long_for_the_store_is_told_with_its_place() -> None:
    label = "\\001" * 63
    assert refused(HEAD + f"{label}.{label}.{label}.{label[:-16]} A 192.0.2.1\n").startswith(
        "zone.db:5: "
    )


@given(st.lists(st.sampled_from(ROWS), max_size=9, unique=True))
def test_a_zone_as_it_is_read_builds_as_any_other_mapping_does(rows: list[str]) -> None:
    """What is held small (names of one record) and what is not come to the same nodes."""
    zone = zone_of(HEAD + "".join(row + "\n" for row in rows))
    plain = {owner: dict(rrsets) for owner, rrsets in zone.rrsets.items()}
    assert list(build(zone.origin, zone.rrsets)) == list(build(zone.origin, plain))


def test_a_wrong_file_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "ex.zone"
    path.write_text(HEAD + "c CNAME x\nc CNAME y\n")
    with pytest.raises(ZoneError) as caught:
        read_zone(path)
    assert caught.value.where == f"{path}:6"


def test_every_zone_of_the_conformance_cases_is_accepted(shared: Path) -> None:
    cases = shared / "conformance" / "ferret.jsonl.gz"
    with gzip.open(cases, "rt", encoding="utf-8") as lines:
        zones = [zone_of(json.loads(line)["zone"]) for line in lines]
    assert len(zones) == 3357
    assert all({SOA, NS} <= set(zone.rrsets[zone.origin]) for zone in zones)
