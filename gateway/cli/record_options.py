"""The options that say what a record holds: one for each field, or a file with all of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from csid.errors import RecordError
from csid.fields import BY_NAME, CELL_BREAK, PRECISIONS
from csid.record import Record
from csid.vocabulary import FIELDS
from registry.rules.lifecycle import BIRTH
from registry.tables.enums import WORDS

# What of a record may be given -> what its option adds to its label.
OPTIONS: Final = {
    "name": "",
    "chip": ", as its maker calls it",
    "count": "",
    "chip_memory_gib": "",
    "vcpu": "",
    "memory_gib": "",
    "bandwidth_gbps": "",
    "fabric": ", between the chips",
    "price": ", with --currency and --price-unit",
    "currency": ", ISO 4217",
    "price_unit": ", such as hour",
    "green_share": ", 0 to 1",
    "trust": "",
    "valid_from": ", YYYY-MM-DD",
    "valid_until": ", YYYY-MM-DD",
}
RECORD_FILE_MAX: Final = 1 << 16  # characters; a record has at most 900 octets


def add_record(parser: argparse.ArgumentParser, state: bool = True) -> None:
    """Add --record and an option for each field; ``state``: also --state."""
    group = parser.add_argument_group("its record 资源记录 (an empty value takes a fact away)")
    group.add_argument(
        "--record", metavar="FILE.json", help="the record in its JSON form; - is stdin"
    )
    group.add_argument(
        "--endpoint",
        action="append",
        metavar="URI",
        help=f"{FIELDS['endpoints']}: where it is reached, best first; repeatable",
    )
    for name, hint in OPTIONS.items():
        purpose = f"{FIELDS[name]}{hint}"
        group.add_argument(_option(name), dest=f"record_{name}", metavar="VALUE", help=purpose)
    for column in PRECISIONS.values():
        purpose = f"{FIELDS[column]}, dense"
        group.add_argument(_option(column), dest=f"record_{column}", metavar="N", help=purpose)
    if state:
        births = [WORDS[one] for one in sorted(BIRTH)]
        group.add_argument(
            "--state",
            choices=tuple(one.record for one in births),
            help="where it begins 初始状态 (active): "
            + ", ".join(f"{one.record} {one.zh}" for one in births),
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def record_of(args: argparse.Namespace) -> Record:
    """The record that the options say, over that of --record.

    Raises:
        RecordError: a value is wrong, or the file holds no record.
    """
    facts = {"state": "active"} | facts_of(args)
    if isinstance(facts.get("gflops"), dict):
        facts["gflops"] = {key: one for key, one in facts["gflops"].items() if one is not None}
    return Record({name: value for name, value in facts.items() if value not in (None, {})})


def facts_of(args: argparse.Namespace) -> dict[str, Any]:
    """The facts that the options say, over those of --record, in JSON form; None where one is
    taken away, also one of FLOPS.

    Raises:
        RecordError: a value is wrong, or the file holds no record.
    """
    given = _facts(args)
    if args.record is None:
        return given
    facts = _read(args.record)
    gflops = facts.get("gflops")
    if isinstance(gflops, dict) and "gflops" in given:
        given["gflops"] = {**gflops, **given["gflops"]}
    return facts | given


def _facts(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say, in JSON form; None where a fact is taken away."""
    facts: dict[str, Any] = {}
    for name in OPTIONS:
        text = getattr(args, f"record_{name}")
        if text is not None:
            facts[name] = _value(name, text) if text else None
    if args.endpoint is not None:
        given = [one for one in args.endpoint if one]
        facts["endpoints"] = given or None
    cells = {letter: getattr(args, f"record_{column}") for letter, column in PRECISIONS.items()}
    numbers = {letter: None for letter, text in cells.items() if text == ""}
    if any(cells.values()):
        texts = CELL_BREAK.join(text or "" for text in cells.values())
        numbers |= _value("gflops", texts)
    if numbers:
        facts["gflops"] = numbers
    if getattr(args, "state", None):
        facts["state"] = args.state
    return facts


def _value(name: str, text: str) -> Any:
    try:
        return BY_NAME[name].form.read(text)
    except ValueError as error:
        raise RecordError(_option(name), str(error)) from None


def _read(name: str) -> dict[str, Any]:
    try:
        if name == "-":
            text = sys.stdin.read(RECORD_FILE_MAX + 1)
        else:
            with Path(name).open(encoding="utf-8-sig") as file:
                text = file.read(RECORD_FILE_MAX + 1)
        facts = json.loads(text)
    except OSError as error:
        raise RecordError("--record", f"{name}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError("--record", f"{name}: is no JSON text: {error}") from None
    if not isinstance(facts, dict):
        raise RecordError("--record", f"{name}: expected a JSON object, given {str(facts)[:40]}")
    for fact, value in facts.items():
        if value is not None:
            _check(fact, value)
    return facts


def _check(fact: str, value: object) -> None:
    """Whether a fact can have a value, whatever it stands beside."""
    if fact not in BY_NAME:
        Record({"state": "active", fact: value})  # `extra`, or what is unknown
        return
    try:
        BY_NAME[fact].form.check(value)
    except ValueError as error:
        raise RecordError(fact, str(error)) from None
