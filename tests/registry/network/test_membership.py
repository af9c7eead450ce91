"""What a node follows and notifies by the register of nodes in its copy of the root zone."""

from __future__ import annotations

from pathlib import Path

from csid import names
from registry.network.catalogs import NodePolicy
from registry.network.membership import RegisterWatch
from registry.rules.requests import AddNode, ChangeNode, RekeyNode
from registry.service import Registry
from registry.sync.duties.filing_duty import adds
from registry.tables.enums import NodeRole
from registry.tables.naming import Names
from registry.tables.node_keys import derive, key_name
from resolver.sync import feed
from resolver.sync.catalog.listing import Member
from resolver.sync.settings import (
    EVERYWHERE,
    KEYS,
    RIGHTS,
    TARGETS,
    KeyRow,
    Rights,
    Subject,
    Target,
    key_row,
    own_rights,
    own_targets,
    pack,
    targets_of,
)
from tests.registry.network.test_cuts import CLOUD, CUT, ZHEJIANG
from tests.support.books import ORIGIN, SUFFIX
from tests.support.joined import KEY, REGION, follow_root, joined, national
from tests.support.registering import OWNER

AGGREGATE = AddNode("all", "aggregate", (), ("127.0.0.9:5309", "[::9]:5309"))
NAMED = Names(SUFFIX)
CATALOG = NAMED.key("_catalog")
ROOT_APEX = names.key_of(ORIGIN)
POLICY = NodePolicy(SUFFIX)
ALL = (Target("127.0.0.9", 5309, KEY.name), Target("::9", 5309, KEY.name))


def told(registry: Registry) -> None:
    """The root zone was transferred."""
    watch = RegisterWatch(SUFFIX, lambda: 0, POLICY)
    with registry.store.write() as txn:
        watch.replaced(txn, ROOT_APEX)


def member(cut: str = CUT, group: str = "zhejiang") -> Member:
    return Member(NAMED.key(cut), (group,))


def test_a_node_that_assigns_notifies_the_aggregates_of_its_own_zones(tmp_path: Path) -> None:
    root = national(tmp_path / "root", [ZHEJIANG, CLOUD, AGGREGATE])
    with joined(tmp_path / "data") as registry:
        watch = adds(registry.store).watch
        follow_root(registry, root)
        with registry.store.write() as txn:
            watch.replaced(txn, ROOT_APEX)
            assert targets_of(txn, NAMED.key(CUT)) == ALL
            assert not targets_of(txn, ROOT_APEX) and not targets_of(txn, CATALOG)
        follow_root(registry, national(tmp_path / "other", [ZHEJIANG]))
        with registry.store.write() as txn:
            watch.changed(txn, ROOT_APEX, [b"www\0"])
            assert targets_of(txn, NAMED.key(CUT)) == ALL
            watch.changed(txn, ROOT_APEX, [b"nodes\0all\0"])
            assert not targets_of(txn, NAMED.key(CUT))


def test_who_is_to_be_notified_from_now_on_is_told_of_all_that_was_changed_before(
    tmp_path: Path,
) -> None:
    with joined(tmp_path / "data") as registry:
        follow_root(registry, national(tmp_path / "root", [ZHEJIANG, AGGREGATE]))
        told(registry)
        with registry.store.write() as txn:
            passed = feed.overrun(txn)
            assert passed is not None  # all zones are gone through
            feed.remove(txn, [], passed)
        told(registry)  # the same aggregates
        with registry.store.read() as read:
            assert feed.overrun(read) is None


def test_an_aggregate_follows_each_cut_from_its_node_under_a_derived_key(tmp_path: Path) -> None:
    rekeyed = [ZHEJIANG, CLOUD, RekeyNode("zhejiang", 60)]
    root = national(tmp_path / "root", rekeyed)
    of = REGION._replace(
        role=NodeRole.AGGREGATE, name="all", scope=(), registers=False, secret=b"s" * 32
    )
    with joined(tmp_path / "data", of) as registry:
        with registry.store.write() as txn:
            assert POLICY.template(txn, CATALOG, member()) == ("zhejiang", ())  # no register yet
        follow_root(registry, root)
        told(registry)
        with registry.store.write() as txn:
            assert not POLICY.refuses(txn, NAMED.key(CUT), member())
            key = key_name("zhejiang", 2)
            older = Target(
                "127.0.0.1", 5301, key_name("zhejiang", 1)
            )  # it may not have the new one
            wanted = ("zhejiang", (Target("127.0.0.1", 5301, key), older))
            assert POLICY.template(txn, CATALOG, member()) == wanted
            row = key_row(txn, key)
            assert row is not None and row.secret == derive(b"s" * 32, "zhejiang", 2)
            assert POLICY.template(txn, CATALOG, member(group="nobody")) == ("nobody", ())


