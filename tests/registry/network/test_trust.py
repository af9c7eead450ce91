"""Who is believed: every route into a national node, its aggregate and a region node, by the state
of the node that signs, and by the key it signs with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import dns.message
import dns.opcode
import dns.rrset
import dns.update
import pytest

from csid.names import wire_of_key
from csid.protocol import RECEIPT
from registry import deployment
from registry.core import Core
from registry.network import receipt_seal
from registry.network.claims import claims
from registry.network.receipts import take
from registry.network.status import status as told
from registry.receiving import Receipt
from registry.rules.decision import Decision
from registry.rules.lifecycle import Verb
from registry.rules.participants import Judgement
from registry.rules.requests import (
    Advance,
    Assign,
    Body,
    JudgeOwner,
    MoveCut,
    ReinstateNode,
    RekeyNode,
    RemoveNode,
    Request,
    SuspendNode,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import FiledState, State
from registry.tables.node_keys import ALGORITHM, SECRET, derive, key_name
from registry.tables.transaction import TransactionView
from registry.tables.view import get_cut
from registry.writer.commit import commit
from registry.zones import updates
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.answer.resolve import TreeSource
from resolver.answer.source import Source
from resolver.store import node
from resolver.store.environment import Store
from resolver.sync import tsig
from resolver.sync.front import Forward, Front, Outcome, Transfer
from resolver.sync.settings import (
    EVERYWHERE,
    KEYS,
    RIGHTS,
    KeyRow,
    Rights,
    Subject,
    own_rights,
    pack,
)
from resolver.sync.update.effect import read as read_update
from resolver.sync.update.message import request
from tests.registry.network.test_cuts import state
from tests.support import updating
from tests.support.aggregates import NAMED, SUM, Pair, pair
from tests.support.aggregates import SECRET as NETWORK_SECRET
from tests.support.aggregates import ZHEJIANG as MEMBER
from tests.support.books import ORIGIN, accredit, resolved, status
from tests.support.joined import core_of
from tests.support.networking import AGGREGATE, ANYWHERE, BEIJING, CUT, GRID, SUFFIX, ZHEJIANG
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

OVERLAP: Final = 3_600  # seconds
NAME: Final = f"330106.6450.{OWNER}.{SUFFIX}".lower()
MOVING: Final = f"330109.6450.{OWNER}.{SUFFIX}".lower()
OTHERS: Final = f"330108.6450.{OWNER}.{SUFFIX}".lower()
OF_GRID: Final = f"330107.6450.{OWNER}.{SUFFIX}".lower()  # an industry node's
HELD: Final = OF_GRID.replace(SUFFIX, f"holds.{SUFFIX}")
HOST: Final = f"zhejiang.nodes.{SUFFIX}"
OPT: Final = OptWriter(bytes(16))

# -- asking


class Signer(NamedTuple):
    """Who signs, and when: in seconds from now, or at a Unix second."""

    key: str = "zhejiang-1"
    later: int = 0
    at: int = 0


def said(store: Store, core: Core, wire: bytes, by: Signer, secret: bytes) -> str:
    """What a message gets that is signed with a key, by the door of the answer path first, as it
    comes to a server: `transfer`, or a response code, and the status behind it if it is refused.
    """
    now = by.at or int(time.time()) + by.later
    name, _, generation = by.key.rpartition("-")
    key = tsig.Key(
        key_name(name, int(generation)), ALGORITHM, derive(secret, name, int(generation))
    )
    packet, _ = tsig.sign(wire, key, now)
    outcome: Outcome = None
    answerer = Answerer(OPT, tell=lambda message: pytest.fail(message))
    front = Front(answerer, OPT, lambda *_: True)
    with store.read() as read:

        def special(reply: Reply, source: Source, when: int) -> bytes | None:
            nonlocal outcome
            outcome = front.handle(reply, source, read, when)
            return outcome if isinstance(outcome, bytes) else None

        answerer.special = special
        answer = answerer.answer(packet, TreeSource(read.snapshot), now, updating.HERE, True)
    if isinstance(outcome, Transfer):
        return "transfer"
    if isinstance(outcome, Forward):
        answer = updates.answer(core, packet, updating.HERE, True, now)
    assert answer is not None
    told = updating.told(dns.message.from_wire(answer, keyring=False))
    return " ".join(told.split()[: 1 if told.startswith("NOERROR") else 2])


def query(name: str, rrtype: str) -> bytes:
    asked = dns.message.make_query(name, rrtype, use_edns=0)
    if rrtype == "IXFR":
        asked.authority.append(dns.rrset.from_text(name, 0, "IN", "SOA", "ns. host. 1 1 1 1 1"))
    return asked.to_wire()


def notice(name: str) -> bytes:
    asked = dns.message.make_query(name, "SOA", use_edns=0)
    asked.set_opcode(dns.opcode.NOTIFY)
    return asked.to_wire()


def update(zone: str, *steps: tuple[str, ...]) -> bytes:
    message = updating.new(zone)
    for step, *given in steps:
        getattr(message, step)(*given)
    return message.to_wire()


# -- the national node


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A national node; zhejiang has filed two cuts, one of which moves from it."""
    data = tmp_path / "data"
    deployment.create(data, SUFFIX, "0.EXAMPLE", map_octets=1 << 28, national=True)
    with Registry.alone(data, sync=False) as registry:
        accredit(registry, OWNER, OTHER)
    core = updating.core(data)
    core.claims = claims()
    for each in (ZHEJIANG, BEIJING, ANYWHERE, GRID, AGGREGATE):
        submit(core, each)
    for name in (NAME, MOVING):
        wire = update(SUFFIX, ("add", name, "3600", "NS", HOST))
        assert ask(core, wire, Signer()) == "NOERROR"
    wire = update(SUFFIX, ("add", OF_GRID, "3600", "NS", f"grid.nodes.{SUFFIX}"))
    assert ask(core, wire, Signer("grid-1")) == "NOERROR"
    submit(core, MoveCut(f"{OWNER}/6450/330109", "anywhere"))
    yield core
    assert updating.verified(core.store).faults == []
    core.store.close()


