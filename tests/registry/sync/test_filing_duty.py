"""Cuts that the national node is asked for, and what follows from its answers."""

from __future__ import annotations

from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.update
import pytest

from csid import names
from csid.identifier import make
from registry import deployment
from registry.network import filings
from registry.network.status import status
from registry.receiving import Receipt
from registry.rules.lifecycle import Verb
from registry.rules.requests import Advance, ApproveCut, Assign, Request, RequestFiling, SetFiling
from registry.rules.status import Status
from registry.service import Registry
from registry.sync.duties import filing_duty
from registry.sync.duties.filing_duty import AT_ONCE, FilingDuty, adds, read_answer, update_of
from registry.tables import view
from registry.tables.enums import FilingState, State
from registry.tables.naming import Names
from registry.tables.node_keys import ALGORITHM, SECRET, derive, key_name
from registry.tables.transaction import TransactionView
from registry.zones import updates
from resolver.sync import tsig
from resolver.sync.actions import Errand
from tests.registry.network.test_cuts import CUT, ZHEJIANG, cut_state, is_sound, state
from tests.registry.network.test_receipts import serial_at, take
from tests.support.books import SUFFIX, accredit, ask, create
from tests.support.books import status as asked
from tests.support.joined import KEY, ROOT, core_of, joined
from tests.support.killed import Say, finished, killed_after, moments, start
from tests.support.registering import ADMINISTRATOR, CLASS, OTHER, OWNER, RECORD, identifier

NOW = 1_780_000_000
LOCATIONS = [f"3301{n:02d}" for n in (2, 5, 6, 8, 9, 10, 11, 12, 13, 14)]
OTHERS_CUT = f"{OTHER}/6450/330106"


def answer_to(errand: Errand, rcode: int, text: str = "") -> bytes:
    query = dns.message.from_wire(errand.message)
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.Rcode(rcode))
    if text:
        response.use_edns(0, options=[dns.edns.EDEOption(0, text)])
    return response.to_wire()


def due(registry: Registry, duty: FilingDuty, now: int = NOW) -> dict[str, Errand]:
    with registry.store.read() as read:
        errands = duty.due(read, now)
    return {errand.name.decode().removeprefix("cut/"): errand for errand in errands}


def answered(registry: Registry, duty: FilingDuty, errand: Errand, answer: bytes) -> int:
    """Have all units of an answer carried out; how many that took."""
    unit = duty.answered(errand, answer, "" if answer else "no key", NOW)
    assert unit is not None
    args, count = unit.args, 0
    while True:
        count += 1
        cursor = registry.perform(unit.name, args)
        if not cursor:
            return count
        args = [*args[:-1], cursor]


def test_a_cut_is_asked_for_by_an_update_that_dnspython_reads(tmp_path: Path) -> None:
    server = names.from_text("zhejiang.nodes.csid.internal.")
    message = dns.message.from_wire(update_of(Names(SUFFIX), CUT, server))
    assert isinstance(message, dns.update.UpdateMessage)
    assert message.zone[0].name.to_text() == SUFFIX and not message.prerequisite
    [rrset] = message.update
    assert rrset.name.to_text() == f"330106.6450.{OWNER.lower()}.{SUFFIX}"
    assert (rrset.rdtype, rrset.ttl) == (dns.rdatatype.NS, 3_600)
    assert rrset[0].to_text() == "zhejiang.nodes.csid.internal." and message.edns == 0
    with joined(tmp_path / "data") as registry:
        asked(registry, Assign(identifier("1"), RECORD))
        [duty] = adds(registry.store).duties
        assert isinstance(duty, FilingDuty)
        errand = due(registry, duty)[CUT]
        assert errand.message == update_of(Names(SUFFIX), CUT, server)
        assert errand.target[:3] == (*ROOT, KEY.name)


@pytest.mark.parametrize(
    ("rcode", "text", "state", "words"),
    [
        (0, "", FilingState.FILED, ""),
        (5, "403 out of scope", FilingState.REFUSED, "403 out of scope"),
        (5, "awaits approval (filing 7)", FilingState.WAITING, "awaits approval (filing 7)"),
        (5, "", FilingState.WANTED, "the national node answers REFUSED"),
        (2, "", FilingState.WANTED, "the national node answers SERVFAIL"),
        (9, "no such zone", FilingState.WANTED, "no such zone"),
    ],
)
def test_what_is_neither_yes_nor_no_leaves_a_cut_wanted(
    tmp_path: Path, rcode: int, text: str, state: FilingState, words: str
) -> None:
    errand = Errand(b"", filing_duty.Target("", 0), update_of(Names(SUFFIX), CUT, b"\0"))
    assert read_answer(answer_to(errand, rcode, text)) == (state, words)
    assert read_answer(b"\0\1")[0] is FilingState.WANTED


