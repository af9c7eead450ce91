"""What is decided is written as one: rows, tree, journal and serial, audit leaf."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid import names
from csid.limits import MAX_CHAIN
from csid.protocol import CNAME, CSID, DNAME, NS, SOA, SVCB, TXT
from registry.rules.decide import decide
from registry.rules.decision import Decision
from registry.rules.lifecycle import Verb
from registry.rules.moves import moved
from registry.rules.requests import (
    AcceptTransfer,
    AddLocks,
    AddPool,
    Advance,
    Alias,
    AliasSubtree,
    Assign,
    Body,
    Import,
    Mint,
    Move,
    OfferTransfer,
    Request,
    Retire,
    RetireLocation,
    Update,
    facts_of,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec, log_entry
from registry.tables.enums import LockKind
from registry.tables.rows import DEFAULT_TTL
from resolver.answer import lookup
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.store import node
from resolver.store.node import RRset
from tests.support import trees
from tests.support.books import (
    ORIGIN,
    OWNERS,
    SUFFIX,
    ask,
    node_of,
    opened,
    resolved,
    serial,
    status,
)
from tests.support.packets import NOW, PEER, opt, parsed, query
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    OWNER,
    PLACE,
    POOL,
    RECORD,
    Book,
    identifier,
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path / "data") as made:
        yield made


def put(registry: Registry, name: str, rrtype: int, rdata: bytes) -> None:
    """Give a name a record that is not the registry's, as a zone that was loaded may have."""
    key = names.key_of(names.from_text(name))
    with registry.store.write() as txn:
        update = txn.update(ORIGIN)
        update.set(key[len(names.key_of(ORIGIN)) :], {rrtype: RRset(60, [rdata])})
        update.finish()


# -- one transaction


def test_an_assignment_is_resolvable_journalled_and_logged_at_once(registry: Registry) -> None:
    before = serial(registry)
    code = identifier()
    assert status(registry, Assign(code, RECORD)) is Status.DONE
    outcome, blob = node_of(registry, str(code))
    rrsets = dict(node.rrsets_of(blob))
    assert outcome == lookup.EXACT
    assert set(rrsets) == {TXT, SVCB, CSID}
    assert {rrset.ttl for rrset in rrsets.values()} == {DEFAULT_TTL}
    assert resolved(registry, str(code)) == RECORD
    assert serial(registry) == before + 1
    with registry.store.read() as read:
        steps = list(read.journal(read.zone(ORIGIN)).steps())
    assert (steps[0].before, steps[0].after) == (before, before + 1)
    assert [change.leaf.on for change in registry.history(str(code))] == [str(code)]
    trees.check(registry.store)
    assert registry.verify().agrees


def test_each_state_has_its_place_in_the_tree(registry: Registry) -> None:
    one, two, three = (identifier(serial) for serial in ("0001", "0002", "0003"))
    for code in (one, two, three):
        ask(registry, Assign(code, RECORD))
    assert status(registry, Advance(one, Verb.SUSPEND)) is Status.DONE
    suspended = resolved(registry, str(one))
    assert suspended is not None and suspended.state == "suspended"
    assert status(registry, Retire(one, str(two))) is Status.DONE
    tombstone = resolved(registry, str(one))
    assert tombstone is not None
    assert (tombstone.state, tombstone.successor, tombstone.reason) == (
        "retired",
        str(two),
        "test",
    )
    assert status(registry, Alias(two, three)) is Status.DONE
    _, blob = node_of(registry, str(two))
    rrsets = dict(node.rrsets_of(blob))
    assert list(rrsets) == [CNAME]
    assert rrsets[CNAME].rdatas == [three.to_wire(ORIGIN)]
    trees.check(registry.store)
    assert registry.verify().agrees


def test_an_empty_prefix_becomes_a_dname_that_hides_what_was_loaded_below(
    registry: Registry,
) -> None:
    ask(registry, Assign(identifier(), RECORD))
    name = f"x.gcv.330106.6450.{OTHER.lower()}.{SUFFIX}"
    put(registry, name, TXT, b"\1x")
    old, new = f"{OTHER}/6450", f"{OWNER}/6450"
    assert status(registry, AliasSubtree(old, new)) is Status.DONE
    trees.check(registry.store)
    key = names.key_of(names.from_text(name))
    with registry.store.snapshot() as snapshot:
        zone = snapshot.zone_of(key)
        assert zone is not None
        outcome, blob, _ = lookup.find(snapshot, zone, key)
        assert outcome == lookup.REDIRECT
        target = names.from_text(f"6450.{OWNER.lower()}.{SUFFIX}")
        assert dict(node.rrsets_of(blob))[DNAME].rdatas == [target]
    assert status(registry, Assign(identifier(owner=OTHER), RECORD)) is Status.SUBTREE_ALIASED
    (fault,) = registry.verify().faults  # what was put there by no load
    assert "names that are not the registry's" in fault.reason


