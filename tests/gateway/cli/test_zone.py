"""`csid zone load`, `dump`, `list`, `drop`, as a user types them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from resolver.store.environment import Store
from tests.support import trees
from tests.support.commands import run
from tests.support.servers import eventually, serving

ZONE = "$TTL 300\n@ SOA ns1 host {serial} 3600 900 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n{body}"


def zone_file(folder: Path, origin: str, body: str = "", serial: int = 1) -> Path:
    path = folder / f"{origin}zone"
    path.write_text(f"$ORIGIN {origin}\n" + ZONE.format(serial=serial, body=body))
    return path


def test_a_zone_is_loaded_and_dumped_and_loaded_again(tmp_path: Path, data: Path) -> None:
    body = 'a.b TXT "上海" "\\"x\\""\n*.w CNAME ns1\nd DNAME x.example.\nt TYPE65347 \\# 2 8080\n'
    path = zone_file(tmp_path, "one.example.", body)
    ran = run("zone", "load", path, "--data", data)
    assert (ran.code, ran.err) == (0, "") and "one.example. serial 1" in ran.out
    dumped = run("zone", "dump", "One.Example", "--data", data).out
    (tmp_path / "again.zone").write_text(dumped)
    assert run("zone", "load", tmp_path / "again.zone", "--data", data).code == 0
    assert run("zone", "dump", "one.example", "--data", data).out == dumped
    assert len(dumped.splitlines()) == 7


def test_a_dump_to_a_file_is_whole(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out.zone"
    assert run("zone", "dump", "csid.internal", "--data", data, "--output", out).code == 0
    assert out.read_text() == run("zone", "dump", "csid.internal", "--data", data).out
    assert list(tmp_path.glob(".csid-*")) == []
    ran = run("zone", "dump", "csid.internal", "--data", data, "--output", tmp_path / "no" / "x")
    assert ran.code == 2 and "cannot be written" in ran.err


def test_wrong_files_are_refused_and_the_others_loaded(tmp_path: Path, data: Path) -> None:
    paths = [
        zone_file(tmp_path, "one.example."),
        zone_file(tmp_path, "bad.example.", "a A nonsense\n"),
        zone_file(tmp_path, "two.example."),
        tmp_path / "missing.zone",
    ]
    ran = run("zone", "load", *paths, "--data", data)
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert len(lines) == 2
    assert f"{paths[1]}:6: " in lines[0] and str(paths[3]) in lines[1]
    assert "loaded 2" in ran.out and "refused 2" in ran.out
    listed = [
        json.loads(line) for line in run("zone", "list", "--data", data, "--json").out.splitlines()
    ]
    assert [zone["origin"] for zone in listed] == ["one.example.", "two.example.", "csid.internal."]


def test_warnings_do_not_fail_a_load(tmp_path: Path, data: Path) -> None:
    run("zone", "load", zone_file(tmp_path, "one.example.", serial=5), "--data", data)
    ran = run("zone", "load", zone_file(tmp_path, "one.example.", serial=4), "--data", data)
    assert ran.code == 0 and "warning" in ran.err and "from 5 to 4" in ran.err


def test_zones_are_listed_with_their_size(tmp_path: Path, data: Path) -> None:
    path = zone_file(tmp_path, "one.example.", "x.y A 192.0.2.1\n", serial=77)
    run("zone", "load", path, "--data", data)
    ran = run("zone", "list", "--data", data)
    assert "one.example." in ran.out and "77" in ran.out
    one, _ = (
        json.loads(line) for line in run("zone", "list", "--data", data, "--json").out.splitlines()
    )
    assert (one["serial"], one["names"]) == (77, 3)
    assert one["octets"] > 100


def test_a_dropped_zone_is_gone(tmp_path: Path, data: Path) -> None:
    run("zone", "load", zone_file(tmp_path, "one.example."), "--data", data)
    assert run("zone", "drop", "ONE.example", "--data", data).code == 0
    for words in (["drop"], ["dump"]):
        ran = run("zone", *words, "one.example", "--data", data)
        assert ran.code == 2 and "no zone with this apex" in ran.err
    with Store.open(data, writable=True) as store:
        assert trees.leftovers(store) == 0


@pytest.mark.parametrize("words", [["list"], ["load", "x"], ["dump", "a"], ["drop", "a"]])
def test_without_a_data_directory_the_way_to_one_is_told(tmp_path: Path, words: list[str]) -> None:
    ran = run("zone", *words, "--data", tmp_path / "none")
    assert ran.code == 2 and "csid init" in ran.err and ran.err.count("\n") == 1


def test_a_thousand_small_files_take_a_moment(tmp_path: Path, data: Path) -> None:
    paths = [
        zone_file(tmp_path, f"z{number}.example.", "a.b A 192.0.2.1\n") for number in range(1_000)
    ]
    started = time.monotonic()
    for _ in range(2):
        assert run("zone", "load", *paths, "--data", data).code == 0
    # A commit each would take this long on a disk by itself.
    assert time.monotonic() - started < 20
    with Store.open(data, writable=True) as store:
        assert trees.leftovers(store) == 0


def test_a_running_server_answers_from_the_new_zone_at_once(tmp_path: Path, data: Path) -> None:
    import dns.message
    import dns.query

    with serving(data) as server:

        def address(name: str) -> str:
            query = dns.message.make_query(name, "A")
            answer = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
            return " ".join(str(rdata) for rrset in answer.answer for rdata in rrset)

        for number in range(1, 4):
            body = f"www A 192.0.2.{number}\n"
            path = zone_file(tmp_path, "one.example.", body, serial=number)
            assert run("zone", "load", path, "--data", data).code == 0
            assert address("www.one.example.") == f"192.0.2.{number}"
        run("zone", "drop", "one.example.", "--data", data)
        eventually("the zone is gone", lambda: address("www.one.example.") == "", 5)
