"""The schema of records as a document of an interface has it."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

NAME = "Record"  # under components/schemas


def record_schema() -> dict[str, Any]:
    """The schema; the draft it is written in is that of the document."""
    text = resources.files("schemas").joinpath("record-v1.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(
        text.replace("#/$defs/", f"#/components/schemas/{NAME}/$defs/")
    )
    return {name: value for name, value in found.items() if name not in ("$schema", "$id")}
