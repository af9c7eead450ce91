"""ALTO: answers of the shape of RFC 7285's examples, with what `latency` says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.selection.paths import alto
from gateway.systems.selection.paths.alto import Alto, AltoError, Pid, Said, pids
from gateway.systems.selection.paths.alto_costs import COST_TYPES
from gateway.systems.selection.paths.latency import Measured, Measures, between

BASE = "https://node.example/alto/"
SOME = (
    Pid("330100", "330100", ("192.0.2.0/24", "2001:db8::/32")),
    Pid("310000", "310000", ("198.51.100.0/25", "192.0.2.128/25")),
    Pid("SGSIN", "SGSIN"),
    Pid("nowhere", "USZZZ"),
)
NAMES = [one.name for one in SOME]
RT = {"cost-mode": "numerical", "cost-metric": "delay-rt"}


def body(said: Said, media: str, status: int = 200) -> Any:
    assert (said.status, said.media) == (status, media)
    return json.loads(said.body)


def ask(**given: Any) -> Any:
    return body(Alto(SOME, BASE).filtered(json.dumps(given).encode()), alto.COST_MAP)


def refused(octets: bytes) -> dict[str, Any]:
    found = body(Alto(SOME, BASE).filtered(octets), alto.ERROR, 400)
    assert set(found) == {"meta"}  # RFC 7285, 8.5.1: "meta" alone
    meta: dict[str, Any] = found["meta"]
    return meta


def test_a_network_map_has_the_shape_of_that_of_11_2_1_6() -> None:
    found = body(Alto(SOME, BASE).network_map(), alto.NETWORK_MAP)
    assert set(found) == {"meta", "network-map"}
    assert set(found["meta"]) == {"vtag"}
    assert set(found["meta"]["vtag"]) == {"resource-id", "tag"}
    assert found["network-map"] == {
        "330100": {"ipv4": ["192.0.2.0/24"], "ipv6": ["2001:db8::/32"]},
        "310000": {"ipv4": ["198.51.100.0/25", "192.0.2.128/25"]},
        "SGSIN": {},
        "nowhere": {},
    }


def test_where_no_networks_are_known_the_map_says_so() -> None:
    found = body(Alto(pids(["330106", "310000"]), BASE).network_map(), alto.NETWORK_MAP)
    assert found["network-map"] == {"310000": {}, "330100": {}}
    assert "no networks are known" in found["meta"]["priv:csid-networks"]


@pytest.mark.parametrize("metric", ["delay-rt:p50", "delay-rt:median", "delay-ow:p50"])
def test_a_delay_without_more_is_its_median(metric: str) -> None:
    base = metric.partition(":")[0]
    asked = {"cost-mode": "numerical", "cost-metric": metric}
    found = ask(**{"cost-type": asked})
    assert found["cost-map"] == ask(**{"cost-type": asked | {"cost-metric": base}})["cost-map"]
    assert found["meta"]["cost-type"]["cost-metric"] == metric
    assert body(Alto(SOME, BASE).cost_map(metric), alto.COST_MAP) == found
    for wrong in ("routingcost:p50", "delay-rt:p95", "delay-rt:", "delay-rt:p50:p50"):
        meta = refused(json.dumps({"cost-type": asked | {"cost-metric": wrong}}).encode())
        assert meta["field"] == "cost-type/cost-metric"


def test_parameters_of_a_context_exclude_nothing() -> None:
    for more in ({"parameters": {}}, {"parameters": {"any": ["thing"]}}):
        context = {"cost-source": "estimation", **more}
        found = ask(**{"cost-type": {**RT, "cost-context": context}})
        assert found == ask(**{"cost-type": RT})
    for wrong in ({}, {"parameters": {}}, {"cost-source": "nominal", "parameters": {}}):
        meta = refused(json.dumps({"cost-type": {**RT, "cost-context": wrong}}).encode())
        assert meta["code"] == "E_INVALID_FIELD_VALUE"
    meta = refused(json.dumps({"cost-type": {**RT, "cost-context": "estimation"}}).encode())
    assert meta["code"] == "E_INVALID_FIELD_TYPE"


def test_the_tag_changes_with_the_content_and_not_without() -> None:
    tag = Alto(SOME, BASE).tag
    assert Alto(SOME, "https://other.example/", now=5).tag == tag
    assert 1 <= len(tag) <= 64 and all("\x21" <= one <= "\x7e" for one in tag)  # RFC 7285, 10.3
    others = {
        Alto(SOME[:3], BASE).tag,
        Alto([*SOME[:3], Pid("nowhere", "USZZZ", ("203.0.113.0/24",))], BASE).tag,
        Alto([*SOME[:3], Pid("other", "USZZZ")], BASE).tag,
    }
    assert len({tag, *others}) == 4


def test_a_cost_map_has_the_shape_of_that_of_11_2_3_7_and_depends_on_the_network_map() -> None:
    maps = Alto(SOME, BASE)
    found = body(maps.cost_map("delay-rt"), alto.COST_MAP)
    assert set(found) == {"meta", "cost-map"}
    assert found["meta"] == {
        "dependent-vtags": [{"resource-id": alto.MAP_ID, "tag": maps.tag}],
        "cost-type": {**RT, "cost-context": {"cost-source": "estimation"}},
    }
    costs = found["cost-map"]
    assert list(costs) == NAMES[:3] and all(list(row) == NAMES[:3] for row in costs.values())
    expected = between("330100", "SGSIN").middle
    assert costs["330100"]["SGSIN"] == pytest.approx(expected * 1_000, abs=0.01)
    assert costs["SGSIN"]["330100"] == costs["330100"]["SGSIN"]
    assert costs["330100"]["330100"] > 0


def test_one_way_is_half_of_there_and_back_and_p90_is_more() -> None:
    maps = Alto(SOME, BASE)
    there, back, most, plain = (
        body(maps.cost_map(metric), alto.COST_MAP)["cost-map"]["330100"]["310000"]
        for metric in ("delay-ow", "delay-rt", "delay-rt:p90", "routingcost")
    )
    assert there * 2 == pytest.approx(back, abs=0.01)
    assert most > back
    assert plain * 1_000 == pytest.approx(back, abs=1)


def test_what_was_measured_is_in_the_costs() -> None:
    told = Measures([Measured("330100", "USZZZ", 180.0, 200.0, 10, "probe")])
    found = body(Alto(SOME, BASE, told, 11).cost_map("delay-rt"), alto.COST_MAP)["cost-map"]
    assert found["330100"]["nowhere"] == found["nowhere"]["330100"] == 180_000
    assert "310000" not in found["nowhere"]


def test_a_metric_that_is_none_is_not_found() -> None:
    found = body(Alto(SOME, BASE).cost_map("bw-residual"), alto.ERROR, 404)
    assert found["meta"]["code"] == "E_INVALID_FIELD_VALUE"


def test_the_directory_names_each_resource_as_9_2_3_has_it() -> None:
    found = body(Alto(SOME, BASE).directory(), alto.DIRECTORY)
    types = found["meta"]["cost-types"]
    assert found["meta"]["default-alto-network-map"] in found["resources"]
    assert {"delay-ow", "delay-rt", "routingcost"} <= {one["cost-metric"] for one in types.values()}
    for name, one in found["resources"].items():
        assert one["uri"].startswith(BASE), name
        assert one["media-type"].startswith("application/alto-")
        assert set(one.get("capabilities", {}).get("cost-type-names", ())) <= set(types)
        assert set(one.get("uses", ())) <= set(found["resources"])
        if one["media-type"] == alto.COST_MAP:
            assert one["uses"] == [alto.MAP_ID] and one["capabilities"]["cost-type-names"]
    filtered = found["resources"]["costs"]
    assert filtered["accepts"] == alto.COST_FILTER
    assert filtered["capabilities"]["cost-constraints"] is True


def test_each_cost_map_of_the_directory_is_there() -> None:
    maps = Alto(SOME, BASE)
    for one in body(maps.directory(), alto.DIRECTORY)["resources"].values():
        if one["media-type"] == alto.COST_MAP and "accepts" not in one:
            metric = one["uri"].removeprefix(f"{BASE}costmap/")
            (name,) = one["capabilities"]["cost-type-names"]
            said = body(maps.cost_map(metric), alto.COST_MAP)["meta"]["cost-type"]
            assert said == COST_TYPES[name].as_json()


def test_properties_say_what_and_where_a_pid_is() -> None:
    found = body(Alto(SOME, BASE).properties(), alto.PROPERTY_MAP)
    assert set(found) == {"meta", "property-map"}
    one = found["property-map"]["places.pid:330100"]
    assert one["priv:csid-name"] == "杭州市" and one["priv:csid-latitude"].startswith("30.2")
    assert found["property-map"]["places.pid:nowhere"] == {"priv:csid-name": "USZZZ"}


def test_some_costs_within_constraints_are_asked_for() -> None:
    """As 11.3.2.7 does."""
    found = ask(**{"cost-type": RT, "pids": {"srcs": ["330100"], "dsts": NAMES}})
    assert list(found["cost-map"]) == ["330100"] and len(found["cost-map"]["330100"]) == 3
    near = ask(**{"cost-type": RT, "constraints": ["ge 1000", "le 20000"]})["cost-map"]
    assert near == {
        "330100": {"310000": found["cost-map"]["330100"]["310000"]},
        "310000": {"330100": found["cost-map"]["330100"]["310000"]},
    }


def test_no_pids_are_all_and_unknown_ones_are_left_out() -> None:
    whole = ask(**{"cost-type": RT})["cost-map"]
    assert ask(**{"cost-type": RT, "pids": {"srcs": [], "dsts": []}})["cost-map"] == whole
    some = ask(**{"cost-type": RT, "pids": {"srcs": ["330100", "what"], "dsts": ["what"]}})
    assert some["cost-map"] == {}


def test_ordinal_costs_are_ranks_in_the_order_of_the_numerical_ones() -> None:
    number = {"cost-mode": "numerical", "cost-metric": "routingcost"}
    numbers = ask(**{"cost-type": number})["cost-map"]
    ranks = ask(**{"cost-type": {**number, "cost-mode": "ordinal"}})["cost-map"]
    flat = sorted((numbers[a][b], ranks[a][b]) for a in numbers for b in numbers[a])
    assert [rank for _, rank in flat] == sorted(rank for _, rank in flat)
    assert flat[0][1] == 1 and all(isinstance(rank, int) for _, rank in flat)


@pytest.mark.parametrize(
    ("given", "meta"),
    [
        ({}, {"code": "E_MISSING_FIELD", "field": "cost-type"}),
        ([], {"code": "E_INVALID_FIELD_TYPE", "field": ""}),
        ({"cost-type": 5}, {"code": "E_INVALID_FIELD_TYPE", "field": "cost-type"}),
        (
            {"cost-type": {"cost-mode": "numerical"}},
            {"code": "E_MISSING_FIELD", "field": "cost-type/cost-metric"},
        ),
        (
            {"cost-type": {**RT, "cost-metric": "hops"}},
            {"code": "E_INVALID_FIELD_VALUE", "field": "cost-type/cost-metric", "value": "hops"},
        ),
        (
            {"cost-type": {**RT, "cost-mode": "ordinal"}},
            {"code": "E_INVALID_FIELD_VALUE", "field": "cost-type/cost-mode", "value": "ordinal"},
        ),
        (
            {"cost-type": RT, "constraints": ["near 5"]},
            {"code": "E_INVALID_FIELD_VALUE", "field": "constraints", "value": "near 5"},
        ),
        (
            {"cost-type": RT, "constraints": ["le nan"]},
            {"code": "E_INVALID_FIELD_VALUE", "field": "constraints", "value": "le nan"},
        ),
        (
            {"cost-type": RT, "constraints": "le 5"},
            {"code": "E_INVALID_FIELD_TYPE", "field": "constraints"},
        ),
        (
            {"cost-type": RT, "pids": {"srcs": []}},
            {"code": "E_MISSING_FIELD", "field": "pids/dsts"},
        ),
        (
            {"cost-type": RT, "pids": {"srcs": [1], "dsts": []}},
            {"code": "E_INVALID_FIELD_TYPE", "field": "pids/srcs"},
        ),
        (
            {"cost-type": {**RT, "cost-context": {"cost-source": "sla"}}},
            {
                "code": "E_INVALID_FIELD_VALUE",
                "field": "cost-type/cost-context",
                "value": '{"cost-source":"sla"}',
            },
        ),
    ],
)
def test_what_is_wrong_is_said_as_8_5_2_has_it(given: Any, meta: dict[str, str]) -> None:
    assert refused(json.dumps(given).encode()) == meta


@pytest.mark.parametrize("octets", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_syntax_error(octets: bytes) -> None:
    meta = refused(octets)
    assert meta["code"] == "E_SYNTAX" and meta["syntax-error"]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "cost-type",
                    "cost-mode",
                    "cost-metric",
                    "constraints",
                    "pids",
                    "srcs",
                    "dsts",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values, st.booleans())
def test_whatever_is_asked_is_answered_or_refused(value: Any, has_type: bool) -> None:
    if has_type and isinstance(value, dict):
        value["cost-type"] = RT
    said = Alto(SOME, BASE).filtered(json.dumps(value).encode())
    assert (said.status, said.media) in ((200, alto.COST_MAP), (400, alto.ERROR))
    json.loads(said.body)


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alto, "WHOLE_PIDS_MAX", 2)
    maps = Alto(SOME, BASE)
    assert maps.cost_map("delay-rt").status == 404
    assert not any("costs-" in name for name in json.loads(maps.directory().body)["resources"])
    assert maps.filtered(json.dumps({"cost-type": RT}).encode()).status == 400
    few = {"cost-type": RT, "pids": {"srcs": NAMES[:2], "dsts": NAMES[:2]}}
    assert maps.filtered(json.dumps(few).encode()).status == 200
    assert maps.filtered(b" " * (1 << 20) + b"{}").status == 400


def test_pids_are_made_of_locations_by_level() -> None:
    where = ["330106", "330110", "330200", "310115", "SGSIN"]
    names = {level: [one.name for one in pids(where, level)] for level in alto._LEVELS}
    assert names["city"] == ["310000", "330100", "330200", "SGSIN"]
    assert names["province"] == ["310000", "330000", "SGSIN"]
    assert names["place"] == sorted(where)
    (one, *_) = pids(["330106"], "city", {"330110": ["192.0.2.0/24"]})
    assert one == Pid("330100", "330100", ("192.0.2.0/24",))


@pytest.mark.parametrize(
    "wrong",
    [
        [Pid("a b", "330100")],
        [Pid("a.b", "330100")],
        [Pid("", "330100")],
        [Pid("a" * 65, "330100")],
        [Pid("a", "330100"), Pid("a", "310000")],
        [Pid("a", "330100", ("192.0.2.1/24",))],
        [Pid("a", "330100", ("192.0.2.0/24",)), Pid("b", "310000", ("192.0.2.0/24",))],
    ],
)
def test_pids_of_which_there_is_no_map_are_refused(wrong: list[Pid]) -> None:
    with pytest.raises(AltoError):
        Alto(wrong, BASE)
