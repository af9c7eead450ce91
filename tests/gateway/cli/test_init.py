"""`csid init`, as a user types it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.protocol import AAAA, NS, SOA, A
from resolver.store.environment import Store
from resolver.zonefile.check import read_zone
from tests.support import trees
from tests.support.commands import run

SUFFIX = "csid.internal."


def zone_of(data: Path, tmp_path: Path, origin: str = SUFFIX) -> dict[str, Any]:
    """The zone as another server would read it, by name."""
    file = tmp_path / "dumped.zone"
    assert run("zone", "dump", origin, "--data", data, "--output", file).code == 0
    return {names.to_text(owner): rrsets for owner, rrsets in read_zone(file).rrsets.items()}


def test_a_new_directory_has_a_zone_that_can_be_served(tmp_path: Path, data: Path) -> None:
    zone = zone_of(data, tmp_path)
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


def test_the_suffix_and_the_servers_are_the_users(tmp_path: Path) -> None:
    path = tmp_path / "data"
    words = ["--suffix", "Hub.EXAMPLE", "--handle-authority", "86.500"]
    words += ["--ns", "a.hub.example", "--ns", "b.hub.example.=192.0.2.2,2001:db8::2"]
    words += ["--ns", "ns.elsewhere.", "--address", "192.0.2.1"]
    ran = run("init", "--data", path, *words)
    assert ran.code == 0 and "hub.example." in ran.out
    zone = zone_of(path, tmp_path, "hub.example")
    assert set(zone["hub.example."][NS].rdatas) == {
        names.from_text(one) for one in ("a.hub.example.", "b.hub.example.", "ns.elsewhere.")
    }
    assert zone["a.hub.example."][A].rdatas == (bytes((192, 0, 2, 1)),)
    assert set(zone["b.hub.example."]) == {A, AAAA}
    with Store.open(path) as store:
        assert store.settings()[:2] == ("hub.example.", "86.500")
        trees.check(store)


@pytest.mark.parametrize("size", ["16MiB", "16M", "16777216", "16 mb"])
def test_the_map_size_is_the_users(tmp_path: Path, size: str) -> None:
    assert run("init", "--data", tmp_path / "d", "--map-size", size).code == 0
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
    tmp_path: Path, words: list[str], reason: str
) -> None:
    ran = run("init", "--data", tmp_path / "d", *words)
    assert (ran.code, ran.out) == (2, "")
    assert reason in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    "words",
    [["--map-size", "1"], ["--map-size", "x"], ["--map-size", "9999TiB"], ["--address", "1.2.3"]],
)
def test_wrong_values_are_told_by_the_option(tmp_path: Path, words: list[str]) -> None:
    ran = run("init", "--data", tmp_path / "d", *words)
    assert ran.code == 2 and words[0] in ran.err


def test_what_a_killed_init_left_is_completed_with_what_is_given_now(tmp_path: Path) -> None:
    Store.create(tmp_path / "d", "half.example.", "0.EXAMPLE").close()
    assert run("init", "--data", tmp_path / "d", "--suffix", "whole.example").code == 0
    with Store.open(tmp_path / "d") as store:
        assert store.settings().suffix == "whole.example."
        assert "ns1.whole.example." in trees.owners(store, "whole.example.")
        trees.check(store)
    ran = run("init", "--data", tmp_path / "d")
    assert ran.code == 2 and "holds a data file already" in ran.err


def test_a_directory_is_made_once(data: Path) -> None:
    ran = run("init", "--data", data)
    assert ran.code == 2 and "holds a data file already" in ran.err
