"""Zones loaded, rebuilt and dropped while others assign: nothing of either is lost."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.errors import ZoneError
from registry.authority import judged
from registry.rules.requests import Assign, Update
from registry.service import Registry
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones import keeper, work
from registry.zones.asked import Asked
from registry.zones.rebuild import Remake
from resolver.store import build, node
from resolver.store.read import ReadTransaction
from resolver.zonefile import load as loading
from resolver.zonefile.load import Loaded, load, write
from resolver.zonefile.writer import dump
from tests.support import books, trees
from tests.support.killed import Say, finished, start
from tests.support.registering import ADMINISTRATOR, OTHER, RECORD, identifier

ROUNDS = int(os.environ.get("CSID_ROUNDS", "12"))
ASKED = Asked(ADMINISTRATOR, "test").told()
NAMED = Names(books.SUFFIX)


def assign_many(say: Say, data: Path, count: int) -> None:
    """Assigns, and changes each second one."""
    with Registry.open(data, writable=True) as registry:
        for number in range(count):
            assert books.ask(registry, Assign(identifier(f"{number:04d}"), RECORD)).status.success
            if number % 2:
                body = Update(identifier(f"{number - 1:04d}"), (("count", number),))
                assert books.ask(registry, body).status.success
            say(f"{number}")


def is_sound(registry: Registry) -> bool:
    trees.check(registry.store)
    with registry.store.read() as read:
        view = TransactionView(read)
        findings = [one for held in read.zones() for one in judged(read, view, NAMED, held) or ()]
        assert not findings
    return registry.verify().agrees


def moment_of(registry: Registry, path: Path, more: str) -> int:
    """Write a dump with some names more; the moment that it is of."""
    with registry.store.read() as read:
        path.write_text("".join(dump(books.ORIGIN, read.rows(read.zone(books.ORIGIN)))) + more)
        return TransactionView(read).leaves()


def test_a_load_beside_assignments_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small zones in one transaction, and the same in many."""
    data = books.create(tmp_path / "data")
    with Registry.open(data, writable=True) as registry:
        books.accredit(registry, *books.OWNERS)
    count = ROUNDS * 30
    assigning = start(assign_many, data, count)
    path = tmp_path / "zone"
    source = random.Random(1)
    loaded = carried = 0
    with Registry.open(data, writable=True) as registry:
        while assigning.process.is_alive():
            monkeypatch.setattr(loading, "NODES_AT_ONCE", source.choice((20, 5_000)))
            more = f"w{loaded}.{books.SUFFIX} 60 A 192.0.2.1\n"
            since = moment_of(registry, path, more)
            before = books.serial(registry)
            (outcome,) = load(
                registry.perform, ASKED, [path], source.choice(("increment", "keep")), since=since
            )
            if isinstance(outcome, Loaded):
                loaded += 1
                carried += outcome.serial != before + 1
            else:
                assert "is served already" in outcome.reason  # keep, and nothing was assigned
        assert len(finished(assigning)) == count
        assert loaded > 3
        assert is_sound(registry)
        for number in range(count):
            assert books.resolved(registry, str(identifier(f"{number:04d}"))) is not None
        with registry.store.read() as read:
            held = read.zone(books.ORIGIN)
            kept = sum(key[:1] == b"w" for key, _ in read.nodes(held.generation))
        assert kept == loaded
    assert carried or ROUNDS < 12


def test_a_zone_is_rebuilt_beside_assignments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "NODES_AT_ONCE", 50)
    monkeypatch.setattr(work, "NODES_PER_SLICE", 50)
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.001)
    data = books.create(tmp_path / "data")
    with Registry.open(data, writable=True) as registry:
        books.accredit(registry, *books.OWNERS)
    count = ROUNDS * 20
    assigning = start(assign_many, data, count)
    rebuilt = 0
    with Registry.open(data, writable=True) as registry:
        while assigning.process.is_alive():
            rebuild(registry)
            rebuilt += 1
        assert len(finished(assigning)) == count
        assert is_sound(registry) and rebuilt > 3
        for number in range(count):
            assert books.resolved(registry, str(identifier(f"{number:04d}"))) is not None


def rebuild(registry: Registry) -> Any:
    with registry.store.read() as read:
        made = Remake(read, NAMED, books.ORIGIN)
        nodes = list(made.nodes())
    _, answer = write(
        registry.perform, ASKED, "rebuild", made.since, books.ORIGIN, iter(nodes), lambda *_: None
    )
    assert answer[0] == "loaded"
    return answer


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with books.opened(tmp_path / "data") as made:
        books.ask(made, Assign(identifier("0001"), RECORD))
        yield made


def nodes_of(read: ReadTransaction) -> list[tuple[bytes, bytes]]:
    return list(read.nodes(read.zone(books.ORIGIN).generation))


