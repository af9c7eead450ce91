"""What commands print with --json, held against the schema of each (schemas/commands/)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from gateway.cli import whole_parser
from gateway.cli.errors import asks_for_json
from gateway.cli.parser import in_order
from tests.support.servers import CHECKOUT

SCHEMAS: Final = CHECKOUT / "schemas"
FOLDER: Final = SCHEMAS / "commands"
ERRORS: Final = "errors"  # of all commands, on stderr
NAMES: Final = "names"  # what the schemas share
# What these find is their result: their exit code says that it is not as it might be.
FINDING: Final = frozenset({"status", "sync status", "system status", "resolve"})
_FAILED: Final = (1, 2)  # exit codes that are told of on stderr


def schema(path: Path) -> dict[str, Any]:
    """The schema in a file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def _registry() -> Registry[Any]:
    resources = (
        Resource.from_contents(schema(path))
        for path in (*FOLDER.glob("*.json"), SCHEMAS / "record-v1.json")
    )
    return Registry().with_resources((one.id() or "", one) for one in resources)


@cache
def validator(name: str) -> Draft202012Validator:
    """What validates one line of a command, or of stderr."""
    return Draft202012Validator(schema(FOLDER / f"{name}.json"), registry=_registry())


def file_of(command: str) -> str:
    """The name of the schema of a command such as "zone list"."""
    return command.replace(" ", "-")


@cache
def commands() -> dict[str, bool]:
    """All commands, and whether each has --json."""
    return dict(_below(whole_parser(), ()))


def _below(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    actions = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not actions:
        yield " ".join(words), "--json" in parser._option_string_actions
    for action in actions:
        for word, below in action.choices.items():
            yield from _below(below, (*words, word))


def command_of(words: Sequence[str]) -> str | None:
    """The command that words begin with; None if it is none."""
    ordered = in_order(words)
    ends = range(1, min(len(ordered), 3) + 1)
    return next((name for end in ends if (name := " ".join(ordered[:end])) in commands()), None)


def require_shape(words: Sequence[str], code: int, out: str, err: str) -> None:
    """Hold what a command has printed against its schema, if it was asked for JSON.

    Raises:
        AssertionError: a line is none of its schema, or a failure is not told of.
    """
    if not asks_for_json(words) or "--help" in words:
        return
    command = command_of(words)
    if command is not None and commands()[command]:
        for line in out.splitlines():
            _require(file_of(command), line, words)
    else:
        assert not out, (words, out)
    told = [_require(ERRORS, line, words) for line in err.splitlines()]
    if code in _FAILED and command not in FINDING:
        assert any("error" in one for one in told), (words, code, out, err)


def _require(name: str, line: str, words: Sequence[str]) -> Any:
    value = json.loads(line)
    wrong = best_match(validator(name).iter_errors(value))
    assert wrong is None, (*words, f"{wrong.json_path}: {wrong.message}", value)
    return value
