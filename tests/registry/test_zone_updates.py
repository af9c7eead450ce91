"""UPDATEs of zones, carried out by the registry: what may be is, what may not is refused with the
reason, and verification knows of all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.rcode
import dns.update
import pytest

from csid import names
from csid.protocol import TXT
from registry.core import Core
from registry.rules.decision import Decision
from registry.rules.requests import AliasSubtree, Assign, Body, Request
from registry.service import Registry
from registry.tables import log_entry, zone_changes
from registry.tables.naming import Names
from registry.tables.transaction import AuditStore
from registry.writer.commit import commit
from registry.writer.threads import Writer
from registry.zones import update_batch, updates
from registry.zones.asked import Asked
from registry.zones.rebuild import Remake
from registry.zones.serials import Mode
from resolver.store.node import RRset
from resolver.sync.settings import FOLLOWS, Follow, Target, pack, where
from tests.support import trees, updating
from tests.support.books import ORIGIN, OWNERS, SUFFIX, accredit, ask, create
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

NAME = f"www.{SUFFIX}"
CODE = identifier("0001")


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A directory with one identifier, whose zone a key may update."""
    data = create(tmp_path / "data")
    with Registry.alone(data, sync=False) as registry:
        accredit(registry, *OWNERS)
        assert ask(registry, Assign(CODE, RECORD)).status.success
    core = updating.core(data)
    updating.allow(core.store, SUFFIX)
    yield core
    trees.check(core.store)
    assert updating.verified(core.store).faults == []
    core.store.close()


def submit(core: Core, body: Body) -> None:
    """Carry out a request that succeeds."""
    ((decision,),) = commit(core, [[Request(ADMINISTRATOR, body)]])
    assert isinstance(decision, Decision) and decision.status.success, decision


def change(core: Core, *steps: tuple[str, ...], origin: str = SUFFIX) -> str:
    """What an UPDATE of these steps gets: ("add", name, TTL, type, data), ("delete", name, ...)."""
    message = updating.new(origin)
    for step, *given in steps:
        getattr(message, step)(*given)
    return updating.ask(core, message)


def leaves(core: Core) -> list[log_entry.LogEntry]:
    """The leaves of UPDATEs."""
    with core.store.read() as read:
        found = list(map(log_entry.decode, AuditStore(read).leaves()))
    return [one for one in found if one.kind == "zone.update"]


def serial(core: Core) -> int:
    return trees.serial(core.store, SUFFIX)


def test_a_name_comes_changes_and_goes_and_each_leaves_a_leaf(core: Core) -> None:
    before = serial(core)
    assert change(core, ("add", NAME, 60, "A", "192.0.2.1")) == "NOERROR"
    assert change(core, ("add", NAME, 120, "A", "192.0.2.2")) == "NOERROR"
    found = [line for line in updating.text(core.store, SUFFIX) if line.startswith("www")]
    assert sorted(found) == [f"{NAME} 120 IN A 192.0.2.{last}\n" for last in (1, 2)]
    assert change(core, ("delete", NAME)) == "NOERROR"
    assert serial(core) == before + 3
    first, _, last = leaves(core)
    assert (first.by, first.role, first.peer) == (updating.KEY, "key", "127.0.0.1")
    assert (first.on, first.serial) == (SUFFIX, (before + 1,))
    (made,) = zone_changes.changes_of(first.after)
    assert (made.key, made.before) == (b"www\0", b"")
    assert zone_changes.rrsets_of(made.after)[1] == RRset(60, [bytes((192, 0, 2, 1))])
    (gone,) = zone_changes.changes_of(last.after)
    assert gone.after == b"" and len(zone_changes.rrsets_of(gone.before)[1].rdatas) == 2


@pytest.mark.parametrize("ttl", [2**31, 2**32 - 1])
def test_a_ttl_that_is_taken_for_negative_is_0(core: Core, ttl: int) -> None:
    """RFC 2181 section 8; and what is held can be dumped."""
    assert change(core, ("add", NAME, ttl, "A", "192.0.2.1")) == "NOERROR"
    assert f"{NAME} 0 IN A 192.0.2.1\n" in updating.text(core.store, SUFFIX)


