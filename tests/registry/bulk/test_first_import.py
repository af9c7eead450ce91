"""The first import of a node brings its owners with it, until one is registered by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid.identifier import make
from gateway.cli import main
from registry.service import Registry
from resolver.store.environment import Store
from tests.support.commands import run
from tests.support.servers import ZONE, put_zone

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
    codes = [make(owner, "6450", "110000", "GCV", "G12M05R8", f"000{n}") for n in range(4)]
    name = codes[1].to_dns_name("csid.internal.")
    with Store.open(data, writable=True) as store:  # no zone file may bring it
        put_zone(store, f"{ZONE}{name} 60 CNAME ns\n")
    table = data.parent / "table.csv"
    table.write_text("identifier,state\n" + "".join(f"{code},active\n" for code in codes))
    for added in (3, 0):
        ran = run("import", table, "--data", data, "--json")
        assert (ran.json[0]["added"], ran.json[0]["bad"]) == (added, 1)
        assert [one["line"] for one in ran.json[0]["errors"]] == [3]


def test_trying_keeps_nothing(data: Path) -> None:
    assert take_in(data, ONE, "--dry-run") == 0
    with Registry.open(data) as registry:
        assert registry.history(ONE.partition("/")[0]) == []
        assert registry.verify().size == 2  # those of csid init


def test_only_an_administrator_brings_owners(data: Path) -> None:
    owner = ONE.partition("/")[0]
    assert take_in(data, ONE, "--role", "registrar", "--owner", owner) == 1


def test_other_ways_of_assigning_never_do(data: Path) -> None:
    assert main(["assign", ONE, "--data", str(data)]) == 1
