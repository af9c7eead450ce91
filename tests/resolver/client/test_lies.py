"""What the clients believe of a server that lies, loses, cuts and repeats; all three alike."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from csid.address import Address
from csid.client.answer import Answer, Result
from csid.errors import CsidError, RecordError, RefusedError, UnreachableError
from csid.identifier import Identifier, make, parse
from csid.record import Record
from resolver.client.asynchronous import AsyncClient
from resolver.client.blocking import Client
from resolver.client.settings import Settings
from tests.support.fake_server import (
    LARGE,
    cookie_of,
    fake_server,
    good_answer,
    truncated,
    with_cookie,
)
from tests.support.identifiers import PRINTED

ID: Final = parse(PRINTED[0])
FORGED: Final = Record({"state": "active", "name": "forged"})
UDP: Final = socket.IPPROTO_UDP

Resolve = Callable[[Settings, list[Identifier], bool], list[Result]]


def blocking(settings: Settings, identifiers: list[Identifier], over_tcp: bool) -> list[Result]:
    with Client(settings) as client:
        return client.resolve_many(identifiers, over_tcp=over_tcp)


async def _awaited(
    settings: Settings, identifiers: list[Identifier], over_tcp: bool
) -> list[Result]:
    async with AsyncClient(settings) as client:
        return await client.resolve_many(identifiers, over_tcp=over_tcp)


def under_trio(settings: Settings, identifiers: list[Identifier], over_tcp: bool) -> list[Result]:
    return trio.run(_awaited, settings, identifiers, over_tcp)


def under_asyncio(
    settings: Settings, identifiers: list[Identifier], over_tcp: bool
) -> list[Result]:
    return asyncio.run(_awaited(settings, identifiers, over_tcp))


@pytest.fixture(params=[blocking, under_trio, under_asyncio], ids=lambda one: one.__name__)
def resolve(request: pytest.FixtureRequest) -> Resolve:
    """Each of the clients."""
    found: Resolve = request.param
    return found


def answer(resolve: Resolve, *servers: Address, seconds: float = 5.0, tcp: bool = False) -> Answer:
    """The answer for ID; raises what the client has instead."""
    (result,) = resolve(Settings(servers, timeout=seconds), [ID], tcp)
    return result.require()


def test_a_truncated_answer_is_fetched_over_tcp(resolve: Resolve) -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        return [truncated(query)] if protocol == UDP else [good_answer(query).to_wire()]

    with fake_server(behaviour) as server:
        found = answer(resolve, server)
    assert (found.record, found.transport) == (LARGE, "tcp")


def test_only_the_answer_to_this_question_is_believed(resolve: Resolve) -> None:
    """Before the right answer come others: junk, another id, another question, another cookie."""

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        other_id = good_answer(query, FORGED)
        other_id.id ^= 1
        other = dns.message.make_query("other.csid.internal.", "TYPE65347", id=query.id)
        not_query = good_answer(query, FORGED)
        not_query.flags |= 0x2800  # the opcode UPDATE
        return [
            b"junk",
            query.to_wire(),
            other_id.to_wire(),
            good_answer(other, FORGED).to_wire(),
            not_query.to_wire(),
            with_cookie(good_answer(query, FORGED), b"87654321"),
            with_cookie(good_answer(query), cookie_of(query)),
        ]

    with fake_server(behaviour) as server:
        assert answer(resolve, server).record == LARGE


def test_what_comes_from_another_port_is_not_heard(resolve: Resolve) -> None:
    """Somebody sees our question and answers at once, right but for where he speaks from."""
    heard: list[int] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real:
        real.bind(("127.0.0.1", 0))
        real.settimeout(5.0)
        where = Address("127.0.0.1", real.getsockname()[1])

        def speak() -> None:
            octets, peer = real.recvfrom(4096)
            query = dns.message.from_wire(octets)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                forged = with_cookie(good_answer(query, FORGED), cookie_of(query))
                other.sendto(forged, peer)
            heard.append(query.id)
            real.sendto(good_answer(query).to_wire(), peer)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            assert answer(resolve, where).record == LARGE
        finally:
            thread.join()
    assert heard


def test_a_cookie_that_was_given_is_asked_for_from_then_on() -> None:
    """A server that has given cookies does not leave them away; if one seems to, TCP decides."""
    asked: list[int] = []

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        asked.append(protocol)
        if len(asked) == 1:
            return [with_cookie(good_answer(query), cookie_of(query))]
        if protocol == UDP:
            return [good_answer(query, FORGED).to_wire()]
        return [good_answer(query).to_wire()]

    with fake_server(behaviour) as server, Client(Settings((server,), cache=0)) as client:
        assert client.resolve(ID).record == LARGE
        found = client.resolve(ID)
    assert (found.record, found.transport) == (LARGE, "tcp")


def test_a_server_that_wants_its_cookie_back_gets_it(resolve: Resolve) -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        if query.options[0].to_wire()[8:] == b"12345678":
            return [with_cookie(good_answer(query), cookie_of(query))]
        refusal = dns.message.make_response(query)
        refusal.use_edns(0, options=[dns.edns.CookieOption(cookie_of(query), b"12345678")])
        refusal.set_rcode(dns.rcode.BADCOOKIE)
        return [refusal.to_wire()]

    with fake_server(behaviour) as server:
        found = answer(resolve, server)
    assert (found.record, found.transport) == (LARGE, "udp")


def test_an_answer_cut_at_any_octet_is_not_believed(resolve: Resolve) -> None:
    """Over UDP all beginnings of a forged answer come; the whole one is fetched over TCP."""

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        whole = good_answer(query, FORGED).to_wire()
        if protocol == UDP:
            return [whole[:end] for end in range(1, len(whole))]
        return [good_answer(query).to_wire()]

    with fake_server(behaviour) as server:
        found = answer(resolve, server)
    assert (found.record, found.transport) == (LARGE, "tcp")


def test_a_stream_cut_at_any_octet_is_an_error() -> None:
    """The server's stream ends after so many octets of a right answer with its length."""
    query = dns.message.make_query(ID.to_dns_name(), "TYPE65347")
    size = 2 + len(good_answer(query).to_wire())
    ends = iter(range(size))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = Address("127.0.0.1", listening.getsockname()[1])

        def speak() -> None:
            for end in ends:
                sock, _ = listening.accept()
                with sock:
                    length = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
                    asked = dns.message.from_wire(sock.recv(length, socket.MSG_WAITALL))
                    octets = good_answer(asked).to_wire()
                    sock.sendall((len(octets).to_bytes(2, "big") + octets)[:end])

        thread = threading.Thread(target=speak)
        thread.start()
        for _ in range(size):
            with Client(Settings((where,))) as client, pytest.raises(UnreachableError):
                client.resolve(ID, over_tcp=True)
        thread.join()


