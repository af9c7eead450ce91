"""Zones of all shapes, in any order, by any changes: what comes is what a load makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.errors import ZoneError
from resolver.store import node
from resolver.store.environment import Store
from resolver.sync.transfer import intake, sorter
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch
from tests.resolver.sync.test_fetch import ORIGIN, ZONE, loaded, nodes
from tests.support import trees
from tests.support.servers import make_data
from tests.support.transfers import NOW, Line, messages, soa, whole
from tests.support.transfers import given as give

LABELS = ("a", "b", "*", "cut", "d", r"\000", r"\001", "xx")
OWNERS = st.lists(st.sampled_from(LABELS), max_size=4).map(
    lambda labels: ".".join([*labels, "net."])
)
TTLS = st.sampled_from((60, 60, 60, 90))


def data(rrtype: str, target: str, number: int) -> str:
    """Data of a type; where it leads to hosts, to this one."""
    return {
        "A": f"192.0.2.{number}",
        "AAAA": f"2001:db8::{number}",
        "TXT": f'"{number}"',
        "MX": f"{number} {target}",
        "SRV": f"1 2 {number} {target}",
        "HTTPS": f"{number} {target if number else 'b.net.'}",
        "NS": target,
        "CNAME": target,
        "DNAME": target,
        "TYPE65400": rf"\# 1 0{number}",
    }[rrtype]


PLAIN = ("A", "A", "A", "AAAA", "TXT", "MX", "SRV", "HTTPS", "TYPE65400", "NS", "NS", "DNAME")
RECORDS = st.builds(
    lambda owner, rrtype, target, number, ttl: Line(
        owner, rrtype, data(rrtype, target, number), ttl
    ),
    OWNERS,
    st.sampled_from((*PLAIN, "CNAME")),
    OWNERS | st.sampled_from((".", "elsewhere.")),
    st.integers(0, 3),
    TTLS,
)
ZONES = st.lists(RECORDS, max_size=40).map(lambda made: [Line(ZONE, "NS", "a.net."), *made])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = make_data(tmp_path_factory.mktemp("intake") / "data")
    with Store.open(path, writable=True, sync=False) as opened:
        yield opened


@pytest.fixture(params=["at once", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in pieces":
        monkeypatch.setattr(intake, "INTAKE_NODES", 5)
        monkeypatch.setattr(intake, "NODES_PER_LOOK", 3)
        monkeypatch.setattr(intake, "POINTERS_PER_COMMIT", 2)
        monkeypatch.setattr(intake, "AT_ONCE", 3)
        monkeypatch.setattr(sorter, "INTAKE_OCTETS", 2_000)


SOME = settings(max_examples=60, deadline=None)


def whole_of(lines: Sequence[Line], serial: int) -> dict[bytes, bytes] | None:
    """The nodes that a load makes; None if it refuses the zone."""
    try:
        return loaded(lines, serial)
    except ZoneError:
        return None


def in_any_order(made: dict[bytes, bytes]) -> dict[bytes, tuple[int, int, dict[int, object]]]:
    """Nodes, the records of each RRset in an order of their own, additional records left out."""
    return {
        key: (
            blob[0],
            blob[1],
            {rrtype: (ttl, sorted(datas)) for rrtype, (ttl, datas) in node.rrsets_of(blob)},
        )
        for key, blob in made.items()
    }


@pytest.mark.usefixtures("pieces")
@SOME
@given(ZONES, st.booleans(), st.integers(1, 30))
def test_a_whole_zone_is_what_a_load_makes_of_it(
    store: Store, lines: list[Line], in_order: bool, most: int
) -> None:
    if in_order:
        lines = sorted(lines, key=lambda one: one.rrset().name)
    wanted = whole_of(lines, 7)
    fetch = Fetch(store, ORIGIN, None, NOW, full=True, forced=True)
    sent = messages(fetch.request, whole(ZONE, 7, lines), most)
    if wanted is None:
        with pytest.raises(TransferError):
            give(fetch, sent)
        store.sweep()
        assert trees.leftovers(store) == 0
        return
    assert give(fetch, sent)
    assert nodes(store) == wanted
    trees.check(store)
    assert trees.leftovers(store) == 0


def different(one: Sequence[Line], other: Sequence[Line]) -> list[Line]:
    """The records of a zone that another one does not have, each once."""
    left = {(line.rrset().name, line.rrtype, line.data, line.ttl) for line in other}
    return list(
        {
            (name, line.rrtype, line.data): line
            for line in one
            if ((name := line.rrset().name), line.rrtype, line.data, line.ttl) not in left
        }.values()
    )


def of_one_ttl(lines: Sequence[Line]) -> list[Line]:
    """A zone as a server would hold it: no record twice, one TTL an RRset."""
    once = {(line.rrset().name, line.rrtype, line.data): line._replace(ttl=60) for line in lines}
    return list(once.values())


@SOME
@given(st.lists(ZONES, min_size=2, max_size=4), st.integers(1, 30))
def test_changes_lead_to_what_a_load_makes_of_the_last_version(
    store: Store, versions: list[list[Line]], most: int
) -> None:
    zones = [of_one_ttl(lines) for lines in versions]
    if any(whole_of(lines, 1) is None for lines in zones):
        return
    fetch = Fetch(store, ORIGIN, None, NOW, full=True, forced=True)
    assert give(fetch, messages(fetch.request, whole(ZONE, 1, zones[0])))
    last = len(zones)
    sent = [soa(ZONE, last)]
    for serial in range(1, last):
        before, after = zones[serial - 1], zones[serial]
        sent += [soa(ZONE, serial), *different(before, after)]
        sent += [soa(ZONE, serial + 1), *different(after, before)]
    sent.append(soa(ZONE, last))
    fetch = Fetch(store, ORIGIN, None, NOW)
    assert give(fetch, messages(fetch.request, sent, most))
    assert fetch.result is not None
    assert fetch.result.kind == "IXFR"
    assert in_any_order(nodes(store)) == in_any_order(loaded(zones[-1], last))
    trees.check(store)
