"""The desk decides and writes what the rules say; what no longer holds it forgets."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.errors import StoreError
from csid.protocol import CNAME, TXT
from csid.record import encode
from registry.desk import Batch, Desk, judged
from registry.rules.decide import decide
from registry.rules.participants import Judgement
from registry.rules.requests import (
    Actor,
    AddPool,
    Alias,
    Assign,
    Import,
    JudgeOwner,
    Request,
    Retire,
    UpdateOwner,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec, view
from registry.tables.overlay import Overlay
from registry.tables.record_node import blob_of
from registry.tables.resolution import ResolutionTree
from registry.tables.transaction import TransactionView, append_leaves, write_rows
from registry.tables.volume import TriedVolume, WrittenVolume
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.store.write import WriteTransaction
from tests.support.books import ORIGIN, SUFFIX, ask, opened, resolved
from tests.support.importing import desk_of
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    DAY,
    FOREIGN,
    NOW,
    OTHER,
    OTHERS_REGISTRAR,
    OWNER,
    PLACE,
    RECORD,
    REGISTRAR,
    identifier,
)

OPEN = ("330108", "110103")  # locations of places without pools
records = st.sampled_from(
    [
        *(RECORD.changed(state=state) for state in ("active", "reserved", "filing", "suspended")),
        RECORD.changed(count=9),
        RECORD.changed(name="好" * 60, fabric="网" * 60, chip="芯" * 60, extra={"x": "长" * 99}),
        RECORD.changed(state="retired", ended=DAY),
    ]
)
codes = st.builds(
    identifier,
    st.sampled_from(["1", "2", "3", "0001", "0002", "A"]),
    st.sampled_from([OWNER, OTHER, FOREIGN]),
    st.sampled_from(["330106", *OPEN]),
)
actors = st.sampled_from(
    [ADMINISTRATOR, REGISTRAR, OTHERS_REGISTRAR, Actor("x" * 99, ADMINISTRATOR.role)]
)
ttls = st.sampled_from([None, 300, 7, 0, -1, 2**31])
bodies = st.one_of(
    st.builds(Assign, codes, records, ttls),
    st.builds(Import, codes, records),
    st.builds(Import, codes, records, st.sampled_from([0, 2019, 2099]), ttls),
    st.builds(Retire, codes),
    st.builds(Alias, codes, codes),
    st.sampled_from(
        [
            JudgeOwner(OWNER, Judgement.SUSPEND),
            JudgeOwner(OWNER, Judgement.REINSTATE),
            AddPool(f"{OWNER}/6450/330108/ACV", CLASS, 5, None, "1", "5"),
            UpdateOwner(OTHER, (("quota", 1),)),
        ]
    ),
)
requests = st.builds(
    Request, actors, bodies, st.sampled_from(["", "why"]), st.sampled_from(["", "", "", "k1", "k2"])
)
assigns = st.builds(Request, actors, st.builds(Assign, codes, records, ttls), st.just("why"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With a pool, an alias, an owner near its quota, and names that zone files have."""
    with opened(tmp_path_factory.mktemp("desk") / "data") as made:
        for body in (
            UpdateOwner(OTHER, (("quota", 3),)),
            AddPool(PLACE, CLASS, 9, None, "1", "9"),
            Assign(identifier("1"), RECORD),
            Assign(identifier("2"), RECORD),
            Alias(identifier("2"), identifier("1")),
            Assign(identifier("1", OTHER, "330108"), RECORD.changed(state="reserved")),
        ):
            assert ask(made, body).status is Status.DONE
        with made.store.write() as txn:
            zone = txn.update(ORIGIN)
            for serial, rrsets in (
                ("0001", {CNAME: RRset(60, [b"\1a\0"])}),
                ("0002", {TXT: RRset(60, [b"\1a"])}),
            ):
                key = names.key_of(
                    names.from_text(identifier(serial, OWNER, "110103").to_dns_name(SUFFIX))
                )
                zone.set(key[len(zone.apex) :], rrsets)
            zone.finish()
        yield made


Said = list[tuple[object, ...]]
Octets = list[tuple[bytes, bytes, bytes]]


def contents(txn: WriteTransaction) -> Octets:
    """All that a transaction sees, but for the order of the names in a journal's entry."""
    return [
        (name, key, value)
        for name in sorted(set(txn._databases) - {b"journal"})
        for key, value in txn.table(name).scan(b"")
    ]


