"""Catalogs consumed: which zones are held, by whom, and what becomes of their data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid import names
from resolver.store import parted
from resolver.store.apexes import NOT_READY
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction
from resolver.sync import states, timers
from resolver.sync.catalog import listing, members
from resolver.sync.catalog.holding import (
    ADDED,
    CHANGED,
    KEPT_SECONDS,
    MOVED,
    REMOVED,
    RESET,
    RETURNED,
    Policy,
)
from resolver.sync.catalog.listing import Member
from resolver.sync.catalog.members import Consumer
from resolver.sync.settings import (
    CATALOGS,
    FOLLOWS,
    Catalog,
    Follow,
    Target,
    follow_of,
    pack,
    where,
)
from tests.support import trees
from tests.support.memory import zone_data

NOW = 1_800_000_000
HERE = Target("192.0.2.1", 53)
NORTH = Target("192.0.2.2", 53, b"\5north\0")
ZONE = "$TTL 60\n@ SOA invalid. invalid. 1 60 60 60 60\n@ NS invalid.\nwww A 192.0.2.9\n"
HEAD = '$TTL 0\n@ SOA invalid. invalid. 1 60 60 60 60\n@ NS invalid.\nversion TXT "2"\n'


def key(text: str) -> bytes:
    """The canonical key of a name."""
    return names.key_of(names.from_text(text))


def publish(txn: WriteTransaction, origin: str, text: str) -> None:
    """Let a zone be what the text says."""
    apex, data = zone_data(text, origin)
    txn.replace_zone(apex, build(apex, data))


class Node:
    """A node that consumes catalogs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.consumer = Consumer(lambda: self.now)

    def consume(self, origin: str, *groups: tuple[str, tuple[Target, ...]]) -> None:
        with self.store.write() as txn:
            txn.table(CATALOGS).put(where(key(origin)), pack(Catalog((HERE,), groups, NOW)))

    def catalog(self, origin: str, text: str, head: str = HEAD) -> list[tuple[str, str]]:
        """Let a catalog be transferred as a whole; what follows."""
        with self.store.write() as txn:
            publish(txn, origin, head + text)
            self.consumer.replaced(txn, key(origin))
            return self.steps()

    def changed(self, origin: str, **names_texts: str) -> list[tuple[str, str]]:
        """Let names of a catalog be changed by an IXFR; `a_zones` stands for a.zones."""
        with self.store.write() as txn:
            update = txn.update(names.from_text(origin))
            keys = []
            for name, text in names_texts.items():
                owner = name.replace("_", ".") + "." + origin
                keys.append(key(owner)[len(key(origin)) :])
                _, data = zone_data(HEAD + f"{owner} {text}\n" if text else HEAD, origin)
                update.set(keys[-1], data.get(names.from_text(owner), {}))
            update.finish()
            self.consumer.changed(txn, key(origin), keys)
            return self.steps()

    def steps(self) -> list[tuple[str, str]]:
        return [
            (step.kind, names.to_text(names.wire_of_key(step.zone))) for step in self.consumer.steps
        ]

    def transfer(self, *origins: str) -> None:
        """Let members be there."""
        with self.store.write() as txn:
            for origin in origins:
                publish(txn, origin, ZONE)

    def follow(self, origin: str) -> Follow | None:
        with self.store.read() as read:
            return follow_of(read, key(origin))

    def held(self) -> set[str]:
        """The zones of which there is data."""
        with self.store.read() as read:
            zones = list(read.zones())
            assert all(  # what is followed has a state and a timer, and nothing else has
                (states.state_of(read, zone.apex) is None) == (follow_of(read, zone.apex) is None)
                for zone in zones
            )
            assert sum(1 for _ in timers.rows(read)) == sum(1 for _ in states.states(read))
            return {names.to_text(zone.origin) for zone in zones if zone.flags != NOT_READY}

    def fault(self, origin: str) -> str | None:
        with self.store.read() as read:
            return members.fault_of(read, key(origin))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Store.create(tmp_path / "node", "csid.internal.", "0.EXAMPLE") as store:
        made = Node(store)
        made.consume("cat.", ("north", (NORTH,)))
        yield made
        trees.check(store)


