"""Supply is learnt from a real registry and a real gateway: all of it, and what changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from csid.record import Record, decode, encode
from csid.status import Told
from gateway.async_registry_client import AsyncRegistry
from gateway.configuration.values import ConfigurationError
from gateway.systems.running import opened
from gateway.systems.selection.following import (
    GatewayFollower,
    RegistryFollower,
    Source,
    kept,
    wanted,
)
from gateway.systems.selection.rows import TABLES, Change, Rows
from gateway.systems.selection.settings import Selection
from gateway.systems.selection.state import Selecting
from gateway.systems.selection.system import SYSTEM
from resolver.tables import Tables
from tests.support.commands import Node
from tests.support.gateways import gateway_http
from tests.support.interface import Interface, offered
from tests.support.registering import OTHER, OWNER, PLACE, identifier
from tests.support.servers import PATIENCE, eventually

ONE, TWO, THREE = (str(identifier(f"A00{number}")) for number in range(3))
ELSEWHERE = str(identifier("B001", OTHER, "350102"))


class Heard:
    """What is told."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.statuses: dict[str, tuple[int, int, Told | None]] = {}

    def changed(self, changes: Iterable[Change]) -> None:
        for name, record in changes:
            if record is None:
                del self.rows[name]  # which it has
            else:
                self.rows[name] = record

    def told(self, name: str, taken: int, until: int, told: Told | None) -> None:
        self.statuses[name] = taken, until, told


