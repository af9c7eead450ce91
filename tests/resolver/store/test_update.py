"""A zone changed name by name: the tree is what a load of the same records would make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.errors import DomainNameError, ZoneError
from csid.protocol import (
    AAAA,
    CNAME,
    CSID,
    DNAME,
    HTTPS,
    MX,
    NS,
    SOA,
    SRV,
    SVCB,
    TXT,
    A,
)  # fmt: skip
from resolver.store import node, pointers
from resolver.store.build import build, wildcard_count
from resolver.store.environment import Store
from resolver.store.extras import hosts_in
from resolver.store.node import RRset
from resolver.store.update import ADDED, CHANGED, UNCHANGED, ZoneUpdate
from tests.support import trees
from tests.support.memory import zone_data
from tests.support.servers import SUFFIX, make_data

ORIGIN = names.from_text(SUFFIX)
APEX = names.key_of(ORIGIN)
ZONE = """\
$TTL 60
@    SOA ns1 host 7 1 1 1 60
     NS  ns1
ns1  A   192.0.2.1
cut  NS  ns.elsewhere.
dn   DNAME other.example.
al   CNAME ns1
a.b  TXT "x"
*.w  TXT "wild"
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data", ZONE), writable=True) as opened:
        yield opened


def key(text: str) -> bytes:
    """The key below the suffix of a name relative to it."""
    return names.key_of(names.from_text(f"{text}.{SUFFIX}"))[len(APEX) :]


def blob(text: bytes, *more: int) -> bytes:
    rrsets = {TXT: RRset(60, [bytes((len(text),)) + text])}
    return node.encode(rrsets | {rrtype: RRset(60, [b"\x80"]) for rrtype in more})


def put(store: Store, name: str, content: bytes) -> int:
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        effect = zone.put(key(name), content)
        zone.finish()
    return effect


def nodes_of(store: Store, origin: bytes = ORIGIN) -> dict[bytes, bytes]:
    with store.read() as read:
        return dict(read.nodes(read.zone(origin).generation))


# -- single names


def test_a_name_is_added_with_its_ancestors_and_the_serial_counts_up(store: Store) -> None:
    assert put(store, "x.y.z", blob(b"1")) == ADDED
    assert trees.serial(store, SUFFIX) == 8
    trees.check(store)


def test_the_same_again_writes_nothing(store: Store) -> None:
    put(store, "x.y.z", blob(b"1"))
    before = (store.path / "data.mdb").read_bytes()
    assert put(store, "x.y.z", blob(b"1")) == UNCHANGED
    assert trees.serial(store, SUFFIX) == 8
    assert (store.path / "data.mdb").read_bytes() == before


def test_a_ready_node_takes_the_place_of_all_a_name_has(store: Store) -> None:
    put(store, "x", blob(b"1", CSID))
    assert put(store, "x", blob(b"2")) == CHANGED
    assert put(store, "ns1", blob(b"1", CSID)) == CHANGED
    assert put(store, "ns1", blob(b"1", CSID)) == UNCHANGED
    held = nodes_of(store)
    assert (held[key("x")], held[key("ns1")]) == (blob(b"2"), blob(b"1", CSID))
    assert node.extra_number_at(held[b""], node.find_entry(held[b""], NS)) == 0
    trees.check(store)


def test_an_empty_non_terminal_that_gets_records_is_added(store: Store) -> None:
    assert put(store, "b", blob(b"1")) == ADDED
    trees.check(store)


@pytest.mark.parametrize("name", ["cut", "x.cut", "x.y.cut", "dn", "x.dn", "al"])
def test_an_alias_and_what_is_covered_take_no_ready_nodes(store: Store, name: str) -> None:
    before = trees.owners(store, SUFFIX)
    with pytest.raises(ZoneError):
        put(store, name, blob(b"1"))
    assert trees.owners(store, SUFFIX) == before
    trees.check(store)


def test_a_refused_name_leaves_no_empty_ancestors(store: Store) -> None:
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        with pytest.raises(ZoneError):
            zone.put(key("x.y.cut"), blob(b"1"))
        zone.finish()
    trees.check(store)
    assert trees.serial(store, SUFFIX) == 7


def test_a_name_becomes_an_alias(store: Store) -> None:
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key("new.alias"), {CNAME: RRset(60, [names.from_text("x.example.")])})
        assert zone.finish() == 8
    trees.check(store)
    with pytest.raises(ZoneError, match="alias"):
        put(store, "new.alias", blob(b"1"))


