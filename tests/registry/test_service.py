"""Plans, histories, proofs, and the search for what was changed behind the registry's back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.protocol import CNAME, TXT
from registry import audit
from registry.rules.lifecycle import Verb
from registry.rules.plan import AliasAll, MintAll, Transfer
from registry.rules.requests import (
    AddPool,
    Advance,
    Assign,
    Move,
    Request,
    Retire,
    RetireLocation,
    Update,
)
from registry.rules.status import Status
from registry.service import Outcome, Registry
from registry.tables import codec, log_entry, transaction, view
from registry.tables.rows import ZoneRow
from registry.verify import Verdict
from registry.writer import plans
from resolver.store import node
from resolver.store.node import RRset
from resolver.store.write import WriteTransaction
from tests.support.books import (
    ORIGIN,
    OWNERS,
    accredit,
    ask,
    create,
    node_of,
    opened,
    resolved,
    status,
)
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    OWNER,
    PLACE,
    POOL,
    RECORD,
    REGISTRAR,
    identifier,
)

KEY = audit.SigningKey.generate("registry.example/log")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path / "data") as made:
        yield made


# -- plans


def test_a_plan_that_was_interrupted_goes_on(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "COMMIT_SECONDS", 0)
    made = [identifier(f"{number:04d}") for number in range(30)]
    registry.submit_all([Request(ADMINISTRATOR, Assign(code, RECORD)) for code in made])
    seen: list[int] = []

    def interrupt(outcome: Outcome) -> None:
        seen.append(outcome.done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.run(Transfer(OWNER, OTHER), ADMINISTRATOR, on_progress=interrupt)
    assert seen == [1]
    outcome = registry.run(Transfer(OWNER, OTHER), ADMINISTRATOR)
    assert (outcome.done, outcome.unchanged, outcome.refused) == (29, 0, 0)
    assert registry.run(Transfer(OWNER, OTHER), ADMINISTRATOR).done == 0
    with registry.view() as view_:
        assert view.count_live(view_, OWNER) == 0
        assert view.count_live(view_, OTHER) == 30
    assert resolved(registry, str(identifier("0000", OTHER))) == RECORD
    assert registry.verify().agrees


def test_minting_under_a_key_is_done_once(registry: Registry) -> None:
    ask(registry, AddPool(PLACE, CLASS, 20))
    work = MintAll(POOL, RECORD, 12)
    assert registry.run(work, ADMINISTRATOR, key="order").done == 12
    again = registry.run(work, ADMINISTRATOR, key="order")
    assert (again.done, again.unchanged) == (0, 12)
    more = registry.run(work, ADMINISTRATOR, key="another")
    assert (more.done, more.stopped) == (8, True)
    assert more.refusals[0].status in (Status.POOL_QUOTA, Status.POOL_EXHAUSTED)


def test_a_location_that_may_not_be_retired_moves_nothing(registry: Registry) -> None:
    ask(registry, Assign(identifier(), RECORD))
    outcome = registry.run(RetireLocation("330106", "330106"), ADMINISTRATOR)
    assert (outcome.done, outcome.refused, outcome.stopped) == (0, 1, True)
    outcome = registry.run(RetireLocation("330106", "330108"), ADMINISTRATOR)
    assert (outcome.done, outcome.refused) == (2, 0)
    assert resolved(registry, str(identifier(location="330108"))) == RECORD


def test_a_subtree_is_closed_when_all_below_it_lead_elsewhere(registry: Registry) -> None:
    for owner in OWNERS:
        ask(registry, Assign(identifier(owner=owner), RECORD))
    outcome = registry.run(AliasAll(OWNER, OTHER), ADMINISTRATOR)
    assert (outcome.done, outcome.refused) == (2, 0)
    assert dict(node.rrsets_of(node_of(registry, str(identifier()))[1]))[CNAME].rdatas == [
        identifier(owner=OTHER).to_wire(ORIGIN)
    ]


# -- history, proof, verification


def test_a_history_tells_each_change_of_an_identifier_and_of_an_owner(registry: Registry) -> None:
    old, new = identifier(), identifier(owner=OTHER)
    registry.submit(Request(REGISTRAR, Assign(old, RECORD), "first"))
    ask(registry, Move(old, new))
    ask(registry, Retire(new))
    told = [(change.leaf.kind, change.leaf.by) for change in registry.history(str(new))]
    assert told == [("retire", "li"), ("move", "li"), ("assign", "wang")]
    assert [change.leaf.kind for change in registry.history(OWNER)] == ["owner.judge", "owner.add"]
    pool = ask(registry, AddPool(PLACE, CLASS, 3)).subject
    assert [change.leaf.kind for change in registry.history(pool)] == ["pool.add"]
    assert registry.history("330106") == registry.history("没有") == registry.history("a/b/c") == []


def test_the_history_of_a_zone_begins_at_its_row(registry: Registry) -> None:
    with registry.store.write() as txn:
        row = codec.encode(ZoneRow(1, 0, bytes(32), 0, 0, True))
        transaction.TransactionView(txn).table(codec.ZONES).put(b"a.example.", row)
    assert [change.index for change in registry.history("a.example.")] == [0]


def test_a_change_is_proved_by_a_checkpoint_that_covers_it(registry: Registry) -> None:
    code = identifier()
    ask(registry, Assign(code, RECORD))
    first = registry.history(str(code))[0].index
    with pytest.raises(audit.NotCoveredError, match="no checkpoint"):
        registry.prove(first)
    note = registry.checkpoint(KEY, ADMINISTRATOR)
    assert registry.checkpoints() == [note]
    assert audit.check(registry.prove(first).text(), KEY.verifier).index == first
    ask(registry, Advance(code, Verb.SUSPEND))
    last = registry.history(str(code))[0].index
    with pytest.raises(audit.NotCoveredError, match="no checkpoint"):
        registry.prove(last)
    registry.checkpoint(KEY, ADMINISTRATOR)
    assert len(registry.checkpoints()) == 2
    registry.prove(last)
    assert registry.verify([KEY.verifier]).verdict is Verdict.SOUND
    other = audit.SigningKey.generate("registry.example/log")
    assert registry.verify([other.verifier]).verdict is Verdict.NOT_SOUND


def _change_row(txn: WriteTransaction) -> None:
    table = transaction.TransactionView(txn).table(codec.ASSIGNMENTS)
    key, value = next(table.scan(b""))
    row = codec.decode_assignment(value)
    table.put(
        key, codec.encode(row._replace(record=row.record.replace(b"a.example", b"b.example")))
    )


def _remove_row(txn: WriteTransaction) -> None:
    table = transaction.TransactionView(txn).table(codec.ASSIGNMENTS)
    table.delete(next(table.scan(b""))[0])


def _add_row(txn: WriteTransaction) -> None:
    table = transaction.TransactionView(txn).table(codec.ASSIGNMENTS)
    table.put(str(identifier("0099")).encode(), next(table.scan(b""))[1])


def _put_back_row(txn: WriteTransaction) -> None:
    """An identifier as it was before its last change."""
    seen = transaction.TransactionView(txn)
    table = seen.table(codec.ASSIGNMENTS)
    key, value = list(table.scan(b""))[1]
    row = codec.decode_assignment(value)
    first = audit.Log(transaction.AuditStore(txn)).leaf(row.leaf - 1)
    table.put(
        key, codec.encode(row._replace(leaf=row.leaf - 1, record=log_entry.decode(first).after))
    )


def _change_owner(txn: WriteTransaction) -> None:
    table = transaction.TransactionView(txn).table(codec.OWNERS)
    key, value = next(table.scan(b""))
    table.put(key, codec.encode(codec.decode_owner(value)._replace(quota=5)))


def _change_tree(txn: WriteTransaction) -> None:
    update = txn.update(ORIGIN)
    key = names.key_of(identifier().to_wire(ORIGIN))[len(names.key_of(ORIGIN)) :]
    update.set(key, {TXT: RRset(60, [b"\1x"])})
    update.finish()


def _change_leaf(txn: WriteTransaction) -> None:
    table = txn.table(b"registry.leaves")
    key, data = next(row for row in table.scan(b"") if b"test" in row[1])
    table.put(key, data.replace(b"test", b"tost"))


@pytest.mark.parametrize(
    "tamper",
    [
        _change_row,
        _remove_row,
        _add_row,
        _put_back_row,
        _change_owner,
        _change_tree,
        _change_leaf,
    ],
)
def test_a_change_made_behind_the_registrys_back_is_found(registry: Registry, tamper: Any) -> None:
    ask(registry, Assign(identifier(), RECORD))
    ask(registry, Assign(identifier("0002"), RECORD))
    ask(registry, Update(identifier("0002"), (("count", 7),)))
    assert registry.verify().agrees
    with registry.store.write() as txn:
        tamper(txn)
    assert not registry.verify().agrees


def test_an_older_directory_gets_its_tables_when_it_is_opened_for_writing(tmp_path: Path) -> None:
    data = create(tmp_path / "data")
    with Registry.open(data) as registry:
        with registry.view() as seen:
            assert list(seen.scan(codec.OWNERS, b"")) == []
            born = seen.leaves()
        assert registry.history(OWNER) == registry.checkpoints() == []
        assert registry.verify().agrees
    with Registry.open(data, writable=True) as registry:
        with registry.view() as seen:
            assert seen.leaves() == born
        accredit(registry, OWNER)
        assert status(registry, Assign(identifier(), RECORD)) is Status.DONE
