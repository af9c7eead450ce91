"""The aggregate's side of filing: what is examined, what is said of it, and that it arrives."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dns.message
import dns.update
import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid import names
from csid.errors import CsidError
from csid.identifier import Identifier
from csid.protocol import NOERROR, REFUSED
from csid.record import Record, encode
from registry.network.examining import claimed, examine
from registry.network.joining import Key
from registry.network.owed import owed_to
from registry.network.receipt_seal import public_key
from registry.network.receipts import data_of
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    TEXT_MAX,
    AddNode,
    Advance,
    Alias,
    Assign,
    RekeyNode,
    Retire,
    Update,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.sync.duties import examination
from registry.sync.duties.filed import Again, FiledWatch
from registry.sync.duties.receipt_duty import PAUSE_SECONDS, SEEN_SECONDS, TURN_SECONDS, ReceiptDuty
from registry.tables import codec, view
from registry.tables.enums import FiledState, State
from registry.tables.node_keys import ALGORITHM, derive, key_name
from registry.tables.record_node import node_of
from registry.tables.rows import NO_LEAF, Filed
from registry.tables.transaction import ANSWERED, LOOKED_FOR, OWED, TransactionView
from registry.verify import Report
from registry.zones.others import Other
from resolver.sync import tsig
from resolver.sync.actions import Errand
from tests.registry.network.test_cuts import is_sound, state
from tests.support import damaged
from tests.support.aggregates import NAMED, SECRET, SUM, ZHEJIANG, Pair, key_of, pair
from tests.support.books import ask
from tests.support.books import status as asked
from tests.support.joined import REGION, joined
from tests.support.registering import OWNER, RECORD, identifier

CUT = f"{OWNER}/6450/330106"
ONE, TWO, THREE, FOUR = (identifier(f"000{n}") for n in (1, 2, 3, 4))
FILING = encode(RECORD.changed(state="filing"))
HOLDER = Other("zhejiang", "region", ("33",), "active", ("127.0.0.3",), 5303, 1)
GRID = HOLDER._replace(name="grid", role="industry", scope=("64",))
TAKEN = Filed(FiledState.TAKEN, 100, "zhejiang", 7, "", NO_LEAF, 1, tenure=1)


# -- examining


@pytest.mark.parametrize(
    ("name", "record", "holder", "status", "said"),
    [
        (str(ONE), FILING, HOLDER, None, ""),
        (str(ONE), FILING, HOLDER._replace(scope=()), None, ""),
        (str(ONE), FILING, HOLDER._replace(scope=("11", "3301")), None, ""),
        (str(ONE), FILING, GRID, None, ""),
        (str(ONE), FILING, None, Status.NOT_FOUND, "register"),
        (
            str(ONE),
            FILING,
            HOLDER._replace(state="suspended"),
            Status.POLICY_PROHIBITS,
            "suspended",
        ),
        (str(ONE)[:-1] + "0", FILING, HOLDER, Status.BAD_VALUE, "check"),
        (str(ONE), b"", HOLDER, Status.BAD_VALUE, ""),
        (str(ONE), b"\x81\xa2st\xa6filing\0", HOLDER, Status.BAD_VALUE, ""),
        (str(ONE), FILING, HOLDER._replace(scope=("11",)), Status.OUT_OF_SCOPE, "330106"),
        (str(ONE), FILING, GRID._replace(scope=("44",)), Status.OUT_OF_SCOPE, "6450"),
    ],
)
def test_what_the_national_node_takes_and_why_it_refuses_the_rest(
    name: str, record: bytes, holder: Other | None, status: object, said: str
) -> None:
    refusal = examine(name, record, holder)
    assert (refusal is None) is (status is None), refusal
    if refusal is not None:
        assert refusal.status is status and said in refusal.detail


@pytest.mark.parametrize(
    ("before", "is_own", "said"),
    [
        (None, True, ""),
        (TAKEN, True, ""),
        (TAKEN, False, "of node zhejiang, which had its cut then"),
        (TAKEN._replace(state=FiledState.GONE), True, ""),
        (TAKEN._replace(state=FiledState.GONE, tenure=0), False, "zhejiang, which has lost it"),
        (TAKEN._replace(state=FiledState.ENDED), True, "of node zhejiang, and has ended"),
        (TAKEN._replace(state=FiledState.ENDED, node="east", taker="zhejiang"), True, "zhejiang"),
        (TAKEN._replace(state=FiledState.REFUSED), True, ""),
        (TAKEN._replace(state=FiledState.REFUSED, node="east", taker="zhejiang"), True, ""),
        (TAKEN._replace(state=FiledState.REFUSED, node="east", taker="zhejiang"), False, "had"),
    ],
)
def test_a_code_that_was_taken_is_no_others(before: Filed | None, is_own: bool, said: str) -> None:
    refusal = claimed(before, is_own)
    assert (refusal is None) is (not said), refusal
    if refusal is not None:
        assert refusal.status is Status.NEVER_AGAIN and said in refusal.detail


# -- over real transactions


def assign(both: Pair, *identifiers: Identifier) -> None:
    for one in identifiers:
        assert asked(both.region, Assign(one, RECORD)) is Status.DONE


def test_each_identifier_is_taken_once_and_becomes_active(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE, TWO)
        assert both.transfer(CUT, full=True) == "AXFR"
        assert both.owed() == 0  # looked through behind the transfer
        assert both.look() > 0 and both.owed() == 2
        assert both.send() == 1 and both.owed() == 0
        assert state(both.region, ONE) is state(both.region, TWO) is State.ACTIVE
        said = [both.filed(one) for one in (ONE, TWO)]
        assert both.transfer(CUT) == "IXFR"
        assign(both, THREE)
        assert both.transfer(CUT) == "IXFR"
        assert both.owed() == 1 and both.send() == 1
        assert state(both.region, THREE) is State.ACTIVE
        assert both.transfer(CUT, full=True) == "AXFR"
        both.look()
        assert both.owed() == 0 and both.send() == 0
        assert [both.filed(one) for one in (ONE, TWO)] == said
        leaf = both.region.history(str(ONE))[0].leaf
        assert (leaf.kind, leaf.to) == ("receipt", str(said[0].leaf if said[0] else None))
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_what_is_filed_again_after_it_was_taken_gets_the_same_receipt(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE)
        both.transfer(CUT, full=True)
        both.look()
        first = both.filed(ONE)
        # The receipt was lost; the record is changed before it is sent again.
        assert asked(both.region, Update(ONE, (("count", 9),))) is Status.DONE
        both.transfer(CUT)
        assert both.owed() == 1 and both.filed(ONE) == first
        assert both.send() == 1
        assert state(both.region, ONE) is State.ACTIVE
        both.transfer(CUT)
        assert asked(both.region, Advance(ONE, Verb.SUSPEND)) is Status.DONE
        both.transfer(CUT)
        assert asked(both.region, Advance(ONE, Verb.REINSTATE)) is Status.DONE
        both.transfer(CUT)
        assert both.owed() == 0 and both.filed(ONE) == first
        assert is_sound(both.aggregate)


def test_what_was_refused_and_is_put_right_gets_another_receipt(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        both.register(tmp_path / "narrow", replace(ZHEJIANG, scope=("11",)), SUM)
        assign(both, ONE)
        both.transfer(CUT, full=True)
        both.look()
        assert both.send() == 1 and state(both.region, ONE) is State.REFUSED
        refused = both.filed(ONE)
        assert refused is not None and refused.state is FiledState.REFUSED
        both.transfer(CUT)
        both.register(tmp_path / "other", ZHEJIANG, SUM)
        assert asked(both.region, Advance(ONE, Verb.FILE)) is Status.DONE
        both.transfer(CUT)
        assert both.owed() == 1
        both.send()
        assert state(both.region, ONE) is State.ACTIVE
        taken = both.filed(ONE)
        assert taken is not None and taken.leaf > refused.leaf
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_what_was_refused_and_filed_again_between_two_transfers_is_answered(
    tmp_path: Path,
) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        both.register(tmp_path / "narrow", replace(ZHEJIANG, scope=("11",)), SUM)
        assign(both, ONE)
        both.transfer(CUT)
        assert both.send() == 1 and state(both.region, ONE) is State.REFUSED
        assert asked(both.region, Advance(ONE, Verb.FILE)) is Status.DONE
        both.transfer(CUT)  # in the copy nothing is changed of it
        refused = both.filed(ONE)
        both.send()
        assert state(both.region, ONE) is State.REFUSED
        assert asked(both.region, Advance(ONE, Verb.FILE)) is Status.DONE
        both.register(tmp_path / "other", ZHEJIANG, SUM)
        both.transfer(CUT)
        taken = both.filed(ONE)
        assert refused is not None and taken is not None and taken.leaf > refused.leaf
        both.send()
        assert state(both.region, ONE) is State.ACTIVE
        both.transfer(CUT)
        assert both.owed() == 0
        with both.aggregate.store.read() as read:
            assert read.table(ANSWERED).entries() == 0
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_what_was_taken_back_and_filed_again_before_its_receipt_gets_it_once_more(
    tmp_path: Path,
) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE)
        both.transfer(CUT)
        for verb in (Verb.WITHDRAW, Verb.FILE):
            assert asked(both.region, Advance(ONE, verb)) is Status.DONE
        assert both.send() == 1 and state(both.region, ONE) is State.FILING  # it was too old
        both.transfer(CUT)
        assert both.send() == 1 and state(both.region, ONE) is State.ACTIVE
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_what_no_change_of_the_zone_shows_is_owed_once_more_after_a_while(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE)
        both.transfer(CUT)
        [errand] = both.due(1_000)
        for verb in (Verb.WITHDRAW, Verb.FILE):
            assert asked(both.region, Advance(ONE, verb)) is Status.DONE
        both.transfer(CUT)  # before the answer, and in the copy nothing is changed of it
        both.answered(errand, both.carry(errand), 1_000)
        assert state(both.region, ONE) is State.FILING and both.owed() == 0  # it was too old
        again = Again(both.aggregate.store, both.watch, both.duty)
        assert both.due(1_001) == [] and both.duty.wake() == 1_001 + SEEN_SECONDS
        assert not again() and both.owed() == 0
        assert both.due(1_001 + SEEN_SECONDS) == [] and both.duty.wake() is None
        while again():
            pass
        assert both.owed() == 1 and both.send() == 1
        assert state(both.region, ONE) is State.ACTIVE
        both.transfer(CUT)
        assert both.due(2_000) == [] and both.duty.wake() is None
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_a_transfer_that_was_asked_for_before_an_answer_has_nothing_owed_once_more(
    tmp_path: Path,
) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE)
        both.transfer(CUT)
        assign(both, TWO)
        fetch = both.fetch(CUT)
        messages = both.messages(CUT, fetch)
        assert both.send() == 1 and state(both.region, ONE) is State.ACTIVE
        for message in messages:  # which say nothing of that yet
            fetch.receive(message, int(time.time()))
        assert both.owed() == 1 and both.send() == 1 and state(both.region, TWO) is State.ACTIVE
        both.transfer(CUT)
        assert both.owed() == 0
        with both.aggregate.store.read() as read:
            assert read.table(ANSWERED).entries() == 0
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_what_was_taken_stands_where_the_register_is_made_anew_and_the_scope_is_narrower(
    tmp_path: Path,
) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE)
        both.transfer(CUT)
        assert both.send() == 1 and state(both.region, ONE) is State.ACTIVE
        both.register(tmp_path / "narrow", replace(ZHEJIANG, scope=("11",)), SUM)
        with both.aggregate.store.write() as txn:  # as in a copy from before the zone was followed
            for table in (txn.table(LOOKED_FOR), TransactionView(txn).table(codec.FILED)):
                for key, _ in list(table.scan(b"")):
                    table.delete(key)
        both.transfer(CUT, full=True)
        both.look()
        found = both.filed(ONE)
        assert found is not None and found.state is FiledState.TAKEN and both.owed() == 0


def test_a_refusal_that_waits_is_withdrawn_if_the_identifier_is_taken_meanwhile(
    tmp_path: Path,
) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        both.register(tmp_path / "narrow", replace(ZHEJIANG, scope=("11",)), SUM)
        assign(both, ONE)
        both.transfer(CUT, full=True)
        both.look()
        both.register(tmp_path / "other", ZHEJIANG, SUM)
        assert asked(both.region, Update(ONE, (("count", 9),))) is Status.DONE
        both.transfer(CUT)
        assert both.owed() == 1 and both.send() == 1
        assert state(both.region, ONE) is State.ACTIVE
        assert is_sound(both.aggregate)


@pytest.mark.parametrize("how", ["retired", "aliased"])
def test_what_has_ended_is_never_taken_again(tmp_path: Path, how: str) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE, TWO)
        both.transfer(CUT, full=True)
        both.look()
        both.send()
        both.transfer(CUT)
        ending = Retire(ONE) if how == "retired" else Alias(ONE, TWO)
        assert asked(both.region, ending) is Status.DONE
        both.transfer(CUT)
        both.look()
        ended = both.filed(ONE)
        assert ended is not None and ended.state is FiledState.ENDED
        put(both, ONE, RECORD.changed(state="filing"))
        both.transfer(CUT)
        again = both.filed(ONE)
        assert again is not None
        assert (again.state, again.status) == (FiledState.ENDED, Status.NEVER_AGAIN.number)
        assert both.owed() == 1
        taken = both.filed(TWO)
        assert taken is not None and taken.state is FiledState.TAKEN
        assert is_sound(both.aggregate)


@pytest.mark.parametrize("full", [False, True])
def test_what_is_gone_may_come_back_from_the_node_that_had_it(tmp_path: Path, full: bool) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE, TWO)
        both.transfer(CUT, full=True)
        both.look()
        both.send()
        both.transfer(CUT)
        put(both, ONE, None)
        both.transfer(CUT, full=full)
        both.look()
        gone = both.filed(ONE)
        assert gone is not None and gone.state is FiledState.GONE
        put(both, ONE, RECORD.changed(state="filing"))
        both.transfer(CUT)
        again = both.filed(ONE)
        assert again is not None and again.state is FiledState.TAKEN and again.leaf > gone.leaf
        assert both.owed() == 1
        assert is_sound(both.aggregate)


EAST = AddNode("east", "region", ("3301",), ("127.0.0.4:5304",))


@contextmanager
def other(both: Pair, folder: Path) -> Iterator[Pair]:
    """The aggregate with another region node, `east`."""
    key = Key(key_name("east", 1), ALGORITHM, derive(SECRET, "east", 1))
    of = REGION._replace(name="east", key=key, receipt_key=public_key(SECRET))
    with joined(folder, of) as region:
        made = Pair(region, both.aggregate)
        made.watch, made.duty = both.watch, both.duty
        yield made


def handed(both: Pair, node: str, label: bytes) -> None:
    """Let the aggregate have the cut as another node's, as the catalog lists it now."""
    apex = NAMED.key(CUT)
    with both.aggregate.store.write() as txn:
        txn.drop_zone(names.wire_of_key(apex))
        if both.label(CUT) != label:
            both.watch.dropped(txn, apex)
    both.follow(CUT, node, label)
    both.transfer(CUT, full=True)
    both.look()


