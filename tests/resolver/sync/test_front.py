"""What is no plain query, in process: what is granted, rung, passed on and refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.opcode
import dns.rrset
import dns.update
import pytest

from csid import names
from csid.protocol import (
    EDE_INVALID_DATA,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_READY,
    EDE_PROHIBITED,
    FORMERR,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    REFUSED,
    SERVFAIL,
)
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.answer.resolve import TreeSource
from resolver.answer.source import Source
from resolver.store.apexes import EXPIRED, NOT_READY
from resolver.store.environment import Store
from resolver.sync import settings, tsig
from resolver.sync.front import Forward, Front, Outcome, Transfer
from resolver.sync.settings import Follow, KeyRow, Rights, Subject, Target, where
from tests.support.packets import NOW
from tests.support.servers import put_zone
from tests.support.signing import KEY, SECRET, signed

ZONE, FOLLOWED, ABSENT = "plain.test.", "followed.test.", "absent.test."
TEXT = "$TTL 60\n@ SOA ns host 5 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
HERE, THERE = bytes((127, 0, 0, 1)), bytes((127, 0, 0, 2))
NODE = KEY._replace(name=names.from_text("node-1."))
OPT = OptWriter(bytes(16))


def apex(origin: str) -> bytes:
    return names.key_of(names.from_text(origin))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "data", "csid.internal.", "0.EXAMPLE") as made:
        put_zone(made, TEXT, ZONE)
        put_zone(made, TEXT, FOLLOWED)
        with made.write() as txn:
            keys = txn.table(settings.KEYS)
            keys.put(KEY.name, settings.pack(KeyRow(KEY.algorithm, SECRET)))
            keys.put(NODE.name, settings.pack(KeyRow(NODE.algorithm, SECRET, node="north")))
            subject = (Subject(HERE, 32), Subject(key=KEY.name))
            rights = settings.pack(Rights(subject, subject, ()))
            for origin in (ZONE, FOLLOWED):
                txn.table(settings.RIGHTS).put(where(apex(origin)), rights)
            follow = settings.pack(Follow((Target("127.0.0.1", 53),)))
            txn.table(settings.FOLLOWS).put(where(apex(FOLLOWED)), follow)
        yield made


class Asked:
    """What became of one message.

    Attributes:
        outcome: as the front gives it.
        rung: what was told of a change.
        rcode, ede: of the answer.
    """

    def __init__(
        self,
        store: Store,
        wire: bytes,
        address: bytes = HERE,
        stream: bool = True,
        is_heard: bool = True,
    ) -> None:
        self.rung: list[tuple[bytes, int | None, bytes]] = []
        self.outcome: Outcome = None
        answerer = Answerer(OPT, tell=lambda message: pytest.fail(message))

        def ring(*told: Any) -> bool:
            self.rung.append(told)
            return is_heard

        front = Front(answerer, OPT, ring)

        with store.read() as read:

            def special(reply: Reply, source: Source, now: int) -> bytes | None:
                self.outcome = front.handle(reply, source, read, now)
                return self.outcome if isinstance(self.outcome, bytes) else None

            answerer.special = special
            self.answer = answerer.answer(wire, TreeSource(read.snapshot), NOW, address, stream)
        self.rcode = self.ede = -1
        if self.answer is not None:
            reply = dns.message.from_wire(self.answer, keyring=False)
            self.rcode = int(reply.rcode())
            found = [one for one in reply.options if isinstance(one, dns.edns.EDEOption)]
            self.ede = int(found[0].code) if found else -1


def transfer(origin: str, qtype: str = "AXFR") -> bytes:
    asked = dns.message.make_query(origin, qtype, use_edns=0)
    if qtype == "IXFR":
        text = "ns. host. 4 1 1 1 1"
        asked.authority.append(dns.rrset.from_text(origin, 0, "IN", "SOA", text))
    return asked.to_wire()


def notify(origin: str, serial: int | None = None) -> bytes:
    asked = dns.message.make_query(origin, "SOA", use_edns=0)
    asked.set_opcode(dns.opcode.NOTIFY)
    if serial is not None:
        text = f"ns. host. {serial} 1 1 1 1"
        asked.answer.append(dns.rrset.from_text(origin, 0, "IN", "SOA", text))
    return asked.to_wire()


def update(origin: str) -> bytes:
    asked = dns.update.UpdateMessage(origin)
    asked.add("www", 60, "A", "192.0.2.9")
    asked.use_edns(0)
    return asked.to_wire()


def test_a_transfer_is_granted_with_what_it_takes(store: Store) -> None:
    wire = transfer(ZONE)
    asked = Asked(store, wire)
    assert isinstance(asked.outcome, Transfer)
    request = asked.outcome.request
    assert (request.message, request.apex, request.serial) == (wire, apex(ZONE), None)
    assert (request.key, request.mac, request.stream) == (None, b"", True)
    assert request.opt.startswith(b"\0\0\x29")
    made, mac = signed(transfer(ZONE, "IXFR"), NOW)
    asked = Asked(store, made, THERE, stream=False)
    assert isinstance(asked.outcome, Transfer)
    request = asked.outcome.request
    assert (request.key, request.mac, request.serial, request.stream) == (KEY, mac, 4, False)
    assert request.octets == 1232


TRANSFERS = {
    "from elsewhere": (transfer(ZONE), THERE, True, REFUSED, EDE_PROHIBITED),
    "of a zone that is not held": (transfer("x.test."), HERE, True, NOTAUTH, EDE_NOT_AUTHORITATIVE),
    "of a name below an apex": (
        transfer("ns." + ZONE), HERE, True, NOTAUTH, EDE_NOT_AUTHORITATIVE,
    ),
    "AXFR over UDP": (transfer(ZONE), HERE, False, FORMERR, -1),
    "IXFR without a serial": (
        dns.message.make_query(ZONE, "IXFR").to_wire(), HERE, True, FORMERR, -1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "address", "stream", "rcode", "ede"), TRANSFERS.values(), ids=TRANSFERS
)
def test_a_transfer_that_is_not_granted(
    store: Store, wire: bytes, address: bytes, stream: bool, rcode: int, ede: int
) -> None:
    asked = Asked(store, wire, address, stream)
    assert (asked.rcode, asked.ede) == (rcode, ede)


def test_a_zone_that_is_not_served_is_not_transferred(store: Store) -> None:
    with store.write() as txn:
        txn.set_flags(names.from_text(ZONE), EXPIRED)
        txn.set_flags(names.from_text(ABSENT), NOT_READY)
        rights = settings.pack(Rights((Subject(HERE, 32),)))
        txn.table(settings.RIGHTS).put(where(apex(ABSENT)), rights)
    for origin, ede in ((ZONE, EDE_INVALID_DATA), (ABSENT, EDE_NOT_READY)):
        for qtype in ("AXFR", "IXFR"):
            asked = Asked(store, transfer(origin, qtype))
            assert (asked.rcode, asked.ede) == (SERVFAIL, ede)
            assert Asked(store, transfer(origin, qtype), THERE).rcode == REFUSED


def test_notify_rings_the_bell_for_a_primary_alone(store: Store) -> None:
    asked = Asked(store, notify(FOLLOWED, 6))
    assert (asked.rcode, asked.rung) == (NOERROR, [(apex(FOLLOWED), 6, HERE)])
    assert asked.answer is not None and asked.answer[2] & 0x84 == 0x84  # QR and AA
    assert Asked(store, notify(FOLLOWED.upper())).rung == [(apex(FOLLOWED), None, HERE)]
    assert Asked(store, notify(FOLLOWED), is_heard=False).rcode == SERVFAIL  # it is told again
    for wire, address, rcode in (
        (notify(FOLLOWED), THERE, REFUSED),
        (notify(ZONE), HERE, NOTAUTH),
        (notify("x.test."), HERE, NOTAUTH),
        (notify("www." + FOLLOWED), HERE, NOTAUTH),
        (notify(FOLLOWED).replace(b"\0\6\0\1", b"\0\1\0\1"), HERE, FORMERR),
    ):
        asked = Asked(store, wire, address)
        assert (asked.rcode, asked.rung) == (rcode, [])


def test_an_update_is_passed_on_as_it_came(store: Store) -> None:
    wire = update(ZONE)
    asked = Asked(store, wire)
    assert isinstance(asked.outcome, Forward)
    assert asked.outcome.packet == wire
    made, _ = signed(wire, NOW)
    asked = Asked(store, made, THERE)
    assert isinstance(asked.outcome, Forward)
    assert asked.outcome.packet == made


def test_an_update_that_nobody_may_ask_for_is_not_passed_on(store: Store) -> None:
    for wire, address, rcode, ede in (
        (update(ZONE), THERE, REFUSED, EDE_PROHIBITED),
        (update(FOLLOWED), HERE, NOTAUTH, EDE_NOT_AUTHORITATIVE),  # its primary's
        (update("x.test."), HERE, NOTAUTH, EDE_NOT_AUTHORITATIVE),
        (update("www." + ZONE), HERE, NOTAUTH, EDE_NOT_AUTHORITATIVE),
        (update(ZONE).replace(b"\0\6\0\1", b"\0\1\0\1"), HERE, FORMERR, -1),
        (update(ZONE).replace(b"\0\6\0\1", b"\0\6\0\3"), HERE, FORMERR, -1),
    ):
        asked = Asked(store, wire, address)
        assert (asked.rcode, asked.ede) == (rcode, ede)


def test_what_a_node_of_the_network_asks_for_is_the_writer_s_to_judge(store: Store) -> None:
    made, _ = signed(update(ZONE), NOW, NODE)
    assert isinstance(Asked(store, made, THERE).outcome, Forward)
    made, _ = signed(transfer(ZONE), NOW, NODE)
    assert Asked(store, made, THERE).rcode == REFUSED


def test_an_update_without_a_writer_is_told_of_signed(store: Store) -> None:
    made, mac = signed(update(ZONE), NOW)
    asked = Asked(store, made)
    assert isinstance(asked.outcome, Forward)
    front = Front(Answerer(OPT), OPT, lambda *_: True)
    answer = tsig.Verifier(KEY, mac).check(front.unreachable(asked.outcome, NOW), NOW)
    assert answer[3] & 15 == SERVFAIL


def test_other_opcodes_are_refused_signed(store: Store) -> None:
    query = dns.message.make_query(ZONE, "SOA")
    query.set_opcode(dns.opcode.STATUS)
    made, mac = signed(query.to_wire(), NOW)
    answer = Asked(store, made).answer
    assert answer is not None
    assert tsig.Verifier(KEY, mac).check(answer, NOW)[3] & 15 == NOTIMP


def test_an_id_changed_on_the_way_comes_back_and_verifies_with_the_original(store: Store) -> None:
    """RFC 8945 section 5.1: a forwarder may use IDs of its own."""
    made, mac = signed(dns.message.make_query(ZONE, "SOA").to_wire(), NOW)
    for wire in (made, signed(made[:2] + update(ZONE)[2:], NOW - 1_000)[0]):
        answer = Asked(store, b"\xab\xcd" + wire[2:], stream=False).answer
        assert answer is not None and answer[:2] == b"\xab\xcd"
        record = dns.message.from_wire(answer, keyring=False).tsig
        assert record is not None
        assert record[0].original_id == int.from_bytes(made[:2], "big")
    answer = Asked(store, b"\xab\xcd" + made[2:]).answer
    assert answer is not None
    assert tsig.Verifier(KEY, mac).check(answer, NOW)[:2] == made[:2]


def test_damaged_rows_cost_those_who_need_them(store: Store) -> None:
    with store.write() as txn:
        txn.table(settings.RIGHTS).put(where(apex(ZONE)), b"\xc1")
        txn.table(settings.KEYS).put(KEY.name, b"\x93")
    told: list[str] = []
    answerer = Answerer(OPT, tell=told.append)
    front = Front(answerer, OPT, lambda *_: True)
    with store.read() as read:

        def special(reply: Reply, source: Source, now: int) -> bytes | None:
            outcome = front.handle(reply, source, read, now)
            assert outcome is None or isinstance(outcome, bytes)
            return outcome

        answerer.special = special
        source = TreeSource(read.snapshot)
        plain = dns.message.make_query(ZONE, "SOA").to_wire()
        for wire, rcode in (
            (transfer(ZONE), SERVFAIL),
            (signed(plain, NOW)[0], SERVFAIL),
            (plain, NOERROR),
        ):
            answer = answerer.answer(wire, source, NOW, HERE, True)
            assert answer is not None and answer[3] & 15 == rcode
    assert told
