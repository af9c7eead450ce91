"""What the national node says to the filing of identifiers: taken once, in whatever order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rdata
import dns.tsig
import dns.tsigkeyring
import dns.update
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.protocol import RECEIPT
from csid.record import decode
from registry.network import receipts
from registry.network.receipts import read_records, record_of, shown
from registry.network.status import last_receipt, status
from registry.receiving import Receipt, Receiver
from registry.rules.filing import read_receipt
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    Actor,
    Advance,
    Assign,
    Import,
    Request,
    Retire,
    Role,
    TakeReceipt,
    Update,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.signing.proofs import changes_of
from registry.tables.enums import State
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.volume import WrittenVolume
from registry.zones import updates
from resolver.store.write import WriteTransaction
from tests.registry.network.test_cuts import is_sound, state
from tests.registry.test_desk import Said, tried
from tests.support.books import SUFFIX, ask, resolved
from tests.support.books import status as asked
from tests.support.joined import KEY, core_of, joined
from tests.support.registering import ADMINISTRATOR, NOW, OTHER, OWNER, RECORD, identifier

NODE = Actor("zhejiang-1.", Role.NODE)
ONE = identifier("1")
OUT = Status.OUT_OF_SCOPE.number


def serial_at(registry: Registry, name: object) -> int:
    """The serial of the zone of an identifier."""
    with registry.store.snapshot() as snapshot:
        zone = snapshot.zone_of(Names(SUFFIX).key(str(name)))
        assert zone is not None
        return int.from_bytes(zone.soa[-20:-16], "big")


def take(registry: Registry, *given: Receipt) -> list[Status]:
    decisions = receipts.take(core_of(registry), NODE.name, given, int(time.time()))
    return [one.status for one in decisions]


def test_a_receipt_makes_what_was_filed_active_once(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert asked(registry, Assign(ONE, RECORD)) is Status.DONE
        receipt = Receipt(str(ONE), 12, 100, serial_at(registry, ONE))
        assert take(registry, receipt, receipt) == [Status.DONE, Status.UNCHANGED]
        assert take(registry, receipt) == [Status.UNCHANGED]
        assert state(registry, ONE) is State.ACTIVE
        record = resolved(registry, str(ONE))
        assert record is not None and record.state == "active"
        leaf = registry.history(str(ONE))[0].leaf
        assert (leaf.kind, leaf.to, leaf.by, leaf.role) == ("receipt", "12", NODE.name, "node")
        assert is_sound(registry)


def test_a_refusal_stays_until_it_is_filed_again_and_old_receipts_change_nothing(
    tmp_path: Path,
) -> None:
    with joined(tmp_path / "data") as registry:
        assert asked(registry, Assign(ONE, RECORD)) is Status.DONE
        first = serial_at(registry, ONE)
        refusal = Receipt(str(ONE), 1, OUT, first, "不属该节点")
        assert take(registry, refusal) == [Status.DONE]
        assert state(registry, ONE) is State.REFUSED
        with registry.store.read() as read:
            found = last_receipt(changes_of(read, str(ONE)))
            [cut] = status(read, TransactionView(read))
        assert found is not None and read_receipt(found.leaf.to) == (1, Status.OUT_OF_SCOPE)
        assert found.leaf.why == "不属该节点"
        assert (cut.waiting, cut.refused, cut.reasons[0].reason) == (0, 1, "不属该节点")
        # The same again, by an import or an update, files nothing.
        assert asked(registry, Import(ONE, RECORD)) is Status.UNCHANGED
        assert asked(registry, Update(ONE, (("count", 8),))) is Status.UNCHANGED
        assert asked(registry, Advance(ONE, Verb.ACTIVATE)) is Status.STATE_PROHIBITS
        assert asked(registry, Update(ONE, (("count", 9),))) is Status.DONE
        assert state(registry, ONE) is State.FILING
        taken = Receipt(str(ONE), 2, 100, serial_at(registry, ONE))
        assert take(registry, refusal) == [Status.UNCHANGED]
        assert take(registry, Receipt(str(ONE), 3, 100, first)) == [Status.UNCHANGED]
        assert state(registry, ONE) is State.FILING
        assert take(registry, taken, refusal) == [Status.DONE, Status.UNCHANGED]
        assert state(registry, ONE) is State.ACTIVE
        assert asked(registry, Import(ONE, RECORD.changed(count=9))) is Status.UNCHANGED
        assert asked(registry, Import(ONE, RECORD.changed(count=7))) is Status.DONE
        assert state(registry, ONE) is State.ACTIVE
        assert is_sound(registry)


def test_an_import_that_says_other_facts_files_again(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert asked(registry, Assign(ONE, RECORD)) is Status.DONE
        take(registry, Receipt(str(ONE), 1, OUT, serial_at(registry, ONE), "why"))
        assert asked(registry, Import(ONE, RECORD.changed(count=9))) is Status.DONE
        assert state(registry, ONE) is State.FILING
        take(registry, Receipt(str(ONE), 2, OUT, serial_at(registry, ONE), "why"))
        assert asked(registry, Retire(ONE)) is Status.DONE
        assert state(registry, ONE) is State.RETIRED
        assert is_sound(registry)


def test_only_the_network_gives_receipts(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert asked(registry, Assign(ONE, RECORD)) is Status.DONE
        body = TakeReceipt(ONE, 1, 100)
        assert ask(registry, body, ADMINISTRATOR).status is Status.ROLE_MAY_NOT
        refuse = Advance(ONE, Verb.REFUSE)
        assert asked(registry, refuse) is Status.ROLE_MAY_NOT
        assert ask(registry, body, NODE).status is Status.DONE
        assert ask(registry, Retire(ONE), NODE).status is Status.ROLE_MAY_NOT


numbers = st.sampled_from([identifier(str(n)) for n in range(1, 4)])
bodies = st.one_of(
    st.builds(Assign, numbers, st.just(RECORD)),
    st.builds(Advance, numbers, st.sampled_from([Verb.FILE, Verb.WITHDRAW])),
    st.builds(Update, numbers, st.builds(lambda n: (("count", n),), st.integers(1, 3))),
    st.builds(Retire, numbers),
)
# An identifier, whether it is taken, by how many serials ago it was seen; or one sent before.
answers = st.tuples(numbers, st.booleans(), st.integers(0, 6))


@given(st.lists(st.one_of(bodies, answers, st.integers(0, 9)), max_size=30))
@settings(deadline=None, max_examples=40)
def test_whatever_comes_in_whatever_order_one_answer_holds_for_each_filing(
    tmp_path_factory: pytest.TempPathFactory, given: list[Any]
) -> None:
    with joined(tmp_path_factory.mktemp("any") / "data") as registry:
        sent: list[Receipt] = []
        for one in given:
            if isinstance(one, int):
                if sent:
                    take(registry, sent[one % len(sent)])
            elif not isinstance(one, tuple):
                ask(registry, one)
            elif state(registry, one[0]) is State.FILING:
                name, is_taken, age = one
                serial = serial_at(registry, name) - age
                is_fresh = serial >= registry.history(str(name))[0].leaf.serial[0]
                receipt = Receipt(str(name), len(sent), 100 if is_taken else OUT, serial, "why")
                sent.append(receipt)
                assert (take(registry, receipt) == [Status.DONE]) == is_fresh
                if is_fresh:
                    wanted = State.ACTIVE if is_taken else State.REFUSED
                    assert state(registry, name) is wanted
        for serial in "123":
            is_waiting = False
            for change in registry.history(str(identifier(serial)))[::-1]:
                if change.leaf.kind == TakeReceipt.kind:
                    assert is_waiting  # between two answers lies a filing
                is_waiting = decode(change.leaf.after).state == "filing"
        assert is_sound(registry)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With identifiers in all states, over two cuts."""
    with joined(tmp_path_factory.mktemp("receipts") / "data") as registry:
        for owner in (OWNER, OTHER):
            for serial in "12345":
                assert asked(registry, Assign(identifier(serial, owner), RECORD)) is Status.DONE
            last = serial_at(registry, identifier("5", owner))
            assert take(registry, Receipt(str(identifier("5", owner)), 1, 100, last))
            assert asked(registry, Advance(identifier("4", owner), Verb.WITHDRAW)) is Status.DONE
            assert asked(registry, Update(identifier("3", owner), (("count", 9),))) is Status.DONE
        yield registry


