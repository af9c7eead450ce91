"""`csid latency`: measured, taken in, listed, shown and forgotten; `run` holds JSON against the
schema of each.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.systems.selection.paths.latency import Measured
from gateway.systems.selection.paths.measured_store import FILE, Latencies
from tests.support.commands import Ran, run
from tests.support.peers import HOST, free_port
from tests.support.systems import running_systems


def say(folder: Path, *words: object) -> Ran:
    return run("latency", *words, "--data", folder, "--json")


def test_where_nothing_was_measured_it_is_a_range_and_nothing_is_made(tmp_path: Path) -> None:
    (shown,) = say(tmp_path, "show", "330106", "310000").json
    assert shown["public"] == shown["estimated"] and shown["measured"] == []
    assert shown["public"]["mark"] == "estimated"
    unknown = say(tmp_path, "show", "330106", "USZZZ")
    assert unknown.code == 0 and unknown.json[0]["public"]["low_ms"] is None
    assert say(tmp_path, "list").lines == []
    assert say(tmp_path, "remove", "330106", "310000").code == 1
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_is_taken_in_listed_and_forgotten(tmp_path: Path) -> None:
    for by, ms in (("p-1", 6), ("p-2", 5)):
        ran = say(tmp_path, "add", "330106", "310000", "--median-ms", ms, "--as", by)
        assert (ran.code, ran.json[0]["by"]) == (0, by)
    say(tmp_path, "add", "330100", "sgsin", "--median-ms", 60, "--p90-ms", 70, "--loss", 0.01)
    (shown,) = say(tmp_path, "show", "310000", "330106").json
    assert shown["public"]["mark"] == "measured" and shown["public"]["middle_ms"] == 5
    assert [one["by"] for one in shown["measured"]] == ["p-1", "p-2"]
    (first,) = say(tmp_path, "list", "--limit", 1).json
    cursor = f"{first['from']}/{first['to']}/{first['by']}"
    rest = say(tmp_path, "list", "--after", cursor).json
    assert [one["to"] for one in (first, *rest)] == ["330106", "330106", "SGSIN"]
    about = say(tmp_path, "list", "--at", "330100").json
    assert sorted(one["to"] for one in about) == ["310000", "310000", "SGSIN"]
    assert say(tmp_path, "list", "--after", "330106").code == 1
    assert say(tmp_path, "remove", "330106", "310000", "--by", "p-1").json == [{"removed": 1}]
    assert say(tmp_path, "remove", "330106", "310000").json == [{"removed": 1}]
    assert say(tmp_path, "show", "330106", "310000").json[0]["measured"] == []


def test_one_that_is_wrong_is_removed_by_its_name(tmp_path: Path) -> None:
    for by, other in (("p-1", "310000"), ("p-1", "110000"), ("p-2", "310000")):
        say(tmp_path, "add", "330106", other, "--median-ms", 30, "--as", by)
    for wrong in ((), ("330106",), ("--by", ""), ("330106", "310000", "--by", "")):
        assert say(tmp_path, "remove", *wrong).code == 1
    assert say(tmp_path, "remove", "--by", "p-1").json == [{"removed": 2}]
    assert [one["by"] for one in say(tmp_path, "list").json] == ["p-2"]


def test_ways_stand_beside_it(tmp_path: Path) -> None:
    line = ("hz-sh", "330100", "310000", "--provider", "91330106673959654P", "--bandwidth", 9)
    run("line", "add", *line, "--state", "open", "--data", tmp_path)
    say(tmp_path, "add", "330106", "310000", "--median-ms", 6)
    ran = run("line", "path", "330106", "310000", "--data", tmp_path)
    assert "公网实测 6–6 ms" in ran.out and "public internet: measured 6–6 ms" in ran.out


def test_what_is_wrong_is_told_of(tmp_path: Path) -> None:
    fast = say(tmp_path, "add", "330100", "110000", "--median-ms", 1)
    assert fast.code == 1 and "light takes" in fast.err
    for words in (("--taken", "yesterday"), ("--loss", 1), ("--p90-ms", 2)):
        ran = say(tmp_path, "add", "330100", "310000", "--median-ms", 5, *words)
        assert ran.code == 1, words
    assert not (tmp_path / "selection" / FILE).exists()
    say(tmp_path, "add", "330100", "310000", "--median-ms", 5)
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    before = say(tmp_path, "add", "330100", "310000", "--median-ms", 9, "--taken", earlier)
    assert before.code == 0 and "a newer one was there" in before.err
    assert before.json[0]["taken_in"] is False
    assert say(tmp_path, "list").json[0]["median_ms"] == 5


def test_what_is_stale_is_shown_as_such(tmp_path: Path) -> None:
    kept = Latencies(tmp_path / "selection")
    kept.put([Measured("330100", "310000", 5, 6, 1_700_000_000_000, "p")], 1_700_000_000_000)
    kept.close()
    ran = run("latency", "show", "330100", "310000", "--data", tmp_path)
    assert ran.code == 0 and "估计" in ran.out and "not believed" in ran.out


def test_a_server_is_probed(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0), backlog=50) as server:
        where = f"{HOST}:{server.getsockname()[1]}"
        dry = say(tmp_path, "probe", "330106", "330106", where, "--count", 3, "--dry-run")
        assert dry.code == 0 and list(tmp_path.iterdir()) == []
        assert dry.json[0]["taken_in"] is False and dry.json[0]["dry_run"] is True
        ran = say(tmp_path, "probe", "330106", "330106", where, "--count", 3, "--as", "p")
        nobody = say(tmp_path, "probe", "330106", "330106", where, "--as", "张三")
        assert nobody.code == 1 and "letters of ASCII" in nobody.err
        elsewhere = say(tmp_path, "probe", "330106", "310000", where)
        assert elsewhere.code == 2 and "this machine itself" in elsewhere.err
    (found,) = ran.json
    assert 0 < found["median_ms"] <= found["p90_ms"] and found["by"] == "p"
    assert found.pop("taken_in")
    assert say(tmp_path, "list").json == [found]
    away = say(tmp_path, "probe", "330106", "330106", f"{HOST}:{free_port()}")
    assert away.code == 2 and "refused" in away.err
    assert say(tmp_path, "probe", "330106", "330106", where, "--count", 0).code == 2


def test_it_is_told_a_process_somewhere_else(tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(f'[systems]\ndata = "{tmp_path / "systems"}"\n')
    with running_systems(file, "selection") as (_, client):
        url = ("--url", client.base_url)
        words = ("add", "330106", "310000", "--median-ms", 5, "--as", "张三", "--json")
        ran = run("latency", *words, *url)  # whose it is, the key says
        assert ran.json[0]["taken_in"]
        shown = client.get("/v1/latencies/330106/310000").json()
        assert [one["by"] for one in shown["measured"]] == [ran.json[0]["by"]] == ["local"]
        keys = ("system", "key", "add", "looker", "--role", "read", "--json", "--config", file)
        key = tmp_path / "key"
        key.write_text(run(*keys).json[0]["key"])
        with socket.create_server((HOST, 0), backlog=50) as server:
            where = f"{HOST}:{server.getsockname()[1]}"
            ran = run("latency", "probe", "330106", "330106", where, *url, "--key-file", key)
        assert ran.code == 2 and "operate" in ran.err and not ran.out
    away = run("latency", "add", "330106", "310000", "--median-ms", 5, *url)
    assert away.code == 2 and "does not answer" in away.err