def test_the_apex_is_changed_and_keeps_soa_and_ns(store: Store) -> None:
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        with pytest.raises(ZoneError, match="apex"):
            zone.put(b"", blob(b"1"))
        with pytest.raises(ZoneError, match="SOA and NS"):
            zone.set(b"", {TXT: RRset(60, [b"\1x"])})
        with pytest.raises(ZoneError, match="SOA and NS"):
            zone.set(b"", {})
        zone.add(b"", TXT, RRset(60, [b"\1x"]))
        zone.finish()
    assert set(dict(node.rrsets_of(nodes_of(store)[b""]))) == {SOA, NS, TXT}
    trees.check(store)


# -- any changes

LABEL = st.sampled_from([b"a", b"b", b"*", b"\0"])
LABELS = st.lists(LABEL, max_size=3).map(tuple)
Labels = tuple[bytes, ...]
RRsets = dict[int, RRset]


def wire_of(labels: Labels, origin: bytes) -> bytes:
    """Labels, most significant first, as a name below an origin."""
    return b"".join(bytes((len(label),)) + label for label in reversed(labels)) + origin


def key_of(labels: Labels) -> bytes:
    return names.key_of(wire_of(labels, b"\0"))


@st.composite
def hosts(draw: st.DrawFn) -> bytes:
    """Names mostly of the zone, in any case; `%` stands for its origin."""
    name = wire_of(draw(LABELS), draw(st.sampled_from([b"%", b"%", b"%", b"\3out\0"])))
    return name.upper() if draw(st.booleans()) else name


def rrset(prefixes: list[bytes], suffix: bytes = b"") -> st.SearchStrategy[RRset]:
    """Records whose data is one of the prefixes, a host and the suffix."""
    rdata = st.tuples(st.sampled_from(prefixes), hosts()).map(lambda both: both[0] + both[1])
    some = st.lists(rdata.map(lambda head: head + suffix), min_size=1, max_size=3, unique=True)
    return st.builds(RRset, st.sampled_from([60, 90]), some)


ADDRESSES = {
    A: st.just(RRset(60, [bytes(4)])),
    AAAA: st.sampled_from([RRset(60, [bytes(16)]), RRset(90, [bytes(16), b"\1" * 16])]),
}
LEADING = {
    MX: rrset([b"\0\1"]),
    SRV: rrset([bytes(6)]),
    SVCB: st.one_of(rrset([b"\0\0", b"\0\1"]), st.just(RRset(60, [b"\0\1\0"]))),
    HTTPS: st.one_of(rrset([b"\0\0", b"\0\1"]), st.just(RRset(60, [b"\0\1\0"]))),
}
CUTTING = {NS: rrset([b""]), DNAME: st.just(RRset(60, [b"\3out\0"]))}
OTHERS = {TXT: st.sampled_from([RRset(60, [b"\1x"]), RRset(60, [b"\1y", b"\1z"])])}
ALIAS = st.builds(lambda host: {CNAME: RRset(60, [host])}, hosts())


def some_of(kinds: dict[int, st.SearchStrategy[RRset]]) -> st.SearchStrategy[RRsets]:
    return st.fixed_dictionaries({}, optional=kinds)


CONTENT = st.one_of(
    some_of(ADDRESSES), some_of(LEADING | ADDRESSES), some_of(CUTTING), ALIAS,
    some_of(CUTTING | ADDRESSES | LEADING | OTHERS), some_of(OTHERS),
)  # fmt: skip
APEX_CONTENT = some_of(ADDRESSES | LEADING | OTHERS | {DNAME: CUTTING[DNAME]})
READY = some_of(OTHERS | {SVCB: LEADING[SVCB]}).filter(bool)
ACTIONS = st.one_of(
    st.tuples(st.just("set"), LABELS.filter(bool), CONTENT),
    st.tuples(st.just("set"), LABELS.filter(bool), CONTENT),
    st.tuples(st.just("apex"), st.just(()), APEX_CONTENT),
    st.tuples(st.just("put"), LABELS.filter(bool), READY),
    st.tuples(st.just("remove"), LABELS.filter(bool), st.just({})),
    st.tuples(st.just("one by one"), LABELS.filter(bool), CONTENT),
)
Action = tuple[str, Labels, RRsets]


def placed(rrsets: RRsets, origin: bytes) -> RRsets:
    """RRsets whose hosts lie below an origin."""
    return {
        rrtype: RRset(ttl, [rdata.replace(b"%", origin) for rdata in rdatas])
        for rrtype, (ttl, rdatas) in rrsets.items()
    }


def apex_rrsets(origin: bytes, more: RRsets) -> RRsets:
    soa = RRset(60, [b"\1a" + origin + b"\0" + (7).to_bytes(4, "big") + bytes(16)])
    return more | {SOA: soa, NS: RRset(60, [b"\1a" + origin, b"\1b\1a" + origin])}