given_receipts = st.lists(
    st.builds(
        Receipt,
        st.builds(
            lambda serial, owner: str(identifier(serial, owner)),
            st.sampled_from("123456"),
            st.sampled_from([OWNER, OTHER]),
        ),
        st.integers(-1, 9),
        st.sampled_from([100, OUT, 101, 7]),
        st.integers(0, 12),
        st.sampled_from(["", "why"]),
    ),
    max_size=12,
)


@given(given_receipts)
@settings(deadline=None)
def test_receipts_come_to_the_same_by_the_short_way_and_by_the_full_one(
    filled: Registry, given: list[Receipt]
) -> None:
    desk = core_of(filled).desk

    def shortly(txn: WriteTransaction) -> Said:
        desk.forget()
        batch = desk.begin(WrittenVolume(txn, SUFFIX), NOW, txn.number)
        receiver = Receiver(batch, NODE, NOW)
        said: Said = [(one.status, one.subject) for one in map(receiver.take, given)]
        batch.write()
        return said

    def fully(txn: WriteTransaction) -> Said:
        desk.forget()
        batch = desk.begin(WrittenVolume(txn, SUFFIX), NOW, txn.number)
        said: Said = []
        for one in given:
            parts = identifier(one.identifier.split("-")[1], one.identifier.partition("/")[0])
            body = TakeReceipt(parts, one.number, one.status, one.serial)
            decision = batch.decide(Request(NODE, body, one.reason))
            said.append((decision.status, decision.subject))
        batch.write()
        return said

    assert tried(filled.store, shortly) == tried(filled.store, fully)