def test_what_a_node_had_taken_is_no_others_that_files_its_cut_after_it(tmp_path: Path) -> None:
    with pair(tmp_path, (ZHEJIANG, EAST, SUM)) as both, other(both, tmp_path / "east") as east:
        both.begin(CUT)
        assign(both, ONE, TWO, THREE)
        both.transfer(CUT, full=True)
        both.look()
        both.send()
        both.transfer(CUT)
        assign(east, ONE, TWO, FOUR)
        handed(east, "east", b"anew")
        assert east.send() == 1
        assert [state(east.region, one) for one in (ONE, TWO, FOUR)] == [
            State.REFUSED,
            State.REFUSED,
            State.ACTIVE,
        ]
        said = east.filed(ONE)
        assert said is not None and said.status == Status.NEVER_AGAIN.number
        assert said.reason == "was taken before, of node zhejiang, which had its cut then"
        east.transfer(CUT)
        assert asked(east.region, Advance(ONE, Verb.FILE)) is Status.DONE  # and once more
        east.transfer(CUT)
        assert east.send() == 1 and state(east.region, ONE) is State.REFUSED
        put(east, TWO, RECORD.changed(state="active"))  # nor by going ahead without
        east.transfer(CUT)
        said = east.filed(TWO)
        assert said is not None and (said.state, said.node) == (FiledState.REFUSED, "east")
        three = east.filed(THREE)
        assert three is not None and (three.state, three.node) == (FiledState.TAKEN, "zhejiang")
        east.send()
        # Its own node has it as ever, once it has the cut again, and then by a move the other one.
        assert asked(both.region, Retire(THREE)) is Status.DONE
        handed(both, "zhejiang", b"label")
        assert both.owed() == 0
        for one, wanted in ((ONE, FiledState.TAKEN), (TWO, FiledState.TAKEN)):
            back = both.filed(one)
            assert back is not None and (back.state, back.node) == (wanted, "zhejiang")
        ended = both.filed(THREE)
        assert ended is not None and ended.state is FiledState.ENDED
        four = both.filed(FOUR)
        assert four is not None and (four.state, four.node) == (FiledState.TAKEN, "east")
        assign(both, FOUR)
        both.transfer(CUT)
        both.send()
        assert state(both.region, FOUR) is State.REFUSED
        assert is_sound(both.aggregate)


