"""The national register of what was filed: whatever a node serves, loses or brings back, no code is
taken twice, and the register follows from its log.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid.identifier import Identifier
from registry.network.owed import owed_to
from registry.network.receipts import take
from registry.receiving import Receipt
from registry.resume import resume
from registry.rules.lifecycle import Verb
from registry.rules.requests import AddNode, Advance, Assign, Retire
from registry.rules.status import Status
from registry.service import Registry
from registry.sync.duties.filed import FiledWatch
from registry.tables import codec
from registry.tables.enums import FiledState, NodeRole
from registry.tables.naming import Names
from registry.tables.rollback import RollbackWatch
from registry.tables.rows import Filed
from registry.tables.transaction import OWED, TransactionView, open_tables
from registry.zones.asked import Asked
from resolver.store.difference import serial_in
from resolver.sync.settings import FOLLOWS, Follow, pack, where
from tests.registry.network.test_cuts import ZHEJIANG
from tests.support.books import SUFFIX, ask
from tests.support.commands import run
from tests.support.joined import REGION, core_of, follow_root, joined, national
from tests.support.registering import ADMINISTRATOR, RECORD, identifier

NAMED = Names(SUFFIX)
BEIJING = AddNode("beijing", "region", ("11",), ("127.0.0.1:5302",))
ONE, TWO = identifier("0100"), identifier("0200")
CUT = "/".join(str(ONE).split("/")[:3])
APEX = NAMED.key(CUT)
OF = REGION._replace(role=NodeRole.AGGREGATE, name="sum", scope=(), registers=False, secret=b"s")
NOW = 1_800_000_000


@pytest.fixture
def aggregate(tmp_path: Path) -> Iterator[Registry]:
    """An aggregate with the register of two region nodes."""
    yield from made(tmp_path / "aggregate", national(tmp_path / "root", [ZHEJIANG, BEIJING]))


def made(path: Path, root: list[tuple[bytes, bytes]]) -> Iterator[Registry]:
    with joined(path, OF) as registry:
        open_tables(registry.store)
        follow_root(registry, root)
        yield registry


def copy(aggregate: Registry, node: Registry, group: str = "zhejiang") -> None:
    """The aggregate transfers the zone of the cut from a node, as a whole, and looks through it."""
    origin = NAMED.target(CUT)
    with node.store.read() as read:
        nodes = list(read.nodes(read.zone(origin).generation))
    watch = FiledWatch(SUFFIX, lambda: NOW)
    with aggregate.store.write() as txn:
        txn.table(FOLLOWS).put(where(APEX), pack(Follow((), group=group)))
        txn.replace_zone(origin, nodes)
        watch.replaced(txn, APEX)
    more = True
    while more:
        with aggregate.store.write() as txn:
            more = watch.look_on(txn)
    assert aggregate.verify([]).faults == []


def row_of(aggregate: Registry, one: Identifier) -> Filed | None:
    with aggregate.store.read() as read:
        value = TransactionView(read).get(codec.FILED, str(one).encode("ascii"))
    return None if value is None else codec.decode_filed(value)


def state_of(aggregate: Registry, one: Identifier) -> FiledState | None:
    row = row_of(aggregate, one)
    return None if row is None else row.state


def owed(aggregate: Registry, name: str = "zhejiang") -> int:
    with aggregate.store.read() as read:
        return sum(1 for _ in read.table(OWED).scan(owed_to(name)))


def assigned(node: Registry, *given: Identifier) -> None:
    for one in given:
        assert ask(node, Assign(one, RECORD)).status is Status.DONE


def received(node: Registry, *given: Identifier) -> None:
    """The node takes receipts."""
    serial = serial_of(node)
    taken = [Receipt(str(one), 5, Status.DONE.number, serial, "") for one in given]
    assert all(one.status.success for one in take(core_of(node), "zhejiang-1.", taken, NOW))


def serial_of(node: Registry) -> int:
    with node.store.read() as read:
        blob = read.tree(read.zone(NAMED.target(CUT)).generation).get(b"")
    return serial_in(blob or b"")


def test_what_is_filed_is_taken_once_and_a_receipt_is_owed(
    tmp_path: Path, aggregate: Registry
) -> None:
    with joined(tmp_path / "data") as node:
        assigned(node, ONE)
        copy(aggregate, node)
        assert (state_of(aggregate, ONE), owed(aggregate)) == (FiledState.TAKEN, 1)
        before = row_of(aggregate, ONE)
        copy(aggregate, node)
        assert (row_of(aggregate, ONE), owed(aggregate)) == (before, 1)


def test_a_register_that_was_lost_learns_what_is_in_use_and_what_has_ended(
    tmp_path: Path, aggregate: Registry
) -> None:
    with joined(tmp_path / "data") as node:
        three = identifier("0300")
        assigned(node, ONE, TWO, three)
        received(node, ONE, TWO)
        assert ask(node, Retire(TWO)).status is Status.DONE
        copy(aggregate, node)  # one that has no row of any of them
        assert state_of(aggregate, ONE) is FiledState.TAKEN
        assert state_of(aggregate, TWO) is FiledState.ENDED
        assert (state_of(aggregate, three), owed(aggregate)) == (FiledState.TAKEN, 1)
        before = row_of(aggregate, ONE)
        copy(aggregate, node)
        assert row_of(aggregate, ONE) == before


def test_what_was_met_as_ended_is_never_taken_again(tmp_path: Path, aggregate: Registry) -> None:
    with joined(tmp_path / "data") as node:
        assigned(node, ONE)
        received(node, ONE)
        assert ask(node, Retire(ONE)).status is Status.DONE
        copy(aggregate, node)
    with joined(tmp_path / "anew") as node:  # which knows nothing of it
        assigned(node, ONE)
        copy(aggregate, node)
    row = row_of(aggregate, ONE)
    assert row is not None
    assert (row.state, row.status) == (FiledState.ENDED, Status.NEVER_AGAIN.number)
    assert owed(aggregate) == 1


def test_what_a_node_has_lost_it_may_file_again_and_no_other(
    tmp_path: Path, aggregate: Registry
) -> None:
    with joined(tmp_path / "data") as node:
        assigned(node, ONE, TWO)
        copy(aggregate, node)
    with joined(tmp_path / "older") as node:  # an older copy was put back
        assigned(node, TWO)
        copy(aggregate, node)
        assert state_of(aggregate, ONE) is FiledState.GONE
        assigned(node, ONE)
        copy(aggregate, node)
        assert state_of(aggregate, ONE) is FiledState.TAKEN
    with joined(tmp_path / "lost") as node:
        assigned(node, TWO)
        copy(aggregate, node)
        assert state_of(aggregate, ONE) is FiledState.GONE
        assigned(node, ONE)
        copy(aggregate, node, "beijing")
    row = row_of(aggregate, ONE)
    assert row is not None
    assert (row.state, row.status) == (FiledState.REFUSED, Status.NEVER_AGAIN.number)


def test_what_comes_back_in_use_is_taken_as_it_is_and_what_comes_back_ended_has_ended(
    tmp_path: Path, aggregate: Registry
) -> None:
    with joined(tmp_path / "older") as older, joined(tmp_path / "data") as node:
        assigned(node, ONE, TWO)
        received(node, ONE, TWO)
        copy(aggregate, node)
        assigned(older, identifier("0900"))
        copy(aggregate, older)
        gone = {state_of(aggregate, one) for one in (ONE, TWO)}
        assert gone == {FiledState.GONE}
        assert ask(node, Retire(TWO)).status is Status.DONE
        assert ask(node, Advance(ONE, Verb.SUSPEND)).status is Status.DONE
        copy(aggregate, node)
        assert state_of(aggregate, ONE) is FiledState.TAKEN
        assert state_of(aggregate, TWO) is FiledState.ENDED


def test_what_a_node_serves_that_it_may_not_assign_is_not_taken_though_it_says_active(
    tmp_path: Path, aggregate: Registry
) -> None:
    with joined(tmp_path / "data") as node:
        assigned(node, TWO)
        copy(aggregate, node, "beijing")  # the first look, which takes all as it is
        assigned(node, ONE)
        received(node, ONE)
        copy(aggregate, node, "beijing")
    row = row_of(aggregate, ONE)
    assert row is not None
    assert (row.state, row.status) == (FiledState.REFUSED, Status.OUT_OF_SCOPE.number)


def test_what_was_said_is_listed_at_the_aggregate_alone(tmp_path: Path) -> None:
    path = tmp_path / "aggregate"
    making = made(path, national(tmp_path / "root", [ZHEJIANG, BEIJING]))
    aggregate = next(making)
    with joined(tmp_path / "data") as node:
        assigned(node, ONE, TWO)
        copy(aggregate, node)
        received(node, TWO)
        assert ask(node, Retire(TWO)).status is Status.DONE
        copy(aggregate, node)
    making.close()
    first, second = run("filing", "receipts", "--json", "--data", path).json
    assert (first["identifier"], first["state"], first["node"]) == (str(ONE), "taken", "zhejiang")
    assert (second["identifier"], second["state"]) == (str(TWO), "ended")
    words = ("filing", "receipts", str(ONE)[:25], "--state", "ended", "--node", "zhejiang")
    (only,) = run(*words, "--json", "--data", path).json
    assert only == second
    assert run("filing", "receipts", "--after", str(ONE), "--json", "--data", path).json == [second]
    said = run("filing", "receipts", "--limit", "1", "--data", path)
    assert "已备案 taken" in said.out and "--after" in said.err
    ran = run("filing", "receipts", "--data", tmp_path / "data")
    assert (ran.code, ran.out) == (1, "")
    assert "411 NOT_NATIONAL" in ran.err


def test_an_older_copy_gives_no_number_of_a_receipt_twice(tmp_path: Path) -> None:
    root = national(tmp_path / "root", [ZHEJIANG, BEIJING])
    path, backup = tmp_path / "aggregate", tmp_path / "backup"
    given: list[int] = []
    with joined(tmp_path / "node") as node:
        follow_root(node, root)
        assigned(node, ONE, TWO)
        with joined(path, OF) as aggregate:
            open_tables(aggregate.store)
            follow_root(aggregate, root)
        shutil.copytree(path, backup)
        for one in (ONE, TWO, ONE):  # the second and the third time from the same copy
            with Registry.open(path, writable=True, sync=False) as aggregate:
                with aggregate.store.read() as read:
                    missing = RollbackWatch(path).missing(read)
                assert bool(missing) == bool(given)
                told = Asked(ADMINISTRATOR, "disk lost").told()
                assert resume(aggregate.store, (told, 0, b"")).missing == missing
                copy(aggregate, node)
                row = row_of(aggregate, one)
            assert row is not None
            given.append(row.leaf)
            shutil.rmtree(path)
            shutil.copytree(backup, path)
    assert given == sorted(set(given))