class Net(NamedTuple):
    node: Node
    interface: Interface
    token: str


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    node = Node(tmp_path / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    for one in (ONE, ELSEWHERE):
        node.must("assign", one, "--endpoint", "https://a.example:8443", "--count", 8)
    with offered(node, tmp_path) as interface:
        yield Net(node, interface, interface.token("read-only"))


@contextlib.contextmanager
def tables(folder: Path) -> Iterator[Rows]:
    made = Tables(folder / "tables.mdb", TABLES, 1 << 24, lasting=True)
    with contextlib.closing(made):
        yield Rows(made)


@contextlib.asynccontextmanager
async def following(net: Net, rows: Rows, heard: Heard, *prefixes: str) -> AsyncIterator[Source]:
    source = Source("registry", "registry", lambda: time.time_ns() // 1_000_000)
    async with AsyncRegistry(f"http://{net.interface.address}", token=net.token) as registry:
        follower = RegistryFollower(source, registry, rows, heard, prefixes)
        task = asyncio.create_task(kept(source, follower.follow))
        try:
            yield source
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(what: str, holds: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def test_what_is_registered_is_learnt_and_then_what_changes(net: Net, tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        with tables(tmp_path / "supply") as rows:
            async with following(net, rows, heard):
                await until("both are known", lambda: set(heard.rows) == {ONE, ELSEWHERE})
                assert decode(heard.rows[ONE]).count == 8
                run = asyncio.to_thread
                await run(net.node.must, "assign", TWO, "--count", 16)
                await until("a new one", lambda: TWO in heard.rows)
                await run(net.node.must, "update", TWO, "--count", 32)
                await until("its change", lambda: decode(heard.rows[TWO]).count == 32)
                await run(net.node.must, "suspend", ONE)
                await until("one on hold is not selected", lambda: ONE not in heard.rows)
                await run(net.node.must, "reinstate", ONE)
                await until("and is again", lambda: ONE in heard.rows)
                await run(net.node.must, "retire", TWO, "--reason", "done")
                await until("one that has ended", lambda: TWO not in heard.rows)
            assert dict(rows.page("", 1_000)) == heard.rows
            # A restart asks for what has changed alone.
            await asyncio.to_thread(net.node.must, "assign", THREE, "--count", 4)
            again = Heard()
            async with following(net, rows, again) as source:
                await until("what came meanwhile", lambda: THREE in again.rows)
                assert set(again.rows) == {THREE}
                assert source.taken <= 1

    asyncio.run(main())


def test_only_what_is_wanted_is_learnt(net: Net, tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        with tables(tmp_path / "supply") as rows:
            async with following(net, rows, heard, OTHER):
                await until("it is known", lambda: set(heard.rows) == {ELSEWHERE})
                await asyncio.to_thread(net.node.must, "assign", TWO, "--count", 16)
                await asyncio.to_thread(net.node.must, "update", ELSEWHERE, "--count", 3)
                await until("its change", lambda: decode(heard.rows[ELSEWHERE]).count == 3)
                assert set(heard.rows) == {ELSEWHERE}

    asyncio.run(main())


@pytest.mark.parametrize("written", [OTHER.lower(), f"{OTHER}/", f" {OTHER} "])
def test_a_prefix_is_meant_however_it_is_written(net: Net, tmp_path: Path, written: str) -> None:
    async def main() -> None:
        heard = Heard()
        with tables(tmp_path / "supply") as rows:
            async with following(net, rows, heard, written):
                await until("it is known", lambda: set(heard.rows) == {ELSEWHERE})
                await asyncio.to_thread(net.node.must, "retire", ELSEWHERE, "--reason", "done")
                await until("it has ended", lambda: heard.rows == {})

    asyncio.run(main())


def test_a_prefix_that_is_none_is_refused() -> None:
    for wrong in ("A", OWNER[:8], "", f"{OWNER}/6450/33"):
        with pytest.raises(ConfigurationError, match=r"\[selection\] prefix"):
            wanted((wrong,))


def test_with_more_prefixes_all_is_read_anew(net: Net, tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        with tables(tmp_path / "supply") as rows:
            async with following(net, rows, heard, OTHER):
                await until("it is known", lambda: set(heard.rows) == {ELSEWHERE})
                await until("all is read", lambda: rows.position("registry", (OTHER,)) is not None)
            assert rows.position("registry", (OTHER, OWNER)) is None
            async with following(net, rows, heard, OTHER, OWNER):
                await until("both are", lambda: set(heard.rows) == {ONE, ELSEWHERE})
            async with following(net, rows, heard, OWNER):
                await until("fewer are", lambda: set(heard.rows) == {ONE})

    asyncio.run(main())


def test_what_is_followed_no_more_is_not_selected_from(tmp_path: Path) -> None:
    """Nor who told a status forgotten."""

    async def main() -> None:
        one = Change(ONE, encode(Record({"state": "active", "count": 8})))
        with opened(SYSTEM, Selection(registry=("http://a",)), tmp_path) as place:
            state = Selecting(place)
            await state.catch_up()
            state.rows.begin("http://a")
            state.changed(state.rows.apply("http://a", [one], 7))
            now = state.now()
            state.told(ONE, now, now + 60_000, Told(by="agent-1"))
            slot = state.supply.index.find(ONE, state.supply.index.digest(ONE))
            assert state.supply.told(slot, now)["source"] == "agent-1"
            assert state.complete and len(state.supply) == 1
            await state.close()
        with opened(SYSTEM, Selection(registry=("http://a",), prefix=(OWNER,)), tmp_path) as place:
            state = Selecting(place)
            await state.catch_up()
            assert not state.complete  # what is below other prefixes was left out, or not
            state.end()
        with opened(SYSTEM, Selection(), tmp_path) as place:
            state = Selecting(place)
            assert len(state.supply) == 1
            await asyncio.wait_for(state.follow(), PATIENCE)
            assert len(state.supply) == 0 and state.rows.page("", 9) == []
            state.end()

    asyncio.run(main())


def test_another_log_is_read_from_its_beginning(net: Net, tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        with tables(tmp_path / "supply") as rows:
            gone = str(identifier("A009"))
            known = Change(gone, b"\x81\xa2st\xa6active")
            heard.changed(rows.apply("registry", [known], 1_000_000))
            async with following(net, rows, heard):
                await until("it is as it is", lambda: set(heard.rows) == {ONE, ELSEWHERE})

    asyncio.run(main())


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        source = Source("registry", "registry", lambda: 0)
        async with AsyncRegistry("http://127.0.0.1:9", token="x", timeout=0.2) as registry:
            with tables(tmp_path / "supply") as rows:
                follower = RegistryFollower(source, registry, rows, heard)
                task = asyncio.create_task(kept(source, follower.follow))
                await until("it is said", lambda: source.why)
                assert source.since == 0
                task.cancel()

    asyncio.run(main())


def test_statuses_that_a_gateway_is_told_are_learnt_at_once(net: Net, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(net.node.must("gateway", "enrol", "gw-1", "--prefix", PLACE) + "\n")
    options = ["--report-to", f"http://{net.interface.address}", "--report-key", str(key)]
    top = f"127.0.0.1:{net.interface.server.port}"
    with gateway_http(tmp_path / "gateway", top, *options) as gateway:
        url = f"http://{gateway.address}"
        with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            eventually("it takes reports", lambda: client.post("/v1/status").status_code != 503)

            async def main() -> None:
                heard = Heard()
                source = Source(url, "gateway", lambda: time.time_ns() // 1_000_000)
                async with httpx.AsyncClient(base_url=url, trust_env=False) as stream:
                    follower = GatewayFollower(source, stream, heard, (OWNER,))
                    task = asyncio.create_task(kept(source, follower.follow))
                    posted = {
                        "identifier": ONE,
                        "free": {"chips": 8, "nodes_8": 1},
                        "load": 0.5,
                        "valid_seconds": 1,
                    }
                    deadline = time.monotonic() + PATIENCE
                    while ONE not in heard.statuses:  # until it follows
                        answer = await asyncio.to_thread(client.post, "/v1/status", json=posted)
                        assert time.monotonic() < deadline, (source.why, answer.text)
                        await asyncio.sleep(0.05)
                    taken, ends, told = heard.statuses[ONE]
                    assert told is not None and told.free == {"chips": 8, "nodes_8": 1}
                    assert told.load == 0.5 and ends > taken
                    await until("it ends", lambda: heard.statuses[ONE][2] is None)
                    task.cancel()

            asyncio.run(main())
