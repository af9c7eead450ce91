"""The schemas of what commands print: one for each, closed, of one name for one thing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.shapes import (
    ERRORS,
    FOLDER,
    NAMES,
    SCHEMAS,
    commands,
    file_of,
    schema,
    validator,
)

FILES = sorted(FOLDER.glob("*.json"))
PREFIX = "urn:csid:commands:"
SHARED = f"{PREFIX}{NAMES}#/$defs/"
CHINESE = re.compile("[\u4e00-\u9fff]")
# What would be another name for an identifier, or for a moment.
FORBIDDEN = frozenset({"id", "ident", "uid", "when", "timestamp", "date", "datetime"})
MOMENTS = frozenset(
    {
        "at",
        "changed",
        "covered_at",
        "expires",
        "last_seen",
        "next",
        "offered",
        "oldest",
        "previous_key_until",
        "refreshed",
        "renewable_until",
        "since",
        "started",
        "time",
        "transferred",
        "uncovered_since",
        "until",
    }
)
# Of these commands it says how many, or whether something, was changed.
NO_MOMENT = frozenset(
    {("import", "changed"), ("zone-allow", "changed"), ("zone-notify", "changed")}
)


def of_commands() -> set[str]:
    """The names of the schemas that there are to be."""
    return {file_of(command) for command, has_json in commands().items() if has_json}


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """All objects within a schema, itself among them."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from parts(one)


def properties(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The properties of all objects that a schema describes."""
    for part in parts(found):
        if part.get("type") == "object" and isinstance(part.get("properties"), dict):
            yield from part["properties"].items()


def resolved(one: dict[str, Any]) -> dict[str, Any]:
    """A schema, or what it refers to."""
    target = one.get("$ref", "")
    if not target.startswith(SHARED):
        return one
    found: dict[str, Any] = schema(FOLDER / f"{NAMES}.json")["$defs"][target.removeprefix(SHARED)]
    return resolved(found)


def kinds(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The simple schemas of which a value may be one."""
    one = resolved(one)
    if "anyOf" in one:
        for way in one["anyOf"]:
            yield from kinds(way)
    else:
        yield one


def test_each_command_that_prints_json_has_a_schema_and_each_schema_a_command() -> None:
    assert {path.stem for path in FILES} - {ERRORS, NAMES} == of_commands()


def test_the_page_lists_each() -> None:
    page = (SCHEMAS / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `csid (.+)` \| \[(.+)\]\(commands/(.+)\) \| (.+) \|$", page, re.M)
    assert [row[0] for row in rows] == [name for name, has in commands().items() if has]
    for command, shown, file, said in rows:
        assert shown == file == f"{file_of(command)}.json"
        assert said == schema(FOLDER / file)["description"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_schema_is_one_with_words_for_people_and_closed_objects(path: Path) -> None:
    found = schema(path)
    Draft202012Validator.check_schema(found)
    assert found["$id"] == f"{PREFIX}{path.stem}"
    assert found["title"] and CHINESE.search(found["description"])
    for part in parts(found):
        if part.get("type") == "object" and "properties" in part:
            assert part["additionalProperties"] is False
            assert set(part["required"]) <= set(part["properties"])
        if part.get("$ref", "").startswith(PREFIX):
            assert resolved(part) != part
    for name, one in properties(found):
        ways = [one, *one.get("anyOf", ())]
        said = next((way["description"] for way in map(resolved, ways) if "description" in way), "")
        assert CHINESE.search(said) and re.search("[a-z]", said), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_name_for_one_thing_and_moments_with_a_zone(path: Path) -> None:
    for name, one in properties(schema(path)):
        assert name not in FORBIDDEN, name
        if name not in MOMENTS or (path.stem, name) in NO_MOMENT:
            continue
        for kind in kinds(one):
            assert kind.get("format") in ("date-time", "date") or kind == {"type": "null"}, name
            assert kind.get("format") != "date-time" or kind["pattern"].endswith("Z$"), name


def test_what_is_shared_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    for name in schema(FOLDER / f"{NAMES}.json")["$defs"]:
        assert f'"{SHARED}{name}"' in text, name


@pytest.mark.parametrize("name", ["key-list", "filing-holds", "list"])
def test_seconds_are_no_moment(name: str) -> None:
    def wrong(since: object) -> bool:
        found = validator(name).iter_errors({"since": since})
        return any(list(error.absolute_path) == ["since"] for error in found)

    assert wrong(1_764_150_000) and wrong("2026-11-26T11:20:00") and wrong("2026-11-26")
    assert not wrong("2026-11-26T11:20:00Z")
