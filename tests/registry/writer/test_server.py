"""The writer's loop: who is served when, and what strangers may do to it."""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid.errors import BusyError, StoreError
from csid.limits import MAX_FRAME_OCTETS, MAX_IN_FLIGHT, REQUESTS_PER_FRAME
from registry.rules.status import Status
from registry.writer import protocol, server
from tests.support.looping import Raw, Work, looping
from tests.support.servers import eventually

US = f"{os.geteuid()}/{os.getegid()}"
DONE = Status.DONE.number


def is_served(folder: Path) -> bool:
    """Whether somebody who comes now is served."""
    raw = Raw(folder)
    raw.ask(1, "served")
    return raw.hear() == (1, protocol.DECISIONS, ((DONE, "served", US),))


def test_requests_are_answered_with_what_the_kernel_says_of_the_asker(tmp_path: Path) -> None:
    with looping(tmp_path, Work()):
        assert is_served(tmp_path)


def test_many_are_asked_before_the_first_is_answered_and_order_holds(tmp_path: Path) -> None:
    with looping(tmp_path, Work()):
        raw = Raw(tmp_path)
        for number in range(1, 301):
            raw.ask(number, str(number))
        assert [raw.hear()[2][0][1] for _ in range(300)] == [str(n) for n in range(1, 301)]


def test_those_who_wait_share_a_commit(tmp_path: Path) -> None:
    work = Work()
    work.slow = 0.02
    with looping(tmp_path, work), ThreadPoolExecutor(8) as threads:

        def client(number: int) -> None:
            raw = Raw(tmp_path)
            for turn in range(10):
                raw.ask(turn + 1, f"{number}")
                assert raw.hear()[2][0][1] == f"{number}"

        list(threads.map(client, range(8)))
    assert sum(int(line.split()[1]) for line in work.log) == 80
    assert len(work.log) <= 30


def test_requests_go_before_units_and_units_go_on(tmp_path: Path) -> None:
    work = Work()
    work.units["long"] = lambda _: time.sleep(0.02)
    with looping(tmp_path, work):
        long, short = Raw(tmp_path), Raw(tmp_path)
        for number in range(1, 6):
            long.say(protocol.unit(number, "long", None))
        waited = []
        for number in range(1, 8):
            begun = time.monotonic()
            short.ask(number, "short")
            assert short.hear()[0] == number
            waited.append(time.monotonic() - begun)
        assert [long.hear()[:2] for _ in range(5)] == [(n, protocol.RESULT) for n in range(1, 6)]
    # Never two units between two turns of those who have requests.
    assert "long long" not in " ".join(work.log[1:]).replace("commit 1", "commit")[:60]
    assert sorted(waited)[3] < 0.2


def test_a_unit_that_fails_is_told_and_disturbs_nobody(tmp_path: Path) -> None:
    work = Work()
    work.units["wrong"] = lambda _: 1 // 0
    work.units["large"] = lambda _: "x" * MAX_FRAME_OCTETS
    with looping(tmp_path, work):
        raw = Raw(tmp_path)
        for number, name in enumerate(("wrong", "no such unit", "large", "echo"), 1):
            raw.say(protocol.unit(number, name, {"a": [1, b"2", None]}))
        answers = [raw.hear() for _ in range(4)]
        assert [kind for _, kind, _ in answers] == [protocol.ERROR] * 3 + [protocol.RESULT]
        assert "ZeroDivisionError" in answers[0][2][1]
        assert answers[3][2] == {"a": (1, b"2", None)}


def test_what_keeps_a_commit_from_being_made_is_told_to_all_and_the_next_is_made(
    tmp_path: Path,
) -> None:
    work = Work()
    work.fails = StoreError("the disk is full")
    with looping(tmp_path, work):
        raw = Raw(tmp_path)
        raw.ask(1, "a")
        assert raw.hear() == (1, protocol.DECISIONS, (("StoreError", "the disk is full", {}),))
        work.fails = None
        assert is_served(tmp_path)


def test_while_others_write_what_was_asked_waits_and_others_are_heard(tmp_path: Path) -> None:
    work = Work()
    work.slow = 0.01
    work.fails = BusyError("others write")
    work.units["busy"] = busy = Busy()
    with looping(tmp_path, work):
        raw, other = Raw(tmp_path), Raw(tmp_path)
        raw.ask(1, "waits")
        raw.say(protocol.unit(2, "busy", None))
        other.say(protocol.frame(1, protocol.PING))
        assert other.hear() == (1, protocol.PONG)
        busy.over = True
        work.fails = None
        assert sorted(raw.hear()[:2] for _ in range(2)) == [(1, 0), (2, 1)]


class Busy:
    """A unit that others keep from being done."""

    over = False

    def __call__(self, args: object) -> object:
        if not self.over:
            raise BusyError("others write")
        return args


def test_what_has_to_wait_for_too_long_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BUSY_SECONDS", 0.2)
    work = Work()
    work.fails = BusyError("others write")
    with looping(tmp_path, work):
        raw = Raw(tmp_path)
        raw.ask(1, "waits")
        assert raw.hear() == (1, protocol.DECISIONS, (("BusyError", "others write", {}),))


# -- strangers


BAD = [
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    (MAX_FRAME_OCTETS + 1).to_bytes(4, "big"),
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x00\x00\x00\x01\xc1",
    protocol.frame("other", 1),
    protocol.frame(1, 2, 3),
]


