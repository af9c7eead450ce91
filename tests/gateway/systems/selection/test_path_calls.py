"""Lines, the orders that open them, ways over them and ALTO, as others call them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.registering import OWNER
from tests.support.selecting import Selecting

LINE: dict[str, Any] = {
    "name": "hz-gy-1",
    "ends": ["330100", "520100"],
    "provider": OWNER,
    "bandwidth_gbps": 100,
    "free_gbps": 100,
    "state": "open",
    "tariff": {"kind": "elastic", "per_gbps_hour": 12.5},
    "stated_ms": 24.5,
}


@pytest.fixture(scope="module")
def lined(net: Selecting) -> Selecting:
    assert net.client.post("/v1/lines", json=LINE).status_code == 201
    return net


def test_a_line_is_taken_in_once_and_shown(lined: Selecting) -> None:
    client = lined.client
    assert client.post("/v1/lines", json=LINE).status_code == 200
    shown = client.get("/v1/lines/hz-gy-1").json()
    assert shown["line"]["ends"] == ["330100", "520100"]
    assert [one["what"] for one in shown["history"]] == ["open"]
    assert "hz-gy-1" in [one["name"] for one in client.get("/v1/lines").json()["items"]]
    assert client.get("/v1/lines?state=closed").json()["items"] == []
    assert client.get("/v1/lines/none").status_code == 404
    wrong = client.post("/v1/lines", json=LINE | {"ends": ["330100", "330100"]})
    assert wrong.status_code == 422 and "330100" in wrong.json()["detail"]


def test_a_line_is_taken_in_as_commands_do(lined: Selecting) -> None:
    client = lined.client
    wrong = LINE | {"name": "wrong", "ends": ["garbage/x/330100/y/z", "SGSIN"]}
    answer = client.post("/v1/lines", json=wrong)
    assert answer.status_code == 422 and "garbage" in answer.json()["detail"]
    said = LINE | {"name": "abroad", "ends": ["330100", "sgsin"], "state": "planned"}
    said |= {"valid_from": "2026-01-01"}
    assert client.post("/v1/lines", json=said).json()["ends"] == ["330100", "SGSIN"]
    assert client.post("/v1/lines", json=said).status_code == 200
    client.post("/v1/lines/abroad/orders", json={"bandwidth_gbps": 1}, headers=_key("o-9"))
    of = {"state": "refused", "of": "nobody"}
    assert client.post("/v1/orders/o-9", json=of).status_code == 422
    assert client.post("/v1/orders/o-9", json=of | {"of": "local"}).status_code == 200


def _key(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_an_order_opens_it_and_takes_its_bandwidth(lined: Selecting) -> None:
    client = lined.client
    place, key = "/v1/lines/hz-gy-1/orders", {"Idempotency-Key": "o-1"}
    made = client.post(place, json={"bandwidth_gbps": 40}, headers=key)
    assert made.status_code == 201, made.text
    assert client.post(place, json={"bandwidth_gbps": 40}, headers=key).json() == made.json()
    assert client.post(place, json={"bandwidth_gbps": 50}, headers=key).status_code == 422
    assert client.post("/v1/orders/o-1", json={"state": "ended"}).status_code == 422
    for state in ("accepted", "open"):
        assert client.post("/v1/orders/o-1", json={"state": state}).json()["state"] == state
    assert client.get("/v1/lines/hz-gy-1").json()["line"]["free_gbps"] == 60
    assert client.post("/v1/orders/o-1", json={"state": "ended"}).status_code == 200
    assert client.get("/v1/lines/hz-gy-1").json()["line"]["free_gbps"] == 100


def test_a_way_stands_beside_the_public_estimate(lined: Selecting) -> None:
    asked = {"from": "330106", "to": "520100", "gbps": 10, "max_ms": 30}
    found = lined.client.get("/v1/paths", params=asked).json()
    (way,) = found["ways"]
    assert way["lines"] == ["hz-gy-1"] and way["ms"] >= 24.5
    assert found["public"]["mark"] == "estimated"
    assert found["public"]["low"] < found["public"]["high"]
    none = lined.client.get("/v1/paths", params=asked | {"gbps": 1_000}).json()
    assert none["ways"] == [] and none["why"]
    assert lined.client.get("/v1/paths?from=here&to=520100").status_code == 422
    assert lined.client.get("/v1/paths").status_code == 422
    for wrong in ({"max_ms": "nan"}, {"max_lines": "1" + "0" * 400}, {"max_price": "inf"}):
        refused = lined.client.get("/v1/paths", params=asked | wrong)
        assert refused.status_code == 422 and "expected" in refused.json()["detail"], wrong
    dear = lined.client.get("/v1/paths", params=asked | {"gbps": 0, "by": "price"})
    assert dear.status_code == 422 and "give the bandwidth" in dear.json()["detail"]


def test_latency_as_alto_has_it(lined: Selecting) -> None:
    client = lined.client
    directory = client.get("/alto/directory")
    assert directory.headers["content-type"] == "application/alto-directory+json"
    resources = directory.json()["resources"]
    for one in resources.values():
        if "accepts" in one:
            continue
        answer = client.get(one["uri"])
        assert answer.status_code == 200, one
        assert answer.headers["content-type"] == one["media-type"]
    asked = {
        "cost-type": {"cost-mode": "numerical", "cost-metric": "delay-rt"},
        "pids": {"srcs": ["330100"], "dsts": ["330100"]},
    }
    costs = client.post(resources["costs"]["uri"], json=asked)
    assert costs.headers["content-type"] == "application/alto-costmap+json"
    assert set(costs.json()["cost-map"]) == {"330100"}
    bad = client.post(resources["costs"]["uri"], content=b"{")
    assert bad.status_code == 400
    assert bad.headers["content-type"] == "application/alto-error+json"