def test_what_is_assigned_between_all_steps_is_carried_over(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "NODES_PER_SLICE", 2)
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(work, "LEAVES_MAX", 3)
    monkeypatch.setattr(keeper, "LEAVES_MAX", 3)
    serial = iter(range(2, 1_000))

    def assign(count: int = 1) -> None:
        for _ in range(count):
            assert books.ask(registry, Assign(identifier(f"{next(serial):04d}"), RECORD)).status

    perform = registry.perform
    since = perform("zone.since")
    with registry.store.read() as read:
        nodes = nodes_of(read)
    assign(5)
    generation = perform("zone.begin", (ASKED, books.ORIGIN, since))
    for one in nodes:
        perform("zone.nodes", (generation, [one]))
        assign()
    rounds = 0
    while True:
        ready, _, findings = perform("zone.check", generation)
        assert not findings
        if rounds < 5:
            assign(4 if ready else 1)  # more than one transaction may carry over
        rounds += 1
        if not ready:
            continue
        answer = perform("zone.publish", (generation, ASKED, "increment"))
        if answer[0] != "again":
            break
    assert answer[0] == "loaded"
    assert is_sound(registry)
    for number in range(1, next(serial)):
        assert books.resolved(registry, str(identifier(f"{number:04d}"))) is not None


def test_a_name_assigned_meanwhile_below_a_new_delegation_refuses_the_load(
    registry: Registry,
) -> None:
    since = registry.perform("zone.since")
    with registry.store.read() as read:
        held = read.zone(books.ORIGIN)
        data = {
            names.wire_of_key(held.apex + key): dict(node.rrsets_of(blob))
            for key, blob in read.nodes(held.generation)
            if len(blob) > 2
        }
    data[NAMED.target(OTHER)] = {2: node.RRset(60, [names.from_text("ns.example.")])}
    nodes = list(build.build(books.ORIGIN, data))
    assert books.ask(registry, Assign(identifier("0001", OTHER), RECORD)).status.success
    zones = [(books.ORIGIN, nodes)]
    ((outcome, _, said),) = registry.perform("zone.load", (ASKED, "increment", since, zones))
    assert outcome == "refused" and "assigned meanwhile" in said[0]
    with pytest.raises(ZoneError, match="assigned meanwhile"):
        write(
            registry.perform, ASKED, "increment", since, books.ORIGIN, iter(nodes), lambda *_: None
        )
    assert is_sound(registry)


def test_a_zone_that_comes_around_it_has_the_load_look_again(registry: Registry) -> None:
    """A deeper zone published in between has some of the names then."""
    perform = registry.perform
    since = perform("zone.since")
    with registry.store.read() as read:
        nodes = nodes_of(read)
    child = NAMED.target(OTHER)
    nodes.append((b"www\0", node.encode_one(1, 60, b"\xc0\0\2\1")))
    apex = list(build.build(child, {child: dict(node.rrsets_of(nodes[0][1]))}))
    generation = perform("zone.begin", (ASKED, books.ORIGIN, since))
    perform("zone.nodes", (generation, nodes))
    while not perform("zone.check", generation)[0]:
        pass
    assert perform("zone.load", (ASKED, "keep", since, [(child, apex)]))[0][0] == "loaded"
    assert perform("zone.publish", (generation, ASKED, "increment"))[0] == "again"
    while not perform("zone.check", generation)[0]:
        pass
    assert perform("zone.publish", (generation, ASKED, "increment"))[0] == "loaded"
    assert is_sound(registry)


def test_only_what_was_begun_and_looked_at_is_published(registry: Registry) -> None:
    with pytest.raises(ZoneError, match="not being built"):
        registry.perform("zone.publish", (b"\0" * 8, ASKED, "keep"))
    since = registry.perform("zone.since")
    generation = registry.perform("zone.begin", (ASKED, books.ORIGIN, since))
    with pytest.raises(ZoneError, match="looked at"):
        registry.perform("zone.publish", (generation, ASKED, "keep"))
    registry.perform("zone.abandon", generation)
    registry.perform("sweep")
    assert trees.leftovers(registry.store) == 0
    with pytest.raises(ZoneError, match="administrator"):
        registry.perform("zone.begin", (("a", "auditor", "", "", ""), books.ORIGIN, since))


def test_nodes_that_come_after_the_look_are_looked_at(registry: Registry) -> None:
    since = registry.perform("zone.since")
    with registry.store.read() as read:
        nodes = nodes_of(read)
    generation = registry.perform("zone.begin", (ASKED, books.ORIGIN, since))
    registry.perform("zone.nodes", (generation, nodes))
    while not registry.perform("zone.check", generation)[0]:
        pass
    with pytest.raises(ZoneError):
        registry.perform("zone.nodes", (generation, [(b"zz\0", b"\0\0\xff")]))
    registry.perform("zone.nodes", (generation, [(b"zz\0yy\0", node.EMPTY)]))
    with pytest.raises(ZoneError, match="looked at"):
        registry.perform("zone.publish", (generation, ASKED, "increment"))
    assert registry.perform("zone.check", generation)[2]
    registry.perform("zone.abandon", generation)
    registry.perform("sweep")
    assert is_sound(registry)
