"""Zones that come from a primary, whole or as changes: equal to a load of the same records."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from csid import names
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.sync.transfer import intake, sorter
from resolver.sync.transfer.fetch import Fetch
from resolver.zonefile import check
from resolver.zonefile.reader import read_text
from tests.support import trees
from tests.support.servers import make_data
from tests.support.transfers import NOW, Line, given, lines_of, messages, soa, whole

ZONE = "net."
ORIGIN = names.from_text(ZONE)
TEXT = """\
$ORIGIN net.
$TTL 60
@ NS ns.net.
@ NS ns.cut.net.
ns A 192.0.2.1
a.b.c TXT "x" "y"
a.b.c TXT "z"
a.b.c A 192.0.2.3
*.w TXT "wild"
cut NS ns.cut
cut NS ns.deep.cut
cut NS ns
ns.cut A 192.0.2.2
ns.cut AAAA 2001:db8::1
deep.cut TXT "occluded"
d DNAME elsewhere.example.
x.d MX 1 y.d
al CNAME ns
mail MX 1 mail
mail MX 2 ns
mail A 192.0.2.9
svc HTTPS 1 . alpn=h2
svc A 192.0.2.4
hid.cut HTTPS 1 .
hid.cut A 192.0.2.7
own.d MX 1 own.d
own.d A 192.0.2.8
srv SRV 1 2 3 absent.w
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data"), writable=True) as opened:
        yield opened


def nodes(store: Store) -> dict[bytes, bytes]:
    with store.read() as read:
        return dict(read.nodes(read.zone(ORIGIN).generation))


def loaded(lines: Sequence[Line], serial: int) -> dict[bytes, bytes]:
    """The nodes that a load of these records makes."""
    text = "\n".join(
        f"{one.owner} {one.ttl} {one.rrtype} {one.data}" for one in [soa(ZONE, serial), *lines]
    )
    zone = check.collect(read_text(text), "zone")
    return dict(build(zone.origin, zone.rrsets))


def test_a_zone_that_comes_whole_is_the_one_that_a_load_makes(store: Store) -> None:
    lines = lines_of(TEXT, ZONE)
    fetch = Fetch(store, ORIGIN, None, NOW)
    assert given(fetch, messages(fetch.request, whole(ZONE, 7, lines), 5))
    assert nodes(store) == loaded(lines, 7)
    assert fetch.result is not None
    assert fetch.result[:2] == ("AXFR", 7)
    trees.check(store)


@pytest.fixture
def held(store: Store) -> Store:
    """A store that holds the zone with serial 7."""
    fetch = Fetch(store, ORIGIN, None, NOW)
    assert given(fetch, messages(fetch.request, whole(ZONE, 7, lines_of(TEXT, ZONE))))
    return store


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_names_does_not_matter(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when they are written in many transactions and sorted in many runs."""
    if seed:
        monkeypatch.setattr(intake, "INTAKE_NODES", 3)
        monkeypatch.setattr(intake, "NODES_PER_LOOK", 2)
        monkeypatch.setattr(intake, "POINTERS_PER_COMMIT", 1)
        monkeypatch.setattr(sorter, "INTAKE_OCTETS", 600)
    lines = lines_of(TEXT, ZONE)
    random.Random(seed).shuffle(lines)
    fetch = Fetch(store, ORIGIN, None, NOW)
    assert given(fetch, messages(fetch.request, whole(ZONE, 7, lines), 5))
    assert nodes(store) == loaded(lines, 7)
    trees.check(store)
    store.sweep()
    assert trees.leftovers(store) == 0


def test_changes_of_several_versions_are_made_at_once(held: Store) -> None:
    before = lines_of(TEXT, ZONE)
    gone = [one for one in before if one.owner in ("a.b.c.net.", "d.net.", "ns.cut.net.")]
    come = [Line("n.x.net.", "A", "192.0.2.77"), Line("cut.net.", "NS", "ns.x.net.")]
    passing = Line("p.net.", "TXT", '"x"')
    fetch = Fetch(held, ORIGIN, None, NOW)
    sent = [soa(ZONE, 9), soa(ZONE, 7), *gone, soa(ZONE, 8), passing]
    sent += [soa(ZONE, 8), passing, soa(ZONE, 9), *come, soa(ZONE, 9)]
    assert given(fetch, messages(fetch.request, sent, 3))
    assert fetch.result is not None
    assert fetch.result[:2] == ("IXFR", 9)
    after = [one for one in before if one not in gone] + come
    assert nodes(held) == loaded(after, 9)
    trees.check(held)


def test_an_ixfr_may_be_answered_by_the_whole_zone(held: Store) -> None:
    lines = [Line(ZONE, "NS", "ns.net."), Line("ns.net.", "A", "192.0.2.1")]
    fetch = Fetch(held, ORIGIN, None, NOW)
    assert given(fetch, messages(fetch.request, whole(ZONE, 8, lines), 1))
    assert nodes(held) == loaded(lines, 8)


def test_nothing_newer_is_one_soa(held: Store) -> None:
    before = nodes(held)
    fetch = Fetch(held, ORIGIN, None, NOW)
    assert given(fetch, messages(fetch.request, [soa(ZONE, 7)]))
    assert fetch.result is not None
    assert fetch.result[:2] == ("CURRENT", 7)
    assert nodes(held) == before


def test_what_replaces_a_zone_is_noted_in_its_journal(held: Store) -> None:
    lines = lines_of(TEXT, ZONE)
    fetch = Fetch(held, ORIGIN, None, NOW, full=True)
    come = Line("zz.net.", "A", "192.0.2.1")
    assert given(fetch, messages(fetch.request, whole(ZONE, 8, [*lines, come])))
    with held.read() as read:
        assert read.journal(read.zone(ORIGIN)).since(7) == {b"zz\0": b""}


@pytest.mark.parametrize("in_pieces", [False, True])
def test_nothing_is_left_of_what_was_replaced(
    held: Store, in_pieces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_pieces:
        monkeypatch.setattr(intake, "AT_ONCE", 2)
    fetch = Fetch(held, ORIGIN, None, NOW, full=True)
    assert given(fetch, messages(fetch.request, whole(ZONE, 8, lines_of(TEXT, ZONE))))
    assert trees.leftovers(held) == 0


def test_another_generation_that_is_being_built_stays(held: Store) -> None:
    with held.building() as building:
        with held.write() as txn:
            txn.put_nodes(ORIGIN, building, [(b"", b"\0\0")])
        fetch = Fetch(held, ORIGIN, None, NOW, full=True)
        assert given(fetch, messages(fetch.request, whole(ZONE, 8, lines_of(TEXT, ZONE))))
        with held.read() as read:
            assert dict(read.nodes(building))