def submit(core: Core, body: Body) -> None:
    ((decision,),) = commit(core, [[Request(ADMINISTRATOR, body, "why")]])
    assert isinstance(decision, Decision) and decision.status.success, decision


def ask(core: Core, wire: bytes, by: Signer) -> str:
    with core.store.read() as read:
        secret = read.table(b"meta").get(SECRET) or b""
    return said(core.store, core, wire, by, secret)


def freeze(core: Core) -> bytes:
    """What zhejiang says of the cut that moves from it."""
    with core.store.read() as read:
        row = get_cut(TransactionView(read), f"{OWNER}/6450/330109")
    assert row is not None and row.moving is not None
    at = f"330109.6450.{OWNER}.moves.{SUFFIX}".lower()
    noted = f'"v=1" "move={row.moving.number}" "from=zhejiang" "to=anywhere"'
    message = updating.new(SUFFIX)
    message.present(at, "TXT", noted)
    message.add(at, 0, "TXT", '"serial=7"')
    return message.to_wire()


def cut(step: str, name: str) -> Callable[[Core], bytes]:
    given = (name, "3600", "NS", HOST) if step == "add" else (name, "NS")
    return lambda _core: update(SUFFIX, (step, *given))


# Route -> what asks for it.
NATIONAL: Final[dict[str, Callable[[Core], bytes]]] = {
    "file": cut("add", OTHERS),
    "take back": cut("delete", NAME),
    "move": freeze,
    "hold": lambda _: update(SUFFIX, ("add", HELD, "3600", "TXT", '"why=under review"')),
    "release": lambda _: update(SUFFIX, ("delete", HELD, "TXT")),
    "another name": lambda _: update(SUFFIX, ("add", f"www.{SUFFIX}", "1", "A", "192.0.2.1")),
    "the register": lambda _: update(SUFFIX, ("delete", HOST)),
    "root zone": lambda _: query(SUFFIX, "AXFR"),
    "catalog": lambda _: query(f"_catalog.{SUFFIX}", "AXFR"),
    "changes": lambda _: query(SUFFIX, "IXFR"),
    "query": lambda _: query(SUFFIX, "SOA"),
    "notice": lambda _: notice(SUFFIX),
}
CHANGE: Final = ("file", "take back", "move", "hold", "release")
IDLE: Final = ("another's key", "an industry node's key")  # that release nothing, as they hold none
READ: Final = ("root zone", "catalog", "changes")  # a node may look on, whatever its state
NEVER: Final = {"another name": "REFUSED", "the register": "REFUSED", "notice": "NOTAUTH"}
ACTIVE: Final = {
    **dict.fromkeys((*CHANGE, "query"), "NOERROR"),
    **dict.fromkeys(READ, "transfer"),
    **NEVER,
}
# It may say its part of a move, so that its cuts can be given to another.
SUSPENDED: Final = ACTIVE | dict.fromkeys(("file", "take back", "hold", "release"), "REFUSED 413")
UNKNOWN: Final = dict.fromkeys(ACTIVE, "NOTAUTH")
FOREIGN: Final = ACTIVE | {
    "file": "REFUSED 414",
    "take back": "REFUSED 417",
    "move": "REFUSED 417",
    "hold": "REFUSED 414",
}
# What was done to the nodes, who signs, and what each route gets.
NATIONAL_CASES: Final[dict[str, tuple[tuple[Body, ...], Signer, dict[str, str]]]] = {
    "active": ((), Signer(), ACTIVE),
    "suspended": ((SuspendNode("zhejiang"),), Signer(), SUSPENDED),
    "reinstated": ((SuspendNode("zhejiang"), ReinstateNode("zhejiang")), Signer(), ACTIVE),
    "the next key": ((RekeyNode("zhejiang", OVERLAP),), Signer("zhejiang-2"), ACTIVE),
    "the key before": ((RekeyNode("zhejiang", OVERLAP),), Signer(), ACTIVE),
    "after the overlap": (
        (RekeyNode("zhejiang", OVERLAP),), Signer(later=OVERLAP + 1), UNKNOWN,
    ),
    "after none": ((RekeyNode("zhejiang", 0),), Signer(), UNKNOWN),
    "a third key": (
        (RekeyNode("zhejiang", OVERLAP), RekeyNode("zhejiang", OVERLAP)), Signer(), UNKNOWN,
    ),
    "suspended, the key before": (
        (RekeyNode("zhejiang", OVERLAP), SuspendNode("zhejiang")), Signer(), SUSPENDED,
    ),
    "a key that is not given yet": ((), Signer("zhejiang-2"), UNKNOWN),
    "another's key": ((), Signer("beijing-1"), FOREIGN),
    "another's key, in its scope": (
        (), Signer("anywhere-1"), ACTIVE | {"take back": "REFUSED 417", "move": "REFUSED 417"},
    ),
    "an industry node's key": (
        (), Signer("grid-1"), FOREIGN | {"file": "NOERROR"},
    ),
    "removed": ((RemoveNode("beijing"),), Signer("beijing-1"), UNKNOWN),
    "removed and back": (
        (RemoveNode("beijing"), BEIJING), Signer("beijing-1"), UNKNOWN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NATIONAL_CASES)
def test_what_a_node_gets_of_the_national_one(core: Core, case: str) -> None:
    done, by, wanted = NATIONAL_CASES[case]
    for body in done:
        submit(core, body)
    for route, wire in NATIONAL.items():
        before = updating.text(core.store, SUFFIX)
        got = ask(core, wire(core), by)
        assert got.startswith(wanted[route]), (route, got)
        has_changed = updating.text(core.store, SUFFIX) != before
        is_idle = route == "release" and case in IDLE
        assert has_changed == (got == "NOERROR" and route in CHANGE and not is_idle), route


def test_a_filing_that_comes_again_does_not_undo_what_came_after_it(core: Core) -> None:
    wire = update(SUFFIX, ("add", OTHERS, "3600", "NS", HOST))
    now = int(time.time())
    for again in (wire, update(SUFFIX, ("delete", OTHERS, "NS")), wire):
        assert ask(core, again, Signer(at=now)) == "NOERROR"
    assert OTHERS not in "".join(updating.text(core.store, SUFFIX))


def test_a_hold_that_comes_again_does_not_undo_its_release(core: Core) -> None:
    wire, now = NATIONAL["hold"](core), int(time.time())
    for again in (wire, NATIONAL["release"](core), wire):
        assert ask(core, again, Signer(at=now)) == "NOERROR"
    assert HELD not in "".join(updating.text(core.store, SUFFIX))


def test_what_is_no_hold_sets_none(core: Core) -> None:
    top = f"holds.{SUFFIX}"
    for name, *given in (
        (top, "1", "TXT", '"why=x"'),
        (f"www.{top}", "1", "TXT", '"why=x"'),
        (f"x.{HELD}", "1", "TXT", '"why=x"'),
        (HELD, "1", "A", "192.0.2.1"),
        (HELD, "1", "TXT", '"v=1" "why=x"'),
        (HELD, "1", "TXT", '"why="'),
        (HELD, "1", "NS", HOST),
    ):
        got = ask(core, update(SUFFIX, ("add", name, *given)), Signer())
        assert got.split()[0] in ("FORMERR", "REFUSED"), (name, given, got)
    both = update(
        SUFFIX,
        ("add", HELD, "1", "TXT", '"why=x"'),
        ("add", HELD.replace("330107", "110105"), "1", "TXT", '"why=x"'),
    )
    assert ask(core, both, Signer()) == "REFUSED 414"  # all of it, or nothing
    assert top not in "".join(updating.text(core.store, SUFFIX))


# -- its aggregate

AGGREGATED: Final[dict[str, bytes]] = {
    "zone of a cut": query(NAME, "AXFR"),
    "changes": query(NAME, "IXFR"),
    "query": query(NAME, "SOA"),
    "notice": notice(NAME),
    "update": update(NAME, ("add", f"www.{NAME}", "1", "A", "192.0.2.1")),
    "root zone": query(SUFFIX, "AXFR"),
}
KNOWN: Final = {
    "zone of a cut": "transfer",
    "changes": "transfer",
    "query": "NOERROR",
    "notice": "NOERROR",
    "update": "REFUSED",
    "root zone": "transfer",
}
STRANGE: Final = dict.fromkeys(KNOWN, "NOTAUTH")
AGGREGATE_CASES: Final[dict[str, tuple[tuple[Body, ...], Signer, dict[str, str]]]] = {
    "active": ((), Signer(), KNOWN),
    "suspended": ((SuspendNode("zhejiang"),), Signer(), KNOWN),
    "the next key": ((RekeyNode("zhejiang", OVERLAP),), Signer("zhejiang-2"), KNOWN),
    "the key before": ((RekeyNode("zhejiang", OVERLAP),), Signer(), KNOWN),
    "after the overlap": ((RekeyNode("zhejiang", OVERLAP),), Signer(later=OVERLAP + 1), STRANGE),
    "after none": ((RekeyNode("zhejiang", 0),), Signer(), STRANGE),
    "a third key": (
        (RekeyNode("zhejiang", OVERLAP), RekeyNode("zhejiang", OVERLAP)), Signer(), STRANGE,
    ),
    "a key that is not given yet": ((), Signer("zhejiang-2"), STRANGE),
    "another's key": ((BEIJING,), Signer("beijing-1"), KNOWN),
    "removed": ((RemoveNode("zhejiang"),), Signer(), STRANGE),
}  # fmt: skip


def test_what_a_node_gets_of_the_aggregate(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        core = core_of(both.aggregate)
        for case, (done, by, wanted) in AGGREGATE_CASES.items():
            both.register(tmp_path / case, MEMBER, SUM, *done)
            for route, wire in AGGREGATED.items():
                got = said(both.aggregate.store, core, wire, by, NETWORK_SECRET)
                assert got.startswith(wanted[route]), (case, route, got)


# -- a node, of receipts


def receipt(both: Pair) -> bytes:
    [errand] = both.due()
    return errand.message


def test_receipts_are_taken_under_the_nodes_own_keys_alone(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assert status(both.region, Assign(identifier("0001"), RECORD)) is Status.DONE
        both.transfer(CUT)
        region, core = both.region.store, core_of(both.region)
        wire = receipt(both)
        other = key_name("sum", 1)
        with region.write() as txn:  # what its administrator lets others do
            row = KeyRow(ALGORITHM, derive(NETWORK_SECRET, "sum", 1))
            txn.table(KEYS).put(other, pack(row))
            rights = own_rights(txn, EVERYWHERE) or Rights()
            given = (*rights.update, Subject(key=other))
            txn.table(RIGHTS).put(EVERYWHERE, pack(rights._replace(update=given)))
        for by, wanted in (
            (Signer("zhejiang-2"), "NOTAUTH"),
            (Signer("beijing-1"), "NOTAUTH"),
            (Signer("sum-1"), "NOTAUTH"),
            (Signer(), "NOERROR"),
        ):
            assert said(region, core, wire, by, NETWORK_SECRET).startswith(wanted), by
            is_taken = state(both.region, identifier("0001")) is State.ACTIVE
            assert is_taken == (wanted == "NOERROR"), by


def test_who_has_the_nodes_key_makes_no_receipts(tmp_path: Path) -> None:
    one, two = identifier("0001"), identifier("0002")
    with pair(tmp_path) as both:
        both.begin(CUT)
        for each in (one, two):
            assert status(both.region, Assign(each, RECORD)) is Status.DONE
        both.transfer(CUT)
        region, core = both.region.store, core_of(both.region)
        [errand] = both.due()
        asked = read_update(errand.message)
        assert not isinstance(asked, int)
        owners = [wire_of_key(record.key) for record in asked.changes]
        first, second, seal = (
            node.rr(owner, RECEIPT, 0, record.data)
            for owner, record in zip(owners, asked.changes, strict=True)
        )
        forged = node.rr(owners[0], RECEIPT, 0, b"\x95\x09\x64\x09\x00\xa0")
        others = receipt_seal.seal(
            NETWORK_SECRET, "beijing", [(r.key, r.data) for r in asked.changes[:2]]
        )
        for case, changes in {
            "no seal": [first, second],
            "one of them": [first, seal],
            "in another order": [second, first, seal],
            "another receipt": [forged, second, seal],
            "two seals": [first, second, seal, seal],
            "another node's": [first, second, node.rr(ORIGIN, RECEIPT, 0, others)],
            "no signature": [first, second, node.rr(ORIGIN, RECEIPT, 0, b"\0" * 64)],
        }.items():
            wire = request(ORIGIN, changes)
            assert said(region, core, wire, Signer(), NETWORK_SECRET).startswith("REFUSED"), case
            assert state(both.region, one) is State.FILING, case
        wire = request(ORIGIN, [first, second, seal])
        assert said(region, core, wire, Signer(), NETWORK_SECRET) == "NOERROR"
        assert state(both.region, one) is state(both.region, two) is State.ACTIVE
        assert both.region.verify([]).faults == []


# -- what is in use and was never taken

TAKEN: Final = Receipt(str(identifier("0001")), 5, Status.DONE.number, 2**31 - 1)


def in_use(both: Pair) -> None:
    """The region node serves an identifier as active that nobody has taken."""
    assert status(both.region, Assign(identifier("0001"), RECORD)) is Status.DONE
    serial = serial_at(both.region, identifier("0001"))
    [done] = take(core_of(both.region), "zhejiang-1.", [TAKEN._replace(serial=serial)], 1)
    assert done.status is Status.DONE


def serial_at(registry: Registry, name: object) -> int:
    with registry.store.snapshot() as snapshot:
        zone = snapshot.zone_of(NAMED.key(str(name)))
        assert zone is not None
        return int.from_bytes(zone.soa[-20:-16], "big")


@pytest.mark.parametrize("full", [False, True])
def test_what_is_in_use_and_was_refused_or_never_taken_becomes_refused_for_all_to_see(
    tmp_path: Path, full: bool
) -> None:
    one = identifier("0001")
    with pair(tmp_path) as both:
        both.begin(CUT)
        both.register(tmp_path / "suspended", MEMBER, SUM, SuspendNode("zhejiang"))
        in_use(both)
        for _ in range(2):  # first it was never taken; then it was refused, and is in use again
            both.transfer(CUT, full)
            both.look()
            row = both.filed(one)
            assert row is not None and row.state is FiledState.REFUSED
            assert both.send() == 1 and both.owed() == 0
            assert state(both.region, one) is State.REFUSED
            record = resolved(both.region, str(one))
            assert record is not None and record.state == "refused"
            assert both.region.history(str(one))[0].leaf.kind == "receipt"
            with both.region.store.read() as read:
                [cut] = told(read, TransactionView(read))
            assert (cut.refused, cut.reasons[0].reason) == (1, "node zhejiang is suspended")
            both.transfer(CUT, full)
            both.look()
            assert both.owed() == 0
            assert both.region.verify([]).faults == both.aggregate.verify([]).faults == []
            assert status(both.region, Advance(one, Verb.FILE)) is Status.DONE
            serial = serial_at(both.region, one)
            take(core_of(both.region), "zhejiang-1.", [TAKEN._replace(serial=serial)], 1)
            assert state(both.region, one) is State.ACTIVE
        both.register(tmp_path / "reinstated", MEMBER, SUM)
        both.transfer(CUT, full)
        both.look()
        row = both.filed(one)
        assert row is not None and row.state is FiledState.TAKEN
        both.send()
        assert state(both.region, one) is State.ACTIVE


def test_what_has_ended_is_not_in_use_again(tmp_path: Path) -> None:
    one = identifier("0001")
    with pair(tmp_path) as both:
        both.begin(CUT)
        assert status(both.region, Assign(one, RECORD)) is Status.DONE
        both.transfer(CUT)
        both.send()
        with both.aggregate.store.write() as txn:
            row = both.filed(one)
            assert row is not None
            seen = TransactionView(txn)
            ended = codec.encode(row._replace(state=FiledState.ENDED))
            seen.table(codec.FILED).put(str(one).encode(), ended)
        both.transfer(CUT)
        row = both.filed(one)
        assert row is not None and row.state is FiledState.ENDED
        assert row.status == Status.NEVER_AGAIN.number
        assert both.send() == 1 and state(both.region, one) is State.REFUSED


def test_a_register_that_is_made_anew_takes_what_is_in_use_of_a_suspended_node(
    tmp_path: Path,
) -> None:
    one = identifier("0001")
    with pair(tmp_path, [MEMBER, SUM, SuspendNode("zhejiang")]) as both:
        in_use(both)
        both.follow(CUT)
        both.transfer(CUT)
        both.transfer(CUT, full=True)  # before the first look was done
        both.look()
        row = both.filed(one)
        assert row is not None and row.state is FiledState.TAKEN
        assert both.owed() == 0


# -- owners


def judged(*judgements: Judgement) -> list[Body]:
    return [JudgeOwner(OWNER, one) for one in judgements]


def test_an_owner_that_is_suspended_at_the_national_node_gets_nothing_new(tmp_path: Path) -> None:
    one, two = identifier("0001"), identifier("0002")
    with pair(tmp_path) as both:
        both.begin(CUT)
        filed = both.filed(identifier("0000"))
        both.register(tmp_path / "suspended", MEMBER, SUM, *judged(Judgement.SUSPEND))
        assert status(both.region, Assign(one, RECORD)) is Status.DONE
        both.transfer(CUT)
        both.send()
        assert state(both.region, one) is State.REFUSED
        with both.region.store.read() as read:
            [cut] = told(read, TransactionView(read))
        [refusal] = cut.reasons
        assert refusal.status is Status.NOT_ACCREDITED
        assert refusal.reason == f"owner {OWNER} is suspended at the national node"
        both.transfer(CUT, full=True)
        both.look()
        assert both.owed() == 0 and both.filed(identifier("0000")) == filed
        steps = judged(Judgement.SUSPEND, Judgement.REINSTATE)
        both.register(tmp_path / "reinstated", MEMBER, SUM, *steps)
        assert status(both.region, Assign(two, RECORD)) is Status.DONE
        assert status(both.region, Advance(one, Verb.FILE)) is Status.DONE
        both.transfer(CUT)
        both.send()
        assert state(both.region, one) is state(both.region, two) is State.ACTIVE
        assert both.region.verify([]).faults == both.aggregate.verify([]).faults == []


def test_the_root_zone_says_which_owners_nothing_new_is_taken_of(core: Core) -> None:
    at = f"{OWNER}.owners.{SUFFIX}".lower()

    def found() -> list[str]:
        return [one.split("TXT")[1] for one in updating.text(core.store, SUFFIX) if at in one]

    for judgement, wanted in (
        (Judgement.SUSPEND, "state=suspended"),
        (Judgement.REINSTATE, ""),
        (Judgement.END, "state=ended"),
    ):
        submit(core, JudgeOwner(OWNER, judgement))
        assert ("".join(found()) == "") if not wanted else wanted in "".join(found())
        assert updating.verified(core.store).faults == []
    updating.allow(core.store, SUFFIX)
    for step in (("delete", at), ("add", f"x.owners.{SUFFIX}", 60, "TXT", "state=ended")):
        message = updating.new(SUFFIX)
        getattr(message, step[0])(*step[1:])
        assert updating.ask(core, message).startswith("REFUSED")
    submit(core, RekeyNode("zhejiang", 60))  # which makes the rights anew
