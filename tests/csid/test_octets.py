"""The loops over octets say the same compiled and in plain Python."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csid import octets

coctets = pytest.importorskip("csid.coctets", reason="nothing is compiled here")

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=8)


def wire(labels: list[bytes]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


@given(LABELS, st.binary(max_size=20), st.binary(max_size=20))
@example([b"\0\1\2AZaz[@"], b"", b"")
@example([b"\1" * 63] * 3 + [b"\0" * 61], b"", b"")
@example([b"\1" * 63] * 3 + [b"\0" * 62], b"", b"")
def test_names_are_read_alike(labels: list[bytes], before: bytes, behind: bytes) -> None:
    packet = before + wire(labels) + behind
    key, end = coctets.read_key(packet, len(before))
    assert (key, end) == octets.read_key(packet, len(before))
    assert end in (0, len(before) + len(wire(labels)))


@given(st.binary(max_size=300), st.integers(0, 310))
@example(b"\x3f" + b"a" * 62, 0)
@example(b"\xc0\x0c", 0)
@example(b"\1a", 0)
def test_any_octets_are_read_or_refused_alike(packet: bytes, at: int) -> None:
    assert coctets.read_key(packet, at) == octets.read_key(packet, at)


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.integers(-(2**33), 2**33),
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
)
def test_cookies_are_made_alike(secret: bytes, client: bytes, now: int, address: bytes) -> None:
    made = coctets.cookie_option(secret, client, now, address)
    assert made == octets.cookie_option(secret, client, now, address)


KEY = st.lists(st.binary(min_size=1, max_size=9), max_size=6).map(
    lambda labels: b"".join(label.replace(b"\0", b"\1\1") + b"\0" for label in labels)
)


@given(KEY, KEY, KEY)
@example(b"a\0", b"bc\0", b"b\0")
def test_labels_that_keys_share_end_alike(both: bytes, one: bytes, other: bytes) -> None:
    for start in (0, len(both)):
        end = coctets.shared_end(both + one, both + other, start)
        assert end == octets.shared_end(both + one, both + other, start)
        assert end >= len(both)


@given(KEY, KEY, st.integers(0, 8))
def test_so_many_labels_end_alike(before: bytes, key: bytes, labels: int) -> None:
    def ended(module: ModuleType) -> int:
        try:
            end: int = module.labels_end(before + key, len(before), labels)
        except ValueError:
            return -1
        return end

    end = ended(coctets)
    assert end == ended(octets)
    assert (end < 0) == (key.count(0) < labels)


RECORD = st.binary(max_size=40).map(
    lambda data: b"\xc0\x0c" + bytes(8) + len(data).to_bytes(2, "big") + data
)


@given(st.lists(RECORD, max_size=5), st.binary(max_size=30), st.integers(0, 5))
def test_records_get_another_owner_alike(records: list[bytes], owner: bytes, cut: int) -> None:
    def made(module: ModuleType, of: bytes) -> bytes | None:
        try:
            result: bytes = module.with_owner(of, owner)
        except IndexError:
            return None
        return result

    whole = b"".join(records)
    for of in (whole, whole[: len(whole) - cut]):
        assert made(coctets, of) == made(octets, of)
    assert made(coctets, whole) == b"".join(owner + record[2:] for record in records)


@given(
    st.binary(min_size=12, max_size=60),
    st.integers(0, 48),
    st.integers(0, 65_535),
    st.tuples(*[st.integers(0, 65_535)] * 3),
    st.tuples(*[st.binary(max_size=50)] * 4),
)
def test_messages_are_put_together_alike(
    query: bytes,
    question: int,
    flags: int,
    counts: tuple[int, int, int],
    sections: tuple[bytes, bytes, bytes, bytes],
) -> None:
    end = min(12 + question, len(query))
    made = coctets.message(query, end, flags, *counts, *sections)
    assert made == octets.message(query, end, flags, *counts, *sections)


@given(
    st.binary(max_size=60),
    st.lists(st.integers(0, 70), max_size=5),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_records_get_another_ttl_alike(
    records: bytes, places: list[int], is_odd: bool, ttl: int
) -> None:
    offsets = b"".join(one.to_bytes(2, "big") for one in places) + b"\0" * is_odd

    def made(module: ModuleType) -> bytes | None:
        try:
            result: bytes = module.with_ttl(records, offsets, ttl)
        except IndexError:
            return None
        return result

    found = made(octets)
    assert made(coctets) == found
    assert (found is None) == any(at + 4 > len(records) for at in places)
    if found is not None:
        assert all(
            found[at : at + 4] == ttl.to_bytes(4, "big")
            for at in places
            if not any(0 < other - at < 4 or 0 < at - other < 4 for other in places)
        )