def test_what_has_moved_is_its_new_nodes(tmp_path: Path) -> None:
    with pair(tmp_path, (ZHEJIANG, EAST, SUM)) as both, other(both, tmp_path / "east") as east:
        both.begin(CUT)
        assign(both, ONE, TWO)
        both.transfer(CUT, full=True)
        both.look()
        both.send()
        both.transfer(CUT)
        assign(east, ONE)  # stands for what came to it with the cut
        put(east, TWO, RECORD.changed(state="active"))
        handed(east, "east", b"label")
        assert east.send() == 1 and state(east.region, ONE) is State.ACTIVE
        one, two = east.filed(ONE), east.filed(TWO)
        assert one is not None and (one.state, one.node) == (FiledState.TAKEN, "east")
        assert two is not None and two.state is FiledState.TAKEN
        # And stays so when it files the cut anew, after others had it.
        handed(both, "zhejiang", b"anew")
        handed(east, "east", b"once more")
        back = east.filed(TWO)
        assert back is not None and (back.state, back.node) == (FiledState.TAKEN, "east")
        assert is_sound(both.aggregate)


def put(both: Pair, one: Identifier, record: Record | None) -> None:
    """Let the region node have a record at an identifier's name behind its registry's back."""
    apex = NAMED.key(CUT)
    with both.region.store.write() as txn:
        update = txn.update(names.wire_of_key(apex))
        key = NAMED.key(str(one))[len(apex) :]
        update.set(key, {})
        if record is not None:
            update.put(key, node_of(record, encode(record), 300))
        update.finish()


