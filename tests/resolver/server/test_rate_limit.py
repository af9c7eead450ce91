"""Response rate limiting: who is held back, who is not, and in how much memory."""

from __future__ import annotations

import select
import socket
import time
from ipaddress import ip_network
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.octets import cookie_option
from resolver.server import control, rate_limit
from resolver.server.counters import LIMITED, SLIPPED, unread
from resolver.server.rate_limit import ACCOUNTS, KNOWN_MOST, Limits, RateLimiter, cut_down, outcome
from tests.support.servers import make_data, serving

SECRET = bytes(range(16))
NOW = 1_000_000
HERE, THERE = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 1])
QUERY = dns.message.make_query("www.csid.internal.", "A", id=0x1234)
ASKED = QUERY.to_wire()


def answer(rcode: int = 0, records: bool = True, aa: bool = True) -> bytes:
    """An answer to QUERY."""
    made = dns.message.make_response(QUERY)
    made.set_rcode(rcode)
    if aa:
        made.flags |= dns.flags.AA
    if records:
        made.answer.append(dns.rrset.from_text("www.csid.internal.", 60, "IN", "A", "192.0.2.9"))
    return made.to_wire()


ANSWER = answer()


def limiter(limits: Limits) -> RateLimiter:
    return RateLimiter(limits, SECRET, unread())


def sent(
    limiting: RateLimiter, number: int, now: int = NOW, who: bytes = HERE, reply: bytes = ANSWER
) -> list[bytes | None]:
    """What becomes of some answers to the same asker."""
    replies: list[bytes | None] = [reply] * number
    limiting.limit([ASKED] * number, [who] * number, replies, now)
    return replies


def test_a_network_gets_so_many_answers_a_second_and_its_debt_is_forgiven() -> None:
    limiting = limiter(Limits(10, slip=0, window=5))
    assert sent(limiting, 100).count(ANSWER) == 10
    assert sent(limiting, 100, NOW + 1).count(ANSWER) == 0  # what it got is owed
    assert sent(limiting, 1, NOW + 1 + 4).count(ANSWER) == 0
    assert sent(limiting, 10, NOW + 1 + 7).count(ANSWER) == 10


def test_below_the_limit_nobody_is_held_back() -> None:
    limiting = limiter(Limits(10))
    for second in range(100):
        assert sent(limiting, 10, NOW + second) == [ANSWER] * 10


@given(
    st.integers(1, 20),
    st.integers(1, 10),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=30),
)
def test_over_any_time_no_more_is_sent_than_is_allowed(
    rate: int, window: int, flood: list[tuple[int, int]]
) -> None:
    limiting = limiter(Limits(rate, slip=0, window=window))
    now, total = NOW, 0
    for seconds, number in flood:
        now += seconds
        total += sent(limiting, number, now).count(ANSWER)
        assert total <= rate * (now - NOW + 1)


def test_networks_and_outcomes_have_their_own_accounts() -> None:
    limiting = limiter(Limits(5, slip=0))
    kinds = [
        ANSWER,
        answer(records=False),
        answer(records=False, aa=False),
        answer(dns.rcode.NXDOMAIN, records=False),
        answer(dns.rcode.REFUSED, records=False),
    ]
    assert len(set(map(outcome, kinds))) == len(kinds)
    for who in (HERE, THERE, bytes(16), bytes([1] * 16)):
        for kind in kinds:
            assert sent(limiting, 9, who=who, reply=kind).count(kind) == 5


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (bytes([192, 0, 2, 1]), bytes([192, 0, 2, 255]), True),
        (bytes([192, 0, 2, 1]), bytes([192, 0, 3, 1]), False),
        (bytes(7) + bytes([1]) + bytes(8), bytes(16), True),
        (bytes(6) + bytes([1]) + bytes(9), bytes(16), False),
    ],
)
def test_addresses_of_one_network_share_its_account(
    one: bytes, other: bytes, is_same: bool
) -> None:
    limiting = limiter(Limits(5, slip=0))
    sent(limiting, 5, who=one)
    assert sent(limiting, 5, who=other).count(ANSWER) == (0 if is_same else 5)


def test_exempt_networks_are_not_limited() -> None:
    exempt = (ip_network("192.0.2.0/28"), ip_network("2001:db8::/32"))
    limiting = RateLimiter(Limits(1, slip=0, exempt=exempt), SECRET, unread())
    inside = socket.inet_pton(socket.AF_INET6, "2001:db8:1::1")
    for who in (HERE, inside):
        assert sent(limiting, 50, who=who).count(ANSWER) == 50
    assert sent(limiting, 50, who=bytes([192, 0, 2, 17])).count(ANSWER) == 1


def test_every_other_answer_that_is_held_back_is_sent_cut_down() -> None:
    counters = unread()
    limiting = RateLimiter(Limits(10, slip=2), SECRET, counters)
    rest = sent(limiting, 110)[10:]
    assert rest.count(None) == 50 == counters[LIMITED]
    assert rest.count(cut_down(ANSWER)) == 50 == counters[SLIPPED]


