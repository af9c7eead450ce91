"""`csid import` makes no tombstone that `csid retire` would not, and takes nobody's alias back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.options import today
from tests.support.commands import Node
from tests.support.registering import OTHER, OWNER, identifier

ONE, TWO = str(identifier("0001")), str(identifier("0002"))
REGISTRAR = ("--role", "registrar", "--owner", OWNER)


@pytest.mark.parametrize(
    ("ended", "successor", "status"),
    [
        ("2099-01-01", "", "范围不合规"),
        ("2026-01-01", ONE, "目标标识不可用"),
        ("2026-01-01", TWO[:-2] + "00", "取值不合规"),
        ("2026-01-01", TWO, ""),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_an_ending_by_a_table(
    node: Node, tmp_path: Path, ended: str, successor: str, status: str, is_there: bool
) -> None:
    table = tmp_path / "ended.csv"
    table.write_text(f"identifier,state,ended,successor\n{ONE},retired,{ended},{successor}\n")
    if is_there:
        node.must("assign", ONE)
    ran = node.run("import", table)
    assert (ran.code, status in ran.err) == (1 if status else 0, True)
    shown = node.run("show", ONE, "--json")
    if status and not is_there:
        assert shown.code == 1
    else:
        assert shown.json[0]["record"]["state"] == ("active" if status else "retired")


def test_a_registrar_ends_today_and_not_before(node: Node, tmp_path: Path) -> None:
    table = tmp_path / "ended.csv"
    node.must("assign", ONE)
    for day, code in (("2026-01-01", 1), (f"{today()}", 0)):
        table.write_text(f"identifier,state,ended\n{ONE},retired,{day}\n")
        assert node.run("import", table, *REGISTRAR).code == code


def test_an_import_over_an_alias_is_not_unchanged(node: Node, tmp_path: Path) -> None:
    table = tmp_path / "all.csv"
    node.must("assign", ONE, "--count", "8")
    node.must("export", "--output", table)
    assert node.run("import", table, "--json").json[0]["unchanged"] == 1
    moved = node.must("transfer", ONE, "--to", OTHER)
    ran = node.run("import", table)
    assert ran.code == 1
    assert f"{ONE}" in ran.err and moved in ran.err
