"""What a node does about the zones it follows and the servers it notifies."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import dns.name
import dns.opcode
import dns.rcode
import dns.tsig
import pytest

from csid import names
from resolver.store.apexes import EXPIRED, NOT_READY, SERVED
from resolver.store.build import build
from resolver.sync import states
from resolver.sync.actions import Errand, Limits, Where
from resolver.sync.settings import FOLLOWS, KEYS, TARGETS, Follow, KeyRow, Target, pack, where
from tests.support.engines import START, Peer, World, zone_text
from tests.support.memory import zone_data

A = ("192.0.2.1", 53)
B = ("192.0.2.2", 53)
ADDRESS_A = bytes((192, 0, 2, 1))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "data")
    yield world
    world.store.close()


def apex(origin: str) -> bytes:
    return names.key_of(names.from_text(origin))


def queries(peer: Peer) -> int:
    return sum(one.opcode() == dns.opcode.QUERY for one in peer.asked)


def test_a_new_zone_is_transferred_at_once(world: World) -> None:
    world.peers[A] = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    assert world.flags("a.test.") == NOT_READY
    world.go()
    assert world.transfers == ["a.test."]
    state = world.state("a.test.")
    assert (state.serial, state.there, state.failures, state.error) == (7, 7, 0, "")
    assert world.flags("a.test.") == SERVED
    assert world.unix + 90 <= state.due <= world.unix + 100  # refresh less a random tenth
    assert state.expires == world.unix + 1_000


def test_a_zone_that_has_not_changed_is_asked_for_and_not_transferred(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(250)
    assert world.transfers == ["a.test."]
    assert queries(peer) == 2
    assert world.state("a.test.").refreshed >= world.unix - 100


def test_a_zone_that_has_changed_is_transferred_when_it_is_due(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    peer.serials["a.test."] = 2**31 + 6  # the farthest that is ahead (RFC 1982)
    world.go(100)
    assert world.state("a.test.").serial == 2**31 + 6


def test_a_notice_overtakes_the_timer(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    peer.serials["a.test."] = 8
    world.tell("looking.notice", apex("a.test."), None, ADDRESS_A)
    world.go()
    assert world.state("a.test.").serial == 8


def test_a_notice_of_what_is_held_asks_nobody(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    before = len(peer.asked)
    for serial in (7, 6):
        world.tell("looking.notice", apex("a.test."), serial, ADDRESS_A)
    world.tell("looking.notice", apex("b.test."), 9, ADDRESS_A)  # nobody follows it
    world.go()
    assert len(peer.asked) == before and world.transfers == ["a.test."]


def test_a_notice_during_a_transfer_is_not_lost(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.holds = True
    world.go()
    world.tell("looking.notice", apex("a.test."), 8, ADDRESS_A)
    world.holds = False
    world.carry_out(world.held.pop())
    peer.serials["a.test."] = 8
    world.go(1)
    assert world.state("a.test.").serial == 8


def test_the_next_primary_is_asked_where_one_is_away_and_it_is_remembered(world: World) -> None:
    world.peers[A], world.peers[B] = Peer(is_up=False), Peer({"a.test.": 7})
    world.follow("a.test.", A, B)
    world.go()
    assert world.state("a.test.").serial == 7
    assert world.state("a.test.").primary == 1


def test_a_primary_that_lags_behind_what_was_notified_leads_to_the_next(world: World) -> None:
    world.peers[A], world.peers[B] = Peer({"a.test.": 7}), Peer({"a.test.": 7})
    world.follow("a.test.", A, B)
    world.go(1)
    world.peers[B].serials["a.test."] = 9
    world.tell("looking.notice", apex("a.test."), 9, b"")
    world.go()
    assert world.state("a.test.").serial == 9


def test_a_serial_that_goes_back_leaves_the_zone_and_is_told(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    peer.serials["a.test."] = 6
    world.go(100)
    state = world.state("a.test.")
    assert state.serial == 7 and state.there == 6
    assert "has serial 6, which is behind 7 here" in state.error
    assert world.flags("a.test.") == SERVED


@pytest.mark.parametrize("how", ["away", "silent", "refusing"])
def test_a_zone_expires_when_no_primary_confirms_it_and_returns(world: World, how: str) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    expires = world.state("a.test.").expires
    peer.is_up, peer.is_silent = how != "away", how == "silent"
    if how == "refusing":
        peer.serials = {}
    world.go(expires - world.unix - 1)
    assert world.flags("a.test.") == SERVED
    world.go(8)  # a silent one is waited for
    assert world.flags("a.test.") == EXPIRED
    assert world.state("a.test.").error.startswith("192.0.2.1:53: ")
    peer.is_up, peer.is_silent, peer.serials = True, False, {"a.test.": 7}
    world.go(90)  # retry, and the pause of a server that was away
    assert world.flags("a.test.") == SERVED
    assert world.state("a.test.").failures == 0


def test_a_zone_expires_though_its_transfer_goes_on(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 1})
    world.follow("a.test.", A)
    world.go()
    world.holds = True
    peer.serials["a.test."] = 2
    world.go(1_200, 5)
    assert world.flags("a.test.") == EXPIRED
    assert "not finished" in world.state("a.test.").error
    world.carry_out(world.held.pop())
    world.go(1)
    assert world.flags("a.test.") == SERVED
    assert world.state("a.test.").serial == 2


def test_a_clock_that_jumps_expires_nothing_that_its_primary_confirms(world: World) -> None:
    world.peers[A] = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    world.unix += 10_000_000
    with world.store.read():
        world.engine.looking.clock_moved()
    world._turn()
    assert world.flags("a.test.") == SERVED
    assert world.state("a.test.").refreshed == world.unix


def test_one_silent_primary_delays_no_zone_of_another(world: World) -> None:
    world.peers[A], world.peers[B] = Peer(is_silent=True), Peer()
    for number in range(200):
        world.follow(f"a{number:03}.test.", A)
        world.follow(f"b{number:03}.test.", B)
        world.peers[B].serials[f"b{number:03}.test."] = 1
    world.go()
    assert len(world.transfers) == 200


def test_transfers_at_once_are_bounded_in_all_and_per_server(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Limits(transfers=6, transfers_per_server=4))
    world.holds = True
    for at, letter in ((A, "a"), (B, "b")):
        world.peers[at] = Peer()
        for number in range(10):
            world.follow(f"{letter}{number}.test.", at)
            world.peers[at].serials[f"{letter}{number}.test."] = 1
    world.go()
    at_once = [len([one for one in world.held if world.links[one.link][:2] == at]) for at in (A, B)]
    assert sum(at_once) == 6 and max(at_once) == 4
    most = 0
    while world.held:
        world.carry_out(world.held.pop(0))
        world.go()
        most = max(most, len(world.held))
    assert most <= 6 and len(world.transfers) == 20
    world.store.close()


def test_servers_that_are_slow_leave_others_room_for_one_transfer_each(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Limits(transfers=4, first_transfers=6))
    world.holds = True
    servers = [(f"192.0.2.{number}", 53) for number in range(1, 6)]
    for number, at in enumerate(servers):
        origins = [f"z{number}-{one}.test." for one in range(3 if number else 9)]
        world.peers[at] = Peer(dict.fromkeys(origins, 1))
        for origin in origins:
            world.follow(origin, at)
    world.go()

    def under_way() -> list[int]:
        held = [world.links[one.link][:2] for one in world.held]
        return [held.count(at) for at in servers]

    assert under_way() == [4, 1, 1, 0, 0]
    world.carry_out(world.held.pop(0))
    world.go()
    assert under_way() == [3, 1, 1, 1, 0]
    while world.held:
        world.carry_out(world.held.pop(0))
        world.go()
        assert sum(under_way()) <= 6
    assert len(world.transfers) == 9 + 4 * 3
    world.store.close()


def test_a_kept_connection_that_the_server_closed_is_no_failure(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    world.tell("looking.notice", apex("a.test."), None, ADDRESS_A)
    world.go(1)
    world.tell("looking.notice", apex("a.test."), None, ADDRESS_A)  # asked over the kept connection
    peer.is_silent = True
    world.go()
    peer.is_silent = False
    world.cut(A)
    peer.serials["a.test."] = 8
    world.go(1)
    assert world.state("a.test.").failures == 0
    assert world.state("a.test.").serial == 8


def test_what_is_asked_again_while_it_is_looked_at_is_looked_at_again(world: World) -> None:
    world.peers[A] = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.holds = True
    world.go()
    with world.store.write() as txn:
        states.ask(txn, apex("a.test."), full=True)
    world.holds = False
    world.carry_out(world.held.pop())
    world.go(1)
    assert world.transfers == ["a.test.", "a.test."]


def test_a_zone_without_a_primary_says_so_and_is_transferred_once_it_has_one(world: World) -> None:
    world.peers[A] = Peer({"a.test.": 7})
    world.follow("a.test.")
    world.go(5)
    assert "no server" in world.state("a.test.").error
    assert world.flags("a.test.") == NOT_READY
    with world.store.write() as txn:
        txn.table(FOLLOWS).put(where(apex("a.test.")), pack(Follow((Target(*A),))))
        states.begin(txn, apex("a.test."))
    world.go(1)
    assert (world.state("a.test.").serial, world.state("a.test.").error) == (7, "")
    world.follow("a.test.")  # the last one is gone
    world.go(1_100, 5)
    assert world.flags("a.test.") == EXPIRED


def test_a_zone_that_follows_no_more_is_forgotten(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)
    with world.store.write() as txn:
        states.end(txn, apex("a.test."))
    asked = len(peer.asked)
    world.go(1_000)
    assert len(peer.asked) == asked


def test_questions_are_signed_and_answers_have_to_be(world: World) -> None:
    secret = b"s" * 32
    name = names.from_text("k.")
    with world.store.write() as txn:
        txn.table(KEYS).put(name, pack(KeyRow("hmac-sha256", secret)))
    key = dns.tsig.Key("k.", base64.b64encode(secret).decode(), "hmac-sha256")
    peer = world.peers[A] = Peer({"a.test.": 7}, keys={dns.name.from_text("k."): key})
    world.follow("a.test.", A, key=name)
    world.begin_at(int(time.time()))  # dnspython looks at the real clock
    world.go(1)
    world.tell("looking.notice", apex("a.test."), None, ADDRESS_A)
    world.go(1)
    assert peer.asked and all(one.had_tsig for one in peer.asked)
    assert world.state("a.test.").failures == 0
    peer.serials["a.test."], peer.spoils = 9, True
    world.tell("looking.notice", apex("a.test."), None, ADDRESS_A)
    world.go(1)
    assert world.state("a.test.").serial == 7
    assert "is wrong" in world.state("a.test.").error


def test_a_failure_while_a_success_is_still_to_be_written_is_tried_again_in_time(
    world: World,
) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A)
    world.go(1)

    def notice(serial: int) -> None:
        world.tell("looking.notice", apex("a.test."), serial, ADDRESS_A)
        while world.engine.actions:
            actions, world.engine.actions = world.engine.actions, []
            for action in actions:
                world._do(action)

    peer.serials["a.test."] = 9
    notice(9)
    written = world.engine.looking.outcomes.take()  # and the disk is slow
    peer.serials.clear()
    notice(11)
    with world.store.write() as txn:
        states.settle(txn, written)
    world.engine.looking.outcomes.wrote(True)
    world.go()
    state = world.state("a.test.")
    assert (state.serial, state.failures) == (9, 1)
    assert state.due <= world.unix + 20  # as retry says, not refresh
    peer.serials["a.test."] = 11
    world.go(21)
    assert world.state("a.test.").serial == 11


def test_without_its_key_nothing_is_asked(world: World) -> None:
    world.peers[A] = peer = Peer({"a.test.": 7})
    world.follow("a.test.", A, key=names.from_text("gone."))
    world.go(1)
    assert not peer.asked
    assert "the key gone. is not here" in world.state("a.test.").error


# -- notices


def test_a_change_is_told_to_all_who_are_to_be_told(world: World) -> None:
    world.peers[A], world.peers[B] = Peer(), Peer()
    world.notify("a.test.", A, B)
    world.put("a.test.", 5)
    assert len(world.rows()) == 1
    world.go()
    for peer in (world.peers[A], world.peers[B]):
        (notice,) = peer.asked
        assert notice.opcode() == dns.opcode.NOTIFY
        assert notice.answer[0][0].serial == 5
    assert not world.rows()
    with world.store.read() as read:
        assert [one.serial for one in states.told_of(read, apex("a.test."))] == [5, 5]


def test_a_zone_that_nobody_is_told_of_leaves_no_row(world: World) -> None:
    world.put("a.test.", 5)
    assert not world.rows()


def test_changes_while_a_notice_is_under_way_make_one_more(world: World) -> None:
    world.peers[A] = peer = Peer(is_silent=True)
    world.notify("a.test.", A)
    for serial in range(1, 20):
        world.put("a.test.", serial)
        world.go()
    assert len(peer.asked) == 1
    peer.is_silent = False
    world.go(10)
    assert peer.asked[-1].answer[0][0].serial == 19
    assert len(peer.asked) <= 3
    assert not world.rows()


def test_a_notice_is_sent_again_until_it_is_answered_ever_more_rarely(world: World) -> None:
    world.peers[A] = peer = Peer(is_silent=True)
    world.notify("a.test.", A)
    world.put("a.test.", 1)
    world.go(600)
    assert 8 <= len(peer.asked) <= 16
    peer.is_silent = False
    world.go(70)
    count = len(peer.asked)
    world.go(600)
    assert len(peer.asked) == count
    with world.store.read() as read:
        assert [one.serial for one in states.told_of(read, apex("a.test."))] == [1]


def test_a_notice_that_is_answered_by_not_now_is_sent_again(world: World) -> None:
    world.peers[A] = peer = Peer(code=dns.rcode.SERVFAIL)
    world.notify("a.test.", A)
    world.put("a.test.", 1)
    world.go(4)
    assert len(peer.asked) == 3 and world.rows()
    peer.code = dns.rcode.REFUSED  # it is not wanted there: any other answer ends the retries
    world.go(100)
    assert len(peer.asked) == 4 and not world.rows()
    with world.store.read() as read:
        assert [one.error for one in states.told_of(read, apex("a.test."))] == [
            "192.0.2.1:53: answers REFUSED"
        ]


def test_a_notice_whose_answer_does_not_verify_is_sent_again(world: World) -> None:
    name = names.from_text("k.")
    with world.store.write() as txn:
        txn.table(KEYS).put(name, pack(KeyRow("hmac-sha256", b"s" * 32)))
        targets = pack([Target(*A, name)])
        txn.table(TARGETS).put(where(apex("a.test.")), targets)
    key = dns.tsig.Key("k.", base64.b64encode(b"s" * 32).decode(), "hmac-sha256")
    peer = world.peers[A] = Peer(keys={dns.name.from_text("k."): key}, spoils=True)
    world.begin_at(int(time.time()))  # dnspython looks at the real clock
    world.engine.limits = Limits(refusals=3)
    world.put("a.test.", 1)
    world.go(4)
    assert len(peer.asked) == 3 and world.rows()
    world.go(10)  # nobody else is kept from being told
    assert not world.rows()
    peer.spoils = False
    world.go(10)
    count = len(peer.asked)
    world.go(100)
    assert len(peer.asked) == count
    with world.store.read() as read:
        assert [one.serial for one in states.told_of(read, apex("a.test."))] == [1]


@pytest.mark.parametrize("is_first_there", [True, False])
def test_a_notice_outlives_the_key_it_was_to_be_signed_with(
    world: World, is_first_there: bool
) -> None:
    first, second = names.from_text("k-1."), names.from_text("k-2.")
    place = where(apex("a.test."))
    with world.store.write() as txn:
        if is_first_there:  # else it was removed before anything could be sent
            txn.table(KEYS).put(first, pack(KeyRow("hmac-sha256", b"s" * 32)))
        txn.table(TARGETS).put(place, pack([Target(*A, first)]))
    keys = {
        dns.name.from_text(one): dns.tsig.Key(one, b"s" * 32, "hmac-sha256")
        for one in ("k-1.", "k-2.")
    }
    peer = world.peers[A] = Peer(keys=keys, spoils=True)
    world.begin_at(int(time.time()))
    world.put("a.test.", 1)
    world.go(4)
    with world.store.write() as txn:
        txn.table(KEYS).delete(first)
    world.go(20)  # for a while it has no key at all
    with world.store.write() as txn:
        txn.table(KEYS).put(second, pack(KeyRow("hmac-sha256", b"s" * 32)))
        txn.table(TARGETS).put(place, pack([Target(*A, second)]))
    peer.spoils = False
    world.go(60)
    assert str(peer.asked[-1].keyname) == "k-2."
    with world.store.read() as read:
        assert [one.serial for one in states.told_of(read, apex("a.test."))] == [1]


def test_who_is_to_be_told_no_more_is_not_told_again(world: World) -> None:
    world.peers[A] = peer = Peer(code=dns.rcode.SERVFAIL)
    world.notify("a.test.", A)
    world.put("a.test.", 1)
    world.go(4)
    count = len(peer.asked)
    world.notify("a.test.", B)
    world.go(100)
    assert len(peer.asked) == count and not world.rows()


def test_a_server_is_behind_until_it_has_confirmed_what_no_row_says_any_more(world: World) -> None:
    world.peers[A] = peer = Peer(is_up=False)
    world.notify("a.test.", A)
    world.put("a.test.", 1)
    world.go(3)
    row = world.rows_of_peers[Where(*A)]
    assert row.failures and row.is_behind and not world.rows()
    peer.is_up, peer.code = True, dns.rcode.SERVFAIL
    world.go(30)
    row = world.rows_of_peers[Where(*A)]
    assert not row.failures and row.is_behind  # it answers; a process that begins now tells it
    peer.code = dns.rcode.NOERROR
    world.go(70)
    row = world.rows_of_peers[Where(*A)]
    assert not row.failures and not row.is_behind


def test_a_server_that_only_takes_datagrams_is_told_by_one(world: World) -> None:
    world.peers[A] = peer = Peer()
    opens: list[bool] = []
    plain = world._do

    def do(action: object) -> None:
        from resolver.sync.actions import Open

        if isinstance(action, Open):
            opens.append(action.datagram)
            if not action.datagram:
                world.tell("lost", action.link, "Connection refused")
                return
        plain(action)

    world._do = do  # type: ignore[method-assign]
    world.notify("a.test.", A)
    world.put("a.test.", 1)
    world.go(1)
    assert opens[:2] == [False, True]
    assert len(peer.asked) == 1
    world.go(200)
    assert len(peer.asked) == 1  # it was answered


# -- errands


def errand(name: str, at: tuple[str, int] = A) -> Errand:
    message = dns.message.make_query(f"{name}.test.", "TXT").to_wire()
    return Errand(name.encode(), Target(*at), message)


def test_errands_go_one_after_the_other_and_once(world: World) -> None:
    world.peers[A] = peer = Peer(is_silent=True)
    for name in ("one", "two", "one"):
        world.tell("send", errand(name))
    world.go(1)
    assert len(peer.asked) == 1
    peer.is_silent = False
    world.go(10)
    assert [one.errand.name for one in world.answers] == [b"one", b"two"]
    assert dns.message.from_wire(world.answers[0].answer).rcode() == dns.rcode.REFUSED


def test_errands_wait_for_a_server_that_is_away(world: World) -> None:
    world.peers[A] = peer = Peer(is_up=False)
    world.tell("send", errand("one"))
    world.go(300)
    assert not world.answers
    peer.is_up = True
    world.go(61)
    assert [one.errand.name for one in world.answers] == [b"one"]


# -- many


class Quick(Peer):
    """A server that has nothing new of any zone, and takes no time to say so."""

    def answer(self, octets: bytes) -> bytes | None:
        question = octets[12 : octets.index(b"\0\0\6\0\1") + 5]  # without the OPT record
        numbers = b"".join(one.to_bytes(4, "big") for one in (1, 100, 20, 1_000, 60))
        data = b"\2ns\0\1h\0" + numbers
        record = b"\xc0\x0c\0\6\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data
        return octets[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + question + record


def many(world: World, count: int) -> None:
    """Zones that are held and due."""
    origin, zone = zone_data(zone_text(1), "z.test.")
    nodes = list(build(origin, zone))
    with world.store.write() as txn:
        for number in range(count):
            wire = names.from_text(f"z{number}.test.")
            txn.replace_zone(wire, nodes)
            row = pack(Follow((Target(*A),)))
            txn.table(FOLLOWS).put(where(names.key_of(wire)), row)
            states.begin(txn, names.key_of(wire))
            state = states.StateRow(world.unix - 1, 1, 1, world.unix - 1, world.unix + 1_000)
            states.settle(txn, [states.Settled(names.key_of(wire), 0, state)])


def test_ten_thousand_zones_that_are_due_together(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Limits(queue=1_000))
    world.peers[A] = Quick()
    many(world, 10_000)
    world.go(60, 5)
    with world.store.read() as read:
        found = [state for _, state in states.states(read)]
    assert len(found) == 10_000
    assert all(state.refreshed >= START and not state.failures for state in found)
    assert len({state.due for state in found}) > 5  # they have parted
    world.store.close()


def test_zones_in_hand_are_bounded_and_who_asks_for_one_does_not_wait(tmp_path: Path) -> None:
    origins = [f"z{number}.test." for number in range(60)]
    world = World(tmp_path / "data", Limits(zones=8))
    world.peers[A] = Peer(dict.fromkeys(origins, 1))
    for origin in origins:
        world.follow(origin, A)
    world.tell("look")
    assert world.engine.looking.in_hand == 8
    world.tell("looking.asked", apex(max(origins)))
    assert world.engine.looking.in_hand == 9
    world.tell("look")
    assert world.engine.looking.in_hand == 9
    world.go()
    assert world.transfers[-1] != max(origins)
    assert sorted(world.transfers) == sorted(origins)
    world.store.close()


def test_a_queue_that_is_full_is_no_failure(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Limits(queue=10, window=2))
    world.peers[A] = peer = Peer(is_silent=True)
    many(world, 50)
    world.go(4)
    with world.store.read() as read:
        assert all(not state.failures for _, state in states.states(read))
    assert len(peer.asked) == 2
    world.store.close()


def test_only_what_is_due_is_read_at_the_start(world: World) -> None:
    world.peers[A] = Peer({f"z{number}.test.": 1 for number in range(300)})
    with world.store.write() as txn:
        for number in range(300):
            key = apex(f"z{number}.test.")
            states.begin(txn, key)
            later = states.StateRow(due=world.unix + 5_000)
            states.settle(txn, [states.Settled(key, 0, later)])
    world.follow("a.test.", A)
    world.peers[A].serials["a.test."] = 1
    reads: list[bytes] = []
    plain = states.state_of

    import resolver.sync.looking as looking

    looking.state_of = lambda moment, one: (reads.append(one), plain(moment, one))[1]  # type: ignore[attr-defined]
    try:
        world.go(1)
    finally:
        looking.state_of = plain  # type: ignore[attr-defined]
    assert set(reads) == {apex("a.test.")}
