"""Two trees side by side: what the names that differ had before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from csid.protocol import MX, SOA, TXT, A
from resolver.store.difference import difference, serial_in, settled, with_serial
from resolver.store.node import EMPTY, Extra, RRset, encode, rrsets_of, with_cover

KEYS = st.sampled_from([b"", b"a\0", b"a\0b\0", b"a\0c\0", b"b\0", b"c\0d\0"])
BARE = [EMPTY, *(encode({TXT: RRset(60, [b"\1" + text])}) for text in (b"x", b"y"))]
MAIL = {MX: RRset(60, [b"\0\1\1h\0"])}
BLOBS = st.one_of(
    st.sampled_from(BARE),
    st.builds(
        lambda cover, extra: encode(MAIL, cover, {MX: Extra(1, extra)}),
        st.integers(0, 2),
        st.sampled_from([b"one", b"other"]),
    ),
    st.builds(lambda blob: with_cover(blob, 1), st.sampled_from(BARE)),
)
TREES = st.dictionaries(KEYS, BLOBS)


@given(TREES, TREES, st.sets(KEYS))
def test_the_names_that_differ_are_those_whose_records_do(
    old: dict[bytes, bytes], new: dict[bytes, bytes], again: set[bytes]
) -> None:
    def records(tree: dict[bytes, bytes], key: bytes) -> dict[int, RRset]:
        return dict(rrsets_of(tree.get(key, EMPTY)))

    expected = {
        key: old[key] if records(old, key) else None
        for key in {*old, *new}
        if records(old, key) != records(new, key)
    }
    found = difference(iter(sorted(old.items())), iter(sorted(new.items())))
    assert found == expected
    stale = {**expected, **dict.fromkeys(again)}
    assert settled(stale, again, old.get, new.get) == expected
    assert difference(iter(sorted(old.items())), iter(sorted(new.items())), 0) == (
        None if old or new else {}
    )


def test_a_serial_is_no_difference_and_what_else_the_soa_says_is() -> None:
    soa = b"\0\0" + bytes(range(20))
    hostile = {1: RRset(60, [b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x16" + soa])}  # looks like the SOA
    apex = encode({SOA: RRset(60, [soa]), A: hostile[1]})
    moved = with_serial(apex, 9)
    assert (serial_in(moved), serial_in(apex)) == (9, int.from_bytes(soa[2:6], "big"))
    assert dict(rrsets_of(moved))[A] == hostile[1]
    assert difference(iter([(b"", apex)]), iter([(b"", moved)])) == {}
    other = encode({SOA: RRset(60, [soa[:-1] + b"\7"]), A: hostile[1]})
    assert difference(iter([(b"", apex)]), iter([(b"", other)])) == {b"": apex}