def test_an_answer_of_many_pieces_is_put_together() -> None:
    """TCP may bring an octet at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = Address("127.0.0.1", listening.getsockname()[1])

        def speak() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                length = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
                asked = dns.message.from_wire(sock.recv(length, socket.MSG_WAITALL))
                octets = good_answer(asked).to_wire()
                for octet in len(octets).to_bytes(2, "big") + octets:
                    sock.sendall(bytes((octet,)))

        thread = threading.Thread(target=speak)
        thread.start()
        with Client(Settings((where,))) as client:
            assert client.resolve(ID, over_tcp=True).record == LARGE
        thread.join()


def test_a_lost_datagram_is_asked_for_again_with_the_same_id(resolve: Resolve) -> None:
    asked: list[int] = []

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        asked.append(query.id)
        return [good_answer(query).to_wire()] if len(asked) == 2 else []

    with fake_server(behaviour) as server:
        assert answer(resolve, server).record == LARGE
    assert len(asked) == 2
    assert len(set(asked)) == 1  # so that an answer to the first is one, however late


def test_an_answer_that_comes_late_or_twice_is_of_no_harm() -> None:
    """Answers to what was asked before come again before those to what is asked now."""
    said: list[bytes] = []

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        said.append(
            good_answer(query, Record({"state": "active", "count": len(said) + 1})).to_wire()
        )
        return [*said, said[-1]]

    with fake_server(behaviour) as server, Client(Settings((server,), cache=0)) as client:
        records = [client.resolve(ID).record for _ in range(5)]
    assert [one.count for one in records if one is not None] == [1, 2, 3, 4, 5]


def test_silence_ends_in_an_error_in_time(resolve: Resolve) -> None:
    for over_tcp in (False, True):
        begin = time.monotonic()
        # Over TCP the fake server closes without an answer.
        with (
            fake_server(lambda query, protocol: []) as server,
            pytest.raises(UnreachableError, match=str(server)),
        ):
            answer(resolve, server, seconds=0.2, tcp=over_tcp)
        assert time.monotonic() - begin < 3.0


def test_another_server_is_asked_where_one_fails(resolve: Resolve) -> None:
    """One that is silent, one that refuses, and one where nobody listens."""
    refused: list[int] = []

    def refusing(query: dns.message.Message, protocol: int) -> list[bytes]:
        refused.append(1)
        refusal = dns.message.make_response(query)
        refusal.set_rcode(dns.rcode.REFUSED)
        return [refusal.to_wire()]

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
        fake_server(lambda query, protocol: []) as silent,
        fake_server(refusing) as no,
        fake_server(lambda query, protocol: [good_answer(query).to_wire()]) as good,
    ):
        taken.bind(("127.0.0.1", 0))
        nobody = Address("127.0.0.1", taken.getsockname()[1])
        taken.close()
        found = answer(resolve, nobody, no, silent, good)
        assert (found.record, found.authority.server) == (LARGE, good)
        with pytest.raises(RefusedError, match="REFUSED"):
            answer(resolve, nobody, no)
        with pytest.raises(UnreachableError, match="no server listens"):
            answer(resolve, nobody)
    assert len(refused) == 2


def test_the_server_that_answers_is_asked_first_from_then_on() -> None:
    asked: list[int] = []

    def silent(query: dns.message.Message, protocol: int) -> list[bytes]:
        asked.append(query.id)
        return []

    with (
        fake_server(silent) as first,
        fake_server(lambda query, protocol: [good_answer(query).to_wire()]) as second,
        Client(Settings((first, second), cache=0)) as client,
    ):
        for _ in range(5):
            assert client.resolve(ID).authority.server == second
    assert len(asked) == 1


def test_an_answer_that_is_no_record_is_an_error(resolve: Resolve) -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        said = dns.message.make_response(query)
        said.flags |= dns.flags.AA
        said.answer.append(
            dns.rrset.from_text(query.question[0].name, 60, "IN", "TYPE65347", r"\# 2 ffff")
        )
        return [said.to_wire()]

    with fake_server(behaviour) as server, pytest.raises(RecordError):
        answer(resolve, server)


@pytest.mark.parametrize(
    ("rcode", "word"),
    [
        (dns.rcode.SERVFAIL, "SERVFAIL"),
        (dns.rcode.FORMERR, "FORMERR"),
        (dns.rcode.NOTIMP, "NOTIMP"),
    ],
)
def test_a_server_that_fails_is_told_by_its_code(
    resolve: Resolve, rcode: dns.rcode.Rcode, word: str
) -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        said = dns.message.make_response(query)
        said.set_rcode(rcode)
        return [said.to_wire()]

    with fake_server(behaviour) as server, pytest.raises(RefusedError, match=word):
        answer(resolve, server)


@pytest.mark.parametrize("over_tcp", [False, True])
def test_each_of_many_has_its_own_answer_whatever_order_they_come_in(
    resolve: Resolve, over_tcp: bool
) -> None:
    """Answers are held back and sent in turns from the last to the first; some are errors."""
    identifiers = [
        make(ID.owner, "6450", "330106", "ACV", "H60M07A1", f"{n:04d}") for n in range(600)
    ]
    numbers = {one.to_dns_name(): n for n, one in enumerate(identifiers)}
    held: list[bytes] = []
    seen: set[int] = set()

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        number = numbers[query.question[0].name.to_text()]
        said = good_answer(query, Record({"state": "active", "count": number + 1}))
        if number % 7 == 0:
            said.answer.clear()
            said.set_rcode(dns.rcode.SERVFAIL)
        held.append(said.to_wire())
        is_new = number not in seen
        seen.add(number)
        if protocol == UDP and is_new and len(held) < 8 and number != len(identifiers) - 1:
            return []
        now = held[::-1]
        held.clear()
        return now

    with fake_server(behaviour) as server:
        results = resolve(Settings((server,)), [*identifiers, identifiers[1]], over_tcp)
    assert [one.given for one in results] == [*identifiers, identifiers[1]]
    for number, result in enumerate(results[:-1]):
        if number % 7 == 0:
            assert isinstance(result.error, RefusedError), number
        else:
            assert result.record is not None and result.record.count == number + 1
    assert results[-1].record == results[1].record


def test_a_text_that_is_no_identifier_harms_no_other() -> None:
    with (
        fake_server(lambda query, protocol: [good_answer(query).to_wire()]) as server,
        Client(Settings((server,))) as client,
    ):
        wrong, right = client.resolve_many(["nonsense", str(ID).lower()])
        with pytest.raises(CsidError):
            wrong.require()
        assert (wrong.given, wrong.record, wrong.state, wrong.endpoints) == (
            "nonsense",
            None,
            None,
            (),
        )
        assert right.endpoints == LARGE.endpoints
