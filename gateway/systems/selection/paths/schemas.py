"""The JSON Schema of a line, made of what reads it. Run with a FOLDER, it writes it there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.systems.selection.paths.lines import Line, Order

FILE: Final = "line-v1.json"
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def document() -> dict[str, Any]:
    """The schema of a line; that of an order is among its `$defs`."""
    parts, found = msgspec.json.schema_components((Line, Order), ref_template="#/$defs/{name}")
    named = {name: _plain(part) for name, part in found.items()}
    head = {"$schema": _DRAFT, "$id": "urn:csid:line", "title": "专线 dedicated line"}
    return {**head, **parts[0], "$defs": named}


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    """A part whose description, a docstring, is its first paragraph."""
    said = " ".join(part.get("description", "").partition("\n\n")[0].split())
    return {**part, "description": said}


def text() -> str:
    """The schema as its file has it."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1], FILE).write_text(text(), "utf-8")
