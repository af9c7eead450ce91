"""An import decides as `decide` would, row by row."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from csid.identifier import Identifier
from csid.record import Record, encode
from registry.bulk.intake import Intake
from registry.rules.decide import decide
from registry.rules.requests import Actor, AddPool, Alias, Assign, Import, Request
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.changes import TreeChange
from registry.tables.enums import Kind
from registry.tables.overlay import Overlay
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
    Book,
    identifier,
)

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
    st.sampled_from(["1", "2", "3", "0001", "0002"]),
    st.sampled_from([OWNER, OTHER, FOREIGN]),
    st.sampled_from(["330106", "330108", "110103"]),
)
actors = st.sampled_from([ADMINISTRATOR, REGISTRAR, OTHERS_REGISTRAR])


def _registry() -> Overlay:
    of = Book()
    of.accredit(OWNER, Kind.RESOURCE_PROVIDER)
    of.accredit(OTHER, Kind.RESOURCE_PROVIDER, quota=3)
    of.must(AddPool(PLACE, CLASS, 9, 1))
    of.must(Assign(identifier("1"), RECORD))
    of.must(Assign(identifier("2"), RECORD))
    of.must(Alias(identifier("2"), identifier("1")))
    of.must(Assign(identifier("1", OTHER, "330108"), RECORD.changed(state="reserved")))
    return of.view


REGISTRY = _registry()
Rows = list[tuple[Identifier, Record]]


def _all(view: Overlay) -> Iterator[tuple[str, bytes, bytes]]:
    for table in codec.TABLES:
        for key, value in view.scan(table, b""):
            yield table, key, value


@given(actors, st.lists(st.tuples(codes, records), max_size=25), st.integers(1, 9))
def test_an_import_comes_to_the_same_as_deciding_row_by_row(
    actor: Actor, table: Rows, size: int
) -> None:
    one, statuses, leaves = Overlay(REGISTRY), [], []
    tree: list[TreeChange] = []
    for code, record in table:
        decision = decide(one, Request(actor, Import(code, record), "why"), NOW)
        one.apply(decision.changes)
        statuses.append((decision.status, decision.detail))
        tree += decision.changes.tree
        if decision.changes.leaf is not None:
            leaves.append(decision.changes.leaf)

    many = Overlay(REGISTRY)
    intake, outcomes, gathered = Intake(many, actor, NOW, "why"), [], []
    planted: list[TreeChange] = []
    for at in range(0, len(table), size):
        for code, record in table[at : at + size]:
            outcome = intake.decide(code, record, encode(record))
            outcomes.append((outcome.status, outcome.detail))
        batch = intake.take()
        for name, items in batch.rows.items():
            many.put_all((name, key, value) for key, value in items)
        many.set_leaves(many.leaves() + len(batch.leaves))
        gathered += batch.leaves
        planted += batch.tree

    assert outcomes == statuses
    assert gathered == leaves
    assert planted == tree
    assert list(_all(many)) == list(_all(one))


def test_an_import_run_again_changes_nothing() -> None:
    intake = Intake(REGISTRY, ADMINISTRATOR, NOW)
    code = identifier("A")
    assert intake.decide(code, RECORD, encode(RECORD)).status is Status.DONE
    assert intake.decide(code, RECORD, encode(RECORD)).status is Status.UNCHANGED
    batch = intake.take()
    assert [len(batch.leaves), len(batch.tree), len(batch.rows[codec.ASSIGNMENTS])] == [1, 1, 1]