def by_the_rules(txn: WriteTransaction, asked: list[Request]) -> Said:
    """Each request by `decide` alone, then all of it written."""
    seen = TransactionView(txn)
    over, tree, said = Overlay(seen), ResolutionTree(txn, SUFFIX), []
    leaves = []
    for request in asked:
        decision = judged(decide(over, request, NOW), tree.reach.fault)
        over.apply(decision.changes)
        tree.keep(decision.changes.tree)
        leaves += [decision.changes.leaf] if decision.changes.leaf is not None else []
        said.append((*decision[:3], *decision.changes[1:]))
    for table, rows in over.rows().items():
        write_rows(seen.table(table), rows)
    append_leaves(txn, leaves, over.leaves())
    tree.write()
    return said


def at_the_desk(txn: WriteTransaction, asked: list[Request]) -> Said:
    batch = Desk(SUFFIX).begin(WrittenVolume(txn, SUFFIX), NOW, txn.number)
    said = [batch.decide(request) for request in asked]
    batch.write()
    return [(*one[:3], *one.changes[1:]) for one in said]


def tried(store: Store, work: Callable[[WriteTransaction], Said]) -> tuple[Said, Octets]:
    with store.write(keep=False) as txn:
        return work(txn), contents(txn)


@given(st.lists(st.one_of(assigns, requests), max_size=20))
@settings(deadline=None)
def test_requests_come_to_the_same_by_the_short_way_and_by_the_full_one(
    registry: Registry, asked: list[Request]
) -> None:
    said, octets = tried(registry.store, lambda txn: at_the_desk(txn, asked))
    expected, written = tried(registry.store, lambda txn: by_the_rules(txn, asked))
    assert said == expected
    assert octets == written


Rows = list[Import]
rows = st.lists(st.builds(Import, codes, records), max_size=20)


def rows_at(
    batch: Batch, actor: Actor, year: int, ttl: int | None, table: Rows
) -> list[tuple[Status, str]]:
    party = batch.party(actor, Import, "why", year, ttl)
    said = []
    for body in table:
        at, _, spec = str(body.identifier).rpartition("/")
        packed = encode(body.record)
        blob = blob_of(body.record, 300 if ttl is None else max(ttl, 0))
        said.append(batch.row(party, at, spec, body.record.state, packed, blob))
    return [(one.status, one.detail) for one in said]


@given(rows, actors, st.sampled_from([0, 2019, 2099]), ttls.filter(lambda ttl: ttl != 2**31))
@settings(deadline=None)
def test_rows_of_an_import_come_to_the_same_by_the_short_way_and_by_the_full_one(
    registry: Registry, table: Rows, actor: Actor, year: int, ttl: int | None
) -> None:
    def at_desk(txn: WriteTransaction) -> Said:
        batch = Desk(SUFFIX).begin(WrittenVolume(txn, SUFFIX), NOW, txn.number)
        said = rows_at(batch, actor, year, ttl, table)
        batch.write()
        return [*said]

    said, octets = tried(registry.store, at_desk)
    asked = [Request(actor, Import(one.identifier, one.record, year, ttl), "why") for one in table]
    expected, written = tried(registry.store, lambda txn: by_the_rules(txn, asked))
    assert said == [(status, detail) for status, _, detail, *_ in expected]
    assert octets == written


@given(
    st.lists(st.builds(Import, codes, records), max_size=20, unique_by=lambda one: one.identifier)
)
@settings(deadline=None)
def test_a_dry_run_says_what_would_be_said(registry: Registry, table: Rows) -> None:
    with registry.store.write(keep=False) as txn:
        volume = WrittenVolume(txn, SUFFIX)
        said = rows_at(Desk(SUFFIX).begin(volume, NOW, txn.number), ADMINISTRATOR, 0, None, table)
    trial, volume_before = [], None
    for at in range(0, len(table), 3):
        with registry.store.read() as read:
            volume_before = TriedVolume(read, SUFFIX, volume_before)
            batch = Desk(SUFFIX).begin(volume_before, NOW)
            trial += rows_at(batch, ADMINISTRATOR, 0, None, table[at : at + 3])
            batch.write()
    assert trial == said


# -- what the desk remembers


def new(number: int) -> Assign:
    return Assign(identifier(f"{number:04d}", OWNER, "330108"), RECORD)