def test_a_cut_is_asked_for_until_it_is_answered(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        duty = FilingDuty(SUFFIX)
        assert not due(registry, duty) and duty.wake() is None
        asked(registry, Assign(identifier("1"), RECORD))
        errand = due(registry, duty)[CUT]
        answered(registry, duty, errand, b"")
        assert cut_state(registry) is FilingState.WANTED and not due(registry, duty)
        assert duty.wake() == NOW + 30 and due(registry, duty, NOW + 30)
        answered(registry, duty, errand, answer_to(errand, 5, "awaits approval (filing 3)"))
        assert cut_state(registry) is FilingState.WAITING
        with registry.view() as seen:
            row = view.get_cut_filing(seen, CUT)
        assert row is not None and row.reason == "awaits approval (filing 3)"
        leaves = len(registry.history(CUT))
        errand = due(registry, duty, NOW + 10)[CUT]
        answered(registry, duty, errand, answer_to(errand, 5, "awaits approval (filing 3)"))
        assert len(registry.history(CUT)) == leaves  # nothing new was said
        assert due(registry, FilingDuty(SUFFIX))  # a new process asks again
        answered(registry, duty, errand, answer_to(errand, 0))
        assert cut_state(registry) is FilingState.FILED and not due(registry, duty, NOW + 99)
        assert state(registry, identifier("1")) is State.FILING  # the receipt is another matter
        assert is_sound(registry)


def test_only_so_many_cuts_are_asked_for_at_once(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        bodies = [
            RequestFiling(f"{owner}/{industry}/{location}")
            for owner in (OWNER, OTHER)
            for industry in ("6450", "6431", "6420", "6410")
            for location in LOCATIONS
        ]
        registry.submit_all([Request(ADMINISTRATOR, body) for body in bodies])
        assert len(due(registry, FilingDuty(SUFFIX))) == AT_ONCE


def test_a_refused_cut_refuses_what_waits_in_it_and_a_later_filing_files_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filings, "STEPS_AT_ONCE", 2)
    monkeypatch.setattr(filings, "COMMIT_SECONDS", 0)
    ones = [identifier(serial) for serial in "12345"]
    with joined(tmp_path / "data") as registry:
        for one in (*ones, identifier("6"), identifier("1", OTHER)):
            assert asked(registry, Assign(one, RECORD)) is Status.DONE
        last = serial_at(registry, ones[0])
        take(registry, Receipt(str(identifier("6")), 1, 403, last, "own"))
        duty = FilingDuty(SUFFIX)
        errand = due(registry, duty)[CUT]
        assert answered(registry, duty, errand, answer_to(errand, 5, "不属该节点")) > 1
        assert cut_state(registry) is FilingState.REFUSED
        assert {state(registry, one) for one in ones} == {State.REFUSED}
        assert state(registry, identifier("1", OTHER)) is State.FILING
        with registry.store.read() as read:
            found = {one.cut: one for one in status(read, TransactionView(read))}
        assert (found[CUT].refused, found[CUT].waiting) == (6, 0)
        assert found[CUT].reasons[0][1:] == (0, Status.NOT_FILED, "不属该节点")
        assert found[OTHERS_CUT].waiting == 1
        told = ask(registry, Assign(identifier("7"), RECORD))
        assert told.status is Status.NOT_FILED and "不属该节点" in told.detail
        assert asked(registry, Advance(ones[0], Verb.FILE)) is Status.NOT_FILED
        assert not due(registry, duty, NOW + 99).get(CUT)
        assert asked(registry, RequestFiling(CUT)) is Status.DONE
        errand = due(registry, duty)[CUT]
        answered(registry, duty, errand, answer_to(errand, 0))
        assert {state(registry, one) for one in ones} == {State.FILING}
        assert state(registry, identifier("6")) is State.REFUSED  # by a receipt of its own
        assert asked(registry, Assign(identifier("7"), RECORD)) is Status.DONE
        assert is_sound(registry)


def test_a_refusal_that_was_broken_off_goes_on_when_the_cut_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filings, "STEPS_AT_ONCE", 2)
    monkeypatch.setattr(filings, "COMMIT_SECONDS", 0)
    with joined(tmp_path / "data") as registry:
        for serial in "12345":
            asked(registry, Assign(identifier(serial), RECORD))
        args = ["zhejiang-1.", CUT, int(FilingState.REFUSED), "why", ""]
        assert filings.answer(core_of(registry), args)
        assert cut_state(registry) is FilingState.WANTED
        duty = FilingDuty(SUFFIX)
        errand = due(registry, duty)[CUT]
        answered(registry, duty, errand, answer_to(errand, 5, "why"))
        assert {state(registry, identifier(n)) for n in "12345"} == {State.REFUSED}
        assert is_sound(registry)


