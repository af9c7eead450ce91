"""`csid line`: lines taken in, ordered, opened, closed, and ways over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Ran, run

ONE = "91330106673959654P"
IDENTIFIER = f"{ONE}/6450/330106/ACV/H60M07A1-0001-FY"


class Folder:
    """A folder of lines, and commands about it; with --json, `run` holds what they print against
    the schema of each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def say(self, *words: object) -> Ran:
        return run("line", *words, "--data", self.path, "--json")

    def add(self, name: str, one: str, other: str, *words: object) -> Ran:
        return self.say("add", name, one, other, "--provider", ONE, "--bandwidth", 100, *words)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "selection")
    assert made.add("hz-sh", "330100", "310000", "--stated-ms", 6.5, "--price", 1.5).code == 0
    assert made.add("sh-gz", IDENTIFIER, "440100", "--stated-ms", 20, "--state", "open").code == 0
    return made


def test_a_line_is_taken_in_and_shown_as_it_is(folder: Folder) -> None:
    ran = folder.add(
        *("a-1", IDENTIFIER, "sgsin", "--free", 40, "--tariff", "task", "--price", 3),
        *("--currency", "USD", "--measured-ms", 30, "--p90-ms", 33, "--loss", 0.01),
        *("--from", "2026-01-01", "--until", "2026-12-31", "--note", "OTN", "--as", "probe"),
    )
    (line,) = ran.json
    assert line["ends"] == [IDENTIFIER, "SGSIN"] and line["locations"] == ["330106", "SGSIN"]
    assert line["tariff"] == {"kind": "task", "price": 3.0, "currency": "USD"}
    assert (line["bandwidth_gbps"], line["free_gbps"], line["state"]) == (100.0, 40.0, "planned")
    assert (line["quality"]["median_ms"], line["quality"]["by"]) == (30.0, "probe")
    (shown,) = folder.say("show", "a-1").json
    assert shown["line"] == line
    assert [one["what"] for one in shown["history"]] == ["planned"]


def test_the_same_again_is_no_error_and_another_is(folder: Folder) -> None:
    same = folder.add("hz-sh", "330100", "310000", "--stated-ms", 6.5, "--price", 1.5)
    assert same.code == 0 and "it was there already" in same.err
    other = folder.add("hz-sh", "330100", "310000")
    assert other.code == 1 and "csid line change hz-sh" in other.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Ü", "330100", "310000"), "regex"),
        (("a", "330100", "330100"), "joins two places"),
        (("a", "330100", "hangzhou"), "no place"),
        (("a", "330100", "310000", "--free", 200), "free_gbps"),
        (("a", "330100", "310000", "--tariff", "task"), "give --price"),
        (("a", "330100", "310000", "--currency", "USD"), "give --price"),
        (("a", "330100", "310000", "--p90-ms", 3), "give --measured-ms"),
        (("a", "330100", "310000", "--until", "soon"), "valid_until"),
        (("a", "330100", "310000", "--bandwidth", "nan"), "a: "),
    ],
)
def test_what_is_no_line_is_refused(folder: Folder, words: tuple[str, ...], said: str) -> None:
    ran = folder.add(*words)  # type: ignore[arg-type]
    assert (ran.code, ran.out) == (1, "") and said in ran.err
    assert len(folder.say("list").lines) == 2


def test_lines_are_listed_by_place_and_state_page_by_page(folder: Folder) -> None:
    names = lambda *words: [one["name"] for one in folder.say("list", *words).json]  # noqa: E731
    assert names() == ["hz-sh", "sh-gz"]
    assert names("--at", "330100") == ["hz-sh", "sh-gz"]  # that of its district, too
    assert names("--at", "330106") == ["sh-gz"]
    assert names("--state", "open") == ["sh-gz"]
    assert names("--after", "hz-sh") == ["sh-gz"]
    first = folder.say("list", "--limit", 1)
    assert len(first.lines) == 1 and "--after hz-sh" in first.err


def test_an_order_is_opened_and_takes_its_bandwidth(folder: Folder) -> None:
    ordered = folder.say("open", "hz-sh", "--bandwidth", 10, "--key", "k").json
    assert ordered[0]["state"] == "ordered"
    assert folder.say("open", "hz-sh", "--bandwidth", 10, "--key", "k").json == ordered
    assert folder.say("answer", "k", "accepted").json[0]["state"] == "accepted"
    assert folder.say("answer", "k", "open", "--why", "done").json[0]["reason"] == "done"
    (shown,) = folder.say("show", "hz-sh").json
    assert (shown["line"]["state"], shown["line"]["free_gbps"]) == ("open", 90.0)
    assert [one["order"] for one in shown["orders"]] == ["k"]
    refused = folder.say("answer", "k", "refused")
    assert refused.code == 1 and "it can become ended, not refused" in refused.err
    assert folder.say("close", "hz-sh", "--order", "k").json[0]["free_gbps"] == 100.0
    missing = folder.say("close", "sh-gz", "--order", "k")
    assert missing.code == 1 and "has no order k" in missing.err


def test_an_order_without_a_key_gets_one(folder: Folder) -> None:
    keys = {folder.say("open", "hz-sh", "--bandwidth", 1).json[0]["order"] for _ in range(2)}
    assert len(keys) == 2


def test_a_line_is_changed_and_closed_for_ever(folder: Folder) -> None:
    changed = folder.say("change", "sh-gz", "--state", "down", "--why", "fibre cut")
    assert changed.json[0]["state"] == "down"
    (shown,) = folder.say("show", "sh-gz").json
    assert shown["history"][-1]["reason"] == "fibre cut"
    assert folder.say("close", "sh-gz").json[0]["state"] == "closed"
    again = folder.say("change", "sh-gz", "--state", "open")
    assert again.code == 1 and "closed, for ever" in again.err


