"""Pointers from hosts to the names that lead to them: found by host, and by what is above hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.limits import MAX_KEY_OCTETS
from resolver.store.environment import Store
from resolver.store.extras import hosts_in, leads_inside
from resolver.store.node import RRset, encode
from resolver.store.pointers import Pointers, row
from tests.support.servers import make_data

GENERATION = b"\0\0\0\0\0\0\0\x63"
OTHERS = (b"\0\0\0\0\0\0\0\x62", b"\0\0\0\0\0\0\0\x64")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_data(tmp_path_factory.mktemp("pointers") / "data")
    with Store.open(path, writable=True, sync=False) as opened:
        yield opened


LONG = [b"\1\2" * 63 + b"\0", b"\1\1" * 63 + b"\0"]  # four of these do not fit a row
LABEL = st.sampled_from([b"a\0", b"b\0", b"*\0", b"\1\1\0", *LONG])
KEY = st.one_of(
    st.lists(LABEL, max_size=3).map(b"".join),
    st.tuples(st.lists(st.sampled_from(LONG), min_size=3, max_size=3), st.lists(LABEL, max_size=4))
    .map(lambda both: b"".join([*both[0], b"\1\1" * 59 + b"\0", *both[1]]))
    .filter(lambda key: len(key) <= MAX_KEY_OCTETS - 8),
)


@given(
    st.sets(st.tuples(KEY, KEY), max_size=30),
    st.lists(KEY, max_size=30),
    st.lists(KEY, max_size=3),
)
def test_pointers_are_found_as_a_search_of_all_would_find_them(
    store: Store, pairs: set[tuple[bytes, bytes]], keys: list[bytes], more: list[bytes]
) -> None:
    with store.write(keep=False) as txn:
        table = txn.table(b"pointers")
        pointers = Pointers(table, GENERATION)
        for other in OTHERS:
            table.put(*row(other, b"a\0", b"b\0"))
        for host, owner in pairs:
            pointers.change(owner, [], [host])
        hosts = sorted({host for host, _ in pairs})
        for key in {*keys, *hosts}:
            below = [host for host in hosts if host.startswith(key)]
            assert list(pointers.hosts(key)) == below
            assert set(pointers.owners(key)) == {owner for host, owner in pairs if host == key}
        assert pointers.led_to(keys, more) == {
            key for key in [*keys, *more] if any(host.startswith(key) for host in hosts)
        }
        for host, owner in pairs:
            pointers.change(owner, [host], [])
        assert table.entries() == len(OTHERS) + 1  # and that of the zone


@given(
    st.sampled_from([b"\0", b"\3Net\0", b"\1Z\3Net\0", b"\x3f" + b"z" * 63 + b"\3net\0"]),
    st.lists(
        st.sampled_from([b"\1a", b"\1Z", b"\3neT", b"\6x\1z\3net", b"\x3f" + b"Z" * 63]), max_size=4
    ),
    st.sampled_from([2, 15, 33, 64, 65, 16]),
)
def test_what_leads_inside_is_seen_at_a_glance(
    origin: bytes, labels: list[bytes], rrtype: int
) -> None:
    """More may be: `hosts_in` looks closely."""
    origin = origin.lower()
    prefix = {2: b"", 33: bytes(6)}.get(rrtype, b"\0\1")
    host = b"".join(labels) + b"\0"
    blob = encode({rrtype: RRset(1, [prefix + b"\3out\0", prefix + host])})
    inside = hosts_in(names.key_of(origin), b"owner\0", blob)
    assert leads_inside(origin, blob) >= bool(inside)
    if rrtype == 16 or (origin != b"\0" and not host.lower().endswith(origin)):
        assert not leads_inside(origin, blob)