def test_a_zone_whose_node_is_not_in_the_register_yet_is_looked_at_once_it_is(
    tmp_path: Path,
) -> None:
    with pair(tmp_path, [SUM]) as both:
        assign(both, ONE)
        both.follow(CUT)
        both.transfer(CUT)
        assign(both, TWO)
        both.transfer(CUT)
        both.look()
        assert both.filed(ONE) is None and both.owed() == 0
        both.register(tmp_path / "later", ZHEJIANG, SUM)
        both.look()
        assert both.owed() == 2 and both.send() == 1
        assert state(both.region, TWO) is State.ACTIVE


# -- whole zones, in pieces


def test_a_whole_zone_is_looked_through_in_pieces_whoever_is_killed_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "AT_ONCE", 2)
    many = [identifier(f"{n:04d}") for n in range(11)]
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, *many)
        both.transfer(CUT, full=True)
        pieces = 0
        while both.look(most=1):
            pieces += 1
            both.watch = FiledWatch("csid.internal.", lambda: 5)  # as a new process has it
        assert pieces >= 6 and both.owed() == len(many)
        assert len({said.leaf for one in many if (said := both.filed(one))}) == len(many)
        both.send()
        assert all(state(both.region, one) is State.ACTIVE for one in many)
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_changes_that_come_while_a_zone_is_looked_through_are_looked_at_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "AT_ONCE", 3)
    many = [identifier(f"{n:04d}") for n in range(0, 20, 2)]
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, *many)
        both.transfer(CUT, full=True)
        both.look(most=2)  # in the middle
        new = [identifier("0001"), identifier("0019")]
        assign(both, *new)
        assert asked(both.region, Retire(many[0])) is Status.DONE  # that was seen already ...
        assert asked(both.region, Retire(many[-1])) is Status.DONE  # ... and that was not
        assert both.transfer(CUT) == "IXFR"
        both.look()
        both.send()
        assert all(state(both.region, one) is State.ACTIVE for one in [*many[1:-1], *new])
        seen = both.filed(many[0])
        assert seen is None or seen.state is FiledState.ENDED
        unseen = both.filed(many[-1])  # it had ended when it was first seen
        assert unseen is not None and unseen.state is FiledState.ENDED
        assert is_sound(both.region) and is_sound(both.aggregate)


