"""A gateway over HTTP while its servers, or the process that asks them, do not answer."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resolver.server.recursive.packets import GIVE_UP_SECONDS
from tests.support.gateways import GatewayHttp, gateway_http
from tests.support.resolved import ACTIVE, BRIEF, MANY, RETIRED, Network, network
from tests.support.servers import eventually

MARGIN = 4.0  # seconds, on a busy machine
ONE, NEW, OTHER, *_ = (f"/v1/identifiers/{one}" for one in MANY)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    with network(tmp_path) as made:
        yield made


@pytest.fixture
def gateway(net: Network, tmp_path: Path) -> Iterator[GatewayHttp]:
    with gateway_http(tmp_path / "gateway", net.top) as made:
        yield made


def test_what_is_known_is_told_when_its_servers_are_gone_and_marked_once_it_is_old(
    net: Network, gateway: GatewayHttp
) -> None:
    brief = f"/v1/identifiers/{BRIEF}"
    with gateway.client() as client:
        assert client.get(brief).json()["stale"] is False
        assert client.get(ONE).status_code == 200
        net.root.stop()
        net.owner.stop()
        eventually("old", lambda: client.get(brief).json()["stale"])
        begun = time.monotonic()
        for _ in range(20):
            assert client.get(brief).json()["stale"] is True
            assert client.get(ONE).json()["stale"] is False
        assert time.monotonic() - begun < 1.0
        found = client.post("/v1/resolve", json={"identifiers": [str(BRIEF), str(MANY[0])]})
        assert [json.loads(line)["stale"] for line in found.text.splitlines()] == [True, False]


def test_nobody_can_say_what_no_server_says(net: Network, gateway: GatewayHttp) -> None:
    net.root.stop()
    with gateway.client() as client:
        answer = client.get(f"/v1/identifiers/{ACTIVE}")
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
        assert answer.json()["type"] == "urn:csid:problem:unavailable"
        batch = client.post("/v1/resolve", json={"identifiers": [str(ACTIVE), "xx"]})
        assert [json.loads(line)["status"] for line in batch.text.splitlines()] == [503, 400]
        health = client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "failing")
        assert client.get("/readyz").status_code == 200  # what is known would be told


def test_one_without_an_answer_keeps_nobody_else_waiting(gateway: GatewayHttp) -> None:
    with gateway.client() as client, ThreadPoolExecutor() as others:
        assert client.get(ONE).status_code == 200
        gateway.asking.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        waiting = [
            others.submit(lambda path=path: gateway.client().get(path)) for path in (NEW, OTHER)
        ]
        many = [str(one) for one in MANY]
        batch = others.submit(
            lambda: gateway.client().post("/v1/resolve", json={"identifiers": many})
        )
        for _ in range(50):
            assert client.get(ONE).status_code == 200
        assert time.monotonic() - begun < GIVE_UP_SECONDS - 1
        assert client.get("/readyz").status_code == 503
        for one in waiting:
            assert one.result().status_code == 503
        results = [json.loads(line) for line in batch.result().text.splitlines()]
        assert [one["status"] for one in results] == [200] + [503] * (len(many) - 1)
        assert time.monotonic() - begun < 2 * GIVE_UP_SECONDS + MARGIN
        gateway.asking.send_signal(signal.SIGCONT)
        eventually("found", lambda: client.get(NEW).status_code == 200)


def test_many_who_ask_for_the_same_wait_for_one_question(gateway: GatewayHttp) -> None:
    path = f"/v1/identifiers/{RETIRED}"
    gateway.asking.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(20) as others, gateway.client() as client:
        waiting = [others.submit(lambda: gateway.client().get(path)) for _ in range(20)]
        eventually("asked", lambda: _metric(client.get("/metrics").text, "calls_total") >= 20)
        # The record and the zone, and perhaps what health was asked.
        assert _metric(client.get("/metrics").text, "waiting") == 2
        gateway.asking.send_signal(signal.SIGCONT)
        assert [one.result().status_code for one in waiting] == [410] * 20


def test_it_answers_what_was_asked_before_it_ends(gateway: GatewayHttp) -> None:
    gateway.asking.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor() as others, gateway.client() as client:
        waiting = others.submit(lambda: gateway.client().get(ONE))
        eventually("asked", lambda: _metric(client.get("/metrics").text, "waiting") >= 1)
        gateway.http.terminate()
        gateway.asking.send_signal(signal.SIGCONT)
        assert waiting.result().status_code == 200
    assert gateway.http.wait(10) == 0


def _metric(text: str, name: str) -> float:
    (line,) = [one for one in text.splitlines() if one.startswith(f"csid_gateway_http_{name} ")]
    return float(line.split()[1])
