"""Demands that are kept go to a dispatcher once something fits: once, whatever happens."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.systems.selection import calls
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.dispatching import SELECTED_MAX, Dispatcher
from gateway.systems.selection.settings import Selection
from tests.support.begun_selection import Begun, begun, call
from tests.support.selecting import CHEAP, DEAR, LARGE, Selecting, selecting
from tests.support.servers import eventually


class Taken:
    """A dispatcher: what it was given, and what it says next."""

    def __init__(self) -> None:
        self.given: list[tuple[str, dict[str, Any]]] = []
        self.says: list[int] = []
        self.address = ""


@contextmanager
def dispatcher() -> Iterator[Taken]:
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["content-length"]))
            taken.given.append((self.headers["idempotency-key"], json.loads(octets)))
            self.send_response(taken.says.pop(0) if taken.says else 202)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    taken.address = f"http://127.0.0.1:{server.server_address[1]}/demands"
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    with dispatcher() as found:
        yield found


@pytest.fixture(scope="module")
def handing(taken: Taken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Selecting]:
    folder: Path = tmp_path_factory.mktemp("dispatching")
    with selecting(folder, f'dispatcher = "{taken.address}"') as found:
        yield found


def keep(net: Selecting, **demand: Any) -> str:
    body = {"demand": demand, "dispatch": True}
    made = net.client.post("/v1/demands", json=body)
    assert made.status_code == 201, made.text
    return str(made.headers["location"])


def state(net: Selecting, place: str) -> dict[str, Any]:
    found: dict[str, Any] = net.client.get(place).json()
    return found


def test_it_is_handed_over_once_something_fits(handing: Selecting, taken: Taken) -> None:
    net = handing
    taken.given.clear()
    taken.says[:] = [503, 202]  # it is not there the first time
    place = keep(net, chips=["910B"], per_node=8, free=True)
    assert state(net, place)["state"] == "open"
    assert taken.given == []
    net.tell(LARGE, chips=64, nodes_8=8)
    eventually("it is handed over", lambda: state(net, place)["state"] == "handed")
    name = place.rpartition("/")[2]
    assert [key for key, _ in taken.given] == [name, name]
    given = taken.given[-1][1]
    assert given["asked"]["chips"] == ["910B"]
    assert [one["identifier"] for one in given["selection"]["results"]] == [LARGE]
    shown = state(net, place)
    assert [(one["identifier"], set(one)) for one in shown["selected"]] == [
        (LARGE, {"identifier", "points"})
    ]
    assert shown["allocation"] == given["selection"]["allocation"]
    net.tell(LARGE, chips=56, nodes_8=7)
    eventually("it is seen", lambda: net.select(chips=["910B"])[0]["status"]["free"]["chips"] == 56)
    assert len(taken.given) == 2


def test_what_is_spread_over_pools_waits_until_all_of_it_is_free(
    handing: Selecting, taken: Taken
) -> None:
    net = handing
    taken.given.clear()
    net.tell(CHEAP, chips=8, nodes_8=1)
    net.tell(DEAR, chips=8, nodes_8=1)
    demand = {"chips": ["H800"], "nodes": 3, "per_node": 8, "free": True, "pools": 2}
    eventually("both are seen", lambda: set(net.names(**demand)) == {CHEAP, DEAR})
    place = keep(net, **demand)
    marker = keep(net, chips=["910B"])  # looked at after it, or a second later
    eventually("others are handed over", lambda: state(net, marker)["state"] == "handed")
    time.sleep(1.5)
    assert state(net, place)["state"] == "open"
    net.tell(CHEAP, chips=16, nodes_8=2)
    eventually("it is handed over", lambda: state(net, place)["state"] == "handed")
    given = taken.given[-1][1]["selection"]
    assert {one["identifier"]: one["blocks"] for one in given["allocation"]} == {CHEAP: 2, DEAR: 1}


def test_what_the_dispatcher_does_not_want_is_said(handing: Selecting, taken: Taken) -> None:
    taken.given.clear()
    taken.says[:] = [422]
    place = keep(handing, chips=["910B"])
    eventually("it is refused", lambda: state(handing, place)["state"] == "refused")
    assert "HTTP 422" in state(handing, place)["why"]
    assert len(taken.given) == 1


def test_what_nobody_needs_any_more_has_ended(net: Selecting) -> None:
    body = {"demand": {"chips": ["910B"]}, "days": 1e-6}
    place = net.client.post("/v1/demands", json=body).headers["location"]
    eventually("it has ended", lambda: state(net, place)["state"] == "ended")


class Answers:
    """A dispatcher in this process: what it is given, what it says, what happens meanwhile."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.given: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def post(self, _: str, json: dict[str, Any], **_more: Any) -> httpx.Response:
        self.given.append(json["demand"])
        if self.meanwhile is not None:
            await self.meanwhile()
        return httpx.Response(self.statuses.pop(0) if self.statuses else 202, text="so it is")


