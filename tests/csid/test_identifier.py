"""Identifiers are read in every form, written without loss, and refused with the place named."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from datetime import date

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import IdentifierError
from csid.identifier import Identifier, fold, from_dns_name, from_handle, make, parse
from tests.support.identifiers import PRINTED, identifiers

FIRST = PRINTED[0]
OWNER, INDUSTRY, LOCATION, TYPE, SPEC = FIRST.split("/")
SUFFIX_WIRE = b"\x04csid\x08internal\x00"


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if 0x21 <= ord(c) <= 0x7E else c for c in text)


@pytest.mark.parametrize("text", PRINTED)
def test_a_printed_identifier_is_valid_and_canonical(text: str) -> None:
    assert str(parse(text)) == text


def test_the_parts_of_the_specification_have_names() -> None:
    found = parse(FIRST)
    assert (found.capability, found.serial, found.check) == ("H60M07A1", "0001", "FY")


def test_the_mappings_are_those_of_the_design() -> None:
    found = parse(FIRST)
    name = "h60m07a1-0001-fy.acv.330106.6450.91330106673959654p.csid.internal."
    assert found.to_dns_name() == name
    assert found.to_handle() == f"0.EXAMPLE.{FIRST}"
    assert found.to_handle("20.500.12357") == f"20.500.12357.{FIRST}"
    assert parse(name) == parse(f"0.EXAMPLE.{FIRST}") == found


@given(identifiers(), st.sampled_from([None, "csid.internal", "Example.ORG.", "."]))
def test_the_dns_name_is_lossless(identifier: Identifier, suffix: str | None) -> None:
    name = identifier.to_dns_name(suffix)
    assert name == name.lower()
    assert name.endswith(".")
    for written in (name, name.removesuffix("."), name.upper()):
        assert from_dns_name(written, suffix=suffix) == identifier
        assert parse(written, suffix=suffix) == identifier


@given(identifiers(), st.sampled_from([None, "0.EXAMPLE", "20.500.12357", "86"]))
def test_the_handle_is_lossless(identifier: Identifier, authority: str | None) -> None:
    handle = identifier.to_handle(authority)
    assert from_handle(handle, authority=authority) == identifier
    assert parse(handle) == parse(handle.lower()) == identifier


@given(identifiers())
def test_the_text_is_lossless_in_lower_case_and_full_width(identifier: Identifier) -> None:
    text = str(identifier)
    for written in (text, text.lower(), full_width(text), full_width(text.lower()), f" {text}\n"):
        assert parse(written) == identifier
    assert parse(f"　{text}　") == identifier


@given(identifiers())
def test_making_an_identifier_from_its_parts_gives_it_again(identifier: Identifier) -> None:
    i = identifier
    parts = (i.owner, i.industry, i.location, i.type, i.capability, i.serial)
    assert make(*parts) == identifier
    assert make(*(full_width(part.lower()) for part in parts)) == identifier


@given(identifiers())
def test_the_wire_name_is_what_dnspython_makes(identifier: Identifier) -> None:
    assert identifier.to_wire(SUFFIX_WIRE) == dns.name.from_text(identifier.to_dns_name()).to_wire()


@given(identifiers(), identifiers())
def test_identifiers_compare_hash_and_travel(a: Identifier, b: Identifier) -> None:
    assert (a == b) == (str(a) == str(b))
    assert (a < b) == (str(a).split("/") < str(b).split("/"))
    assert pickle.loads(pickle.dumps(a)) == a == copy.copy(a)
    assert len({a, parse(str(a))}) == 1


def test_an_identifier_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse(FIRST).owner = "X"  # type: ignore[misc]


@given(identifiers(), st.data())
def test_no_single_substitution_gives_a_valid_identifier(
    identifier: Identifier, data: st.DataObject
) -> None:
    text = str(identifier)
    place = data.draw(st.integers(0, len(text) - 1))
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    wrong = data.draw(st.sampled_from(alphabet.replace(text[place], "")))
    with pytest.raises(IdentifierError):
        parse(text[:place] + wrong + text[place + 1 :])


@given(identifiers(), st.data())
def test_no_adjacent_transposition_gives_a_valid_identifier(
    identifier: Identifier, data: st.DataObject
) -> None:
    text = str(identifier)
    place = data.draw(st.integers(0, len(text) - 2))
    if text[place] == text[place + 1]:
        return
    with pytest.raises(IdentifierError):
        parse(text[:place] + text[place + 1] + text[place] + text[place + 2 :])


@given(st.text())
def test_any_text_is_an_identifier_or_refused_with_a_reason(text: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse(text)
    assert caught.value.reason


@given(identifiers(), st.data())
def test_an_identifier_with_anything_put_in_is_refused(
    identifier: Identifier, data: st.DataObject
) -> None:
    text = str(identifier)
    place = data.draw(st.integers(1, len(text) - 1))
    foreign = data.draw(st.characters(exclude_characters=text))
    if fold(foreign).isascii() and fold(foreign).isalnum():
        return
    with pytest.raises(IdentifierError):
        parse(text[:place] + foreign + text[place:])


WRONG = [
    # text, segment, position, a word of the reason
    ("", "identifier", 0, "found 0"),
    (f"{OWNER}/{INDUSTRY}/{LOCATION}/{TYPE}", "identifier", 0, "5 segments"),
    (f"{FIRST}/X", "identifier", 0, "found 6"),
    ("x" * 600, "identifier", 0, "512"),
    (FIRST.replace("6739", "673O"), "owner", 12, "'O'"),
    (FIRST.replace("9654P", "9654"), "owner", 18, "ends after 17"),
    (FIRST.replace("9654P", "9655P"), "owner", 18, "check character"),
    (FIRST.replace("54P/", "54PP/"), "owner", 19, "'P'"),
    (FIRST.replace("9133", "B133"), "owner", 1, "'B'"),
    (FIRST.replace("P/", "P /"), "owner", 19, "space"),
    (FIRST.replace("6450", "64 0"), "industry", 3, "space"),
    (FIRST.replace("/6450", "/"), "industry", 0, "empty"),
    (FIRST.replace("6450", "6498"), "industry", 4, "table"),
    (FIRST.replace("/330106", "/330199"), "location", 5, "table"),
    (FIRST.replace("/330106", "/990106"), "location", 1, "table"),
    (FIRST.replace("/330106", "/CNSHA"), "location", 1, "GB/T 2260"),
    (FIRST.replace("/330106", "/USNY1"), "location", 5, "'1'"),
    (FIRST.replace("/330106", "/QQNYC"), "location", 2, "table"),
    (FIRST.replace("ACV", "ACX"), "type", 3, "'X'"),
    (FIRST.replace("ACV", "AC"), "type", 3, "ends after 2"),
    (FIRST.replace("H60", "Z60"), "spec", 1, "precision"),
    (FIRST.replace("M07A1", "M07ZZ"), "spec", 8, "chip family"),
    (FIRST.replace("0001", "0001000100010"), "spec", 22, "'-'"),
    (FIRST.replace("-0001-", "--"), "spec", 10, "serial"),
    (FIRST.replace("FY", "FZ"), "spec", 15, "check characters"),
    (FIRST.replace("FY", "FY1"), "spec", 17, "'1'"),
    (FIRST.replace("A1", "А1"), "spec", 7, "U+0410"),  # Cyrillic
    (FIRST.replace("0001", "١١١١"), "spec", 10, "U+0661"),
    (f"86..100.{FIRST}", "handle", 0, "naming authority"),
    ("a.b.example.org.", "identifier", 0, "suffix"),
    (parse(FIRST).to_dns_name("example.org"), "identifier", 0, "suffix"),
    (parse(FIRST).to_dns_name().replace("6450", "6498"), "industry", 4, "table"),
]


@pytest.mark.parametrize(("text", "segment", "position", "word"), WRONG)
def test_a_refusal_names_segment_position_and_reason(
    text: str, segment: str, position: int, word: str
) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse(text)
    assert (caught.value.segment, caught.value.position) == (segment, position)
    assert word in caught.value.reason


def test_a_refusal_does_not_offer_the_check_that_would_hold() -> None:
    for text, right in ((FIRST.replace("FY", "00"), "FY"), (FIRST.replace("4P/", "40/"), "P")):
        with pytest.raises(IdentifierError) as caught:
            parse(text)
        assert right not in caught.value.reason


def test_check_characters_beyond_the_modulus_are_refused() -> None:
    # K0 counts 720; a check of 0 to 24 could also be written 1271 to 1295 (ZB to ZZ).
    made = next(
        found
        for n in range(10_000)
        if (found := make("X00000000000000015", "0000", "640502", "GCV", "G15M05X6", str(n))).check
        <= "0O"
    )
    value = int(made.check, 36) + 1271
    alias = f"Z{'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'[value - 35 * 36]}"
    with pytest.raises(IdentifierError, match="check characters"):
        parse(f"{str(made)[:-2]}{alias}")


def test_a_location_must_be_in_force_on_the_date_of_registration() -> None:
    parts = ("X00000000000000015", "0000", "330104", "GCV", "G15M05X6", "1")
    retired = make(*parts)
    assert parse(str(retired)) == parse(str(retired), on=date(2020, 12, 31)) == retired
    with pytest.raises(IdentifierError, match="retired in 2021; its successor is 330102 上城区"):
        parse(str(retired), on=date(2021, 1, 1))
    with pytest.raises(IdentifierError, match="retired in 2021"):
        make(*parts, on=date(2026, 1, 1))
    with pytest.raises(IdentifierError, match="given in 2021"):
        make("X00000000000000015", "0000", "330113", "GCV", "G15M05X6", "1", on=date(2020, 1, 1))


def test_a_handle_of_another_authority_is_refused_where_one_is_asked_for() -> None:
    assert from_handle(f"86.200.{FIRST}") == parse(FIRST)
    with pytest.raises(IdentifierError, match="is not the naming authority"):
        from_handle(f"86.200.{FIRST}", authority="0.EXAMPLE")
    with pytest.raises(IdentifierError, match="naming authority"):
        from_handle(FIRST)
    with pytest.raises(IdentifierError, match="naming authority"):
        parse(FIRST).to_handle("86/100")
    with pytest.raises(IdentifierError, match="no DNS name"):
        from_dns_name(FIRST)


def test_importing_the_module_reads_no_table_and_loads_no_heavy_module() -> None:
    script = (
        "import sys, csid.identifier; "
        "print([m for m in ('csv', 'tomllib', 'socket', 'trio', 'lmdb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "[]", done.stderr
