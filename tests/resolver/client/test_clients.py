"""What clients remember and share: memory, threads, forks, tasks, and calls that are given up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rrset
import pytest
import trio

import csid
from csid.address import Address, AddressError
from csid.errors import CsidError, DomainNameError, ResolutionError, UnreachableError
from csid.identifier import Identifier, make, parse
from csid.record import Record
from resolver.client.asynchronous import CALLS_MAX, AsyncClient
from resolver.client.blocking import Client
from resolver.client.settings import Settings, SettingsError
from tests.support.fake_server import LARGE, fake_server, good_answer
from tests.support.identifiers import PRINTED
from tests.support.servers import CHECKOUT

ID = parse(PRINTED[0])
MANY = [make(ID.owner, "6450", "330106", "ACV", "H60M07A1", f"{n:04d}") for n in range(300)]
NUMBERS = {one.to_dns_name(): n for n, one in enumerate(MANY)}


def numbered(query: dns.message.Message, protocol: int) -> list[bytes]:
    """A record that has the number of its identifier."""
    number = NUMBERS[query.question[0].name.to_text()]
    return [good_answer(query, Record({"state": "active", "count": number + 1})).to_wire()]


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with fake_server(numbered) as where:
        yield where


def test_an_answer_is_asked_for_once_until_it_is_forgotten() -> None:
    asked: list[str] = []

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        asked.append(query.question[0].name.to_text())
        return [good_answer(query).to_wire()]

    with fake_server(behaviour) as where, Client(Settings((where,))) as client:
        first = client.resolve(ID)
        second = client.resolve(str(ID).lower())
        assert (first.transport, second.transport) == ("udp", "memory")
        assert second[:2] == first[:2]
        assert first.ttl - 5 <= second.ttl <= first.ttl
        assert len(asked) == 1
        client.forget()
        assert client.resolve(ID).transport == "udp"
        assert {one.record for one in client.resolve_many([ID] * 10)} == {LARGE}
    assert len(asked) == 2
    asked.clear()
    with fake_server(behaviour) as where, Client(Settings((where,), cache=0)) as client:
        assert {one.record for one in client.resolve_many([ID] * 10)} == {LARGE}
        assert len(asked) == 1  # all ten wanted the same
        client.resolve(ID)
    assert len(asked) == 2


@pytest.mark.parametrize(("minimum", "is_remembered"), [(60, True), (0, False)])
def test_absence_is_remembered_as_its_zone_says(minimum: int, is_remembered: bool) -> None:
    """RFC 2308 section 5: the lesser of the SOA's TTL and its last field."""
    asked: list[int] = []

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        asked.append(query.id)
        said = dns.message.make_response(query)
        said.set_rcode(3)
        soa = f"ns. host. 1 7200 900 1209600 {minimum}"
        said.authority.append(dns.rrset.from_text("csid.internal.", 300, "IN", "SOA", soa))
        return [said.to_wire()]

    with fake_server(behaviour) as where, Client(Settings((where,))) as client:
        for _ in range(2):
            answer = client.resolve(ID)
            assert (answer.exists, answer.record, answer.state) == (False, None, None)
            assert answer.ttl in (minimum, minimum - 1)
            assert answer.authority.zone == "csid.internal."
    assert len(asked) == (1 if is_remembered else 2)


