"""Demands are read or refused with the reason; the schema in the repository is that of the code."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from benchmarks import supplies
from gateway.systems.selection import demand as demands
from gateway.systems.selection import schemas
from gateway.systems.selection.demand import Blocks, Demand, DemandError, of_json
from gateway.systems.selection.fields import FIELDS
from tests.support.servers import CHECKOUT

PAGE = (CHECKOUT / "schemas" / "demand.md").read_text("utf-8")
SCHEMA = json.loads((CHECKOUT / "schemas" / schemas.FILE).read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_is_what_the_code_makes() -> None:
    assert (CHECKOUT / "schemas" / schemas.FILE).read_text("utf-8") == schemas.text()
    Draft202012Validator.check_schema(SCHEMA)


def test_the_page_has_each_member_field_part_and_an_example_that_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    assert of_json(json.loads(example)).per_node == 8
    VALIDATOR.validate(json.loads(example))
    for name in (*Demand.__struct_fields__, *demands.PARTS):
        assert f"`{name}`" in PAGE, name
    told = re.sub(r"\b(card|measured)_(?=\w+_gflops|int8)", "", " ".join(FIELDS)).split()
    for name in told:
        assert f"`{name}`" in PAGE, name


@pytest.mark.parametrize("demand", [*supplies.demands(30, ["330106"], 3)])
def test_demands_come_back_from_json_that_the_schema_takes(demand: Demand) -> None:
    said = json.loads(msgspec.json.encode(demand))
    VALIDATOR.validate(said)
    assert of_json(said) == demand


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"card": 8}, "unknown field `card`"),
        ({"cards": 0}, r">= 1.*\$.cards"),
        ({"cards": 12, "per_node": 8}, "no whole nodes"),
        ({"cards": 8, "nodes": 3}, "per_node times nodes"),
        ({"pflops": 2}, "together"),
        ({"precision": "fp4", "pflops": 2}, "precision"),
        ({"rtt": 5}, "from where: near"),
        ({"near": "33010"}, "near"),
        ({"near": "999999"}, "near: '999999' is no place"),
        ({"near": "ZZABC"}, "near: 'ZZABC' is no place"),
        ({"age": 5}, "free as well"),
        ({"pools": 2}, "free and cards"),
        ({"measured": True}, "per card"),
        ({"weights": {"fit": 0}}, "above 0"),
        ({"weights": {"speed": 1}}, "weights"),
        ({"price": "12"}, "price: .*12/卡时"),
        ({"where": "memory_gb > 1"}, "where: position 1: .*memory_gib"),
        ({"where": {"all": []}}, r"where: where.all"),
        ({"type": "AB\n"}, "line break"),
        ({"top": 1_001}, "top"),
        ([], "Expected `object`"),
    ],
)
def test_what_is_no_demand_is_refused_with_the_reason(value: Any, told: str) -> None:
    with pytest.raises(DemandError, match=told):
        of_json(value)


@pytest.mark.parametrize(
    ("asked", "blocks"),
    [
        ({"per_node": 8}, Blocks(True, 8, 1)),
        ({"per_node": 8, "nodes": 3}, Blocks(True, 8, 3)),
        ({"cards": 24, "per_node": 8}, Blocks(True, 8, 3)),
        ({"cards": 24, "nodes": 3}, Blocks(True, 8, 3)),
        ({"cards": 24}, None),
        ({"vcpu": 2.5, "nodes": 3}, Blocks(False, 3, 3)),
        ({"vcpu": 8, "cards": 2}, None),
        ({}, None),
    ],
)
def test_two_of_cards_nodes_and_cards_a_node_give_the_third(
    asked: dict[str, Any], blocks: Blocks | None
) -> None:
    assert of_json(asked).blocks == blocks