def without_soa(model: dict[bytes, RRsets]) -> dict[bytes, RRsets]:
    """What a zone holds, whatever its serial."""
    return {
        key: {rrtype: rrset for rrtype, rrset in rrsets.items() if rrtype != SOA}
        for key, rrsets in model.items()
        if rrsets
    }


def act(zone: ZoneUpdate, action: Action, model: dict[bytes, RRsets]) -> None:
    """Carry out an action on the zone and on what it should hold."""
    what, labels, content = action
    key, rrsets = key_of(labels), placed(content, names.wire_of_key(zone.apex))
    if what == "apex":
        rrsets = apex_rrsets(names.wire_of_key(zone.apex), rrsets)
    if what == "remove":
        zone.remove(key)
    elif what == "one by one":
        for rrtype in list(zone.rrsets(key)):
            zone.remove(key, rrtype, list(zone.rrsets(key)[rrtype].rdatas))
        for rrtype, (ttl, rdatas) in rrsets.items():
            for rdata in rdatas:
                zone.add(key, rrtype, RRset(ttl, [rdata]))
    elif what == "put":
        try:
            zone.put(key, node.encode(rrsets))
        except ZoneError:
            return
    else:
        zone.set(key, rrsets)
    model[key] = rrsets


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_data(tmp_path_factory.mktemp("update") / "data", ZONE)
    with Store.open(path, writable=True, sync=False) as opened:
        yield opened


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([b"\0", b"\1z\0", b"\1a\1z\0"]),
    st.dictionaries(LABELS.filter(bool), CONTENT.filter(bool), max_size=8),
    st.lists(st.lists(ACTIONS, max_size=4), max_size=4),
)
def test_any_changes_leave_the_tree_that_a_load_would_make(
    scratch: Store, origin: bytes, first: dict[Labels, RRsets], commits: list[list[Action]]
) -> None:
    """Node by node, with covers and additional records, and pointer by pointer."""
    apex = names.key_of(origin)
    model = {key_of(labels): placed(rrsets, origin) for labels, rrsets in first.items()}
    model[b""] = apex_rrsets(origin, {})

    def built() -> dict[bytes, bytes]:
        data = {names.wire_of_key(apex + key): held for key, held in model.items() if held}
        return dict(build(origin, data))

    with scratch.write(keep=False) as txn:
        txn.replace_zone(origin, built().items())
        serial = 7
        for actions in commits:
            zone = txn.update(origin)
            before = without_soa(model)
            for action in actions:
                act(zone, action, model)
            assert zone.finish() == (serial := serial + (before != without_soa(model)))
            model[b""][SOA] = zone.rrsets(b"")[SOA]
            loaded = built()
            tree = txn.table(b"tree").scan(zone.generation)
            assert {key[8:]: blob for key, blob in tree} == loaded
            assert zone.wildcards == wildcard_count(iter(loaded))
            led = [
                pointers.row(zone.generation, host, key)
                for key, blob in loaded.items()
                for host in hosts_in(apex, key, blob)
            ]
            assert list(txn.table(b"pointers").scan(zone.generation)) == sorted(led)


# -- what depends on a host

HOSTS = """\
$TTL 60
@     SOA ns1 host 7 1 1 1 60
      NS  ns1
ns1   A   192.0.2.1
other A   192.0.2.9
deep.ent.tree  TXT "x"
*.tree  A 192.0.2.7
t     MX  1 {host}
"""


def extra_of(store: Store, name: str, rrtype: int) -> list[bytes]:
    """The addresses that go with an RRset, the last octets of each."""
    content = nodes_of(store)[key(name) if name else b""]
    records = node.split_extra(node.extra_at(content, node.find_entry(content, rrtype)))
    return [record[-1:] for record in records]


def address(last: int) -> dict[int, RRset]:
    return {A: RRset(60, [bytes((192, 0, 2, last))])}


