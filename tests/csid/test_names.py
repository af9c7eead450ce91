"""Names in their three forms: text, wire and key."""

from __future__ import annotations

import dns.exception
import dns.name
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from csid import names
from csid.errors import DomainNameError
from csid.limits import MAX_KEY_OCTETS

# Octets that escapes, separators and case folding are about, and any other.
OCTETS = st.one_of(st.sampled_from(list(b"\0\1\2aAbBzZ.*-\\@ \x7f\xff[{")), st.integers(0, 255))
LABELS = st.lists(OCTETS, min_size=1, max_size=63).map(bytes)
SHORT_LABELS = st.lists(OCTETS, min_size=1, max_size=3).map(bytes)


def wire_of(labels: list[bytes]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


WIRES = st.one_of(
    st.lists(SHORT_LABELS, max_size=5).map(wire_of),
    st.lists(LABELS, max_size=6).map(wire_of).filter(lambda wire: len(wire) <= 255),
)


@given(WIRES)
def test_a_key_gives_its_name_back_in_lower_case(wire: bytes) -> None:
    key = names.key_of(wire)
    assert names.wire_of_key(key) == wire.lower()
    assert names.labels_of_key(key) == names.labels_of(wire.lower())[::-1]


@given(WIRES)
def test_text_gives_its_name_back_as_it_was(wire: bytes) -> None:
    text = names.to_text(wire)
    assert text.isascii()
    assert text.isprintable()
    assert names.from_text(text) == wire
    assert names.from_text(text.removesuffix(".") or ".") == wire


@given(WIRES)
def test_dnspython_reads_our_text_as_the_same_name(wire: bytes) -> None:
    assert dns.name.from_text(names.to_text(wire)).to_wire() == wire


@given(WIRES)
def test_we_read_the_text_of_dnspython_as_the_same_name(wire: bytes) -> None:
    assert names.from_text(dns.name.from_wire(wire, 0)[0].to_text()) == wire


@given(WIRES, WIRES)
def test_the_order_of_keys_is_the_canonical_order_of_names(one: bytes, other: bytes) -> None:
    """RFC 4034 section 6.1, with dnspython's comparison as the oracle."""
    keys = names.key_of(one), names.key_of(other)
    known = dns.name.from_wire(one, 0)[0], dns.name.from_wire(other, 0)[0]
    assert (keys[0] < keys[1]) == (known[0] < known[1])
    assert (keys[0] == keys[1]) == (known[0] == known[1])


def test_the_example_of_rfc_4034_stands_in_its_order() -> None:
    ordered = [
        "example.",
        "a.example.",
        "yljkjljk.a.example.",
        "Z.a.example.",
        "zABC.a.EXAMPLE.",
        "z.example.",
        "\\001.z.example.",
        "*.z.example.",
        "\\200.z.example.",
    ]
    keys = [names.key_of(names.from_text(text)) for text in ordered]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@given(st.lists(SHORT_LABELS, max_size=3), st.lists(SHORT_LABELS, min_size=1, max_size=3), WIRES)
def test_a_subtree_is_one_range_of_keys(
    upper: list[bytes], lower: list[bytes], other: bytes
) -> None:
    """The names at and below X are the keys that begin with X's, and nothing lies among them."""
    top = names.key_of(wire_of(upper))
    inner = names.key_of(wire_of(lower + upper))
    assert inner.startswith(top)
    outside = names.key_of(other)
    known = dns.name.from_wire(other, 0)[0].is_subdomain(dns.name.from_wire(wire_of(upper), 0)[0])
    assert outside.startswith(top) == known
    if not known:
        assert outside < top or outside > inner


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\0"),
        ("a", b"\1a\0"),
        ("a.", b"\1a\0"),
        ("A.b.", b"\1A\1b\0"),
        ("a\\.b.c.", b"\3a.b\1c\0"),
        ("\\000\\255.", b"\2\0\xff\0"),
        ("\\\\.", b"\1\\\0"),
        ("\\a\\-.", b"\2a-\0"),
        ("*._tcp.x.", b"\1*\4_tcp\1x\0"),
        ("x" * 63 + ".", b"\x3f" + b"x" * 63 + b"\0"),
        (".".join(["x" * 63] * 3 + ["y" * 61]), wire_of([b"x" * 63] * 3 + [b"y" * 61])),
    ],
)
def test_text_that_is_a_name(text: str, wire: bytes) -> None:
    assert names.from_text(text) == wire


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty text"),
        ("..", "empty label"),
        (".a.", "empty label"),
        ("a..b.", "empty label"),
        ("a..", "empty label"),
        ("x" * 64 + ".", "64 octets"),
        (".".join(["x" * 63] * 3 + ["y" * 62]), "256 octets"),
        ("a.\\", "backslash"),
        ("a\\1", "backslash"),
        ("a\\12", "backslash"),
        ("a\\256.", "backslash"),
        ("a\\25٣.", "backslash"),
        ("a\\é.", "backslash"),
        ("é.", "not ASCII"),
        ("x٣.", "not ASCII"),
    ],
)
def test_text_that_is_no_name_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(DomainNameError, match=said):
        names.from_text(text)