def test_a_node_by_itself_owes_nothing(tmp_path: Path) -> None:
    with Registry.open(create(tmp_path / "data"), writable=True) as registry:
        assert not adds(registry.store).duties
        decision = ask(registry, RequestFiling(CUT))
        assert decision.status is Status.STATE_PROHIBITS and "--root" in decision.detail


def by_the_root(root: Registry, errand: Errand) -> bytes:
    """The answer of a national node to what is sent under the node's key, without its signature."""
    with root.store.read() as read:
        secret = derive(read.table(b"meta").get(SECRET) or b"", "zhejiang", 1)
    key = tsig.Key(key_name("zhejiang", 1), ALGORITHM, secret)
    signed, mac = tsig.sign(errand.message, key, NOW)
    answer = updates.answer(core_of(root), signed, bytes((127, 0, 0, 1)), True, NOW)
    verified = tsig.verify(answer, lambda _: key, NOW, mac)
    assert isinstance(verified, tsig.Signed)
    return verified.message


def test_the_national_node_files_what_a_node_asks_for(tmp_path: Path) -> None:
    deployment.create(tmp_path / "root", SUFFIX, "0.EXAMPLE", map_octets=1 << 30, national=True)
    with (
        Registry.open(tmp_path / "root", writable=True, sync=False) as root,
        joined(tmp_path / "data") as registry,
    ):
        accredit(root, OWNER)
        assert asked(root, ZHEJIANG) is Status.DONE
        duty = FilingDuty(SUFFIX)
        asked(registry, Assign(identifier("1"), RECORD))
        errand = due(registry, duty)[CUT]
        answered(registry, duty, errand, by_the_root(root, errand))
        assert cut_state(registry) is FilingState.FILED
        assert asked(root, SetFiling("manual")) is Status.DONE
        other = f"{OWNER}/6450/330108"
        assert asked(registry, RequestFiling(other)) is Status.DONE
        errand = due(registry, duty)[other]
        answered(registry, duty, errand, by_the_root(root, errand))
        assert cut_state(registry, other) is FilingState.WAITING
        assert asked(root, ApproveCut(other)) is Status.DONE
        answered(registry, duty, errand, by_the_root(root, errand))
        assert cut_state(registry, other) is FilingState.FILED
        asked(registry, Assign(identifier("1", OTHER), RECORD))  # whom the national node lacks
        errand = due(registry, duty)[OTHERS_CUT]
        answered(registry, duty, errand, by_the_root(root, errand))
        assert cut_state(registry, OTHERS_CUT) is FilingState.REFUSED
        told = ask(registry, Assign(identifier("2", OTHER), RECORD))
        assert "OWNER_UNKNOWN" in told.detail


def assign_all(say: Say, data: Path) -> None:
    """The first identifiers of many cuts; says so after each."""
    with Registry.open(data, writable=True) as registry:
        for location in LOCATIONS:
            for industry in ("6450", "6431"):
                one = make(OWNER, industry, location, "ACV", CLASS, "1")
                assert asked(registry, Assign(one, RECORD)) is Status.DONE
                say(str(one))


def test_killed_around_the_first_assignment_of_a_cut_all_of_it_is_there_or_nothing(
    tmp_path: Path,
) -> None:
    count = 2 * len(LOCATIONS)
    for number, (lines, seconds) in enumerate(moments(6, count - 2)):
        data = tmp_path / f"{number}"
        joined(data, sync=True).close()
        said = killed_after(start(assign_all, data), lines, seconds / 10)
        with Registry.open(data, writable=True) as registry:
            with registry.view() as seen:
                given = [key.decode() for key, _ in seen.scan("assignments", b"")]
                cuts = [key.decode() for key, _ in seen.scan("filings", b"")]
            assert set(said) <= set(given) and len(given) <= len(said) + 1
            assert sorted("/".join(one.split("/")[:3]) for one in given) == sorted(cuts)
            assert len(due(registry, FilingDuty(SUFFIX))) == len(cuts)
            assert is_sound(registry)
    whole = tmp_path / "whole"
    joined(whole, sync=True).close()
    assert len(finished(start(assign_all, whole))) == count