def test_members_are_followed_from_the_primaries_of_their_group(node: Node) -> None:
    steps = node.catalog(
        "cat.",
        'a.zones PTR a.example.\nb.zones PTR b.example.\ngroup.b.zones TXT "nor" "th"\n'
        "group.b.zones TXT east\n",
    )
    assert steps == [(ADDED, "a.example."), (ADDED, "b.example.")]
    assert node.follow("a.example.") == Follow((HERE,), key("cat."), b"a", "", NOW)
    assert node.follow("b.example.") == Follow((NORTH,), key("cat."), b"b", "north", NOW)


def test_a_change_of_a_catalog_touches_what_it_names(node: Node) -> None:
    node.catalog("cat.", "a.zones PTR a.example.\nb.zones PTR b.example.\n")
    assert node.changed("cat.", c_zones="PTR c.example.") == [(ADDED, "c.example.")]
    assert node.changed("cat.", a_zones="") == [(REMOVED, "a.example.")]
    assert node.changed("cat.", group_b_zones="TXT north") == [(CHANGED, "b.example.")]
    assert node.changed("cat.", group_b_zones="TXT east") == [(CHANGED, "b.example.")]
    assert node.changed("cat.", group_b_zones="TXT east") == []
    assert node.changed("cat.", x_ext_b_zones="TXT hello", other="TXT north") == []
    assert node.follow("a.example.") is None
    assert node.follow("b.example.") == Follow((HERE,), key("cat."), b"b", "east", NOW)


@pytest.mark.parametrize(
    ("text", "head", "said"),
    [
        ("a.zones PTR a.example.\n", HEAD.replace('"2"', '"1"'), "version"),
        ("a.zones PTR a.example.\n", HEAD + 'version TXT "1"\n', "version"),
        ("a.zones PTR a.example.\n", HEAD.replace("version", "other"), "none"),
        ("b.zones PTR b.example.\nb.zones PTR c.example.\n", HEAD, "2 PTR"),
        ("a.zones PTR a.example.\ncoo.a.zones PTR x.\ncoo.a.zones PTR y.\n", HEAD, "coo.a"),
    ],
)
def test_a_broken_catalog_is_not_processed(node: Node, text: str, head: str, said: str) -> None:
    node.catalog("cat.", "old.zones PTR old.example.\n")
    assert node.catalog("cat.", text, head) == []
    assert said in (node.fault("cat.") or "")
    assert node.follow("old.example.") is not None
    assert node.follow("a.example.") is None


def test_a_catalog_is_processed_as_a_whole_once_it_is_no_longer_broken(node: Node) -> None:
    node.catalog("cat.", "old.zones PTR old.example.\n")
    broken = "a.zones PTR a.example.\nb.zones PTR b.example.\nb.zones PTR c.example.\n"
    assert node.catalog("cat.", broken + "d.zones PTR d.example.\nd.zones PTR e.example.\n") == []
    assert node.changed("cat.", b_zones="PTR b.example.") == []  # d is broken yet
    assert node.changed("cat.", d_zones="") == [
        (ADDED, "a.example."),
        (ADDED, "b.example."),
        (REMOVED, "old.example."),
    ]
    assert node.fault("cat.") == ""


def test_a_member_under_another_label_begins_anew(node: Node) -> None:
    node.catalog("cat.", "a.zones PTR a.example.\n")
    node.transfer("a.example.")
    assert node.catalog("cat.", "b.zones PTR a.example.\n") == [(RESET, "a.example.")]
    assert "a.example." not in node.held()
    follow = node.follow("a.example.")
    assert follow is not None and follow.member == b"b"


def test_a_member_that_returns_under_its_label_has_its_data(node: Node) -> None:
    node.catalog("cat.", "a.zones PTR a.example.\nb.zones PTR b.example.\n")
    node.transfer("a.example.", "b.example.")
    node.catalog("cat.", "")
    assert node.held() == {"cat."}
    node.store.sweep()
    assert node.changed("cat.", a_zones="PTR a.example.") == [(RETURNED, "a.example.")]
    assert node.changed("cat.", c_zones="PTR b.example.") == [(ADDED, "b.example.")]
    assert node.held() == {"cat.", "a.example."}
    assert trees.owners(node.store, "a.example.") == {"a.example.", "www.a.example."}


def test_data_of_a_member_that_does_not_return_goes(node: Node) -> None:
    node.catalog("cat.", "a.zones PTR a.example.\nb.zones PTR never.example.\n")
    node.transfer("a.example.")
    node.catalog("cat.", "")
    with node.store.write() as txn:
        assert parted.expire(txn, NOW + KEPT_SECONDS - 1, 10) == 0
        assert txn.doom_strays() == 0
        assert parted.expire(txn, NOW + KEPT_SECONDS, 10) == 1
    node.store.sweep()
    assert trees.leftovers(node.store) == 0
    assert node.changed("cat.", a_zones="PTR a.example.") == [(ADDED, "a.example.")]


