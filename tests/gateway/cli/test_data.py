"""`csid init`, `import`, `list`, `show`, as a user types them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.identifier import make
from csid.protocol import AAAA, NS, SOA, A
from gateway.cli.importing import FAULTS_SHOWN
from registry.service import Registry
from resolver.store.environment import Store
from resolver.zonefile.check import read_zone
from tests.support import trees
from tests.support.books import accredit
from tests.support.commands import OWNER, Csid, as_nobody, csid, data, let_others_reach
from tests.support.servers import CHECKOUT

SUFFIX = "csid.internal."

__all__ = ["csid", "data"]  # fixtures


def identifier(serial: int, industry: str = "6450", location: str = "330106") -> str:
    return str(make(OWNER, industry, location, "GCV", "G09M04R8", str(serial)))


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["identifier,state,name,endpoints", *rows, ""]), encoding="utf-8")
    return path


# -- init


def zone_of(data: Path, csid: Csid, tmp_path: Path, origin: str = SUFFIX) -> dict[str, Any]:
    """The zone as another server would read it, by name."""
    file = tmp_path / "dumped.zone"
    assert csid("zone", "dump", origin, "--data", data, "--output", file).code == 0
    return {names.to_text(owner): rrsets for owner, rrsets in read_zone(file).rrsets.items()}


def test_a_new_directory_has_a_zone_that_can_be_served(
    tmp_path: Path, data: Path, csid: Csid
) -> None:
    zone = zone_of(data, csid, tmp_path)
    soa = zone[SUFFIX][SOA].rdatas[0]
    assert soa.startswith(
        names.from_text("ns1." + SUFFIX) + names.from_text("hostmaster." + SUFFIX)
    )
    assert [int.from_bytes(soa[at : at + 4]) for at in range(len(soa) - 20, len(soa), 4)] == [
        1,
        3600,
        900,
        1_209_600,
        300,
    ]
    assert zone[SUFFIX][NS].rdatas == (names.from_text("ns1." + SUFFIX),)
    # A name server inside its zone is of no use without its address.
    assert zone["ns1." + SUFFIX][A].rdatas == (bytes((127, 0, 0, 1)),)


def test_the_suffix_and_the_servers_are_the_users(tmp_path: Path, csid: Csid) -> None:
    path = tmp_path / "data"
    words = ["--suffix", "Hub.EXAMPLE", "--handle-authority", "86.500"]
    words += ["--ns", "a.hub.example", "--ns", "b.hub.example.=192.0.2.2,2001:db8::2"]
    words += ["--ns", "ns.elsewhere.", "--address", "192.0.2.1"]
    ran = csid("init", "--data", path, *words)
    assert ran.code == 0 and "hub.example." in ran.out
    zone = zone_of(path, csid, tmp_path, "hub.example")
    assert set(zone["hub.example."][NS].rdatas) == {
        names.from_text(one) for one in ("a.hub.example.", "b.hub.example.", "ns.elsewhere.")
    }
    assert zone["a.hub.example."][A].rdatas == (bytes((192, 0, 2, 1)),)
    assert set(zone["b.hub.example."]) == {A, AAAA}
    with Store.open(path) as store:
        assert store.settings()[:2] == ("hub.example.", "86.500")
        trees.check(store)


@pytest.mark.parametrize("size", ["16MiB", "16M", "16777216", "16 mb"])
def test_the_map_size_is_the_users(tmp_path: Path, csid: Csid, size: str) -> None:
    assert csid("init", "--data", tmp_path / "d", "--map-size", size).code == 0
    with Store.open(tmp_path / "d") as store:
        assert store.usage()["map_octets"] == 16 << 20


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--ns", "a.csid.internal."], "needs an address"),
        (["--ns", "a.example.=192.0.2.1"], "outside the zone"),
        (["--ns", "a.example.", "--address", "192.0.2.1"], "no name server"),
        (["--suffix", "a..b"], "empty label"),
        (["--handle-authority", "8/6"], "naming authority"),
    ],
)
def test_what_would_make_no_good_zone_makes_no_directory(
    tmp_path: Path, csid: Csid, words: list[str], reason: str
) -> None:
    ran = csid("init", "--data", tmp_path / "d", *words)
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    "words",
    [["--map-size", "1"], ["--map-size", "x"], ["--map-size", "9999TiB"], ["--address", "1.2.3"]],
)
def test_wrong_values_are_told_by_the_option(tmp_path: Path, csid: Csid, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        csid("init", "--data", tmp_path / "d", *words)


def test_what_a_killed_init_left_is_completed_with_what_is_given_now(
    tmp_path: Path, csid: Csid
) -> None:
    Store.create(tmp_path / "d", "half.example.", "86.1").close()
    assert csid("init", "--data", tmp_path / "d", "--suffix", "whole.example").code == 0
    with Store.open(tmp_path / "d") as store:
        assert store.settings().suffix == "whole.example."
        assert "ns1.whole.example." in trees.owners(store, "whole.example.")
        trees.check(store)
    ran = csid("init", "--data", tmp_path / "d")
    assert ran.code == 2 and "holds a data file already" in ran.err


def test_a_directory_is_made_once(data: Path, csid: Csid) -> None:
    ran = csid("init", "--data", data)
    assert ran.code == 2 and "holds a data file already" in ran.err


# -- import


def test_rows_go_in_and_come_out_again(tmp_path: Path, data: Path, csid: Csid) -> None:
    rows = [f"{identifier(n)},active,第{n}池,https://r{n}.example" for n in range(5)]
    ran = csid("import", table(tmp_path / "t.csv", *rows), "--data", data)
    assert ran.code == 0 and "added 5" in ran.out and ran.err == ""
    ran = csid("import", tmp_path / "t.csv", "--data", data)
    assert ran.code == 0 and "added 0" in ran.out and "unchanged 5" in ran.out
    lines = csid("list", OWNER, "--data", data).out.splitlines()
    assert sorted(lines) == sorted(
        f"{identifier(n)}  active  第{n}池  https://r{n}.example" for n in range(5)
    )


def test_wrong_rows_are_listed_and_the_exit_code_says_so(
    tmp_path: Path, data: Path, csid: Csid
) -> None:
    file = table(tmp_path / "t.csv", "nonsense", f"{identifier(1)},active,,", "x,active,,")
    ran = csid("import", file, "--data", data)
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["csid", f"{file}:2"],
        ["csid", f"{file}:4"],
    ]
    assert "added 1" in ran.out and "bad 2" in ran.out


def test_the_screen_shows_some_wrong_rows_and_the_file_all(
    tmp_path: Path, data: Path, csid: Csid
) -> None:
    count = FAULTS_SHOWN + 30
    file = table(tmp_path / "t.csv", *(["nonsense"] * count))
    ran = csid("import", file, "--data", data, "--errors", tmp_path / "errors")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == FAULTS_SHOWN + 1
    assert "30 more" in ran.err and str(tmp_path / "errors") in ran.err
    written = (tmp_path / "errors").read_text().splitlines()
    assert [line.split(": ")[0] for line in written] == [f"{file}:{n}" for n in range(2, count + 2)]


def test_a_dry_run_keeps_nothing(tmp_path: Path, data: Path, csid: Csid) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,", "nonsense")
    ran = csid("import", file, "--data", data, "--dry-run")
    assert ran.code == 1 and "dry run" in ran.out and "added 1" in ran.out
    assert csid("list", "--data", data).out == ""


def test_codes_must_be_in_force_on_the_date(tmp_path: Path, data: Path, csid: Csid) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1, location='320602')},active,,")
    ran = csid("import", file, "--data", data, "--on", "2026-01-01")
    assert ran.code == 1 and "not in force in 2026" in ran.err
    ran = csid("import", file, "--data", data, "--on", "2019-01-01")
    assert ran.code == 0


def test_a_table_is_read_from_stdin(
    tmp_path: Path, data: Path, csid: Csid, monkeypatch: pytest.MonkeyPatch
) -> None:
    with table(tmp_path / "t.csv", f"{identifier(1)},active,,").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        ran = csid("import", "-", "--data", data)
    assert ran.code == 0 and "added 1" in ran.out


def test_the_summary_for_scripts(tmp_path: Path, data: Path, csid: Csid) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,", "nonsense")
    ran = csid("import", file, "--data", data, "--json")
    summary = json.loads(ran.out)
    assert ran.code == 1 and ran.err == ""
    assert {name: summary[name] for name in ("rows", "added", "changed", "unchanged", "bad")} == {
        "rows": 2,
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "bad": 1,
    }
    assert [error["line"] for error in summary["errors"]] == [3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "empty"), ("a,b\n1,2\n", "unknown column 'a'"), (None, "cannot be read")],
)
def test_without_a_table_nothing_is_done(
    tmp_path: Path, data: Path, csid: Csid, content: str | None, reason: str
) -> None:
    file = tmp_path / "t.csv"
    if content is not None:
        file.write_text(content)
    ran = csid("import", file, "--data", data)
    assert ran.code == 2 and reason in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize("words", [["import", "x.csv"], ["list"], ["show", identifier(1)]])
def test_without_a_data_directory_the_way_to_one_is_told(
    tmp_path: Path, csid: Csid, words: list[str]
) -> None:
    ran = csid(*words, "--data", tmp_path / "none")
    assert ran.code == 2 and "csid init" in ran.err and ran.err.count("\n") == 1


def test_a_full_map_says_what_is_in(tmp_path: Path, csid: Csid) -> None:
    data = tmp_path / "small"
    csid("init", "--data", data, "--map-size", "1MiB")
    with Registry.open(data, writable=True) as registry:
        accredit(registry, OWNER)
    rows = [f"{identifier(n)},active,{'x' * 60},https://r{n}.example" for n in range(5_000)]
    ran = csid("import", table(tmp_path / "t.csv", *rows), "--data", data)
    assert ran.code == 2 and "map is full" in ran.err and "--map-size" in ran.err
    assert "added 0" in ran.out
    with Store.open(data, writable=True) as store:
        trees.check(store)


# -- list


@pytest.fixture
def filled(tmp_path: Path, data: Path, csid: Csid) -> Path:
    places = [("6450", "330106"), ("6450", "330108"), ("6450", "110108"), ("6420", "330106")]
    rows = [f"{identifier(n, *place)},active,," for n, place in enumerate(places * 3)]
    assert csid("import", table(tmp_path / "t.csv", *rows), "--data", data).code == 0
    zone = tmp_path / "child.zone"
    zone.write_text(f"$ORIGIN 110108.6450.{OWNER}.{SUFFIX}\n@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\n")
    assert csid("zone", "load", zone, "--data", data).code == 0
    more = table(tmp_path / "more.csv", f"{identifier(99, '6450', '110108')},suspended,,")
    assert csid("import", more, "--data", data).code == 0
    return data


@pytest.mark.parametrize(
    ("prefix", "count"),
    [
        ("", 10),
        (OWNER, 10),
        (OWNER.lower() + "/", 10),
        (OWNER + "/6450", 7),
        (OWNER + "/6450/33", 6),  # a province
        (OWNER + "/6450/330108", 3),
        (OWNER + "/6450/110108", 1),  # from its own zone, which hides what the parent has
        (OWNER + "/6450/330106/GCV/G09M04R8-0", 1),
        (f"86.100.{OWNER}", 10),
        (f"86.100.{OWNER}/6420", 3),
        (f"6420.{OWNER.lower()}.{SUFFIX}", 3),
        (SUFFIX, 10),
        (OWNER + "/9999", 0),
        ("X00000000000000015", 0),
    ],
)
def test_identifiers_are_listed_by_prefix(
    filled: Path, csid: Csid, prefix: str, count: int
) -> None:
    ran = csid("list", prefix, "--data", filled)
    assert (ran.code, len(ran.out.splitlines()), ran.err) == (0, count, "")


def test_the_list_is_in_order_and_bounded(filled: Path, csid: Csid) -> None:
    ran = csid("list", OWNER + "/6450/33", "--data", filled, "--limit", "4")
    lines = ran.out.splitlines()
    assert len(lines) == 4 and lines == sorted(lines) and "--limit 0" in ran.err
    whole = csid("list", OWNER + "/6450/33", "--data", filled, "--limit", "0").out.splitlines()
    assert whole[:4] == lines and len(whole) == 6


def test_the_list_for_scripts(filled: Path, csid: Csid) -> None:
    ran = csid("list", OWNER + "/6450/110108", "--data", filled, "--json")
    assert json.loads(ran.out) == {
        "id": identifier(99, "6450", "110108"),
        "record": {"state": "suspended"},
    }


@pytest.mark.parametrize("prefix", ["a//b", "www.example.com", "所属", "a..b"])
def test_what_is_no_prefix_is_refused(filled: Path, csid: Csid, prefix: str) -> None:
    ran = csid("list", prefix, "--data", filled)
    assert (ran.code, ran.out) == (2, "") and ran.err


# -- show


def test_an_identifier_is_shown_with_all_that_is_held(
    tmp_path: Path, data: Path, csid: Csid
) -> None:
    one = identifier(7)
    csid(
        "import",
        table(tmp_path / "t.csv", f"{one},active,池,https://a.example:8443"),
        "--data",
        data,
    )
    serial = one.partition("GCV/")[2].lower()
    dns = f"{serial}.gcv.330106.6450.{OWNER.lower()}.{SUFFIX}"
    for form in (one, one.lower(), dns, f"86.100.{one}"):
        ran = csid("show", form, "--data", data)
        assert ran.code == 0
        for word in (one, dns, f"86.100.{one}", "池", "https://a.example:8443", "浙江省", "CSID"):
            assert word in ran.out
    shown = json.loads(csid("show", one, "--data", data, "--json").out)
    assert shown["zone"] == SUFFIX
    assert shown["record"] == {
        "endpoints": ["https://a.example:8443"],
        "name": "池",
        "state": "active",
    }
    assert {rrset["type"]: rrset["ttl"] for rrset in shown["rrsets"]} == {
        "TXT": 300,
        "SVCB": 300,
        "CSID": 300,
    }
    assert shown["rrsets"][1]["data"] == ['1 a.example. alpn="http/1.1" port="8443"']
    assert any(row["zh"].endswith("西湖区") for row in shown["meanings"])


def test_what_is_not_held_is_told_with_the_reason(tmp_path: Path, data: Path, csid: Csid) -> None:
    zone = tmp_path / "cut.zone"
    zone.write_text(
        f"$ORIGIN {SUFFIX}\n$TTL 60\n@ SOA ns h 5 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
        f"330106.6450.{OWNER} NS ns.elsewhere.\n"
    )
    assert csid("zone", "load", zone, "--data", data).code == 0
    ran = csid("show", identifier(1), "--data", data)
    assert ran.code == 1 and f"330106.6450.{OWNER.lower()}.{SUFFIX} is delegated" in ran.err
    ran = csid("show", identifier(1, location="110108"), "--data", data)
    assert ran.code == 1 and "not held" in ran.err
    ran = csid("show", "nonsense", "--data", data)
    assert ran.code == 2


def test_who_may_not_write_is_told(tmp_path: Path, data: Path, csid: Csid) -> None:
    let_others_reach(data)
    for file in data.iterdir():
        file.chmod(0o444)
    (data / "lock.mdb").chmod(0o660)  # where who reads writes its slot
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,")
    with as_nobody():
        ran = csid("import", file, "--data", data)
        assert ran.code == 2 and "ermission" in ran.err and ran.err.count("\n") == 1
        assert csid("list", "--data", data).code == 0


def test_output_to_a_closed_pipe_is_no_error(filled: Path) -> None:
    words = f"{sys.executable} -m gateway.cli list --data {filled} | head -1"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(words, shell=True, capture_output=True, text=True, env=environment)
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)