# -- as UPDATEs


def update_of(registry: Registry, *given: Receipt, key: bytes = KEY.secret) -> dns.message.Message:
    """The answer of the node to receipts that dnspython sends."""
    cut = given[0].identifier.split("/")[:3]
    zone = dns.name.from_text(".".join([*reversed(cut), SUFFIX]).lower())
    update = dns.update.UpdateMessage(zone)
    update.use_edns(0)
    for one in given:
        record = record_of(Names(SUFFIX), one, NOW)
        owner = dns.name.from_text(names.to_text(names.wire_of_key(record.key)))
        rdata = dns.rdata.GenericRdata(1, RECEIPT, record.data)
        update.add(owner, 0, rdata)
    ring = {dns.name.from_text("zhejiang-1."): dns.tsig.Key("zhejiang-1.", key, "hmac-sha256")}
    update.use_tsig(ring, "zhejiang-1.")
    packet = update.to_wire()
    octets = updates.answer(core_of(registry), packet, bytes(4), True, int(time.time()))
    return dns.message.from_wire(octets, keyring=ring, request_mac=update.mac)


def test_receipts_come_as_signed_updates(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        for serial in "12":
            assert asked(registry, Assign(identifier(serial), RECORD)) is Status.DONE
        last = serial_at(registry, ONE)
        given = (
            Receipt(str(ONE), 1, 100, last),
            Receipt(str(identifier("2")), 2, OUT, last, "不属该节点"),
        )
        assert update_of(registry, *given).rcode() == 0
        assert state(registry, ONE) is State.ACTIVE
        assert state(registry, identifier("2")) is State.REFUSED
        assert update_of(registry, *given).rcode() == 0
        assert len(registry.history(str(ONE))) == 2
        unknown = update_of(registry, Receipt(str(identifier("9")), 3, 100, last))
        assert unknown.rcode() == 0 and "changed nothing" in unknown.options[0].to_text()
        assert is_sound(registry)


def test_a_receipt_under_another_key_or_malformed_is_refused(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert asked(registry, Assign(ONE, RECORD)) is Status.DONE
        good = Receipt(str(ONE), 1, 100, serial_at(registry, ONE))
        with pytest.raises(dns.tsig.PeerBadSignature):
            update_of(registry, good, key=b"other")
        assert update_of(registry, good._replace(number=-1)).rcode() == 1
        assert state(registry, ONE) is State.FILING


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb([1, 100, 1, 1]),
        msgpack.packb([1, 100, 1, 1, ""]) + b"\0",
        msgpack.packb([True, 100, 1, 1, ""]),
        msgpack.packb([1, 99, 1, 1, ""]),
        msgpack.packb([1, 100, 2**32, 1, ""]),
        msgpack.packb({"number": 1}),
    ],
)
def test_data_that_is_no_receipt_is_told(data: bytes) -> None:
    named = Names(SUFFIX)
    good = record_of(named, Receipt(str(ONE), 1, 100, 5, "why"), NOW)
    assert read_records(named, [good]) == [Receipt(str(ONE), 1, 100, 5, "why")]
    with pytest.raises(receipts.ReceiptError):
        read_records(named, [good._replace(data=data)])
    with pytest.raises(receipts.ReceiptError):
        read_records(named, [good._replace(key=named.key("x"))])
    with pytest.raises(receipts.ReceiptError):
        read_records(named, [good._replace(rrtype=16)])


@given(st.text())
def test_the_words_of_another_node_can_always_be_kept(text: str) -> None:
    assert len(shown(text)) <= 200 and shown(shown(text)) == shown(text)
