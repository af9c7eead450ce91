"""The first import of a node brings its owners with it, until one is registered by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid.identifier import make
from gateway.cli import main
from registry.service import Registry
from tests.support.commands import run

ONE = "X0000000000000101T/6450/110000/GCV/G12M05R8-N1B0002-Q6"
OTHER = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    assert main(["init", "--data", str(data)]) == 0
    return data


def take_in(data: Path, identifier: str, *words: str) -> int:
    table = data.parent / "table.csv"
    table.write_text(f"identifier,state\n{identifier},active\n")
    return main(["import", str(table), "--data", str(data), *words])


def test_a_first_import_accredits_its_owners_and_logs_it(data: Path) -> None:
    assert take_in(data, ONE) == 0
    assert take_in(data, OTHER) == 0
    with Registry.open(data) as registry:
        kinds = [change.leaf.kind for change in registry.history(ONE.partition("/")[0])]
        assert kinds == ["owner.introduce"]
        assert registry.verify().sound
    assert main(["show", OTHER, "--data", str(data)]) == 0


def test_with_the_first_owner_registered_by_hand_it_ends(data: Path) -> None:
    assert take_in(data, ONE) == 0
    add = ["owner", "add", "91350100M000100Y43", "--kind", "resource", "--name", "n"]
    assert main([*add, "--contact", "c", "--data", str(data)]) == 0
    assert take_in(data, OTHER) == 1
    assert take_in(data, ONE) == 0  # what was known stays so
    assert main(["show", OTHER, "--data", str(data)]) != 0


def test_a_node_that_began_by_hand_takes_known_owners_only(data: Path) -> None:
    add = ["owner", "add", OTHER.partition("/")[0], "--kind", "resource", "--name", "n"]
    assert main([*add, "--contact", "c", "--data", str(data)]) == 0
    assert take_in(data, OTHER) == 1  # it has applied, nobody has accredited it
    assert take_in(data, ONE) == 1


def test_a_name_that_cannot_be_held_keeps_no_other_row_of_its_owner_out(data: Path) -> None:
    owner = "X0000000000000101T"
    delegated = "120000"
    codes = [
        make(owner, "6450", location, "GCV", "G12M05R8", f"000{number}")
        for number, location in enumerate(("110000", delegated, "110000", "110000"))
    ]
    zone = data.parent / "foreign.zone"
    zone.write_text(
        "$ORIGIN csid.internal.\n@ 60 SOA ns1 h 2 2 3 4 5\n@ NS ns1\nns1 A 127.0.0.1\n"
        f"{delegated}.6450.{owner} 60 NS ns1.example.\n"
    )
    assert main(["zone", "load", str(zone), "--data", str(data)]) == 0
    table = data.parent / "table.csv"
    table.write_text("identifier,state\n" + "".join(f"{code},active\n" for code in codes))
    for added in (3, 0):
        ran = run("import", table, "--data", data, "--json")
        assert (ran.json[0]["added"], ran.json[0]["bad"]) == (added, 1)
        assert [one["line"] for one in ran.json[0]["errors"]] == [3]


def test_trying_keeps_nothing(data: Path) -> None:
    with Registry.open(data) as registry:
        before = registry.verify().size
    assert take_in(data, ONE, "--dry-run") == 0
    with Registry.open(data) as registry:
        assert registry.history(ONE.partition("/")[0]) == []
        assert registry.verify().size == before


def test_only_an_administrator_brings_owners(data: Path) -> None:
    owner = ONE.partition("/")[0]
    assert take_in(data, ONE, "--role", "registrar", "--owner", owner) == 1


def test_other_ways_of_assigning_never_do(data: Path) -> None:
    assert main(["assign", ONE, "--data", str(data)]) == 1