def test_thousands_of_records_of_one_name_cost_no_more_than_of_many(core: Core) -> None:
    def seconds(name: Callable[[int], str], numbers: range, is_asked: bool = True) -> float:
        message = updating.new(SUFFIX)
        for number in numbers if is_asked else ():
            message.present(name(number))
        for number in numbers:
            message.add(name(number), 60, "A", f"10.1.{number // 250}.{number % 250}")
        packet = updating.signed(message)
        begun = time.process_time()
        answer = updates.answer(core, packet, updating.HERE, True, int(time.time()))
        took = time.process_time() - begun
        assert updating.told(updating.read(message, answer)) == "NOERROR"
        return took

    def many(number: int) -> str:
        return f"n{number % 600}.{SUFFIX}"

    def one(number: int) -> str:
        return NAME

    seconds(many, range(600), is_asked=False)
    seconds(one, range(1_200), is_asked=False)
    assert seconds(one, range(1_200, 1_800)) < 2 * seconds(many, range(600, 1_200))


def test_the_history_of_a_zone_is_a_chain_of_its_leaves(core: Core) -> None:
    for number in range(3):
        assert change(core, ("add", NAME, 60, "A", f"192.0.2.{number}")) == "NOERROR"
    registry = Registry(core.store, Writer(core))
    kinds = [change.leaf.kind for change in registry.history(SUFFIX)]
    assert kinds == ["zone.update"] * 3 + ["zone.load"]


def test_what_changes_nothing_leaves_no_leaf_and_no_serial(core: Core) -> None:
    before = serial(core)
    assert change(core, ("delete", NAME)) == "NOERROR"
    assert change(core, ("add", NAME, 60, "A", "192.0.2.1"), ("delete", NAME)) == "NOERROR"
    assert change(core) == "NOERROR"
    assert (serial(core), leaves(core)) == (before, [])


def test_a_serial_that_is_set_holds_and_one_that_is_not_greater_is_passed_over(core: Core) -> None:
    def soa(number: int) -> tuple[str, ...]:
        return ("add", SUFFIX, 3600, "SOA", f"ns1 h {number} 3600 900 1209600 300")  # type: ignore

    wanted = serial(core) + 1_000
    assert change(core, soa(wanted)) == "NOERROR"
    assert serial(core) == wanted
    assert change(core, soa(wanted), ("add", NAME, 60, "A", "192.0.2.1")) == "NOERROR"
    assert serial(core) == wanted + 1


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (("delete", "{code}"), "only the registry changes it"),
        (("delete", "{code}", "TXT"), "only the registry changes it"),
        (("add", "{code}", 60, "TXT", "x"), "only the registry changes it"),
        (("add", "{other}", 60, "TXT", "x"), "is not assigned"),
        (("add", "{place}", 60, "NS", "ns.example."), "delegated or redirected away"),
        (("add", "{owner}", 60, "NS", "ns.example."), "delegated or redirected away"),
        (("add", "{owner}", 60, "DNAME", "example."), "redirects (DNAME)"),
        (("add", "{suffix}", 60, "DNAME", "example."), "redirects (DNAME)"),
        (("add", "*.{suffix}", 60, "A", "192.0.2.1"), "is a wildcard"),
        (("add", "*.{place}", 60, "A", "192.0.2.1"), "is a wildcard"),
    ],
)
def test_what_is_the_registrys_is_refused_with_the_reason(
    core: Core, step: tuple[str, ...], said: str
) -> None:
    code = names.to_text(CODE.to_wire(ORIGIN))
    names_of = {
        "code": code,
        "other": code.replace("-0001", "-0002").replace(code.split("-")[2][:2], "aa"),
        "place": code.split(".", 1)[1],
        "owner": code.split(".", 4)[4],
        "suffix": SUFFIX,
    }
    given = tuple(one.format(**names_of) if isinstance(one, str) else one for one in step)
    before = serial(core)
    answer = change(core, ("add", NAME, 60, "A", "192.0.2.1"), given)
    assert answer.startswith("REFUSED ") and said in answer
    assert (serial(core), leaves(core)) == (before, [])


