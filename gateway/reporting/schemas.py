"""The JSON Schemas of what is reported, made of what reads it: `python -m gateway.reporting.schemas
FOLDER` writes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.reporting import events
from gateway.reporting.statuses import Posted

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_WORDS: Final = {
    "resource": "资源侧 what befalls a resource",
    "platform": "平台侧 what befalls a platform",
    "scheduling": "互联调度侧 what befalls a job between nodes",
    "application": "应用侧 what befalls an application",
}


def documents() -> dict[str, dict[str, Any]]:
    """The schemas by the names of their files in `schemas/`."""
    made = {"status-v1.json": _document("status", "状态 status", _of_status())}
    for family, words in _WORDS.items():
        schema = events.schema(family)
        made[f"events/{family}.json"] = _document(f"events:{family}", words, schema)
    return made


def text(document: dict[str, Any]) -> str:
    """A schema as its file has it."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _of_status() -> dict[str, Any]:
    (found,) = msgspec.json.schema(Posted)["$defs"].values()
    return {name: value for name, value in found.items() if name != "title"}


def _document(name: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    head = {"$schema": _DRAFT, "$id": f"urn:csid:{name}", "title": title}
    return {**head, **_without_docstrings(schema)}


def _without_docstrings(schema: Any) -> Any:
    """A schema whose descriptions, which are docstrings, are their first paragraphs."""
    if isinstance(schema, list):
        return [_without_docstrings(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _without_docstrings(value) for name, value in schema.items()}
    if isinstance(made.get("description"), str):
        made["description"] = " ".join(made["description"].partition("\n\n")[0].split())
    return made


if __name__ == "__main__":
    for name, document in documents().items():
        Path(sys.argv[1], name).write_text(text(document), "utf-8")
