"""At a node that files, too, the desk decides and writes what the rules say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.desk import Desk
from registry.receiving import Receipt
from registry.rules.requests import Actor, Assign, Import, Request, RequestFiling
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.volume import TriedVolume, WrittenVolume
from resolver.store.write import WriteTransaction
from tests.registry.network.test_receipts import serial_at, take
from tests.registry.test_desk import (
    Rows,
    Said,
    actors,
    assigns,
    at_the_desk,
    by_the_rules,
    records,
    requests,
    rows,
    rows_at,
    tried,
    ttls,
)
from tests.support.books import SUFFIX, ask
from tests.support.joined import REGION, joined
from tests.support.registering import ADMINISTRATOR, NOW, OTHER, OWNER, RECORD, identifier


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With the zones of all cuts, so that they need not be made, and identifiers in all states."""
    path = tmp_path_factory.mktemp("desk") / "data"
    with joined(path, REGION._replace(scope=())) as made:
        for owner in (OWNER, OTHER):
            for location in ("330106", "330108", "110103"):
                cut = RequestFiling(f"{owner}/6450/{location}")
                assert ask(made, cut).status is Status.DONE
        for serial, code in (("1", 100), ("2", 403), ("0001", 0)):
            one = identifier(serial)
            assert ask(made, Assign(one, RECORD)).status is Status.DONE
            if code:
                take(made, Receipt(str(one), 1, code, serial_at(made, one), "why"))
        yield made


@given(st.lists(st.one_of(assigns, requests), max_size=20))
@settings(deadline=None)
def test_requests_come_to_the_same_by_both_ways(registry: Registry, asked: list[Request]) -> None:
    said, octets = tried(registry.store, lambda txn: at_the_desk(txn, asked))
    expected, written = tried(registry.store, lambda txn: by_the_rules(txn, asked))
    assert said == expected
    assert octets == written


@given(rows, actors, st.sampled_from([0, 2019, 2099]), ttls.filter(lambda ttl: ttl != 2**31))
@settings(deadline=None)
def test_rows_of_an_import_come_to_the_same_by_both_ways(
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


places = st.sampled_from([(OWNER, "330106"), (OTHER, "330112"), (OTHER, "330113")])


@given(
    st.lists(
        st.builds(
            lambda place, serial, record: Import(identifier(serial, *place), record),
            places,
            st.sampled_from(["1", "2", "3", "0001", "A"]),
            records,
        ),
        max_size=12,
        unique_by=lambda one: one.identifier,
    )
)
@settings(deadline=None)
def test_a_dry_run_says_what_would_be_said_also_of_cuts_that_are_to_be_made(
    registry: Registry, table: Rows
) -> None:
    with registry.store.write(keep=False) as txn:
        volume = WrittenVolume(txn, SUFFIX)
        said = rows_at(Desk(SUFFIX).begin(volume, NOW, txn.number), ADMINISTRATOR, 0, None, table)
    trial, before = [], None
    for at in range(0, len(table), 3):
        with registry.store.read() as read:
            before = TriedVolume(read, SUFFIX, before)
            batch = Desk(SUFFIX).begin(before, NOW)
            trial += rows_at(batch, ADMINISTRATOR, 0, None, table[at : at + 3])
            batch.write()
    assert trial == said