@pytest.mark.parametrize(
    "given",
    [
        ("add", f"x.{SUFFIX}", 60, "NS", "ns.example."),
        ("add", f"{OTHER.lower()}.{SUFFIX}", 60, "NS", "ns.example."),
        ("add", f"x.{SUFFIX}", 60, "DNAME", "example."),
        ("add", f"*.x.{SUFFIX}", 60, "A", "192.0.2.1"),
        ("add", f"{OWNER.lower()}.{SUFFIX}", 60, "TXT", "free"),
        ("add", f"_http._tcp.{names.to_text(CODE.to_wire(ORIGIN))}", 60, "TXT", "free"),
    ],
)
def test_what_is_free_is_taken(core: Core, given: tuple[str, ...]) -> None:
    assert change(core, given) == "NOERROR"


def test_a_closed_prefix_keeps_its_redirection_and_takes_other_records(core: Core) -> None:
    submit(core, AliasSubtree(f"{OTHER}/6450/330106", f"{OWNER}/6450/330106"))
    name = f"330106.6450.{OTHER.lower()}.{SUFFIX}"
    assert change(core, ("add", name, 60, "TXT", "beside")) == "NOERROR"
    assert updating.verified(core.store).faults == []
    for step in (
        ("delete", name),
        ("delete", name, "DNAME"),
        ("add", name, 60, "DNAME", "example."),
        ("add", name, 60, "NS", "ns.example."),
        ("add", f"6450.{OTHER.lower()}.{SUFFIX}", 60, "NS", "ns.example."),
    ):
        assert change(core, step).startswith("REFUSED "), step
    assert change(core, ("delete", name, "TXT")) == "NOERROR"


def test_who_may_not_is_refused_before_anything_is_looked_at(core: Core) -> None:
    updating.allow(core.store, key="other.")  # a key without rights
    message = updating.new(SUFFIX)
    message.add(NAME, 60, "A", "192.0.2.1")
    now = int(time.time())
    for answer in (
        dns.message.from_wire(updates.answer(core, message.to_wire(), updating.HERE, True, now)),
    ):
        assert answer.rcode() == dns.rcode.REFUSED
        assert "csid zone allow" in updating.told(answer)
    assert leaves(core) == []


def test_a_signature_that_is_wrong_gets_its_error_and_changes_nothing(core: Core) -> None:
    message = updating.new(SUFFIX)
    message.add(NAME, 60, "A", "192.0.2.1")
    wire = updating.signed(message)
    spoilt = wire[:-10] + bytes((wire[-10] ^ 1,)) + wire[-9:]
    now = int(time.time())
    answer = updates.answer(core, spoilt, updating.HERE, True, now)
    assert answer[3] & 15 == dns.rcode.NOTAUTH
    late = updates.answer(core, wire, updating.HERE, True, now + 3_600)
    assert late[3] & 15 == dns.rcode.NOTAUTH
    assert leaves(core) == []


def test_a_zone_that_is_not_here_or_follows_another_is_not_authoritative(core: Core) -> None:
    updating.allow(core.store, "elsewhere.")
    assert change(
        core, ("add", "x.elsewhere.", 60, "A", "192.0.2.1"), origin="elsewhere."
    ).startswith("NOTAUTH ")
    follow = Follow((Target("192.0.2.1", 53),))
    with core.store.write() as txn:
        txn.table(FOLLOWS).put(where(names.key_of(ORIGIN)), pack(follow))
    assert "follows another server" in change(core, ("add", NAME, 60, "A", "192.0.2.1"))
    with core.store.write() as txn:
        txn.table(FOLLOWS).delete(where(names.key_of(ORIGIN)))


def arrived(steps: list[tuple[str, ...]]) -> updates.Arrived:
    message = updating.new(SUFFIX)
    for step, *given in steps:
        getattr(message, step)(*given)
    return updates.Arrived(updating.signed(message), updating.HERE, False)