@given(st.text(alphabet="ab.\\019é \0", max_size=12))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    """What dnspython takes as an absolute name we take alike."""
    try:
        ours = names.from_text(text)
    except DomainNameError:
        ours = None
    # dnspython takes an empty text as the root or a relative name, and encodes IDNA
    assume(text.isascii() and text)
    try:
        theirs = dns.name.from_text(text).to_wire()
    except (dns.exception.DNSException, ValueError):
        theirs = None
    assert ours == theirs


@given(WIRES, st.binary(max_size=4), st.binary(max_size=4))
def test_a_name_is_read_out_of_a_packet(wire: bytes, before: bytes, after: bytes) -> None:
    packet = before + wire + after
    assert names.read_key(packet, len(before)) == (names.key_of(wire), len(before) + len(wire))


@given(WIRES, st.data())
def test_a_name_cut_short_is_no_name(wire: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(wire) - 1))
    assert names.read_key(wire[:end], 0)[1] == 0
    with pytest.raises(DomainNameError):
        names.key_of(wire[:end])


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\1a\xc0\0", id="a compression pointer"),
        pytest.param(b"\1a\x40b\0", id="an unassigned label type (RFC 6891 section 5)"),
        pytest.param(b"\1a\x80b\0", id="another unassigned label type"),
        pytest.param(b"\1a" * 127 + b"\1\0", id="cut short at the limit"),
        pytest.param(b"\1a" * 127 + b"\1a\0", id="257 octets"),
        pytest.param(b"\1a" * 40_000 + b"\0", id="an endless name"),
    ],
)
def test_octets_that_are_no_name(packet: bytes) -> None:
    assert names.read_key(packet, 0)[1] == 0


def test_the_longest_names_are_read() -> None:
    assert names.read_key(b"\1a" * 127 + b"\0", 0) == (b"a\0" * 127, 255)
    longest = wire_of([b"x" * 63] * 3 + [b"y" * 61])
    assert names.read_key(longest, 0)[1] == 255


@given(st.binary(max_size=300), st.integers(0, 310))
def test_any_octets_are_read_or_refused(packet: bytes, at: int) -> None:
    key, end = names.read_key(packet, at)
    assert end == 0 or (
        at < end <= len(packet) and names.wire_of_key(key) == packet[at:end].lower()
    )


@pytest.mark.parametrize("rest", [b"\0", b"a", b"\1b\0"])
def test_a_whole_name_has_nothing_behind_it(rest: bytes) -> None:
    with pytest.raises(DomainNameError, match="not one uncompressed"):
        names.key_of(b"\1a\0" + rest)


def test_a_name_whose_key_the_store_cannot_take_is_refused() -> None:
    """Each octet 0 or 1 takes two in the key, of which LMDB allows 511, generation included."""
    escaped = wire_of([b"\1" * 63] * 3 + [b"\0" * 61])
    assert len(names.key_of(escaped)) == 504
    with pytest.raises(DomainNameError, match="504 octets, at most 503"):
        names.checked_key(escaped)
    fits = wire_of([b"\1" * 63] * 3 + [b"\0" * 60 + b"x"])
    assert len(names.checked_key(fits)) + 8 == MAX_KEY_OCTETS
