"""Prefixes of identifiers: the three forms, segments that are left open, what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import prefix
from csid.errors import IdentifierError
from csid.identifier import Identifier
from tests.support.identifiers import identifiers

SUFFIX = "csid.internal."
OWNER = "91330106673959654P"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("",)),
        (OWNER.lower(), (OWNER,)),
        (f"{OWNER}/6450/33", (OWNER, "6450", "33")),
        (f"{OWNER}/6450/", (OWNER, "6450", "")),
        ("*/6450", ("*", "6450")),
        (f"0.EXAMPLE.{OWNER}", (OWNER,)),
        (f"0.EXAMPLE.{OWNER}/64", (OWNER, "64")),
        (f"10.1.{OWNER}/64", (OWNER, "64")),  # of another authority, as an identifier may be
        (f"6450.{OWNER}.{SUFFIX}", (OWNER, "6450", "")),
        (SUFFIX, ("",)),
    ],
)
def test_a_prefix_is_read_in_each_of_its_forms(text: str, parts: tuple[str, ...]) -> None:
    assert prefix.parts(text, SUFFIX, "0.EXAMPLE") == parts


@pytest.mark.parametrize(
    "text", ["a//b", "/a", "所属", "a..b", "www.example.com", "a/b/c/d/e/f", "a" * 2_000]
)
def test_what_begins_no_identifier_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError):
        prefix.parts(text, SUFFIX, "0.EXAMPLE")


@given(identifiers(), st.integers(1, 4))
def test_the_first_segments_of_an_identifier_are_a_prefix_in_every_form(
    identifier: Identifier, depth: int
) -> None:
    segments = str(identifier).split("/")
    text = "/".join(segments[:depth])
    assert prefix.whole(text.lower() + "/") == text
    assert list(prefix.ancestors(text))[-1] == text
    assert len(list(prefix.ancestors(text))) == depth
    name = identifier.to_dns_name(SUFFIX).split(".", 5 - depth)[-1]
    assert prefix.parts(name, SUFFIX) == (*segments[:depth], "")
    assert prefix.parts(identifier.to_dns_name(SUFFIX), SUFFIX) == tuple(segments)
    assert prefix.is_whole_identifier(str(identifier))
    assert not prefix.is_whole_identifier(text)


@pytest.mark.parametrize("text", ["", f"{OWNER}/", f"{OWNER}/6450/330106/ACV/H60M07A1", "*/6450"])
def test_whole_segments_are_asked_for_by_number_and_value(text: str) -> None:
    with pytest.raises(IdentifierError):
        prefix.whole(text, least=2)
