"""The JSON Schema of a demand, made of what reads it. Run with a FOLDER, it writes it there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.systems.selection import conditions, expression
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.fields import FIELDS

FILE: Final = "demand-v1.json"
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_OPERATORS: Final = ("=", "!=", "<", "<=", ">", ">=", "in", "range", "contains", "like", "is")


def document() -> dict[str, Any]:
    """The schema of a demand; that of a condition is among its `$defs`."""
    (found,) = msgspec.json.schema(Demand)["$defs"].values()
    properties = dict(found["properties"])
    properties["where"] = {
        "anyOf": [
            {"type": "string", "maxLength": expression.LENGTH_MAX},
            {"$ref": "#/$defs/condition"},
        ],
        "default": "",
    }
    head = {"$schema": _DRAFT, "$id": "urn:csid:demand", "title": "需求 demand"}
    told = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**head, **told, "$defs": {"condition": _condition()}}


def _condition() -> dict[str, Any]:
    several = {
        "type": "array",
        "items": {"$ref": "#/$defs/condition"},
        "minItems": 1,
        "maxItems": conditions.LEAVES_MAX,
    }
    one = {"type": ["string", "number", "null"]}
    leaf = {
        "field": {"anyOf": [{"enum": list(FIELDS)}, {"pattern": "^extra\\."}]},
        "op": {"enum": list(_OPERATORS)},
        "value": {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]},
    }
    return {
        "oneOf": [
            _object({"all": several}),
            _object({"any": several}),
            _object({"not": {"$ref": "#/$defs/condition"}}),
            _object(leaf),
        ]
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def text() -> str:
    """The schema as its file has it."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1], FILE).write_text(text(), "utf-8")