def test_threads_share_a_client(server: Address) -> None:
    wrong: list[object] = []

    def work(client: Client, first: int) -> None:
        for number in range(first, len(MANY), 8):
            record = client.resolve(MANY[number]).record
            if record is None or record.count != number + 1:
                wrong.append((number, record))

    with Client(Settings((server,), cache=0)) as client:
        threads = [threading.Thread(target=work, args=(client, first)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_process_that_is_forked_off_does_not_use_the_sockets_of_its_parent(
    server: Address,
) -> None:
    with Client(Settings((server,), cache=0)) as client:
        client.resolve(MANY[0])
        child = os.fork()
        if not child:
            code = 1
            try:
                found = [client.resolve(one).record for one in MANY[:100]]
                code = 0 if [one and one.count for one in found] == list(range(1, 101)) else 2
            finally:
                os._exit(code)
        for number in range(100, 200):
            record = client.resolve(MANY[number]).record
            assert record is not None and record.count == number + 1
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def _in_tasks(client: AsyncClient) -> list[int]:
    """Each identifier by a task of its own, more of them than may have sockets."""
    found = [0] * len(MANY)

    async def one(number: int) -> None:
        record = (await client.resolve(MANY[number])).record
        assert record is not None and record.count is not None
        found[number] = record.count

    assert len(MANY) > CALLS_MAX
    async with trio.open_nursery() as nursery:
        for number in range(len(MANY)):
            nursery.start_soon(one, number)
    return found


def test_tasks_share_a_client_under_trio(server: Address) -> None:
    async def main() -> list[int]:
        async with AsyncClient(Settings((server,), cache=0)) as client:
            return await _in_tasks(client)

    assert trio.run(main) == list(range(1, len(MANY) + 1))


def test_tasks_share_a_client_under_asyncio(server: Address) -> None:
    async def main() -> list[int | None]:
        async with AsyncClient(Settings((server,), cache=0)) as client:
            answers = await asyncio.gather(*map(client.resolve, MANY))
            return [one.record and one.record.count for one in answers]

    assert asyncio.run(main()) == list(range(1, len(MANY) + 1))


def test_a_client_outlives_its_event_loop(server: Address) -> None:
    client = AsyncClient(Settings((server,), cache=0))

    async def main() -> int | None:
        record = (await client.resolve(MANY[6])).record
        return record and record.count

    assert [asyncio.run(main()), trio.run(main), asyncio.run(main())] == [7, 7, 7]


def test_a_call_that_is_cancelled_leaves_nothing_behind(server: Address) -> None:
    """Its question is not answered; the next call has another line, and its own answer."""

    def silent_at_first(query: dns.message.Message, protocol: int) -> list[bytes]:
        return (
            []
            if query.question[0].name.to_text() == MANY[0].to_dns_name()
            else numbered(query, protocol)
        )

    async def main(where: Address) -> int | None:
        async with AsyncClient(Settings((where,), cache=0)) as client:
            with trio.move_on_after(0.05):
                await client.resolve(MANY[0])
            record = (await client.resolve(MANY[1])).record
            return record and record.count

    before = len(list(Path("/proc/self/fd").iterdir()))
    with fake_server(silent_at_first) as where:
        assert trio.run(main, where) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_results_that_are_not_taken_hold_nothing_up(server: Address) -> None:
    taken = 0

    def identifiers() -> Iterator[Identifier]:
        nonlocal taken
        for taken in range(1, 10_000_000):
            yield MANY[taken % len(MANY)]

    with Client(Settings((server,))) as client:
        results = client.resolve_each(identifiers())
        for _ in range(5):
            next(results)
        assert taken < 10_000
        results.close()
        assert client.resolve(MANY[9]).record == Record({"state": "active", "count": 10})


def test_a_closed_client_says_so() -> None:
    client = Client(Settings())
    client.close()
    with pytest.raises(ResolutionError, match="closed"):
        client.resolve(ID)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"servers": "host:port"}, AddressError),
        ({"servers": []}, SettingsError),
        ({"servers": ["127.0.0.1:5300"] * 17}, SettingsError),
        ({"suffix": "a..b"}, DomainNameError),
        ({"suffix": ""}, DomainNameError),
        ({"timeout": 0}, SettingsError),
        ({"timeout": float("nan")}, SettingsError),
        ({"timeout": 1e9}, SettingsError),
        ({"cache": -1}, SettingsError),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    arguments: dict[str, object], error: type[CsidError]
) -> None:
    with pytest.raises(error):
        csid.Client(**arguments)  # type: ignore[arg-type]


def test_servers_are_taken_in_every_form() -> None:
    expected = (Address("127.0.0.1", 5300), Address("::1", 53))
    for servers in (
        "127.0.0.1, [::1]:53",
        "127.0.0.1:5300 [::1]:53",
        ["127.0.0.1", "[::1]:53"],
        expected,
    ):
        assert csid.Client(servers).settings.servers == expected


def test_a_host_that_is_not_known_is_told() -> None:
    with csid.Client("no-such-host.invalid:53") as client, pytest.raises(UnreachableError) as told:
        client.resolve(ID)
    assert "no-such-host.invalid" in str(told.value)


def test_a_name_with_several_addresses_is_asked_at_each(server: Address) -> None:
    """localhost is often ::1 first, where nobody listens."""
    with csid.Client(f"localhost:{server.port}", cache=0) as client:
        assert client.resolve(MANY[3]).record == Record({"state": "active", "count": 4})


def test_importing_the_package_loads_no_client(tmp_path: Path) -> None:
    heavy = ("socket", "trio", "asyncio", "dns", "rich", "registry", "lmdb")
    script = f"import sys, csid; print([m for m in {heavy} if m in sys.modules])"
    lighter = ("trio", "asyncio", "dns", "rich", "registry", "lmdb")
    script += f"; csid.Client; print([m for m in {lighter} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr
    assert {"Client", "AsyncClient"} <= set(dir(csid))
    with pytest.raises(AttributeError, match="Cliant"):
        _ = csid.Cliant