def looked(net: Begun, client: Answers, of: Dispatcher | None = None) -> Awaitable[None]:
    return (of or Dispatcher(net.state)).look(client)  # type: ignore[arg-type]


DISPATCHING = Selection(dispatcher="http://dispatcher.example/")


def test_what_is_withdrawn_meanwhile_is_not_handed_over(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path, DISPATCHING) as net:
            net.learn(1)
            first, second = sorted([await net.keep(Demand(per_node=8)) for _ in range(2)])
            client = Answers()
            client.meanwhile = lambda: calls.withdraw(net.state, call(path=second))
            await looked(net, client)
            assert client.given == [first]
            found = net.state.demands.get(first)
            assert found is not None and found.state == "handed"
            assert net.log == []

    asyncio.run(main())


def test_what_is_withdrawn_while_it_is_handed_over_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path, DISPATCHING) as net:
            net.learn(1)
            name = await net.keep(Demand(per_node=8))
            client = Answers()
            client.meanwhile = lambda: calls.withdraw(net.state, call(path=name))
            await looked(net, client)
            assert client.given == [name] and net.state.demands.get(name) is None
            assert [name in line and "was withdrawn while" in line for line in net.log] == [True]

    asyncio.run(main())


def test_a_chip_that_is_not_registered_yet_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path, DISPATCHING) as net:
            net.learn(1)
            name = await net.keep(Demand(chips=("ZX9000",)))
            client, of = Answers(), Dispatcher(net.state)
            await looked(net, client, of)
            shown = (await calls.show_demand(net.state, call(path=name))).body
            assert shown["state"] == "open" and "no chip is called" in shown["why"]
            assert shown["selection"]["results"] == [] and shown["selection"]["why"]["fit"] == 0
            found = net.state.demands.get(name)
            assert found is not None and "no chip is called" in found.why
            net.learn(2, chip="ZX9000")
            await looked(net, client, of)
            assert client.given == [name]
            found = net.state.demands.get(name)
            assert found is not None and (found.state, found.why) == ("handed", "")

    asyncio.run(main())


@pytest.mark.parametrize("status", [301, 401, 403, 404, 407, 408, 413, 425, 429, 500, 503])
def test_what_is_not_said_of_the_demand_is_waited_for(tmp_path: Path, status: int) -> None:
    async def main() -> None:
        with begun(tmp_path, DISPATCHING) as net:
            net.learn(1)
            name = await net.keep(Demand(per_node=8))
            client, of = Answers(status), Dispatcher(net.state)
            await looked(net, client, of)
            found = net.state.demands.get(name)
            assert found is not None and (found.state, found.why) == ("open", f"HTTP {status}")
            await looked(net, client, of)  # it is too soon
            assert len(client.given) == 1
            net.ahead[0] = 1_001
            await looked(net, client, of)
            found = net.state.demands.get(name)
            assert found is not None and (found.state, found.why) == ("handed", "")

    asyncio.run(main())


@pytest.mark.parametrize("status", [400, 409, 422])
def test_what_is_said_of_the_demand_is_final(tmp_path: Path, status: int) -> None:
    async def main() -> None:
        with begun(tmp_path, DISPATCHING) as net:
            net.learn(1)
            name = await net.keep(Demand(per_node=8))
            client = Answers(status)
            for _ in range(2):
                await looked(net, client)
            found = net.state.demands.get(name)
            assert found is not None and found.why == f"HTTP {status}: so it is"
            assert found.state == "refused" and len(client.given) == 1

    asyncio.run(main())


def test_of_what_was_handed_over_a_little_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path, DISPATCHING) as net:
            net.learn(*range(100))
            name = await net.keep(Demand(per_node=8, top=100))
            await looked(net, Answers())
            found = net.state.demands.get(name)
            assert found is not None and len(found.selected) == SELECTED_MAX
            assert set(found.selected[0]) == {"identifier", "points"}
            assert len(msgspec.msgpack.encode(found)) < 6_000
            assert net.state.demands.open() == []

    asyncio.run(main())


def test_without_a_dispatcher_nothing_is_to_be_handed_over(net: Selecting) -> None:
    answer: httpx.Response = net.client.post(
        "/v1/demands", json={"demand": {"cards": 1}, "dispatch": True}
    )
    assert answer.status_code == 422
    assert "there is no dispatcher" in answer.json()["detail"]
