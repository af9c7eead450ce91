"""`csid select`, asked of selection as it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Ran, run
from tests.support.selecting import CHEAP, DEAR, FACTS, LARGE, Selecting
from tests.support.servers import PATIENCE, eventually, start


def select(net: Selecting, *words: object) -> Ran:
    return run("--config", net.file, "select", "--url", net.client.base_url, *words)


def names(ran: Ran) -> list[str]:
    assert ran.code in (0, 1), ran
    return [one["identifier"] for one in ran.json[0]["results"]]


def test_all_options_of_a_demand(net: Selecting) -> None:
    net.tell(CHEAP, chips=16, nodes_8=2)
    asked = ("--type", "A", "--chip", "H800，910B", "--cards", 8, "--per-node", 8, "--free")
    eventually("it is seen", lambda: names(select(net, *asked, "--json")) == [CHEAP])
    ran = select(net, *asked, "--near", "330100", "--rtt", 20, "--top", 3, "--explain")
    assert ran.code == 0, ran
    assert CHEAP in ran.out
    assert "16 chips (2 × 8)" in ran.out
    assert "estimated" in ran.out and "80 CNY/hour" in ran.out
    assert "price " in ran.out


def test_what_is_taken_of_which_pools_is_shown(net: Selecting) -> None:
    net.tell(CHEAP, chips=16, nodes_8=2)
    net.tell(DEAR, chips=8, nodes_8=1)
    asked = ("--chip", "H800", "--per-node", 8, "--pools", 2, "--free")
    both = {CHEAP, DEAR}
    eventually("seen", lambda: set(names(select(net, *asked, "--nodes", 3, "--json"))) == both)
    ran = select(net, *asked, "--nodes", 3)
    assert ran.code == 0
    (taken,) = [line for line in ran.lines if line.startswith(CHEAP) and "CNY" not in line]
    assert taken.split() == [CHEAP, "2", "8", "chips"]
    ran = select(net, *asked, "--nodes", 4)
    assert ran.code == 1
    assert "no allocation holds" in ran.out


def test_nothing_fits_is_exit_code_1(net: Selecting) -> None:
    ran = select(net, "--cards", 1_000)
    assert ran.code == 1
    assert "nothing fits" in ran.out or "cards" in ran.out


def test_what_is_wrong_is_said_as_the_system_says_it(net: Selecting) -> None:
    ran = select(net, "--where", "memory_gbi > 3")
    assert ran.code == 2
    assert "memory_gib" in ran.err
    ran = run("select", "--url", "http://127.0.0.1:9", "--cards", 1)
    assert (ran.code, "does not answer" in ran.err) == (2, True)
    ran = run("select", "--url", "ftp://x", "--cards", 1)
    assert (ran.code, "is no URL" in ran.err) == (2, True)


def test_a_key_is_not_sent_in_the_clear(net: Selecting, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("csid_x_y")
    ran = run("select", "--url", "http://192.0.2.1:1", "--key-file", key, "--cards", 1)
    assert (ran.code, "in the clear" in ran.err) == (2, True)


def test_weights_and_a_demand_in_a_file(net: Selecting, tmp_path: Path) -> None:
    ran = select(net, "--chip", "H800", "--weight", "price=1", "--json")
    assert names(ran) == [CHEAP, DEAR]
    assert set(ran.json[0]["results"][0]["parts"]) == {"price"}
    file = tmp_path / "demand.json"
    file.write_text(json.dumps({"chips": ["昇腾"]}))
    assert names(select(net, "--demand", file, "--json")) == [LARGE]
    ran = select(net, "--demand", file, "--cards", 0, "--free", "--weight", "price=1", "--top", 3)
    assert ran.code == 2
    assert "leave out --cards, --top, --free, --weight" in ran.err
    assert select(net, "--demand", file, "--explain").code == 0
    file.write_text("{")
    assert select(net, "--demand", file).code == 2
    assert select(net, "--weight", "price").code == 2


def test_what_is_as_good_in_all_has_no_score(net: Selecting) -> None:
    for weight in ("fit=1", "latency=10"):
        ran = select(net, "--chip", "H800", "--weight", weight)
        assert ran.code == 0, ran
        assert CHEAP in ran.out and "%" not in ran.out.split(CHEAP)[1].split("H800")[0]


def test_a_place_that_is_none_is_refused(net: Selecting) -> None:
    ran = select(net, "--near", "999999")
    assert ran.code == 2
    assert "near: '999999' is no place" in ran.err


def test_it_goes_on_when_the_answer_changes(net: Selecting) -> None:
    net.tell(CHEAP, chips=16, nodes_8=2)
    net.tell(DEAR, chips=16, nodes_8=2)
    words = ["--config", str(net.file), "select", "--url", str(net.client.base_url)]
    process = start([*words, "--chip", "H800", "--cards", "8", "--free", "--follow", "--json"], -3)
    try:
        assert process.stdout is not None
        seen: list[str] = []
        while seen != [CHEAP, DEAR]:
            found = json.loads(process.stdout.readline())
            seen = [one["identifier"] for one in found["results"]]
        net.tell(CHEAP, chips=0)
        while CHEAP in seen:
            found = json.loads(process.stdout.readline())
            seen = [one["identifier"] for one in found["results"]]
        assert seen == [DEAR]
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_both_languages(net: Selecting, language: str) -> None:
    ran = run("--lang", language, "select", "--url", net.client.base_url, "--chip", "H800")
    assert ran.code == 0
    assert ("标识" in ran.out) == (language == "zh")


def test_all_is_there(net: Selecting) -> None:
    assert set(names(select(net, "--json"))) == set(FACTS)