def test_a_price_that_is_changed_stays_of_its_kind_and_currency(folder: Folder) -> None:
    folder.add("t", "330100", "310000", "--tariff", "task", "--price", 5, "--currency", "USD")
    tariff = lambda *words: folder.say("change", "t", *words).json[0]["tariff"]  # noqa: E731
    assert tariff("--price", 3) == {"kind": "task", "price": 3.0, "currency": "USD"}
    assert tariff("--price", 4, "--currency", "CNY")["kind"] == "task"
    assert tariff("--price", 2, "--tariff", "elastic")["currency"] == "CNY"
    folder.add("u", "330100", "310000")
    (bare,) = folder.say("change", "u", "--price", 3).json
    assert bare["tariff"] == {"kind": "elastic", "price": 3.0, "currency": "CNY"}
    assert folder.say("change", "u", "--currency", "USD").code == 1


def test_a_line_that_is_changed_to_closed_ends_its_orders(folder: Folder) -> None:
    for key in ("one", "two"):
        folder.say("open", "hz-sh", "--bandwidth", 10, "--key", key)
    folder.say("answer", "one", "accepted")
    folder.say("answer", "one", "open")
    assert folder.say("change", "hz-sh", "--bandwidth", 5).code == 1
    assert folder.say("change", "hz-sh", "--state", "closed").json[0]["free_gbps"] == 100.0
    (shown,) = folder.say("show", "hz-sh").json
    assert [one["state"] for one in shown["orders"]] == ["ended", "refused"]


def test_who_has_ordered_is_said_where_several_have_under_a_key(folder: Folder) -> None:
    for name in ("a", "b"):
        words = ("open", "hz-sh", "--bandwidth", 10, "--key", "k", "--as", name)
        assert folder.say(*words).json[0]["by"] == name
    vague = folder.say("answer", "k", "accepted")
    assert vague.code == 1 and "--of" in vague.err
    for state in ("accepted", "open"):
        assert folder.say("answer", "k", state, "--of", "b").json[0]["by"] == "b"
    assert folder.say("close", "hz-sh", "--order", "k").code == 1
    closed = folder.say("close", "hz-sh", "--order", "k", "--of", "b")
    assert closed.json[0]["free_gbps"] == 100.0
    (shown,) = folder.say("show", "hz-sh").json
    assert [(one["by"], one["state"]) for one in shown["orders"]] == [
        ("a", "ordered"),
        ("b", "ended"),
    ]


def test_the_ways_are_told_beside_the_public_internet(folder: Folder) -> None:
    folder.say("change", "hz-sh", "--state", "open")
    folder.add("sh", "310000", "330106", "--stated-ms", 2, "--state", "open", "--price", 2)
    (found,) = folder.say("path", "310115", "440106", "--bandwidth", 10, "--max-ms", 25).json
    assert found["public"]["mark"] == "estimated"
    assert found["public"]["low_ms"] < found["public"]["middle_ms"] < found["public"]["high_ms"]
    (way,) = found["ways"]
    assert (way["lines"], way["rtt_ms"], way["price"]) == (["sh", "sh-gz"], 22.0, None)
    text = run("line", "path", "310115", "440106", "--data", folder.path)
    assert text.code == 0 and "line 22.0 ms, public internet: estimated" in text.out
    (cheap,) = folder.say("path", "310000", "330106", "--by", "price", "--bandwidth", 10).json
    # A line of the city is as good as one of its district.
    assert [one["price"] for one in cheap["ways"]] == [15.0, 20.0]


def test_where_there_is_no_way_it_is_said_why(folder: Folder) -> None:
    none = folder.say("path", "330106", "440106", "--max-ms", 5)
    assert none.code == 1 and "at least 20 on any way, more than 5" in none.err
    nowhere = folder.say("path", "330106", "650100")
    assert nowhere.code == 1 and "the nearest places" in nowhere.err
    wrong = folder.say("path", "330106", "999999")
    assert wrong.code == 1 and "no place" in wrong.err
    negative = folder.say("path", "330106", "440106", "--hours", -1)
    assert negative.code == 2 and "expected a number from 0" in negative.err


def test_a_folder_without_lines_is_not_made_by_looking(tmp_path: Path) -> None:
    other = Folder(tmp_path / "nothing")
    for words in (("list",), ("show", "a"), ("path", "330100", "310000"), ("close", "a")):
        ran = other.say(*words)
        assert ran.code == 2 and "csid line add" in ran.err
    assert not other.path.exists()


def test_a_line_that_is_not_there_is_told_of(folder: Folder) -> None:
    for words in (("show", "z"), ("change", "z", "--state", "open"), ("close", "z")):
        ran = folder.say(*words)
        assert ran.code == 1 and "there is no line z" in ran.err
    assert folder.say("open", "z", "--bandwidth", 1).code == 1
    assert "there is no order k" in folder.say("answer", "k", "open").err


def test_people_read_facts_and_tables(folder: Folder) -> None:
    folder.say("open", "hz-sh", "--bandwidth", 10, "--key", "k")
    shown = run("line", "show", "hz-sh", "--data", folder.path).out
    assert "规划 planned" in shown and "弹性带宽" in shown and "已申请 ordered" in shown
    assert "330106–440100" in run("line", "list", "--data", folder.path).out