def test_a_name_that_cannot_be_held_is_refused_and_nothing_changes(registry: Registry) -> None:
    cut, alias = identifier(owner=OTHER), identifier("0002")
    with registry.store.write() as txn:
        # Written as a load would: a delegation with what it hides.
        held = dict(_nodes(registry))
        at = names.key_of(names.from_text(f"{OTHER.lower()}.{SUFFIX}"))[len(_apex()) :]
        held[at] = node.encode({NS: RRset(60, [b"\2ns\7example\0"])}, cover=2)
        txn.replace_zone(ORIGIN, sorted(held.items()))
    put(registry, alias.to_dns_name(SUFFIX), CNAME, b"\1a\0")
    before = (serial(registry), _rows(registry))
    for code, why in ((cut, "at or below a delegation"), (alias, "is an alias")):
        decision = ask(registry, Assign(code, RECORD))
        assert decision.status is Status.OUT_OF_SCOPE
        assert why in decision.detail
    moved = ask(registry, Move(identifier(), cut))
    assert moved.status is Status.NOT_FOUND
    assert (serial(registry), _rows(registry)) == before


def test_without_a_zone_around_it_no_code_is_given(registry: Registry) -> None:
    with registry.store.write() as txn:
        txn.drop_zone(ORIGIN)
    decision = ask(registry, Assign(identifier(), RECORD))
    assert decision.status is Status.OUT_OF_SCOPE
    assert "lies in no zone that is held here" in decision.detail


def test_a_registered_name_has_what_the_registry_writes_and_nothing_else(
    registry: Registry,
) -> None:
    code = identifier()
    put(registry, code.to_dns_name(SUFFIX), 13, b"\1a\1b")
    assert status(registry, Assign(code, RECORD)) is Status.DONE
    assert set(dict(node.rrsets_of(node_of(registry, str(code))[1]))) == {TXT, SVCB, CSID}


def test_as_many_aliases_as_may_follow_one_another_are_followed(registry: Registry) -> None:
    codes = [identifier(f"{number:04d}") for number in range(MAX_CHAIN + 1)]
    assert status(registry, Assign(codes[0], RECORD)) is Status.DONE
    for old, new in pairwise(codes):
        assert status(registry, Assign(new, RECORD)) is Status.DONE
        assert status(registry, Alias(old, new)) is Status.DONE
    question = query(codes[0].to_dns_name(SUFFIX), "SVCB", opt())
    with registry.store.snapshot() as snapshot:
        answerer = Answerer(OptWriter(bytes(16)))
        packet = answerer.answer(question, TreeSource(snapshot), NOW, PEER, True)
    assert packet is not None
    *aliases, last = parsed(packet).answer
    assert len(aliases) == MAX_CHAIN
    assert (last.name.to_text(), last.rdtype) == (codes[-1].to_dns_name(SUFFIX), SVCB)


def _apex() -> bytes:
    return names.key_of(ORIGIN)


def _nodes(registry: Registry) -> list[tuple[bytes, bytes]]:
    with registry.store.read() as read:
        return list(read.nodes(read.zone(ORIGIN).generation))


def _rows(registry: Registry) -> dict[str, dict[bytes, bytes]]:
    with registry.view() as seen:
        return {table: dict(seen.scan(table, b"")) for table in codec.TABLES}


def test_what_goes_to_and_fro_and_changes_in_one_commit_resolves_as_it_ends(
    registry: Registry,
) -> None:
    one, there = identifier("0001"), identifier("0001", OTHER)
    status(registry, Assign(one, RECORD))
    way = [Move(one, there), Move(there, one), Update(one, (("count", 5),))]
    for body in (*way, *way):
        assert status(registry, body).success
    changed = Update(one, (("count", 6),))
    for decision in registry.submit_all([Request(ADMINISTRATOR, x) for x in (*way[:2], changed)]):
        assert decision.status is Status.DONE, decision
    assert resolved(registry, str(one)) == RECORD.changed(count=6)
    _, blob = node_of(registry, str(there))
    assert CNAME in dict(node.rrsets_of(blob))
    assert registry.verify().agrees
    trees.check(registry.store)


# -- the store and the same registry in memory come to the same

codes = st.builds(
    identifier,
    st.sampled_from(("0001", "0002", "0003", "7")),
    st.sampled_from(OWNERS),
    st.sampled_from(("330106", "330108")),
)
verbs = st.sampled_from([Verb.FILE, Verb.ACTIVATE, Verb.SUSPEND, Verb.REINSTATE])
records = st.builds(
    lambda count, state: RECORD.changed(count=count, state=state),
    st.integers(1, 3),
    st.sampled_from(["reserved", "filing", "active"]),
)
bodies = st.one_of(
    st.builds(Assign, codes, records),
    st.builds(Import, codes, records),
    st.builds(Update, codes, records.map(lambda record: facts_of(record.json())), st.booleans()),
    st.builds(Advance, codes, verbs),
    st.builds(Retire, codes),
    st.builds(Alias, codes, codes),
    st.builds(Move, codes, codes),
    st.builds(lambda code, to: Move(code, moved(code, owner=to)), codes, st.sampled_from(OWNERS)),
    st.builds(OfferTransfer, codes, st.sampled_from(OWNERS), st.just(b""), st.just(60)),
    st.builds(AcceptTransfer, codes, st.sampled_from(OWNERS)),
    st.builds(AddLocks, codes, st.just((LockKind.UPDATE,)), st.booleans()),
    st.just(Mint(POOL, RECORD)),
    st.just(AddPool(PLACE, CLASS, 3, 2, "0001", "0003")),
    st.builds(AliasSubtree, st.sampled_from(OWNERS), st.sampled_from(OWNERS)),
    st.just(RetireLocation("330108", "330106")),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(bodies, min_size=1, max_size=12), max_size=6))
