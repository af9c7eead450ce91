"""`csid update`: facts changed and taken away."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import Node
from tests.support.registering import OTHER, OWNER, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_update_changes_facts_and_takes_them_away(node: Node) -> None:
    node.must("assign", FIRST, "--endpoint", URI, "--count", "8", "--bf16-gflops", "5")
    node.must("update", FIRST, "--chip", "A", "--count", "", "--bf16-gflops", "", "--trust", "3")
    (found,) = node.run("list", "--json").json
    expected = {"endpoints": [URI], "chip": "A", "trust": 3, "state": "active"}
    assert found["record"] == expected
    assert "无变化" in node.must("update", FIRST, "--chip", "A")
    assert node.run("update", FIRST).code == 2
    missing = node.run("update", str(identifier("0002")), "--chip", "A")
    assert missing.code == 1
    assert "不存在" in missing.err


def test_an_update_may_be_made_to_hold_to_what_was_seen(node: Node) -> None:
    node.must("assign", FIRST, "--count", "8", "--ttl", "60")
    (seen,) = node.run("show", FIRST, "--json").json
    assert (seen["ttl"], seen["record"]["count"]) == (60, 8)
    since = ("--if-unchanged-since", seen["leaf"])
    node.must("update", FIRST, "--count", "9", *since)
    late = node.run("update", FIRST, "--count", "10", *since)
    assert late.code == 1
    assert "208 CHANGED_SINCE" in late.err
    (now,) = node.run("show", FIRST, "--json").json
    assert f"leaf {now['leaf']} changed it after leaf {seen['leaf']}" in late.err
    assert (now["record"]["count"], now["ttl"]) == (9, 60)
    assert f"{now['leaf']}" in node.run("show", FIRST).out


def test_a_ttl_is_changed_alone_and_is_that_of_the_answers(node: Node) -> None:
    node.must("assign", FIRST, "--count", "8")
    node.must("update", FIRST, "--ttl", "0")
    (found,) = node.run("show", FIRST, "--json").json
    assert {one["ttl"] for one in found["rrsets"]} == {found["ttl"]} == {0}
    node.must("retire", FIRST)
    (found,) = node.run("show", FIRST, "--json").json
    assert {one["ttl"] for one in found["rrsets"]} == {found["ttl"]} == {0}
    for wrong in ("-1", "2147483648", "1e3", "", "9" * 30):
        assert node.run("update", FIRST, f"--ttl={wrong}").code == 2


def test_a_file_is_all_of_a_record_and_options_go_over_it(node: Node, tmp_path: Path) -> None:
    node.must("assign", FIRST, "--count", "8", "--name", "甲", "--bf16-gflops", "5")
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"chip": "A", "trust": 2, "gflops": {"H": 1, "B": 2}}))
    node.must("update", FIRST, "--record", file, "--trust", "3", "--bf16-gflops", "")
    (found,) = node.run("show", FIRST, "--json").json
    assert found["record"] == {"chip": "A", "trust": 3, "gflops": {"H": 1}, "state": "active"}
    file.write_text(json.dumps({"chip": "A", "state": "suspended"}))
    assert "203 STATE_PROHIBITS" in node.run("update", FIRST, "--record", file).err


def test_a_retry_is_the_same_request_whatever_came_between(node: Node) -> None:
    spared = FIRST.rpartition("-")[0]  # without its check characters
    node.must("assign", spared, "--key", "a")
    node.must("update", FIRST, "--count", "9", "--key", "b")
    node.must("update", FIRST, "--count", "10")
    node.must("retire", FIRST)
    for words in (
        ("assign", spared, "--key", "a"),
        ("update", FIRST, "--count", "9", "--key", "b"),
    ):
        again = node.run(*words)
        assert again.code == 0
        assert "102 REPLAYED" in again.out + again.err
    other = node.run("update", FIRST, "--count", "10", "--key", "b")
    assert (other.code, "502 KEY_REUSED" in other.err) == (1, True)


def test_a_transfer_of_a_prefix_is_retried_for_what_it_was(node: Node) -> None:
    node.must("assign", FIRST)
    words = ("transfer", OWNER, "--to", OTHER, "--key", "a")
    assert "done 1" in node.must(*words)
    node.must("assign", identifier("0002"))
    assert "unchanged 1" in node.must(*words, "--dry-run")
    assert "unchanged 1" in node.must(*words)
    assert node.state(identifier("0002")) == "active"
    assert node.run("transfer", f"{OWNER}/6450", "--to", OTHER, "--key", "a").code == 1


def test_a_file_with_a_value_that_cannot_be_is_refused_as_it_is_read(
    node: Node, tmp_path: Path
) -> None:
    node.must("assign", FIRST)
    file = tmp_path / "record.json"
    for text in ('{"count": 1' + "0" * 30 + "}", '{"colour": 1}', '{"extra": {"Z": 1}}', "[]"):
        file.write_text(text)
        for words in (("update", FIRST), ("assign", identifier("0002"))):
            ran = node.run(*words, "--record", file, "--key", "k")
            assert (ran.code, ran.err.startswith("csid: ")) == (2, True), ran