def test_what_others_commit_in_between_is_seen(tmp_path: Path) -> None:
    """Also where the number of a transaction that was undone, or changed nothing, is given again
    to the other writer.
    """
    with opened(tmp_path / "data") as registry:
        desk = desk_of(registry)
        for round_, interlude in enumerate(("nothing", "an empty one", "one that was undone")):
            assert ask(registry, new(round_)).status is Status.DONE
            if interlude == "an empty one":
                assert ask(registry, new(round_)).status is Status.EXISTS
            elif interlude == "one that was undone":
                with pytest.raises(KeyError), desk.batch(registry.store, NOW) as batch:
                    batch.decide(Request(ADMINISTRATOR, new(500)))
                    raise KeyError
            other = Desk(SUFFIX)  # as of another process
            with other.batch(registry.store, NOW) as batch:
                judgement = JudgeOwner(OWNER, Judgement.SUSPEND)
                assert batch.decide(Request(ADMINISTRATOR, judgement)).status is Status.DONE
            assert ask(registry, new(100 + round_)).status is Status.NOT_ACCREDITED, interlude
            assert ask(registry, JudgeOwner(OWNER, Judgement.REINSTATE)).status is Status.DONE
        assert registry.verify().agrees


def test_what_was_undone_is_not_remembered(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        quota = UpdateOwner(OWNER, (("quota", 2),))
        assert ask(registry, quota).status is Status.DONE
        assert ask(registry, new(1)).status is Status.DONE
        for _ in range(3):
            with pytest.raises(StoreError), desk_of(registry).batch(registry.store, NOW) as batch:
                assert batch.decide(Request(ADMINISTRATOR, new(2))).status is Status.DONE
                raise StoreError("no room")
        assert ask(registry, new(2)).status is Status.DONE
        assert ask(registry, new(3)).status is Status.OWNER_QUOTA
        with registry.view() as seen:
            assert view.count_live(seen, OWNER) == 2
            family = list(seen.scan(codec.PLACES, b"c"))
            assert len(family) == 1
        assert registry.verify().agrees


def test_what_begins_while_a_commit_is_not_told_yet_knows_nothing_of_it(tmp_path: Path) -> None:
    """Two threads: the second begins between the commit of the first and its being told."""
    with opened(tmp_path / "data") as registry:
        desk = desk_of(registry)
        with registry.store.write() as txn:
            first = desk.begin(WrittenVolume(txn, SUFFIX), NOW, txn.number)
            assert first.decide(Request(ADMINISTRATOR, new(1))).status is Status.DONE
            first.write()
        with pytest.raises(KeyError), registry.store.write() as txn:
            second = desk.begin(WrittenVolume(txn, SUFFIX), NOW, txn.number)
            assert second.decide(Request(ADMINISTRATOR, new(2))).status is Status.DONE
            desk._settle(first)
            raise KeyError
        assert ask(registry, new(2)).status is Status.DONE
        assert resolved(registry, str(new(2).identifier)) == RECORD
        assert registry.verify().agrees


def test_a_new_year_is_looked_at_anew(tmp_path: Path) -> None:
    """Until the end of 2023 in China, 320602 is in no force; what is known is of one year."""
    with opened(tmp_path / "data") as registry:
        desk = desk_of(registry)
        body = Assign(identifier("1", OWNER, "320602"), RECORD)
        in_2019, in_2026 = 1_560_000_000, NOW
        with desk.batch(registry.store, in_2026) as batch:
            refused = batch.decide(Request(ADMINISTRATOR, body))
            assert refused.status is Status.LOCATION_NOT_IN_FORCE
            # commits something, so that the next one may go on with what is known
            assert batch.decide(Request(ADMINISTRATOR, new(1))).status is Status.DONE
        with desk.batch(registry.store, in_2019) as batch:
            assert batch.decide(Request(ADMINISTRATOR, body)).status is Status.DONE


def test_a_code_of_its_own_takes_two_rows_and_nothing_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short way is taken at all: the full one would fail."""
    with opened(tmp_path / "data") as registry:
        assert ask(registry, new(0)).status is Status.DONE
        monkeypatch.setattr(Batch, "_decide_fully", lambda *_: pytest.fail("the full way"))
        for number in range(1, 20):
            assert ask(registry, new(number)).status is Status.DONE
    with Registry.open(tmp_path / "data") as registry:
        assert registry.verify().agrees


def test_what_was_decided_is_not_kept_beyond_its_commit(registry: Registry) -> None:
    """A desk knows places for long; it must not hold on to the batches that last saw them."""
    desk = desk_of(registry)
    kept = []
    gc.disable()  # no cycle keeps them either
    try:
        for number in range(3):
            code = identifier(f"9{number:03d}", location=OPEN[0], owner=(OWNER, OTHER)[number % 2])
            with desk.batch(registry.store, NOW) as batch:
                decision = batch.decide(Request(ADMINISTRATOR, Assign(code, RECORD)))
                assert decision.status is Status.DONE, decision
            kept.append(ref(batch))
            del batch
        # The last one holds until the next begins.
        assert [one() is None for one in kept[:2]] == [True, True]
    finally:
        gc.enable()