@pytest.mark.parametrize(
    ("host", "before", "name", "rrsets", "after"),
    [
        ("h", [], "h", address(5), [5]),
        ("other", [9], "other", address(5), [5]),
        ("other", [9], "other", {}, []),
        ("x.other", [], "other", {NS: RRset(60, [b"\2ns\0"])}, []),
        ("other", [9], "other", {NS: RRset(60, [b"\2ns\0"])} | address(9), []),
        ("x.tree", [7], "*.tree", address(5), [5]),
        ("x.tree", [7], "*.tree", {}, []),
        ("x.tree", [7], "x.tree", address(5), [5]),
        ("x.y.tree", [7], "y.tree", address(5), []),
        ("x.y.tree", [7], "z.y.tree", address(5), []),  # an empty non-terminal comes
        ("x.ent.tree", [], "deep.ent.tree", {}, [7]),  # one goes
        ("x.ent.tree", [], "*.ent.tree", address(5), [5]),
        ("x.tree", [7], "tree", {DNAME: RRset(60, [b"\2ns\0"])}, []),
        ("x.new", [], "*", address(5), [5]),
    ],
)
def test_what_leads_to_a_host_has_its_addresses_whatever_changes(
    store: Store,
    host: str,
    before: list[int],
    name: str,
    rrsets: dict[int, RRset],
    after: list[int],
) -> None:
    with store.write() as txn:
        txn.replace_zone(ORIGIN, build(*zone_data(HOSTS.format(host=host), SUFFIX)))
    assert extra_of(store, "t", MX) == [bytes((last,)) for last in before]
    old = nodes_of(store)
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        was = zone.rrsets(key(name))
        zone.set(key(name), rrsets)
        zone.finish()
    assert extra_of(store, "t", MX) == [bytes((last,)) for last in after]
    trees.check(store)
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key(name), was)
        assert zone.finish() == 9
    back = nodes_of(store)
    assert back.pop(b"") != old.pop(b"")  # the serial
    assert back == old


def test_a_ready_node_that_leads_to_a_host_of_the_zone_has_its_addresses(store: Store) -> None:
    rdata = b"\0\1" + b"\3NS1" + ORIGIN + b"\0\3\0\2\x20\xfb"
    content = node.encode({SVCB: RRset(60, [rdata])})
    assert put(store, "x.y", content) == ADDED
    assert put(store, "x.y", content) == UNCHANGED
    assert extra_of(store, "x.y", SVCB) == [b"\1"]
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key("ns1"), address(5))
        zone.finish()
    assert extra_of(store, "x.y", SVCB) == extra_of(store, "", NS) == [b"\5"]
    assert put(store, "x.y", blob(b"1")) == CHANGED
    with store.write(keep=False) as txn:
        assert txn.table(b"pointers").entries() == 1  # that of the apex


@pytest.mark.parametrize(("names_below", "fits"), [(3, True), (4, False)])
def test_a_change_that_changes_too_much_else_is_refused_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, names_below: int, fits: bool
) -> None:
    monkeypatch.setattr("resolver.store.update.NODES_PER_COMMIT", 3)
    for number in range(names_below):
        put(store, f"n{number}.top", blob(b"1"))
        with store.write() as txn:
            zone = txn.update(ORIGIN)
            zone.set(key(f"m{number}"), {MX: RRset(60, [b"\0\1\1h" + ORIGIN])})
            zone.finish()
    before = nodes_of(store)
    changes = {"top": {DNAME: RRset(60, [b"\1x\0"])}, "h": address(5)}
    for name, rrsets in changes.items():
        try:
            with store.write() as txn:
                zone = txn.update(ORIGIN)
                zone.set(key(name), rrsets)
                zone.finish()
        except ZoneError as error:
            assert f"{name}.{SUFFIX}: has more than 3 names below it or leading to it" in str(error)
            assert not fits
            assert nodes_of(store) == before
        else:
            assert fits
        trees.check(store)


# -- records, serial, journal


def changed(store: Store, **options: bool | int) -> int:
    with store.write() as txn:
        return txn.update(ORIGIN).finish(**options)  # type: ignore[arg-type]


def test_the_serial_is_what_is_asked_for(store: Store) -> None:
    assert changed(store) == 7
    assert changed(store, serial=7) == 7
    with store.read() as read:
        assert list(read.journal(read.zone(ORIGIN)).steps()) == []
    assert changed(store, always=True) == 8
    assert changed(store, serial=20) == 20
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        assert (zone.serial(), zone.next_serial()) == (20, 21)
        rrsets = zone.rrsets(b"")
        soa = rrsets[SOA].rdatas[0]
        zone.set(b"", rrsets | {SOA: RRset(60, [soa[:-20] + bytes(20)]), TXT: RRset(1, [b"\1x"])})
        assert (zone.serial(), zone.next_serial()) == (20, 21)
        assert zone.finish() == 21
    assert trees.serial(store, SUFFIX) == 21
    with store.read() as read:
        journal = read.journal(read.zone(ORIGIN))
        assert [step.before for step in journal.steps()] == [20, 8, 7]
        since = journal.since(20)
    assert since is not None and list(since) == [b""]