def test_what_waits_shares_a_commit_and_one_that_fails_undoes_no_other(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_batch, "COMMIT_SECONDS", 60.0)  # however slow the machine is
    good = [arrived([("add", f"h{number}.{SUFFIX}", 60, "A", "192.0.2.1")]) for number in range(9)]
    # More than a message can hold of one RRset shows only when it is written.
    big = [("add", f"big.{SUFFIX}", 60, "TXT", f'"{number:0250}"') for number in range(240)]
    waiting = [*good[:4], arrived(big), *good[4:]]
    codes: list[int] = []
    rounds = 0
    while len(codes) < len(waiting):
        codes += [
            answer.message[3] & 15
            for answer in updates.answers(core, waiting[len(codes) :], int(time.time()))
        ]
        rounds += 1
    assert codes == [0] * 4 + [dns.rcode.REFUSED] + [0] * 5
    assert rounds == 2
    assert len(leaves(core)) == 9


def test_an_update_that_is_more_than_a_leaf_has_several(core: Core) -> None:
    for part in range(3):
        steps = [
            ("add", f"big{number}.{SUFFIX}", 60, "TXT", f'"{number:0250}"')
            for number in range(100 * part, 100 * part + 100)
        ]
        assert change(core, *steps) == "NOERROR"
    before = len(leaves(core))
    assert (
        change(core, *(("delete", f"big{number}.{SUFFIX}") for number in range(300))) == "NOERROR"
    )
    assert len(leaves(core)) == before + 2


@pytest.mark.parametrize("what", ["taken away", "changed", "came back", "beside"])
def test_damage_of_a_name_that_was_updated_is_found_with_its_leaf(core: Core, what: str) -> None:
    assert change(core, ("add", NAME, 60, "TXT", "one")) == "NOERROR"
    assert change(core, ("add", f"gone.{SUFFIX}", 60, "TXT", "one")) == "NOERROR"
    assert change(core, ("delete", f"gone.{SUFFIX}")) == "NOERROR"
    assert updating.verified(core.store).faults == []
    other = {TXT: RRset(60, [b"\3two"])}
    key, rrsets = {
        "taken away": (b"www\0", {}),
        "changed": (b"www\0", other),
        "came back": (b"gone\0", other),
        "beside": (b"never\0", other),
    }[what]
    with core.store.write() as txn:
        zone = txn.update(ORIGIN)
        before = zone.rrsets(key)
        zone.set(key, rrsets)
        zone.finish()
    faults = [fault for fault in updating.verified(core.store).faults if fault.place == "tree"]
    assert len(faults) == 1
    if what != "beside":
        assert "updated" in faults[0].reason and faults[0].leaf is not None
    with core.store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key, before)
        zone.finish()


@pytest.mark.parametrize("mode", [Mode.REBUILD, Mode.INCREMENT])
def test_a_zone_that_is_made_anew_does_not_undo_what_was_updated_meanwhile(
    core: Core, mode: Mode
) -> None:
    asked = Asked(ADMINISTRATOR, "")
    with core.store.read() as read:
        made = Remake(read, Names(SUFFIX), ORIGIN)
        made.look()
        nodes = list(made.nodes())
    generation = core.zones.begin(asked, ORIGIN, made.since)
    core.zones.put(generation, nodes)
    assert change(core, ("add", NAME, 60, "A", "192.0.2.1")) == "NOERROR"
    while not core.zones.look(generation)[0]:
        pass
    answer = core.zones.publish(generation, asked, mode)
    is_there = f"{NAME} 60 IN A 192.0.2.1\n" in updating.text(core.store, SUFFIX)
    # A file that is loaded says itself what the zone is to have.
    assert (answer.outcome, is_there) == (
        ("refused", True) if mode is Mode.REBUILD else ("loaded", False)
    )


def test_a_name_that_was_loaded_may_be_updated_and_the_digest_still_holds(core: Core) -> None:
    assert change(core, ("add", f"ns1.{SUFFIX}", 60, "A", "192.0.2.9")) == "NOERROR"
    assert updating.verified(core.store).faults == []
    assert change(core, ("add", f"ns2.{SUFFIX}", 60, "A", "192.0.2.9")) == "NOERROR"
    assert change(core, ("add", SUFFIX, 60, "NS", f"ns2.{SUFFIX}")) == "NOERROR"
    assert change(core, ("delete", SUFFIX, "NS", f"ns1.{SUFFIX}")) == "NOERROR"
    assert change(core, ("delete", f"ns1.{SUFFIX}")) == "NOERROR"