@pytest.mark.parametrize("label", ["a", "b"])
@pytest.mark.parametrize("is_coo_first", [True, False])
def test_a_member_given_over_moves(node: Node, label: str, is_coo_first: bool) -> None:
    node.consume("new.")
    node.catalog("new.", "")
    node.catalog("cat.", "a.zones PTR a.example.\n")
    node.transfer("a.example.")
    expected = [(MOVED if label == "a" else RESET, "a.example.")]
    listed = {f"{label}_zones": "PTR a.example."}
    if is_coo_first:
        assert node.changed("cat.", coo_a_zones="PTR new.") == []
        assert node.changed("new.", **listed) == expected
    else:
        assert node.changed("new.", **listed) == []  # a clash, until it is given over
        assert node.changed("cat.", coo_a_zones="PTR new.") == expected
    assert ("a.example." in node.held()) == (label == "a")
    follow = node.follow("a.example.")
    assert follow is not None and follow.catalog == key("new.")
    assert node.changed("cat.", a_zones="", coo_a_zones="") == []
    assert node.follow("a.example.") == follow


def test_given_over_and_taken_out_at_once(node: Node) -> None:
    node.consume("new.")
    node.catalog("cat.", "a.zones PTR a.example.\ncoo.a.zones PTR new.\n")
    node.transfer("a.example.")
    node.catalog("new.", "a.zones PTR a.example.\n")
    assert node.follow("a.example.") == Follow((HERE,), key("new."), b"a", "", NOW)
    assert node.catalog("cat.", "") == []
    assert "a.example." in node.held()


def test_a_zone_that_two_catalogs_list_is_that_of_the_first_until_it_goes(node: Node) -> None:
    node.consume("other.")
    node.catalog("cat.", "a.zones PTR a.example.\na2.zones PTR a.example.\n")
    assert node.catalog("other.", "x.zones PTR a.example.\ncoo.x.zones PTR cat.\n") == []
    follow = node.follow("a.example.")
    assert follow is not None and (follow.catalog, follow.member) == (key("cat."), b"a")
    assert node.changed("cat.", a2_zones="") == []
    assert node.catalog("other.", "") == []
    assert node.catalog("other.", "x.zones PTR a.example.\n") == []
    assert node.changed("cat.", a_zones="") == [(RESET, "a.example.")]
    follow = node.follow("a.example.")
    assert follow is not None and follow.catalog == key("other.")


def test_a_zone_held_otherwise_is_never_a_members(node: Node) -> None:
    node.transfer("own.example.")
    byhand = Follow((NORTH,), since=1)
    with node.store.write() as txn:
        txn.table(FOLLOWS).put(where(key("hand.example.")), pack(byhand))
    text = "a.zones PTR own.example.\nb.zones PTR hand.example.\nc.zones PTR cat.\n"
    assert node.catalog("cat.", text) == []
    assert node.follow("own.example.") is None
    assert node.follow("hand.example.") == byhand
    assert node.catalog("cat.", "") == []
    assert node.held() == {"cat.", "own.example."}


def test_a_name_that_becomes_free_is_a_members(node: Node) -> None:
    node.transfer("own.example.")
    node.catalog("cat.", "a.zones PTR own.example.\n")
    with node.store.write() as txn:
        txn.drop_zone(names.from_text("own.example."))
        node.consumer.dropped(txn, key("own.example."))
        assert node.steps() == [(ADDED, "own.example.")]


def test_members_go_with_their_catalog(node: Node) -> None:
    node.catalog("cat.", "a.zones PTR a.example.\nb.zones PTR b.example.\n")
    with node.store.write() as txn:
        txn.drop_zone(names.from_text("cat."))
        node.consumer.dropped(txn, key("cat."))
        assert node.steps() == [(REMOVED, "a.example."), (REMOVED, "b.example.")]
    assert node.fault("cat.") is None


class Own(Policy):
    """The policy of a node that has a zone of its own to come."""

    def refuses(self, txn: WriteTransaction, zone: bytes, member: Member) -> str:
        return "ours" if zone == key("ours.") else ""


def test_what_the_node_refuses_is_not_held(node: Node) -> None:
    node.consumer = Consumer(lambda: NOW, Own())
    assert node.catalog("cat.", "a.zones PTR ours.\nb.zones PTR b.\n") == [(ADDED, "b.")]