def test_what_is_changed_and_changed_back_is_no_change(store: Store) -> None:
    before = nodes_of(store)
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        for name in ("new.name", "cut", "ns1", "a.b", "dn"):
            was = zone.rrsets(key(name))
            zone.set(key(name), {TXT: RRset(60, [b"\1z"])})
            zone.set(key(name), was)
        zone.put(key("late"), blob(b"1"))
        zone.remove(key("late"))
        content = zone.blob(key("a.b"))
        assert content is not None
        zone.put(key("a.b"), blob(b"1"))
        zone.put(key("a.b"), content)
        assert zone.finish() == 7
    assert nodes_of(store) == before


def test_records_are_added_and_taken_away_one_by_one(store: Store) -> None:
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.add(key("n"), TXT, RRset(60, [b"\1a", b"\1b", b"\1a"]))
        zone.add(key("n"), TXT, RRset(90, [b"\1b", b"\1c"]))
        zone.add(key("n"), A, RRset(60, [bytes(4)]))
        assert zone.rrsets(key("n"))[TXT] == RRset(90, [b"\1a", b"\1b", b"\1c"])
        zone.remove(key("n"), TXT, [b"\1a", b"\1x"])
        zone.remove(key("n"), A)
        zone.remove(key("n"), AAAA)
        zone.remove(key("none"))
        zone.finish()
    assert dict(node.rrsets_of(nodes_of(store)[key("n")])) == {TXT: RRset(90, [b"\1b", b"\1c"])}
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.remove(key("n"), TXT, [b"\1b", b"\1c"])
        zone.remove(key("a.b"))
        zone.finish()
    trees.check(store)
    assert not {key("n"), key("a.b"), key("b")} & set(nodes_of(store))


@pytest.mark.parametrize(
    ("name", "rrsets", "said"),
    [
        ("x", {CNAME: RRset(1, [b"\1a\0"]), TXT: RRset(1, [b"\1x"])}, "no other records"),
        ("x", {CNAME: RRset(1, [b"\1a\0", b"\1b\0"])}, "two CNAME records"),
        ("x", {DNAME: RRset(1, [b"\1a\0", b"\1b\0"])}, "two DNAME records"),
        ("x", {SOA: RRset(1, [b"\0\0" + bytes(20)])}, "below the apex"),
        ("x", {TXT: RRset(1, [bytes(40_000), b"\1" * 40_000])}, "fit an answer"),
    ],
)
def test_records_that_may_not_stand_together_are_refused(
    store: Store, name: str, rrsets: dict[int, RRset], said: str
) -> None:
    before = nodes_of(store)
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        with pytest.raises(ZoneError, match=said):
            zone.set(key(name), rrsets)
        assert zone.finish() == 7
    assert nodes_of(store) == before
    with pytest.raises(ZoneError, match=said), store.write() as txn:
        zone = txn.update(ORIGIN)
        for rrtype, rrset in rrsets.items():
            zone.add(key(name), rrtype, rrset)
        zone.finish()
    assert nodes_of(store) == before


def test_a_name_too_long_for_the_store_is_refused_and_may_be_led_to(store: Store) -> None:
    long = b"".join(bytes((size,)) + b"\1" * size for size in (63, 63, 63, 61)) + b"\0"
    with store.write() as txn:
        txn.replace_zone(b"\0", build(*zone_data(ZONE, ".")))
        zone = txn.update(b"\0")
        with pytest.raises(DomainNameError, match="at most 503"):
            zone.set(names.key_of(long), {TXT: RRset(1, [b"\1x"])})
        zone.set(b"t\0", {MX: RRset(1, [b"\0\1" + long])})
        zone.finish()
        zone.set(b"*\0", address(5))
        zone.finish()
    trees.check(store)
    (content,) = [held for key, held in nodes_of(store, b"\0").items() if key == b"t\0"]
    assert node.extra_number_at(content, 2) == 1


def leaf_pages(store: Store) -> int:
    with store._environment.begin() as txn:
        return int(txn.stat(store._databases[b"tree"])["leaf_pages"])


def test_names_that_come_in_order_fill_their_pages(store: Store) -> None:
    count, octets = 900, 640
    before = leaf_pages(store)
    for start in range(0, count, 100):
        with store.write() as txn:
            update = txn.update(ORIGIN)
            for number in range(start, start + 100):
                update.put(key(f"n{number:04d}.zz"), blob(b"x" * 200) + b"x" * (octets - 200))
            update.finish()
    # A page has room for 5 of them; where it is split in the middle of the tree 4 are left in it.
    assert leaf_pages(store) - before <= count / 5 + 5
    for number in (0, 450, 899):
        assert put(store, f"n{number:04d}.zz", blob(b"other")) == CHANGED
    assert put(store, "m0450.zz", blob(b"between")) == ADDED
