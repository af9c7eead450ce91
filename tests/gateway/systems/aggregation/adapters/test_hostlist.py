"""Slurm's lists of hosts, written out."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.slurm.hostlist import beginning, hosts


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("c5", "c5"),
        ("c[1-3,5],g1", "c1 c2 c3 c5 g1"),
        ("r[1-2]n[09-11]-ib", "r1n09-ib r1n10-ib r1n11-ib r2n09-ib r2n10-ib r2n11-ib"),
        ("ip-[1017251521-1017251523]", "ip-1017251521 ip-1017251522 ip-1017251523"),
        ("x[0-1][0-1][0][0][0]", "x00000 x01000 x10000 x11000"),
        ("c[98-101]", "c98 c99 c100 c101"),
        ("", ""),
    ],
)
def test_lists_of_hosts(said: str, names: str) -> None:
    assert hosts(said) == (names.split(), [])


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("c[", "c"),
        ("c[1-", "c"),
        ("c[3-1]", "c"),
        ("c[a]", "c"),
        ("c]", "c"),
        ("c[1-999999999]", "c"),
        ("a[1-999][1-999][1-999]", "a"),
        ("a[0][0][0][0][0][0]", "a"),
        ("[1-999999]", ""),
        (f"c[{'9' * 21}]", "c"),
        ("a" * 256, "a" * 255),
        ("a" * 250 + "[99998-100000]", "a" * 250),
    ],
)
def test_what_is_no_list_of_hosts_or_one_without_end_is_not_read(said: str, begins: str) -> None:
    assert hosts(f"g1,{said},g[2-3]") == (["g1", "g2", "g3"], [said])
    assert beginning(said) == begins


@pytest.mark.parametrize(
    "said",
    [
        *("a" + "[1-99999]" * brackets for brackets in (2, 5, 16, 1_000)),
        *("a" * letters + "[1-99999]" for letters in (260, 4_000)),
        "a" * 1_000_000,
        "c[," * 100_000,
        "c]," * 100_000,
        "[" * 100_000,
    ],
)
def test_a_list_of_hosts_takes_no_more_memory_than_what_comes_of_it(said: str) -> None:
    tracemalloc.start()
    try:
        assert not hosts(said).names
        assert tracemalloc.get_traced_memory()[1] < 4 * len(said) + 200_000
    finally:
        tracemalloc.stop()


@given(st.text("c[]-, 0123456789", max_size=40), st.integers(0, 1_000))
def test_whatever_a_list_of_hosts_is(said: str, most: int) -> None:
    found = hosts(said, most)
    assert len(found.names) <= most
    assert all(0 < len(name) <= 255 for name in found.names)
    assert all(item in said for item in found.unread)


@given(st.lists(st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True), max_size=9))
def test_names_in_a_row_are_those(names: list[str]) -> None:
    assert hosts(",".join(names)) == (names, [])
