"""A node that is given another key, or whose national node has moved, goes on without a pause."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from csid import names
from csid.errors import CsidError
from registry import deployment
from registry.network.rekeying import UNIT
from registry.network.rights import ADD_KEY, ALLOW
from registry.rules.requests import Assign
from registry.service import Registry
from registry.sync.duties.filing_duty import FilingDuty
from registry.tables.enums import NodeRole
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.view import get_root
from resolver.sync.access import keyring, may
from resolver.sync.settings import Subject, Target, follow_of, key_row
from tests.registry.network.test_cuts import ZHEJIANG
from tests.support import damaged
from tests.support.books import ORIGIN, SUFFIX, ask
from tests.support.joined import KEY, REGION, ROOT, follow_root, joined, national
from tests.support.registering import PLACE, RECORD, identifier

ASKED = ("a", "administrator", "", "", "")
NEW = names.from_text("zhejiang-2.")
SECRET = bytes(range(1, 33))
NAMED = Names(SUFFIX)
CUT = NAMED.key("/".join(PLACE.split("/")[:3]))
ADDRESS = b"\x7f\0\0\1"
WEEK = 7 * 86_400


def use(registry: Registry, *key: object, overlap: int = WEEK, root: tuple[object, ...] = ()):  # type: ignore[no-untyped-def]
    return registry.perform(UNIT, (ASKED, *(key or (b"", "", b"")), overlap, root, b""))


def new_key(registry: Registry, overlap: int = WEEK) -> object:
    return use(registry, NEW, "hmac-sha256", SECRET, overlap=overlap)


def test_both_keys_hold_wherever_the_one_did(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("0100"), RECORD)).status.success
        assert new_key(registry) == ["zhejiang-2.", "zhejiang-1."]
        with registry.store.read() as read:
            for key in (NEW, KEY.name):
                for right in ("transfer", "update", "notify"):
                    assert may(read, CUT, right, ADDRESS, key), (key, right)
            for zone in (names.key_of(ORIGIN), NAMED.key("_catalog")):
                follow = follow_of(read, zone)
                assert follow is not None
                assert follow.primaries == (Target(*ROOT, NEW), Target(*ROOT, KEY.name))
            (errand,) = FilingDuty(SUFFIX).due(read, int(time.time()))
            assert errand.target == Target(*ROOT, NEW)
            now = int(time.time())
            assert keyring(read, now)(KEY.name) is not None
            assert keyring(read, now + WEEK + 5)(KEY.name) is None
            assert keyring(read, now + WEEK + 5)(NEW) is not None
        report = registry.verify([])
        assert report.faults == []


def test_a_key_in_wrong_hands_ends_at_once(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert new_key(registry, overlap=0) == ["zhejiang-2."]
        with registry.store.read() as read:
            assert key_row(read, KEY.name) is None
            follow = follow_of(read, names.key_of(ORIGIN))
            assert follow is not None and follow.primaries == (Target(*ROOT, NEW),)
            assert not may(read, CUT, "update", ADDRESS, KEY.name)


def test_at_a_third_key_the_first_ends(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        new_key(registry)
        third = names.from_text("zhejiang-3.")
        assert use(registry, third, "hmac-sha256", SECRET) == ["zhejiang-3.", "zhejiang-2."]
        with registry.store.read() as read:
            assert key_row(read, KEY.name) is None
            assert not may(read, CUT, "transfer", ADDRESS, KEY.name)


def test_the_same_again_changes_nothing_that_is_logged(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        new_key(registry)
        with registry.view() as seen:
            leaves = seen.leaves()
        assert new_key(registry) == ["zhejiang-2.", "zhejiang-1."]
        with registry.view() as seen:
            assert seen.leaves() == leaves


def test_a_national_node_that_has_moved_is_followed_to_its_new_place(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert use(registry, root=("::1", 5301)) == ["zhejiang-1."]
        with registry.store.read() as read:
            root = get_root(TransactionView(read))
            assert root is not None and (root.host, root.port) == ("::1", 5301)
            follow = follow_of(read, names.key_of(ORIGIN))
            assert follow is not None
            assert follow.primaries == (Target("::1", 5301, KEY.name),)
        assert registry.verify([]).faults == []


def test_what_one_zone_alone_was_given_goes_on_to_the_new_key(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("0100"), RECORD)).status.success
        zone = names.wire_of_key(CUT)
        registry.perform(ALLOW, (ASKED, zone, "transfer", [Subject(key=KEY.name)], False))
        new_key(registry)
        with registry.store.read() as read:
            assert may(read, CUT, "transfer", ADDRESS, NEW)


@pytest.mark.parametrize("name", ["beijing-1.", "other-2."])
def test_a_key_of_another_is_refused_and_nothing_is_done(tmp_path: Path, name: str) -> None:
    with joined(tmp_path / "data") as registry:
        wire = names.from_text(name)
        registry.perform(ADD_KEY, (ASKED, names.from_text("other-2."), "hmac-sha256", SECRET, 0))
        with pytest.raises(CsidError, match="this is node zhejiang"):
            use(registry, wire, "hmac-sha256", SECRET)
        with registry.store.read() as read:
            root = get_root(TransactionView(read))
            assert root is not None and root.key == "zhejiang-1."


def test_a_name_that_a_key_of_others_has_is_refused(tmp_path: Path) -> None:
    shared = names.from_text("shared.")
    with joined(tmp_path / "data") as registry:
        registry.perform(ADD_KEY, (ASKED, shared, "hmac-sha256", SECRET, 0))
        with pytest.raises(CsidError, match="csid key remove"):
            use(registry, shared, "hmac-sha256", SECRET)


@pytest.mark.parametrize("name", ["zhejiang-1.", "zhejiang-7.", "ZHEJIANG-2."])
def test_no_key_of_others_takes_a_name_of_its_own_keys(tmp_path: Path, name: str) -> None:
    with joined(tmp_path / "data") as registry:
        with pytest.raises(CsidError, match="use-key"):
            registry.perform(
                ADD_KEY, (ASKED, names.from_text(name.lower()), "hmac-sha256", SECRET, 0)
            )
        registry.perform(ADD_KEY, (ASKED, names.from_text("knot-1."), "hmac-sha256", SECRET, 0))


def test_a_node_in_no_network_has_no_such_key(tmp_path: Path) -> None:
    deployment.create(tmp_path / "data", SUFFIX, "0.EXAMPLE", map_octets=1 << 30)
    with (
        Registry.open(tmp_path / "data", writable=True, sync=False) as registry,
        pytest.raises(CsidError, match="in no network"),
    ):
        new_key(registry)


def test_an_aggregate_has_its_new_key_and_those_of_all_nodes(tmp_path: Path) -> None:
    first = KEY._replace(name=names.from_text("sum-1."))
    of = REGION._replace(
        role=NodeRole.AGGREGATE, name="sum", scope=(), registers=False, secret=b"s" * 32, key=first
    )
    given = Subject(b"\x0a\0\0\0", 8)
    with joined(tmp_path / "data", of) as registry:
        registry.perform(ALLOW, (ASKED, b"", "transfer", [given], False))
        follow_root(registry, national(tmp_path / "root", [ZHEJIANG]))
        name = names.from_text("sum-2.")
        assert use(registry, name, "hmac-sha256", SECRET)[0] == "sum-2."
        with registry.store.read() as read:
            for key in (name, first.name, names.from_text("zhejiang-1.")):
                assert may(read, CUT, "notify", ADDRESS, key)
            assert may(read, CUT, "transfer", b"\x0a\0\0\1", b"")  # what others were given stays
        assert registry.verify([]).faults == []


def test_what_waits_is_asked_for_at_once_by_the_new_key(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("0100"), RECORD)).status.success
        duty, now = FilingDuty(SUFFIX), int(time.time())
        with registry.store.read() as read:
            (errand,) = duty.due(read, now)
        duty.answered(errand, b"", "BADKEY", now)
        with registry.store.read() as read:
            assert not duty.due(read, now)
        new_key(registry)
        with registry.store.read() as read:
            (errand,) = duty.due(read, now)
        assert errand.target.key == NEW


@pytest.mark.parametrize("table", ["sync.rights", "sync.follows", "sync.targets", "apexes"])
def test_what_another_tool_took_away_is_put_right_by_it(tmp_path: Path, table: str) -> None:
    path = tmp_path / "data"
    joined(path).close()
    with damaged.table(path, table.encode("ascii")) as rows:
        for key, _ in rows.all():
            rows.delete(key)
    with Registry.open(path, writable=True, sync=False) as registry:
        assert bool(registry.verify([]).faults) is (table != "sync.targets")
        assert use(registry, root=ROOT) == ["zhejiang-1."]
        assert registry.verify([]).faults == []
        with registry.store.read() as read:
            assert may(read, CUT, "update", ADDRESS, KEY.name)
