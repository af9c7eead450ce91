"""What the network may do at a node stays, whatever others are given beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid import names
from registry.network.rights import ALLOW, NOTIFY
from registry.rules.requests import AddNode, Assign
from registry.service import Registry
from registry.sync.duties.filing_duty import adds
from registry.tables.naming import Names
from resolver.sync.access import may
from resolver.sync.settings import Subject, Target, targets_of
from tests.registry.network.test_cuts import CUT, ORIGIN, ZHEJIANG
from tests.support.books import ORIGIN as ROOT_ZONE
from tests.support.books import SUFFIX, ask
from tests.support.joined import KEY, follow_root, joined, national
from tests.support.registering import RECORD, identifier

ASKED = ("a", "administrator", "", "", "")
APEX = Names(SUFFIX).key(CUT)
OTHERS = b"\x0a\0\0\1"
NETWORK = Subject(b"\x0a\0\0\0", 8)
SUM = AddNode("sum", "aggregate", (), ("127.0.0.2:5300",))
MOVED = AddNode("sum", "aggregate", (), ("127.0.0.9:5300",))


def node(path: Path) -> Registry:
    registry = joined(path)
    assert ask(registry, Assign(identifier("0100"), RECORD)).status.success
    return registry


@pytest.mark.parametrize("right", ["transfer", "update", "notify"])
def test_a_zone_with_rights_of_its_own_keeps_those_of_the_network(
    tmp_path: Path, right: str
) -> None:
    with node(tmp_path / "data") as registry:
        for is_taken in (False, True):
            registry.perform(ALLOW, (ASKED, ORIGIN, right, [NETWORK], is_taken))
            with registry.store.read() as read:
                assert may(read, APEX, right, OTHERS, b"") is not is_taken
                for one in ("transfer", "update", "notify"):
                    assert may(read, APEX, one, OTHERS, KEY.name)
        registry.perform(ALLOW, (ASKED, b"", right, [NETWORK], False))
        with registry.store.read() as read:  # it has no rights of its own any more
            assert may(read, APEX, right, OTHERS, b"")


def test_a_zone_of_which_others_are_notified_is_told_to_the_aggregate_too(tmp_path: Path) -> None:
    other = Target("192.0.2.1", 53)
    root = names.key_of(ROOT_ZONE)
    with node(tmp_path / "data") as registry:
        watch = adds(registry.store).watch
        for of, host in ((SUM, "127.0.0.2"), (MOVED, "127.0.0.9")):
            follow_root(registry, national(tmp_path / host, [ZHEJIANG, of]))
            with registry.store.write() as txn:
                watch.replaced(txn, root)
            registry.perform(NOTIFY, (ASKED, ORIGIN, other, False))
            aggregate = Target(host, 5300, KEY.name)
            with registry.store.read() as read:
                assert targets_of(read, APEX) == (aggregate, other)
                assert not targets_of(read, root)
        registry.perform(NOTIFY, (ASKED, ORIGIN, other, True))
        with registry.store.read() as read:
            assert targets_of(read, APEX) == (aggregate,)
