"""Selection as others call it: a node, a gateway that is told statuses, and what is learnt of both."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from csid.identifier import make
from tests.support.commands import Node, run
from tests.support.gateways import gateway_http
from tests.support.interface import offered
from tests.support.registering import OWNER, PLACE
from tests.support.servers import PATIENCE, Server, eventually
from tests.support.systems import running_systems

CHEAP, DEAR, LARGE = (
    str(make(OWNER, "6450", "330106", "ACV", class_, serial))
    for class_, serial in (("H60M07N6", "A001"), ("H60M07N6", "A002"), ("H60M07A1", "A003"))
)
FACTS = {
    CHEAP: ("--chip", "H800", "--count", 16, "--price", "80", "--price-unit", "hour"),
    DEAR: ("--chip", "H800", "--count", 16, "--price", "160", "--price-unit", "hour"),
    LARGE: ("--chip", "910B", "--count", 64, "--price", "200", "--price-unit", "hour"),
}


class Net(NamedTuple):
    node: Node
    gateway: httpx.Client
    server: Server
    client: httpx.Client
    file: Path

    def tell(self, name: str, seconds: int = 60, **free: int) -> None:
        said = {"identifier": name, "free": free, "valid_seconds": seconds}
        assert self.gateway.post("/v1/status", json=said).status_code == 202

    def select(self, **demand: Any) -> list[dict[str, Any]]:
        answer = self.client.post("/v1/select", json=demand)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    def names(self, **demand: Any) -> list[str]:
        return [one["identifier"] for one in self.select(**demand)]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("selection")
    node = Node(folder / "node")
    node.accredit(OWNER)
    for name, facts in FACTS.items():
        node.must("assign", name, "--currency", "CNY", *facts)
    key = folder / "key"
    key.write_text(node.must("gateway", "enrol", "gw-1", "--prefix", PLACE) + "\n")
    with contextlib.ExitStack() as opened:
        interface = opened.enter_context(offered(node, folder))
        options = ["--report-to", f"http://{interface.address}", "--report-key", str(key)]
        top = f"127.0.0.1:{interface.server.port}"
        gateway = opened.enter_context(gateway_http(folder / "gateway", top, *options))
        url = f"http://{gateway.address}"
        teller = opened.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=20))
        eventually("it takes reports", lambda: teller.post("/v1/status").status_code != 503)
        token = folder / "token"
        token.write_text(interface.token("read-only"))
        file = folder / "selection.toml"
        lines = [
            "[systems]",
            f'data = "{folder / "systems"}"',
            "[selection]",
            f'registry = "http://{interface.address}"',
            f'token = "{token}"',
            f'gateway = "{url}"',
        ]
        file.write_text("\n".join(lines))
        server, client = opened.enter_context(running_systems(file, "selection"))
        found = Net(node, teller, server, client, file)
        eventually("all is known", lambda: set(found.names()) == set(FACTS))
        eventually("both are followed", lambda: all(source["follows"] for source in sources(found)))
        yield found


def sources(net: Net) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = net.client.get("/v1/selection").json()["sources"]
    return found


def test_the_best_comes_first_with_what_is_known_of_it(net: Net) -> None:
    net.tell(CHEAP, chips=16, nodes_8=2)
    net.tell(DEAR, chips=16, nodes_8=2)
    asked = {"chips": ["H800"], "per_node": 8, "free": True}
    eventually("statuses are seen", lambda: net.names(**asked) == [CHEAP, DEAR])
    first = net.select(**asked)[0]
    assert first["record"]["price"] == "80" and first["record"]["chip"] == "H800"
    assert first["status"]["free"] == {"chips": 16, "nodes_8": 2}
    assert 0 <= first["status"]["age"] < 30
    assert 0 < first["points"] < net.client.post("/v1/select", json=asked).json()["most"]
    assert set(first["parts"]) <= {
        "fit",
        "price",
        "latency",
        "green",
        "trust",
        "stability",
        "freshness",
    }


def test_chips_are_named_in_chinese_or_english(net: Net) -> None:
    assert net.names(chips=["昇腾"]) == [LARGE]
    assert net.names(chips=["Ascend", "H800"]) == [CHEAP, DEAR, LARGE]
    answer = net.client.post("/v1/select", json={"chips": ["H801"]})
    assert answer.status_code == 422
    assert "H80" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ({"cards": 0}, "cards"),
        ({"where": "memory_gib >"}, "where"),
        ({"where": "memory_gbi > 3"}, "memory_gib"),
        ({"price": "12"}, "price"),
        ({"colour": "red"}, "colour"),
        ({"rtt": 5}, "near"),
    ],
)
def test_what_is_no_demand_is_refused_with_the_place(
    net: Net, demand: dict[str, Any], said: str
) -> None:
    answer = net.client.post("/v1/select", json=demand)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_the_round_trip_is_a_range_and_marked(net: Net) -> None:
    (first, *_) = net.select(near="310000", top=1)
    assert first["rtt"]["mark"] == "estimated"
    assert 0 <= first["rtt"]["low"] <= first["rtt"]["middle"] <= first["rtt"]["high"]
    assert net.names(near="310000", rtt=0.5) == []
    assert set(net.names(near="310000", rtt=50)) == set(FACTS)


def test_a_status_is_seen_within_a_tenth_of_a_second(net: Net) -> None:
    waited = []
    for free in range(1, 12):
        net.tell(LARGE, chips=free)
        begun = time.perf_counter()
        while net.select(chips=["910B"])[0].get("status", {}).get("free") != {"chips": free}:
            assert time.perf_counter() - begun < PATIENCE
        waited.append(time.perf_counter() - begun)
    assert sorted(waited)[len(waited) // 2] < 0.1


def test_past_its_validity_nothing_is_free(net: Net) -> None:
    net.tell(LARGE, seconds=1, chips=64, nodes_8=8)
    asked = {"chips": ["910B"], "per_node": 8, "free": True}
    eventually("it is free", lambda: net.names(**asked) == [LARGE])
    eventually("it is not known to be free", lambda: net.names(**asked) == [])


def test_a_stream_goes_on_when_the_answer_changes(net: Net) -> None:
    net.tell(CHEAP, chips=16, nodes_8=2)
    net.tell(DEAR, chips=16, nodes_8=2)
    demand = {"chips": ["H800"], "per_node": 8, "free": True}
    eventually("statuses are seen", lambda: net.names(**demand) == [CHEAP, DEAR])
    seen: list[list[str]] = []
    both = threading.Event()

    def follow() -> None:
        headers = {"Accept": "text/event-stream"}
        with net.client.stream("POST", "/v1/select", json=demand, headers=headers) as response:
            for line in response.iter_lines():
                if line.startswith("data: ") and '"results"' in line:
                    found = json.loads(line[6:])["results"]
                    seen.append([one["identifier"] for one in found])
                    if seen[0] == [CHEAP, DEAR] and seen[-1] == [DEAR]:
                        both.set()
                        return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    eventually("the first answer", lambda: seen)
    net.tell(CHEAP, chips=4, nodes_4=1)
    assert both.wait(PATIENCE), seen
    thread.join(PATIENCE)


def test_what_is_reserved_is_not_offered_to_others_until_it_ends(net: Net) -> None:
    net.tell(CHEAP, chips=8, nodes_8=1)
    net.tell(DEAR, chips=8, nodes_8=1)
    asked = {"chips": ["H800"], "per_node": 8, "free": True}
    eventually("statuses are seen", lambda: net.names(**asked) == [CHEAP, DEAR])
    body = {"items": [{"identifier": CHEAP, "size": 8}], "seconds": 20}
    made = net.client.post("/v1/reservations", json=body)
    assert made.status_code == 201, made.text
    assert net.names(**asked) == [DEAR]
    again = net.client.post("/v1/reservations", json=body)
    assert again.status_code == 409
    assert "not free" in again.json()["detail"]
    listed = net.client.get("/v1/reservations").json()["items"]
    assert [one["reservation"] for one in listed] == [made.json()["reservation"]]
    net.tell(CHEAP, chips=8, nodes_8=1)  # the resource knows nothing of it
    time.sleep(0.3)
    assert net.names(**asked) == [DEAR]
    place = made.headers["location"]
    assert net.client.delete(place).status_code == 200
    assert net.names(**asked) == [CHEAP, DEAR]
    assert net.client.delete(place).status_code == 404
    short = net.client.post("/v1/reservations", json=body | {"seconds": 1})
    assert short.status_code == 201
    assert net.names(**asked) == [DEAR]
    eventually("its time is over", lambda: net.names(**asked) == [CHEAP, DEAR])
    too_long = net.client.post("/v1/reservations", json=body | {"seconds": 3_600})
    assert too_long.status_code == 422


def test_a_demand_is_kept_and_matched_again(net: Net) -> None:
    body = {"demand": {"chips": ["910B"], "cards": 64}, "days": 2}
    made = net.client.post("/v1/demands", json=body)
    assert made.status_code == 201, made.text
    place = made.headers["location"]
    shown = net.client.get(place).json()
    assert [one["identifier"] for one in shown["selection"]["results"]] == [LARGE]
    net.node.must("update", LARGE, "--count", 32)
    eventually(
        "it fits no longer",
        lambda: net.client.get(place).json()["selection"]["results"] == [],
    )
    net.node.must("update", LARGE, "--count", 64)
    assert made.json()["name"] in [
        one["name"] for one in net.client.get("/v1/demands").json()["items"]
    ]
    assert net.client.delete(place).status_code == 200
    assert net.client.get(place).status_code == 404


def test_demands_and_reservations_are_their_makers(net: Net) -> None:
    folder = ("--config", net.file)
    with contextlib.ExitStack() as opened:
        made = {}
        for name, role in (("one", "ask"), ("other", "ask"), ("boss", "operate")):
            ran = run(*folder, "system", "key", "add", name, "--role", role, "--json")
            opened.callback(run, *folder, "system", "key", "remove", name)
            made[name] = {"Authorization": f"Bearer {ran.json[0]['key']}"}
        place = net.client.post(
            "/v1/demands", json={"demand": {"cards": 1}}, headers=made["one"]
        ).headers["location"]
        codes = {name: net.client.get(place, headers=headers) for name, headers in made.items()}
        assert {name: one.status_code for name, one in codes.items()} == {
            "one": 200,
            "other": 404,
            "boss": 200,
        }
        assert net.client.delete(place, headers=made["other"]).status_code == 404
        assert net.client.delete(place, headers=made["boss"]).status_code == 200


def test_what_is_learnt_of_is_said_with_its_age(net: Net) -> None:
    found = {one["what"]: one for one in sources(net)}
    assert found["registry"]["follows"] and found["registry"]["taken"] >= 3
    assert found["gateway"]["follows"] and 0 <= found["gateway"]["age"] < 60
