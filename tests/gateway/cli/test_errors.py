"""What is refused or fails, with --json: an object a line on stderr, exit codes as without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry.rules.status import Status
from tests.support.commands import Node, Ran, run
from tests.support.registering import OTHER, OWNER

FIRST = f"{OWNER}/6450/330106/ACV/H60M07A1-0001-FY"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return Node(tmp_path_factory.mktemp("errors") / "node")


def errors(ran: Ran) -> list[dict[str, Any]]:
    """The errors that a command tells of."""
    return [one["error"] for one in map(json.loads, ran.err.splitlines()) if "error" in one]


def test_a_refusal_has_status_name_subject_and_detail(node: Node) -> None:
    ran = node.run("suspend", FIRST, "--json")
    (error,) = errors(ran)
    assert (error["status"], error["name"]) == (201, "NOT_FOUND")
    assert error["subject"] == FIRST
    assert (ran.code, ran.json[0]["status"]) == (1, 201)
    assert error["message"] in node.run("suspend", FIRST).err


@pytest.mark.parametrize(
    ("words", "status", "subject"),
    [
        (("history", FIRST), Status.NOT_FOUND, FIRST),
        (("owner", "show", OWNER), Status.OWNER_UNKNOWN, OWNER),
        (("filing", "receipts"), Status.NOT_NATIONAL, None),
        (("filing", "show", OWNER), Status.NOT_FOUND, OWNER),
        (("node", "show", "none"), Status.NODE_UNKNOWN, "none"),
        (("node", "list"), Status.NOT_NATIONAL, None),
    ],
)
def test_what_is_not_there_is_refused_by_its_status(
    node: Node, words: tuple[str, ...], status: Status, subject: str | None
) -> None:
    ran = node.run(*words, "--json")
    (error,) = errors(ran)
    assert (ran.code, ran.out) == (1, "")
    assert (error["status"], error["name"]) == (status.number, status.name)
    assert error["subject"] == subject


def test_of_many_each_refusal_is_told(node: Node) -> None:
    ran = node.run("lock", "add", FIRST, FIRST[:-7] + "0002-F9", "--lock", "update", "--json")
    assert [one["subject"] for one in errors(ran)] == [one["subject"] for one in ran.json]
    assert len(ran.json) == 2


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("list", "--statee", "active"), "did you mean --state?"),
        (("zone", "lsit"), "did you mean list?"),
        (("assign",), None),
        (("list", "--limit", "x"), None),
        (("lst",), None),
        (("list", "--js", "--statee", "x"), "did you mean --state?"),
        (("completion", "bash"), None),
    ],
)
def test_what_is_wrong_with_the_words_is_an_object(
    words: tuple[str, ...], hint: str | None
) -> None:
    ran = run(*words, "--json")
    (error,) = errors(ran)
    assert (ran.code, ran.out, error["status"]) == (2, "", None)
    assert error.get("hint") == hint
    assert error["message"]


def test_words_behind_two_dashes_are_no_options() -> None:
    ran = run("id", "check", "--", "--json")
    assert ran.code == 1
    assert ran.err.startswith("csid: ")


def test_what_cannot_be_done_is_an_object(node: Node, tmp_path: Path) -> None:
    ran = run("list", "--data", tmp_path / "none", "--json")
    (error,) = errors(ran)
    assert (ran.code, error["status"], error["subject"]) == (2, None, None)
    assert str(tmp_path / "none") in error["message"]
    wrong = run("id", "explain", "x", "--json")
    assert wrong.code == 1
    assert errors(wrong)[0]["message"].startswith("x: ")
    missing = node.run("import", tmp_path / "none.csv", "--json")
    assert (missing.code, len(errors(missing))) == (2, 1)


def test_what_is_said_is_not_cut_and_not_escaped_twice(node: Node) -> None:
    ran = run("id", "check", "é\n" + "x" * 2_000, "--json")
    (error,) = errors(ran)
    assert len(ran.err.splitlines()) == 1
    assert ran.json[0]["given"] == "é\n" + "x" * 2_000
    assert error["message"]


def test_without_json_it_is_text_even_after_one_with(node: Node) -> None:
    assert errors(node.run("suspend", FIRST, "--json"))
    assert node.run("suspend", FIRST).err.startswith(f"csid: {FIRST}  201 NOT_FOUND")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_message_is_in_the_language_that_is_asked_for(node: Node, language: str) -> None:
    (error,) = errors(node.run("suspend", FIRST, "--json", "--lang", language))
    assert error["message"].isascii() == (language == "en")
    assert error["name"] == "NOT_FOUND"


def test_notes_are_objects_as_well(node: Node) -> None:
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    ran = node.run("owner", "list", "--limit", "1", "--json")
    (note,) = map(json.loads, ran.err.splitlines())
    assert "--after" in note["note"]["message"]