@pytest.mark.parametrize(
    "reply", [ANSWER, answer(dns.rcode.NXDOMAIN, records=False)], ids=["answer", "nxdomain"]
)
def test_what_is_cut_down_says_only_that_it_is(reply: bytes) -> None:
    told = dns.message.from_wire(cut_down(reply))
    assert told.is_response is not None and QUERY.is_response(told)
    assert told.flags & dns.flags.TC
    assert not told.flags & dns.flags.AA
    assert told.rcode() == dns.rcode.NOERROR
    assert not any((told.answer, told.authority, told.additional))


def test_answers_without_a_question_are_cut_down_too() -> None:
    header = bytes.fromhex("1234 8005 0000 0000 0000 0000")
    assert cut_down(header) == bytes.fromhex("1234 8200 0000 0000 0000 0000")


def test_who_shows_a_cookie_of_ours_is_never_held_back() -> None:
    def held_back(who: bytes, made: int, secret: bytes = SECRET) -> int:
        limiting = limiter(Limits(1, slip=0))
        sent(limiting, 50, who=who)
        option = cookie_option(secret, b"01234567", made, HERE)
        query = dns.message.make_query("www.csid.internal.", "A", use_edns=0)
        query.use_edns(options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, option[4:])])
        replies: list[bytes | None] = [ANSWER] * 5
        limiting.limit([query.to_wire()] * 5, [who] * 5, replies, NOW)
        return replies.count(None)

    assert held_back(HERE, NOW) == 0
    assert held_back(HERE, NOW - 3_600) == 0
    assert held_back(HERE, NOW - 3_601) == 5  # too old (RFC 9018 section 4.3)
    assert held_back(HERE, NOW + 301) == 5
    assert held_back(bytes([192, 0, 2, 2]), NOW) == 5  # given to another address
    assert held_back(HERE, NOW, bytes(16)) == 5  # forged


def test_answers_to_notify_and_update_are_not_limited() -> None:
    limiting = limiter(Limits(1, slip=0))
    for opcode in (4, 5):
        reply = ANSWER[:2] + bytes([ANSWER[2] | opcode << 3]) + ANSWER[3:]
        assert sent(limiting, 50, reply=reply).count(reply) == 50


def test_memory_is_bounded_and_who_owes_most_is_remembered_longest() -> None:
    limiting = limiter(Limits(1, slip=0, window=1_000))
    sent(limiting, 1_000)
    strangers = [number.to_bytes(4, "big") for number in range(0, 256 * 150_000, 256)]
    for start in range(0, len(strangers), 1_000):
        part = strangers[start : start + 1_000]
        limiting.limit([ASKED] * 1_000, part, [ANSWER] * 1_000, NOW)
    assert len(limiting._networks) <= KNOWN_MOST
    assert len(limiting._keys) == ACCOUNTS
    assert sent(limiting, 1) == [None]


def test_a_flood_over_udp_is_held_back_and_nobody_else_is(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    file = tmp_path / "csid.toml"
    file.write_text(
        "[rate-limit]\nper-second = 20\nslip = 2\nwindow = 60\nexempt = ['127.9.0.0/16']\n"
    )
    with serving(data, "--config", str(file)) as server:

        def flood(host: str, name: str, number: int) -> tuple[int, int]:
            """Whole answers, and those cut down."""
            whole = cut = 0
            query = dns.message.make_query(name, "A").to_wire()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((host, 0))
                sock.connect(("127.0.0.1", server.port))
                for _ in range(number):
                    sock.send(query)
                    while select.select([sock], [], [], 0)[0]:
                        is_cut = bool(sock.recv(4_096)[2] & 2)
                        whole, cut = whole + (not is_cut), cut + is_cut
                while select.select([sock], [], [], 0.3)[0]:
                    is_cut = bool(sock.recv(4_096)[2] & 2)
                    whole, cut = whole + (not is_cut), cut + is_cut
            return whole, cut

        begun = time.monotonic()
        whole, cut = flood("127.0.0.1", "www.csid.internal.", 400)
        seconds = time.monotonic() - begun
        assert 20 <= whole <= 20 * (seconds + 2)
        assert cut == (400 - whole) // 2
        assert flood("127.0.0.1", "absent.csid.internal.", 10) == (10, 0)  # another outcome
        assert flood("127.1.0.1", "www.csid.internal.", 10) == (10, 0)  # another network
        assert flood("127.9.0.1", "www.csid.internal.", 200) == (200, 0)  # exempt
        told = dns.query.tcp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        assert told.answer
        snapshot = control.ask(data)
        assert snapshot is not None
        counters = snapshot["processes"][0]["counters"]
        assert counters["slipped"] == cut
        assert counters["limited"] == 400 - whole - cut


def test_limits_go_to_a_process_as_they_are() -> None:
    limits = Limits(7, 3, 9, 20, 48, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
    assert rate_limit.unpacked(rate_limit.packed(limits)) == limits