def test_a_zone_that_comes_anew_while_it_is_looked_through_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "AT_ONCE", 3)
    many = [identifier(f"{n:04d}") for n in range(2, 12)]
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, *many)
        both.transfer(CUT, full=True)
        both.look(most=2)
        assign(both, ONE)  # before the place that was arrived at
        both.transfer(CUT, full=True)
        both.look()
        both.send()
        assert all(state(both.region, one) is State.ACTIVE for one in [ONE, *many])
        with both.aggregate.store.write() as txn:
            both.watch.replaced(txn, NAMED.key(CUT))
            txn.drop_zone(names.wire_of_key(NAMED.key(CUT)))
        both.look()  # it went: nothing is looked at, and nobody stumbles
        assert is_sound(both.aggregate)


# -- sequences

steps = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.integers(0, 4)),
        st.tuples(st.just("file"), st.integers(0, 4)),
        st.tuples(st.just("update"), st.integers(0, 4)),
        st.tuples(st.just("withdraw"), st.integers(0, 4)),
        st.tuples(st.just("retire"), st.integers(0, 4)),
        st.tuples(st.sampled_from(["ixfr", "axfr", "look", "send", "lose", "double"])),
        st.tuples(st.sampled_from(["scope 11", "scope 33"])),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
def test_each_filing_ends_with_one_receipt_whatever_happens_between(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[object, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    count = iter(range(1_000_000))
    with pair(folder) as both:
        both.begin(CUT)
        assign(both, identifier("9999"))
        for step in said:
            carry_out(both, folder / f"national{next(count)}", *step)
        both.register(folder / "last", ZHEJIANG, SUM)
        both.transfer(CUT)
        both.look()
        both.send()
        both.transfer(CUT)
        assert both.owed() == 0 and both.send() == 0
        for one in [identifier(f"{n:04d}") for n in range(5)] + [identifier("9999")]:
            here, there = known(both, one), both.filed(one)
            receipts = [
                change.leaf.to
                for change in both.region.history(str(one))
                if change.leaf.kind == "receipt"
            ]
            assert here is not State.FILING, one
            if here is State.ACTIVE:
                assert there is not None and there.state is FiledState.TAKEN
                assert receipts[0] == str(there.leaf)  # the last one is in force ...
                assert receipts.count(receipts[0]) == 1  # ... and changed its state once
            if here is State.REFUSED:
                assert there is not None and there.state is FiledState.REFUSED
        assert is_sound(both.region) and is_sound(both.aggregate)


def known(both: Pair, one: Identifier) -> State | None:
    with both.region.view() as seen:
        row = view.get_assignment(seen, str(one))
    return None if row is None else row.state


def carry_out(both: Pair, folder: Path, what: object, at: int = 0) -> None:
    """One thing that happens; what is not allowed just then changes nothing."""
    one = identifier(f"{at:04d}")
    with both.region.store.moment() as txn:
        number = int(txn.id())  # of the last commit
    bodies = {
        "assign": Assign(one, RECORD),
        "file": Advance(one, Verb.FILE),
        "update": Update(one, (("count", number),)),
        "withdraw": Advance(one, Verb.WITHDRAW),
        "retire": Retire(one),
    }
    if what in bodies:
        ask(both.region, bodies[str(what)])
    elif what in ("ixfr", "axfr"):
        both.transfer(CUT, full=what == "axfr")
    elif what == "look":
        both.look(most=1)
    elif what in ("scope 11", "scope 33"):
        both.register(folder, replace(ZHEJIANG, scope=(str(what)[-2:],)), SUM)
    elif what == "send":
        both.send()
    else:
        for errand in both.due():
            answer = both.carry(errand)
            if what == "double":
                answer = both.carry(errand)
                both.answered(errand, answer)
        if what == "lose":
            both.duty = ReceiptDuty("csid.internal.")  # the aggregate was killed


# -- damage


@pytest.fixture(scope="module")
def said_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aggregate that has taken, refused, and seen the end."""
    folder = tmp_path_factory.mktemp("said")
    with pair(folder) as both:
        both.begin(CUT)
        assign(both, ONE, TWO)
        both.transfer(CUT, full=True)
        both.look()
        both.register(folder / "other", replace(ZHEJIANG, scope=("11",)), SUM)
        assert asked(both.region, Retire(TWO)) is Status.DONE
        assign(both, THREE)
        both.transfer(CUT)
        states = {said.state for one in (ONE, TWO, THREE) if (said := both.filed(one))}
        assert states == {FiledState.TAKEN, FiledState.ENDED, FiledState.REFUSED}
        assert is_sound(both.aggregate)
    return folder / "aggregate"


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("field", [*Filed._fields, "all", "another", "octet"])
def test_every_damage_of_what_was_filed_is_found(
    said_folder: Path, tmp_path: Path, field: str, at: int
) -> None:
    data = tmp_path / "data"
    shutil.copytree(said_folder, data)
    with damaged.table(data, b"registry.filed") as rows:
        key, value = rows.all()[at]
        row = codec.decode_filed(value)
        if field == "all":
            rows.delete(key)
        elif field == "another":
            rows.put(key[:-1] + b"Z", value)
        elif field == "octet":
            rows.put(key, value + b"\0")
        else:
            old = getattr(row, field)
            new = (
                f"{old}x" if isinstance(old, str) else old + 1 if field != "state" else 1 - old % 2
            )
            rows.put(key, codec.encode(row._replace(**{field: new})))
    try:
        with Registry.open(data) as registry:
            report: Report | None = registry.verify()
    except CsidError:
        report = None
    assert report is None or report.faults


# -- what is owed


def duty_of(both: Pair, count: int, reason: str = "", first: int = 0) -> None:
    """Let the aggregate owe receipts for the longest identifiers, with a reason each."""
    with both.aggregate.store.write() as txn:
        table = TransactionView(txn).table(codec.FILED)
        for number in range(first, first + count):
            name = f"{OWNER}/6450/330106/ACV/{number:063d}".replace("/0", "/H", 1)
            row = Filed(FiledState.REFUSED, 403, "zhejiang", 1, reason, number, 1)
            table.put(name.encode("ascii"), codec.encode(row))
            key = owed_to("zhejiang") + number.to_bytes(8, "big")
            data = data_of(number, row.status, row.serial, row.since, row.reason)
            txn.table(OWED).put(key, msgpack.packb([name, data]))


@pytest.mark.parametrize("reason", ["", "x" * TEXT_MAX, "超" * TEXT_MAX, "\U00020bb7" * TEXT_MAX])
def test_a_message_of_receipts_has_room_for_its_signature(tmp_path: Path, reason: str) -> None:
    with pair(tmp_path) as both:
        duty_of(both, 1_100, reason)
        sent = []
        while errands := both.due():
            errand = errands[0]
            assert len(errand.message) > 59_000 or both.owed() < 1_000
            signed, _ = tsig.sign(errand.message, key_of(errand.target.key), 1)
            assert len(signed) <= 65_535
            update = dns.message.from_wire(errand.message)
            assert isinstance(update, dns.update.UpdateMessage)
            sent.append(sum(len(rrset) for rrset in update.update) - 1)  # the seal
            both.answered(errand, response(errand, NOERROR))
        assert sum(sent) == 1_100 and max(sent) <= 500
        assert reason or len(sent) == 3


def response(errand: Errand, rcode: int) -> bytes:
    return errand.message[:2] + bytes((0xA8, rcode)) + errand.message[4:]


def test_receipts_of_a_message_that_is_answered_go_once_and_the_next_follow(tmp_path: Path) -> None:
    """Also while the answer is still to be written, when the duty is asked again and again; two
    messages are under way at a time.
    """
    with pair(tmp_path) as both:
        duty_of(both, 1_100)
        first, second = both.due(1_000)
        assert both.due(1_000) == [first, second]  # they are under way
        assert first.message != second.message
        unit = both.duty.answered(first, response(first, NOERROR), "", 1_000)
        assert unit is not None and both.due(1_000) == [second]
        both.aggregate.perform(unit.name, unit.args)
        assert both.owed() == 600
        third, again = both.due(1_000)
        assert again == second and third.name == first.name and len(third.message) < 20_000
        both.answered(third, response(third, NOERROR))
        both.answered(second, response(second, NOERROR))
        assert both.due() == [] and both.owed() == 0


def test_two_messages_that_one_key_is_refused_for_are_sent_under_the_other(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        duty_of(both, 600)
        both.register(tmp_path / "rekeyed", ZHEJIANG, SUM, RekeyNode("zhejiang", 3_600))
        first, second = both.due(1_000)
        for one in (first, second):
            both.answered(one, b"", 1_000)
        again = both.due(1_000)
        assert [one.name for one in again] == [first.name, second.name]
        assert {one.target.key for one in again} != {first.target.key}
        for one in again:
            both.answered(one, response(one, NOERROR), 1_000)
        assert both.due(1_000) == [] and both.owed() == 0


def test_a_receipt_that_is_owed_again_as_it_was_is_sent_again(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        duty_of(both, 1)
        [first] = both.due(1_000)
        unit = both.duty.answered(first, response(first, NOERROR), "", 1_000)
        assert unit is not None
        both.aggregate.perform(unit.name, unit.args)
        duty_of(both, 1)  # before anybody asks the duty
        assert both.due(1_000) == [] and both.duty.wake() == 1_000 + PAUSE_SECONDS
        [again] = both.due(1_000 + PAUSE_SECONDS)
        both.answered(again, response(again, NOERROR), 1_011)
        assert both.due(1_011) == []
        duty_of(both, 1)
        assert len(both.due(1_012)) == 1


def test_what_was_filed_anew_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.begin(CUT)
        assign(both, ONE, TWO)
        both.transfer(CUT, full=True)
        both.look()
        [errand] = both.due()
        answer = both.carry(errand)
        put(both, ONE, RECORD.changed(state="filing", count=77))  # another serial
        both.transfer(CUT)
        both.answered(errand, answer)
        assert both.owed() == 1
        [again] = both.due()
        assert again.message != errand.message


def test_a_node_that_has_not_its_new_key_is_sent_to_under_the_older_one(tmp_path: Path) -> None:
    with pair(tmp_path, [ZHEJIANG, SUM, RekeyNode("zhejiang", 600)]) as both:
        duty_of(both, 1)
        now = 1_000
        [errand] = both.due(now)
        assert errand.target.key == key_name("zhejiang", 2)
        both.answered(errand, b"", now)
        [errand] = both.due(now)  # at once
        assert errand.target.key == key_name("zhejiang", 1)
        both.answered(errand, b"", now)
        assert both.due(now) == [] and both.duty.wake() == now + PAUSE_SECONDS
        now += PAUSE_SECONDS
        [errand] = both.due(now)
        assert errand.target.key == key_name("zhejiang", 2)
        both.answered(errand, b"", now)
        [errand] = both.due(now)
        both.answered(errand, response(errand, NOERROR), now)
        assert both.owed() == 0
        duty_of(both, 1, first=1)
        [errand] = both.due(now)
        assert errand.target.key == key_name("zhejiang", 1)
        both.answered(errand, response(errand, REFUSED), now)
        assert both.due(now) == []
        [errand] = both.due(now + PAUSE_SECONDS)
        assert errand.target.key == key_name("zhejiang", 2)


def test_each_address_of_a_node_has_its_turn_and_the_register_is_heeded(tmp_path: Path) -> None:
    two = replace(ZHEJIANG, addresses=("127.0.0.3:5303", "127.0.0.33:5303"))
    with pair(tmp_path, [two, SUM]) as both:
        duty_of(both, 1)
        now = 1_000
        [first] = both.due(now)
        assert both.due(now + TURN_SECONDS - 1) == [first]
        assert both.duty.wake() == now + TURN_SECONDS
        [second] = both.due(now + TURN_SECONDS)
        assert (first.target.host, second.target.host) == ("127.0.0.3", "127.0.0.33")
        assert first.name != second.name
        moved = replace(ZHEJIANG, addresses=("127.0.0.34:5304",))
        both.register(tmp_path / "moved", moved, SUM)
        [third] = both.due(now + TURN_SECONDS)
        assert (third.target.host, third.target.port) == ("127.0.0.34", 5304)
        both.answered(third, response(third, NOERROR), now)
        both.answered(first, response(first, NOERROR), now)  # late, and nothing is wrong with it
        assert both.owed() == 0 and both.due(now + 60) == []


def test_an_address_that_answers_is_sent_to_again_however_long_after(tmp_path: Path) -> None:
    two = replace(ZHEJIANG, addresses=("127.0.0.3:5303", "127.0.0.33:5303"))
    with pair(tmp_path, [two, SUM]) as both:
        for number in range(4):
            duty_of(both, 1, first=number)
            now = 1_000 + number * 10 * TURN_SECONDS
            [errand] = both.due(now)
            assert errand.target.host == "127.0.0.3"
            both.answered(errand, response(errand, NOERROR), now)


def test_what_is_owed_to_a_node_that_is_not_in_the_register_waits(tmp_path: Path) -> None:
    with pair(tmp_path, [SUM]) as both:
        duty_of(both, 1)
        assert both.due() == [] and both.owed() == 1
        both.register(tmp_path / "later", ZHEJIANG, SUM)
        assert len(both.due()) == 1