def test_an_aggregate_notifies_the_industry_nodes_each_under_its_own_key(tmp_path: Path) -> None:
    of = REGION._replace(
        role=NodeRole.AGGREGATE, name="all", scope=(), registers=False, secret=b"s" * 32
    )
    grid = AddNode("grid", "industry", ("44",), ("127.0.0.7:5307",))
    nodes = [ZHEJIANG, CLOUD, AGGREGATE, grid, RekeyNode("grid", 60)]
    with joined(tmp_path / "data", of) as registry:
        follow_root(registry, national(tmp_path / "root", nodes))
        told(registry)
        with registry.store.read() as read:
            wanted = {key_name("cloud", 1), key_name("grid", 2)}
            assert {one.key for one in targets_of(read, NAMED.key(CUT))} == wanted
            assert all(key_row(read, one.key) for one in targets_of(read, NAMED.key(CUT)))
            assert not targets_of(read, ROOT_APEX) and not targets_of(read, CATALOG)


def test_an_industry_node_holds_its_industries_from_the_aggregate(tmp_path: Path) -> None:
    moved = ChangeNode("all", (("addresses", ["127.0.0.8:5308"]),))
    root = national(tmp_path / "root", [ZHEJIANG, CLOUD, AGGREGATE, moved])
    of = REGION._replace(role=NodeRole.INDUSTRY, name="cloud", scope=("64",), registers=False)
    with joined(tmp_path / "data", of) as registry:
        follow_root(registry, root)
        told(registry)
        with registry.store.write() as txn:
            assert not POLICY.refuses(txn, NAMED.key(CUT), member())
            other = f"{OWNER}/0111/330106"
            assert "role and scope" in POLICY.refuses(txn, NAMED.key(other), member(other))
            own = POLICY.refuses(txn, NAMED.key(CUT), member(group="cloud"))
            assert "role and scope" in own
            wanted = ("zhejiang", (Target("127.0.0.8", 5308, KEY.name),))
            assert POLICY.template(txn, CATALOG, member()) == wanted
            elsewhere = names.key_of(names.from_text("catalog.example."))
            assert POLICY.template(txn, elsewhere, member()) == ("zhejiang", ())


def test_what_an_administrator_has_granted_for_all_zones_stays(tmp_path: Path) -> None:
    of = REGION._replace(
        role=NodeRole.AGGREGATE, name="all", scope=(), registers=False, secret=b"s" * 32
    )
    root = national(tmp_path / "root", [ZHEJIANG, CLOUD, AGGREGATE])
    knot = names.from_text("knot.")
    with joined(tmp_path / "data", of) as registry:
        follow_root(registry, root)
        told(registry)
        subjects = (Subject(b"\x7f\0\0\x09", 32), Subject(key=knot))
        targets = (Target("127.0.0.9", 53), Target("127.0.0.10", 53, knot))
        with registry.store.write() as txn:
            txn.table(KEYS).put(knot, pack(KeyRow("hmac-sha256", b"k" * 32)))
            before = own_rights(txn, EVERYWHERE) or Rights()
            rights = Rights(before.transfer + subjects, before.update + subjects, before.notify)
            txn.table(RIGHTS).put(EVERYWHERE, pack(rights))
            held = own_targets(txn, EVERYWHERE) or ()
            txn.table(TARGETS).put(EVERYWHERE, pack((*targets, *held)))
        follow_root(registry, national(tmp_path / "other", [ZHEJIANG, AGGREGATE]))
        told(registry)
        with registry.store.read() as read:
            after = own_rights(read, EVERYWHERE) or Rights()
            assert set(subjects) <= set(after.transfer) and after.update == subjects
            gone = Subject(key=key_name("cloud", 1))
            assert gone in before.transfer and gone not in after.transfer
            assert set(own_targets(read, EVERYWHERE) or ()) == set(targets) and held
