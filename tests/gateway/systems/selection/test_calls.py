"""Selection as others call it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.selecting import CHEAP, DEAR, FACTS, LARGE, Selecting
from tests.support.servers import PATIENCE, eventually


def test_the_best_comes_first_with_what_is_known_of_it(net: Selecting) -> None:
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


def test_chips_are_named_in_chinese_or_english(net: Selecting) -> None:
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
    net: Selecting, demand: dict[str, Any], said: str
) -> None:
    answer = net.client.post("/v1/select", json=demand)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_the_round_trip_is_a_range_and_marked(net: Selecting) -> None:
    (first, *_) = net.select(near="310000", top=1)
    assert first["rtt"]["mark"] == "estimated"
    assert 0 <= first["rtt"]["low"] <= first["rtt"]["middle"] <= first["rtt"]["high"]
    assert net.names(near="310000", rtt=0.5) == []
    assert set(net.names(near="310000", rtt=50)) == set(FACTS)


def test_a_status_is_seen_within_a_tenth_of_a_second(net: Selecting) -> None:
    waited = []
    for free in range(1, 12):
        net.tell(LARGE, chips=free)
        begun = time.perf_counter()
        while net.select(chips=["910B"])[0].get("status", {}).get("free") != {"chips": free}:
            assert time.perf_counter() - begun < PATIENCE
        waited.append(time.perf_counter() - begun)
    assert sorted(waited)[len(waited) // 2] < 0.1


def test_past_its_validity_nothing_is_free(net: Selecting) -> None:
    net.tell(LARGE, seconds=1, chips=64, nodes_8=8)
    asked = {"chips": ["910B"], "per_node": 8, "free": True}
    eventually("it is free", lambda: net.names(**asked) == [LARGE])
    eventually("it is not known to be free", lambda: net.names(**asked) == [])


def test_a_stream_goes_on_when_the_answer_changes(net: Selecting) -> None:
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


def test_what_is_reserved_is_not_offered_to_others_until_it_ends(net: Selecting) -> None:
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


def test_a_demand_is_kept_and_matched_again(net: Selecting) -> None:
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


def test_demands_and_reservations_are_their_makers(net: Selecting) -> None:
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


def test_what_is_learnt_of_is_said_with_its_age(net: Selecting) -> None:
    found = {one["what"]: one for one in net.sources()}
    assert found["registry"]["follows"] and found["registry"]["taken"] >= 3
    assert found["gateway"]["follows"] and 0 <= found["gateway"]["age"] < 60


def test_where_nothing_fits_it_is_said_what_keeps_all_away(net: Selecting) -> None:
    answer = net.client.post("/v1/select", json={"chips": ["H800"], "cards": 32}).json()
    assert answer["results"] == []
    why = answer["why"]
    assert (why["rows"], why["fit"], why["never"]) == (3, 0, True)
    by_name = {one["name"]: one for one in why["conditions"]}
    assert by_name["chips"]["alone"] == 1  # the one with other chips
    assert by_name["cards"]["of_left"] == 2
    near = by_name["cards"]["near"]
    assert near["identifier"] in (CHEAP, DEAR)
    assert (near["asked"], near["has"]) == (32, 16)


def test_what_is_not_free_now_may_be_later(net: Selecting) -> None:
    net.tell(CHEAP, chips=0)
    net.tell(DEAR, chips=0)
    demand = {"chips": ["H800"], "cards": 16, "per_node": 8, "free": True}

    def why() -> dict[str, Any]:
        found: dict[str, Any] = net.client.post("/v1/select", json=demand).json()
        return found.get("why", {})

    eventually("nothing is free", lambda: why().get("fit") == 0)
    assert why()["never"] is False and why()["could"] == 2


def test_select_and_reserve_in_one_step_over_several_pools(net: Selecting) -> None:
    net.tell(CHEAP, chips=16, nodes_8=2)
    net.tell(DEAR, chips=8, nodes_8=1)
    demand = {"chips": ["H800"], "nodes": 3, "per_node": 8, "free": True, "pools": 2}
    eventually("both are seen", lambda: set(net.names(**demand)) == {CHEAP, DEAR})
    made = net.client.post("/v1/select?reserve=10", json=demand).json()
    taken = {one["identifier"]: (one["blocks"], one["size"]) for one in made["allocation"]}
    assert taken == {CHEAP: (2, 8), DEAR: (1, 8)}
    reservation = made["reservation"]
    assert {one["identifier"] for one in reservation["items"]} == {CHEAP, DEAR}
    again = net.client.post("/v1/select?reserve=10", json=demand).json()
    assert again["results"] == [] and "reservation" not in again
    assert net.client.delete(f"/v1/reservations/{reservation['reservation']}").status_code == 200


def test_what_cannot_be_spread_is_not_reserved(net: Selecting) -> None:
    net.tell(CHEAP, chips=8, nodes_8=1)
    net.tell(DEAR, chips=8, nodes_8=1)
    demand = {"chips": ["H800"], "nodes": 3, "per_node": 8, "free": True, "pools": 2}
    eventually("both are seen", lambda: set(net.names(**demand)) == {CHEAP, DEAR})
    said = net.client.post("/v1/select?reserve=10", json=demand)
    assert said.status_code == 200, said.text
    assert said.json()["allocation"] == [] and "reservation" not in said.json()
    assert said.json()["why"]["fit"] == 2  # pools that have a block each
    assert net.client.get("/v1/reservations").json()["items"] == []


def test_what_is_not_counted_is_not_reserved(net: Selecting) -> None:
    answer = net.client.post("/v1/select?reserve=10", json={"chips": ["H800"]})
    assert answer.status_code == 422


def test_free_alone_is_something_free(net: Selecting) -> None:
    net.tell(CHEAP, chips=0, vcpu=64)
    net.tell(DEAR, chips=1)
    eventually("both are seen", lambda: net.names(chips=["H800"], free=True) == [DEAR])
    assert CHEAP in net.names(free=True, where="owner = 91330106673959654P")