@pytest.mark.parametrize("octets", BAD)
@pytest.mark.parametrize("greet", [True, False])
def test_who_speaks_otherwise_is_told_so_and_parted_with(
    tmp_path: Path, octets: bytes, greet: bool
) -> None:
    with looping(tmp_path, Work()):
        raw = Raw(tmp_path, greet)
        raw.say(octets)
        number, kind, (name, _, _) = raw.hear()
        assert (number, kind, name) == (0, protocol.ERROR, "ProtocolError")
        assert raw.hear() == ()
        assert is_served(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40) | st.sampled_from(BAD), max_size=4), st.booleans())
def test_whatever_is_sent_the_others_are_served(
    tmp_path: Path, pieces: list[bytes], greet: bool
) -> None:
    with looping(tmp_path, Work()):
        raw = Raw(tmp_path, greet)
        try:
            for piece in pieces:
                raw.say(piece)
        except OSError:
            pass  # it was parted with
        assert is_served(tmp_path)


def test_requests_that_are_none_are_refused_and_those_after_them_are_not(tmp_path: Path) -> None:
    with looping(tmp_path, Work()):
        raw = Raw(tmp_path)
        raw.say(protocol.frame(1, protocol.REQUESTS, [["li"]]))
        raw.say(protocol.frame(2, protocol.REQUESTS, [None]))
        raw.ask(3, *map(str, range(REQUESTS_PER_FRAME + 1)))
        raw.ask(4, "good")
        answers = [raw.hear() for _ in range(4)]
        assert [one[1] for one in answers] == [protocol.ERROR] * 3 + [protocol.DECISIONS]


def test_who_is_of_another_version_sees_that(tmp_path: Path) -> None:
    with looping(tmp_path, Work()):
        raw = Raw(tmp_path, greet=False)
        raw.say(protocol.frame(protocol.NAME, 99) + protocol.unit(1, "echo", 1))
        assert raw.hear()[:2] == (protocol.NAME, protocol.VERSION)
        assert raw.hear() == ()


def test_half_a_frame_is_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WRITER_STALL_SECONDS", 0.3)
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.05)
    with looping(tmp_path, Work()):
        slow, never, idle = Raw(tmp_path), Raw(tmp_path), Raw(tmp_path)
        whole = protocol.unit(1, "echo", 1)
        for raw in (slow, never):
            raw.say(whole[:7])
        time.sleep(0.1)
        slow.say(whole[7:])
        assert slow.hear() == (1, protocol.RESULT, 1)
        assert never.hear() == ()
        idle.say(whole)
        assert idle.hear() == (1, protocol.RESULT, 1)


def test_who_takes_no_answers_is_not_read_on_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WRITER_STALL_SECONDS", 0.3)
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.05)
    work = Work()
    with looping(tmp_path, work):
        raw = Raw(tmp_path)
        raw.sock.setblocking(False)
        asked = protocol.unit(1, "echo", b"x" * 100_000)
        sent = 0
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                sent += raw.sock.send(asked[sent % len(asked) :])
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break
        else:
            pytest.fail("it is served for ever")
        # What it was answered and has not taken is bounded, whatever it asks for.
        assert len(work.log) < 2 * MAX_IN_FLIGHT
        assert is_served(tmp_path)


def test_what_frames_hold_together_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_HELD_OCTETS", 1 << 20)
    with looping(tmp_path, Work()):
        beginning = (MAX_FRAME_OCTETS).to_bytes(4, "big") + b"\xc6"
        many = [Raw(tmp_path) for _ in range(8)]
        for raw in many:
            with contextlib.suppress(OSError):
                raw.say(beginning + bytes(300_000))
        eventually("some are parted with", lambda: sum(map(is_open, many)) <= 3)
        assert is_served(tmp_path)


def is_open(raw: Raw) -> bool:
    """Whether a connection on which nothing is said has not been ended."""
    raw.sock.setblocking(False)
    try:
        return raw.sock.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_of_more_connections_than_there_is_room_for_the_idle_ones_have_to_go(
    tmp_path: Path,
) -> None:
    with looping(tmp_path, Work(), most=8):
        many = [Raw(tmp_path) for _ in range(100)]
        for number, raw in enumerate(many[-8:]):
            raw.ask(1, str(number))
            assert raw.hear()[2][0][1] == str(number)
        assert [raw.hear() for raw in many[:92]] == [(0, protocol.BYE)] * 92
        assert is_served(tmp_path)


def test_who_goes_away_or_asks_no_more_is_forgotten(tmp_path: Path) -> None:
    with looping(tmp_path, Work()) as loop:
        gone, half = Raw(tmp_path), Raw(tmp_path)
        gone.ask(1, "never heard")
        gone.sock.close()
        half.ask(1, "heard")
        half.sock.shutdown(1)
        assert half.hear()[2][0][1] == "heard"
        assert half.hear() == ()
        eventually("both are forgotten", lambda: not loop._connections)


def test_at_the_end_what_was_asked_is_answered_and_a_goodbye_said(tmp_path: Path) -> None:
    work = Work()
    work.slow = 0.05
    raw = None
    with looping(tmp_path, work) as loop:
        raw = Raw(tmp_path)
        raw.ask(1, "first")
        time.sleep(0.02)
        raw.ask(2, "second")
        loop.end()
    answers = []
    while values := raw.hear():
        answers.append(values[0])
    assert answers in ([1, 0], [1, 2, 0])