def test_new_primaries_reach_the_members(node: Node) -> None:
    node.catalog("cat.", "a.zones PTR a.\nb.zones PTR b.\ngroup.b.zones TXT north\n")
    node.consume("cat.", ("north", (HERE, NORTH)))
    with node.store.write() as txn:
        steps = members.renew(txn, key("cat."), NOW, ["north"])
    assert [step.zone for step in steps] == [key("b.")]
    follow = node.follow("b.")
    assert follow is not None and follow.primaries == (HERE, NORTH)


def numbered(count: int, group: str = "") -> str:
    """A catalog's members z0 … under labels of the same names."""
    return "".join(
        f"z{number}.zones PTR z{number}.\n" + (group and f"group.z{number}.zones TXT {group}\n")
        for number in range(count)
    )


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction holds or changes ten zones at most, of twenty that it looks at."""
    monkeypatch.setattr(members, "CHANGED_AT_ONCE", 10)
    monkeypatch.setattr(members, "LOOKED_AT_ONCE", 20)


def followed(node: Node) -> int:
    with node.store.read() as read:
        return read.table(FOLLOWS).entries()


def go_on(node: Node) -> list[int]:
    """Let all be done that is left to be done; how many zones follow after each piece."""
    found = []
    while members.go_on(node.store, lambda: NOW):
        found.append(followed(node))
    return found


@pytest.mark.usefixtures("in_pieces")
def test_many_members_are_begun_and_ended_in_pieces(node: Node) -> None:
    assert node.catalog("cat.", numbered(35)) == []
    assert go_on(node) == [10, 20, 30, 35]
    assert node.catalog("cat.", numbered(40)) == []
    assert go_on(node) == [35, 40]
    assert node.catalog("cat.", numbered(12)) == []
    assert go_on(node) == [30, 20, 12]
    assert node.held() == {"cat."}
    with node.store.write() as txn:
        assert len(members.release(txn, key("cat."), NOW, most=10)) == 10
        assert len(members.release(txn, key("cat."), NOW, most=10)) == 2
    assert followed(node) == 0
    assert node.fault("cat.") is None


@pytest.mark.usefixtures("in_pieces")
def test_many_members_that_one_ixfr_changes_are_changed_in_pieces(node: Node) -> None:
    node.catalog("cat.", "")
    added = {f"z{number}_zones": f"PTR z{number}." for number in range(25)}
    assert node.changed("cat.", **added) == []
    assert node.changed("cat.", z7_zones="") == []  # it is not known yet whether it is broken
    assert go_on(node) == [10, 20, 24]


@pytest.mark.usefixtures("in_pieces")
def test_changes_come_between_pieces(node: Node) -> None:
    node.catalog("cat.", numbered(35))
    assert members.go_on(node.store, lambda: NOW)
    first, *_, last = sorted(f"z{number}" for number in range(35))
    steps = node.changed("cat.", **{f"{first}_zones": "", f"{last}_zones": "", "z_zones": "PTR z."})
    assert steps == [(ADDED, "z."), (REMOVED, f"{first}.")]
    assert go_on(node)[-1] == 34
    assert node.follow(f"{last}.") is None
    node.catalog("cat.", numbered(35))
    assert members.go_on(node.store, lambda: NOW)
    node.catalog("cat.", numbered(30))  # another whole one, before that is done
    assert go_on(node)[-1] == 30


@pytest.mark.usefixtures("in_pieces")
def test_a_catalog_that_is_broken_far_behind_is_not_processed(node: Node) -> None:
    broken = "zz.zones PTR a.\nzz.zones PTR b.\n"
    assert node.catalog("cat.", numbered(35) + broken) == []
    assert go_on(node) == [0]
    assert "2 PTR records" in (node.fault("cat.") or "")
    assert node.changed("cat.", zz_zones="") == []
    assert go_on(node) == [10, 20, 30, 35]
    assert node.fault("cat.") == ""
    node.catalog("cat.", numbered(20) + broken)
    go_on(node)
    assert followed(node) == 35
    node.catalog("cat.", numbered(20))
    assert members.go_on(node.store, lambda: NOW)
    node.changed("cat.", version='TXT "3"')  # broken before all was done
    assert go_on(node) == []
    assert "version" in (node.fault("cat.") or "")


@pytest.mark.usefixtures("in_pieces")
def test_new_primaries_reach_many_members_in_pieces(node: Node) -> None:
    node.catalog("cat.", numbered(25, "north") + "y.zones PTR y.\n")
    go_on(node)
    node.consume("cat.", ("north", (HERE, NORTH)))
    with node.store.write() as txn:
        assert len(members.renew(txn, key("cat."), NOW, ["north"])) == 10
        assert len(members.renew(txn, key("cat."), NOW, ["east"])) == 0
    go_on(node)
    for number in range(25):
        follow = node.follow(f"z{number}.")
        assert follow is not None and follow.primaries == (HERE, NORTH)


LABELS = st.sampled_from("abc")
LISTS = st.dictionaries(
    LABELS,
    st.tuples(
        st.sampled_from(["x.", "y.", "z."]),
        st.sampled_from(["", "north", "east"]),
        st.sampled_from(["", "cat.", "new."]),
    ),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(["cat.", "new."]), LISTS), max_size=6))
def test_changes_lead_where_whole_catalogs_lead(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    versions: list[tuple[str, dict[str, tuple[str, str, str]]]],
) -> None:
    """Name by name or as a whole, the same zones are held, and by those who list them; and piece by
    piece, by one of those who list them.
    """
    found = []
    for is_whole, most in ((True, 128), (False, 128), (True, 1)):
        monkeypatch.setattr(members, "CHANGED_AT_ONCE", most)
        folder = tmp_path_factory.mktemp("node")
        with Store.create(folder / "node", "csid.internal.", "0.EXAMPLE") as store:
            node = Node(store)
            for origin in ("cat.", "new."):
                node.consume(origin, ("north", (NORTH,)))
                node.catalog(origin, "")
            steps = []
            for origin, wanted in versions:
                if is_whole:
                    steps.append(node.catalog(origin, _text(wanted)))
                else:
                    rows = {}
                    for label in "abc":
                        zone, group, coo = wanted.get(label, ("", "", ""))
                        rows[f"{label}_zones"] = f"PTR {zone}" if zone else ""
                        rows[f"group_{label}_zones"] = f"TXT {group}" if group else ""
                        rows[f"coo_{label}_zones"] = f"PTR {coo}" if coo else ""
                    steps.append(node.changed(origin, **rows))
                go_on(node)
            last = dict(versions)
            for zone in ("x.", "y.", "z."):
                follow = node.follow(zone)
                lists = [one for one, said in last.items() if zone in {x[0] for x in said.values()}]
                assert (follow is not None) == bool(lists)
                if follow is not None:
                    origin = names.to_text(names.wire_of_key(follow.catalog))
                    assert last[origin][follow.member.decode()][0] == zone
            found.append((steps, [node.follow(zone) for zone in ("x.", "y.", "z.")]))
    assert found[0] == found[1]


def _text(wanted: dict[str, tuple[str, str, str]]) -> str:
    lines = []
    for label, (zone, group, coo) in wanted.items():
        lines.append(f"{label}.zones PTR {zone}\n")
        lines += [f"group.{label}.zones TXT {group}\n"] if group else []
        lines += [f"coo.{label}.zones PTR {coo}\n"] if coo else []
    return "".join(lines)


def test_a_catalog_made_here_is_read_here(node: Node) -> None:
    origin = names.from_text("cat.")
    with node.store.write() as txn:
        txn.replace_zone(origin, build(origin, listing.first_nodes(origin)))
        update = txn.update(origin)
        label = listing.add(update, key("a.example."), ["north"])
        listing.add(update, key("b.example."))
        update.finish()
        node.consumer.replaced(txn, key("cat."))
        assert node.steps() == [(ADDED, "a.example."), (ADDED, "b.example.")]
        member = key("a.example.")
        changes: list[Callable[[ZoneUpdate], bool]] = [
            lambda update: listing.add(update, member, ["north"]) == label,
            lambda update: listing.give_over(update, member, key("new.")),
            lambda update: listing.remove(update, member),
            lambda update: not listing.remove(update, member),
            lambda update: listing.add(update, member) == label,
            lambda update: listing.add(update, member, ["x" * 300], reset=True) != label,
            lambda update: listing.find(update, key("b.example.")) is not None,
        ]
        for number, change in enumerate(changes):
            update = txn.update(origin)
            assert change(update), number
            update.finish()
        node.consumer.replaced(txn, key("cat."))
        assert node.steps() == [(RESET, "a.example.")]
    follow = node.follow("a.example.")
    assert follow is not None and follow.group == "x" * 300
