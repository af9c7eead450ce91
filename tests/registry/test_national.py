"""A national node's directory: what its register says resolves, is granted, and is verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid import names
from csid.protocol import NS, PTR, SRV, TXT, A
from registry import deployment
from registry.rules.requests import (
    ApproveCut,
    Assign,
    Body,
    ChangeNode,
    FileCut,
    FreezeCut,
    KeepCut,
    MoveCut,
    ReinstateNode,
    RejectCut,
    RekeyNode,
    RemoveNode,
    Request,
    SetFiling,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.network import member_label, text_of
from registry.tables.node_keys import SECRET, derive, key_name
from registry.tables.rows import Cut
from registry.tables.view import get_cut
from resolver.store.node import rrsets_of
from resolver.sync import settings as sync
from resolver.sync.settings import Subject, Target
from tests.support.books import accredit, ask
from tests.support.networking import (
    AGGREGATE,
    ANYWHERE,
    BEIJING,
    CUT,
    GRID,
    NAMED,
    SUFFIX,
    ZHEJIANG,
    acting,
    filing,
)
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

ROOT = names.key_of(NAMED.wire)
CATALOG = NAMED.key("_catalog")
HERE = f"ns1.330106.6450.{OWNER}.csid.internal."


def opened(path: Path) -> Registry:
    deployment.create(path, SUFFIX, "0.EXAMPLE", map_octets=1 << 28, national=True)
    registry = Registry.open(path, writable=True, sync=False)
    accredit(registry, OWNER, OTHER)
    return registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path / "data") as registry:
        yield registry


def must(registry: Registry, *bodies: Body) -> None:
    for body in bodies:
        decision = ask(registry, body)
        assert decision.status is Status.DONE, decision


def held(registry: Registry, path: str) -> dict[int, list[bytes]]:
    """What a name below the suffix has, by type."""
    key = NAMED.key(path)
    with registry.store.read() as read:
        apex = CATALOG if key.startswith(CATALOG) else ROOT
        zone = read.zone(names.wire_of_key(apex))
        blob = read.tree(zone.generation).get(key[len(apex) :])
        return {} if blob is None else {one: sorted(rrset[1]) for one, rrset in rrsets_of(blob)}


def row(registry: Registry) -> Cut:
    """The row of the cut."""
    with registry.view() as seen:
        found = get_cut(seen, CUT)
    assert found is not None
    return found


def require_sound(registry: Registry) -> None:
    """All is as the log says, and comes to the same when it is decided again."""
    report = registry.verify(by_rules=True)
    assert (report.faults, report.by_rules) == ([], [])


def test_a_node_is_data_of_the_root_zone(registry: Registry) -> None:
    must(registry, ZHEJIANG)
    host = held(registry, "nodes/zhejiang")
    assert host[A] == [bytes((127, 0, 0, 3))]
    text = "".join(chr(len(one)) + one for one in ("v=1", "role=region", "scope=33"))
    assert host[TXT][0].decode() == text + "\x0cstate=active\x05key=1"
    (service,) = held(registry, "nodes/zhejiang/_tcp/_sync")[SRV]
    assert service == b"\0\0\0\0\x14\xb4" + NAMED.target("nodes/zhejiang")
    require_sound(registry)
    must(registry, RemoveNode("zhejiang"))
    assert held(registry, "nodes/zhejiang") == {}
    require_sound(registry)


def test_its_key_follows_from_the_secret_which_nothing_else_says(
    registry: Registry, tmp_path: Path
) -> None:
    must(registry, ZHEJIANG, AGGREGATE, RekeyNode("zhejiang", 3600))
    with registry.store.read() as read:
        secret = read.table(b"meta").get(SECRET)
        assert secret is not None and len(secret) == 32
        for generation in (1, 2):
            row = sync.key_row(read, key_name("zhejiang", generation))
            assert row is not None
            assert row.secret == derive(secret, "zhejiang", generation)
            assert row.node == "zhejiang"
            assert bool(row.until) == (generation == 1)
        both = [Subject(key=key_name("zhejiang", one)) for one in (1, 2)]
        total = [*both, Subject(key=key_name("sum", 1))]
        for apex in (ROOT, CATALOG):  # its cuts are claimed, and nothing else is a node's to update
            rights = sync.rights_of(read, apex)
            assert (set(rights.transfer), rights.update) == (set(total), ())
        targets = {Target(host, 5300, key_name("zhejiang", 2)) for host in ("127.0.0.3", "::1")}
        targets.add(Target("127.0.0.2", 5300, key_name("sum", 1)))
        for apex in (ROOT, CATALOG):
            assert set(sync.targets_of(read, apex)) == targets
        leaves = [row for table in (b"registry.leaves", b"registry.nodes", b"tree", b"journal")
                  for row in read.table(table).scan(b"")]  # fmt: skip
        for kept in (secret, derive(secret, "zhejiang", 2)):
            assert not any(kept in value for _, value in leaves)
    require_sound(registry)
    must(registry, SuspendNode("zhejiang"))
    with registry.store.read() as read:
        root = sync.rights_of(read, ROOT)
        assert (set(root.transfer), root.update) == (set(total), ())
    must(registry, RemoveNode("zhejiang"), ZHEJIANG)
    with registry.store.read() as read:  # whoever had a key once has none that holds
        known = [name for name, _ in read.table(sync.KEYS).scan(b"")]
        assert known == [key_name("sum", 1), key_name("zhejiang", 3)]
    require_sound(registry)


def test_what_others_were_granted_stays(registry: Registry) -> None:
    guest = Subject(bytes((192, 0, 2, 0)), 24)
    with registry.store.write() as txn:
        rights = sync.Rights((guest,), (guest,), (guest,))
        txn.table(sync.RIGHTS).put(sync.where(ROOT), sync.pack(rights))
        txn.table(sync.TARGETS).put(sync.where(ROOT), sync.pack([Target("192.0.2.1", 53)]))
    must(registry, ZHEJIANG, RekeyNode("zhejiang", 0), RemoveNode("zhejiang"))
    with registry.store.read() as read:
        assert sync.rights_of(read, ROOT) == rights
        assert sync.targets_of(read, ROOT) == (Target("192.0.2.1", 53),)


def test_a_cut_is_delegated_and_a_member_in_one_transaction(registry: Registry) -> None:
    must(registry, ZHEJIANG, ANYWHERE)
    with registry.store.read() as read:
        before = [read.summary(zone).serial for zone in read.zones()]
    must(registry, filing(CUT))
    assert held(registry, CUT) == {NS: [NAMED.target("nodes/zhejiang")]}
    member = f"_catalog/zones/{member_label(NAMED, CUT, row(registry))}"
    assert held(registry, member) == {PTR: [NAMED.target(CUT)]}
    assert held(registry, f"{member}/group") == {TXT: [b"\x08zhejiang"]}
    with registry.store.read() as read:
        assert [read.summary(zone).serial for zone in read.zones()] == [n + 1 for n in before]
    require_sound(registry)
    must(registry, AGGREGATE, MoveCut(CUT, "anywhere"))
    assert held(registry, CUT) == {NS: [NAMED.target("nodes/zhejiang")]}
    number = row(registry).leaf
    noted = text_of(["v=1", f"move={number}", "from=zhejiang", "to=anywhere"])
    assert held(registry, f"moves/{CUT}") == {TXT: [noted]}
    require_sound(registry)
    frozen = Request(acting("zhejiang"), FreezeCut(CUT, "zhejiang", number, 7))
    assert registry.submit(frozen).status is Status.DONE
    assert sorted(held(registry, f"moves/{CUT}")[TXT]) == sorted([noted, text_of(["serial=7"])])
    require_sound(registry)
    must(registry, FileCut(CUT, "anywhere"))
    assert held(registry, CUT) == {NS: [NAMED.target("nodes/anywhere")]}
    assert held(registry, f"{member}/group") == {TXT: [b"\x08anywhere"]}
    assert held(registry, f"moves/{CUT}") == {}
    over = [text_of(["v=1", f"move={number}", "node=anywhere"]), text_of(["serial=7"])]
    assert sorted(held(registry, f"moved/{CUT}")[TXT]) == over
    require_sound(registry)
    must(registry, WithdrawCut(CUT, "anywhere"))
    assert held(registry, CUT) == held(registry, member) == {}
    # Until it is filed anew: whoever had it last is to learn that it is nobody's now.
    withdrawn = text_of(["v=1", f"move={number}", "node=anywhere", "state=withdrawn"])
    assert sorted(held(registry, f"moved/{CUT}")[TXT]) == sorted([withdrawn, text_of(["serial=7"])])
    require_sound(registry)


def test_of_two_that_come_in_one_commit_the_second_sees_the_first(registry: Registry) -> None:
    must(registry, ZHEJIANG)
    bodies = [filing(CUT), Assign(identifier(), RECORD), Assign(identifier("0002"), RECORD)]
    decisions = registry.submit_all([Request(ADMINISTRATOR, body) for body in bodies])
    assert [one.status for one in decisions] == [Status.DONE, Status.DELEGATED, Status.DELEGATED]
    must(registry, WithdrawCut(CUT, "zhejiang"))
    decisions = registry.submit_all([Request(ADMINISTRATOR, body) for body in bodies[::-1]])
    assert [one.status for one in decisions] == [Status.DONE, Status.DONE, Status.CUT_HAS_NAMES]
    require_sound(registry)


OWNERS = (OWNER, OTHER)
PREFIXES = [
    OWNER,
    f"{OWNER}/6450",
    CUT,
    f"{OWNER}/6450/110105",
    f"{OTHER}/6440",
    f"{OTHER}/6440/330106",
]
names_of_nodes = st.sampled_from(["zhejiang", "beijing", "grid", "anywhere"])
prefixes = st.sampled_from(PREFIXES)
servers = st.sampled_from([(), ((HERE, ("192.0.2.1", "2001:db8::1")),), (("ns.example.cn.", ()),)])
requests = st.one_of(
    st.sampled_from([ZHEJIANG, BEIJING, GRID, ANYWHERE, AGGREGATE]),
    st.builds(FileCut, prefixes, names_of_nodes, servers),
    st.builds(FileCut, prefixes, st.just("anywhere"), servers),
    st.builds(WithdrawCut, prefixes, names_of_nodes),
    st.builds(MoveCut, prefixes, names_of_nodes),
    st.builds(KeepCut, prefixes),
    st.builds(ApproveCut, prefixes),
    st.builds(RejectCut, prefixes),
    st.builds(SetFiling, st.sampled_from(["automatic", "manual"])),
    st.builds(SuspendNode, names_of_nodes),
    st.builds(ReinstateNode, names_of_nodes),
    st.builds(RemoveNode, names_of_nodes),
    st.builds(RekeyNode, names_of_nodes, st.sampled_from([0, 3600])),
    st.builds(
        ChangeNode,
        names_of_nodes,
        st.sampled_from([(("addresses", ("[::2]:53", "192.0.2.7:54")),), (("scope", ()),)]),
    ),
    st.builds(Assign, st.builds(identifier, owner=st.sampled_from(OWNERS)), st.just(RECORD)),
)


@given(commits=st.lists(st.lists(requests, max_size=6), max_size=6))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_after_any_requests_all_is_as_the_log_says(
    tmp_path_factory: pytest.TempPathFactory, commits: list[list[Body]]
) -> None:
    with opened(tmp_path_factory.mktemp("any") / "data") as registry:
        must(registry, ZHEJIANG, ANYWHERE)
        for commit in commits:
            registry.submit_all([Request(ADMINISTRATOR, body, "why") for body in commit])
        require_sound(registry)