def test_any_requests_leave_the_tables_that_the_rules_alone_would(
    tmp_path_factory: Any, batches: list[list[Body]]
) -> None:
    model = Book()
    with opened(tmp_path_factory.mktemp("book") / "data") as registry:
        with registry.view() as seen, registry.log() as log:
            model.view.set_leaves(log.size)
            for table in codec.TABLES:
                model.view.put_all((table, key, value) for key, value in seen.scan(table, b""))
        for batch in batches:
            requests = [Request(ADMINISTRATOR, body) for body in batch]
            decisions = registry.submit_all(requests)
            expected = []
            for request, decision in zip(requests, decisions, strict=True):
                now = _time_of(decision)
                wanted = decide(model.view, request, now)
                model.view.apply(wanted.changes)
                expected.append(wanted)
            assert [one[:3] for one in decisions] == [one[:3] for one in expected]
        assert _rows(registry) == {
            table: dict(model.view.scan(table, b"")) for table in codec.TABLES
        }
        assert registry.verify().agrees
        trees.check(registry.store)


def _time_of(decision: Decision) -> int:
    return log_entry.decode(decision.changes.leaf).time if decision.changes.leaf else 1_800_000_000


# -- the journal


def rrsets_of(nodes: list[tuple[bytes, bytes]]) -> dict[bytes, dict[int, RRset]]:
    """By name, without the SOA and without names that have no records."""
    found = {key: dict(node.rrsets_of(blob)) for key, blob in nodes}
    found[b""].pop(SOA)
    return {key: rrsets for key, rrsets in found.items() if rrsets}


@settings(max_examples=25)
@given(batches=st.lists(st.lists(bodies, min_size=1, max_size=8), min_size=1, max_size=6))
def test_the_journal_leads_back_to_every_earlier_serial(
    tmp_path_factory: Any, batches: list[list[Body]]
) -> None:
    with opened(tmp_path_factory.mktemp("book") / "data") as registry:
        earlier = {serial(registry): rrsets_of(_nodes(registry))}
        for batch in batches:
            registry.submit_all([Request(ADMINISTRATOR, body) for body in batch])
            earlier[serial(registry)] = rrsets_of(_nodes(registry))
        present = dict(_nodes(registry))
        now = serial(registry)
        with registry.store.read() as read:
            journal = read.journal(read.zone(ORIGIN))
            for old, rrsets in earlier.items():
                if old == now:
                    continue
                since = journal.since(old)
                assert since is not None
                back = {**present, **since}
                assert rrsets_of([(k, v) for k, v in back.items() if v]) == rrsets
            assert journal.since(now + 1) is None


def test_the_journal_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolver.store.journal.JOURNAL_ENTRIES", 5)
    first = serial(registry)
    for number in range(8):
        ask(registry, Assign(identifier(f"{number:04d}"), RECORD))
    with registry.store.read() as read:
        journal = read.journal(read.zone(ORIGIN))
        assert len(list(journal.steps())) == 5
        assert journal.since(first) is None
        assert len(journal.since(first + 3) or ()) == 5
    with registry.store.write() as txn:
        table = txn.table(b"journal")
        assert table.entries() == 6
    monkeypatch.setattr("resolver.store.journal.JOURNAL_OCTETS", 50)
    ask(registry, Assign(identifier("0100"), RECORD))
    with registry.store.read() as read:
        assert list(read.journal(read.zone(ORIGIN)).steps()) == []
    monkeypatch.undo()
    ask(registry, Assign(identifier("0101"), RECORD))
    with registry.store.read() as read:
        assert len(list(read.journal(read.zone(ORIGIN)).steps())) == 1


def test_a_zone_that_is_replaced_keeps_its_journal(registry: Registry) -> None:
    first = serial(registry)
    ask(registry, Assign(identifier(), RECORD))
    nodes = _nodes(registry)
    ask(registry, Assign(identifier("0002"), RECORD))
    with registry.store.write() as txn:
        txn.replace_zone(ORIGIN, nodes, serial=first + 3)
    registry.store.sweep()
    with registry.store.read() as read:
        journal = read.journal(read.zone(ORIGIN))
        assert [step.before for step in journal.steps()] == [first + 2, first + 1, first]
        assert len(journal.since(first) or ()) == 2
        assert journal.check() == []
    with registry.store.write() as txn:
        txn.drop_zone(ORIGIN)
    registry.store.sweep()
    with registry.store.write() as txn:
        assert txn.table(b"journal").entries() == 0
