"""The code tables hold what the standards hold, and a division its history."""

from __future__ import annotations

import csv
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from csid import codes, scheme
from csid.codes import NEVER
from tests.support.servers import CHECKOUT

SCHEMAS = CHECKOUT / "schemas"


def in_force() -> set[str]:
    table = codes.divisions()
    return {code for code in table if table.last(code).end == NEVER}


def test_the_codes_in_force_and_the_retired_ones_are_counted() -> None:
    standing = in_force()
    assert len(standing) == 3214
    # 3,539 by the list of changes 1980-2026, 8 more by the corrections kept with the tables.
    assert len(codes.divisions()) - len(standing) == 3547


def test_the_divisions_in_force_are_those_of_the_source(shared: Path) -> None:
    with (shared / "data" / "divisions.csv").open(encoding="utf-8", newline="") as file:
        source = {row["code"]: row for row in csv.DictReader(file)}
    table = codes.divisions()
    assert in_force() == source.keys()
    for code, row in source.items():
        division = table.last(code)
        assert (division.name, str(division.level), division.parent) == (
            row["name"],
            row["level"],
            row["parent"],
        )


def test_every_code_that_a_change_retires_is_in_the_table(shared: Path) -> None:
    with (shared / "data" / "division_changes.csv").open(encoding="utf-8", newline="") as file:
        old = {row["old_code"] for row in csv.DictReader(file)} - {""}
    assert old <= set(codes.divisions())
    assert len(old - in_force()) == 3539


def test_the_intervals_of_a_code_follow_each_other_without_overlap() -> None:
    table = codes.divisions()
    for code in table:
        history = table.history(code)
        assert history, f"{code} is not found: the lines of the table are not in order"
        assert all(division.start < division.end for division in history), code
        assert all(a.end <= b.start for a, b in pairwise(history)), code


def test_every_parent_and_successor_is_itself_a_code() -> None:
    table = codes.divisions()
    for code in table:
        for division in table.history(code):
            assert not division.parent or division.parent in table, division
            assert not division.successor or division.successor in table, division


def test_a_retired_code_knows_its_year_and_its_successor() -> None:
    table = codes.divisions()
    jianggan = table.last("330104")
    assert (jianggan.name, jianggan.end, jianggan.successor) == ("江干区", 2021, "330102")
    assert table.at("330104", 2020) == jianggan
    assert table.at("330104", 2021) is None
    # 万县 became 万县区 (500101) in 1992, which was renamed 万州区 in 1998.
    wanxian = table.standing_successor("512221")
    assert wanxian is not None
    assert (wanxian.code, wanxian.name) == ("500101", "万州区")


def test_a_renamed_code_stays_in_force_under_both_names() -> None:
    table = codes.divisions()
    names = {year: division.name for year in (2019, 2020) if (division := table.at("130502", year))}
    assert names == {2019: "桥东区", 2020: "襄都区"}


def test_a_reassigned_code_stood_for_several_places() -> None:
    names = [division.name for division in codes.divisions().history("430304")]
    assert names == ["岳塘区", "桥头区", "岳塘区"]
    assert codes.divisions().history("430304")[0].successor == ""


def test_a_reinstated_code_is_not_in_force_in_between() -> None:
    table = codes.divisions()
    assert [bool(table.at("610304", year)) for year in (1982, 1990, 2003)] == [True, False, True]


def test_a_path_is_named_as_at_its_time() -> None:
    table = codes.divisions()
    assert [d.name for d in table.path(table.last("330106"))] == ["浙江省", "杭州市", "西湖区"]
    assert [d.name for d in table.path(table.last("110108"))] == ["北京市", "海淀区"]


@pytest.mark.parametrize(
    ("code", "name_en"),
    [
        ("110000", "Beijing"),
        ("610000", "Shaanxi"),
        ("610100", "Xi'an City"),
        ("150100", "Hohhot City"),
        ("341500", "Lu'an City"),
        ("411100", "Luohe City"),
        ("350427", "Shaxian County"),
        ("222400", "Yanbian Korean Autonomous Prefecture"),
        ("530926", "Gengma Dai and Va Autonomous County"),
        ("429021", "Shennongjia Forestry District"),
    ],
)
def test_english_names_are_the_usual_ones(code: str, name_en: str) -> None:
    assert codes.divisions().last(code).name_en == name_en


def test_industries_hold_the_whole_standard() -> None:
    table = codes.industries()
    levels = [entry.level for entry in table.values()]
    assert levels.count("section") == 20
    assert levels.count("class") == 1381
    assert table["6500"].en == "Software and information technology services"
    assert table["1200"].en == "Mining of other ores"  # its only class has the same code
    assert table["0000"].zh == "不限行业"
    divisions = {code[:2] for code in table if code.isdigit() and code != "0000"}
    assert len(divisions) == 97
    assert all(table[code + "00"].en for code in divisions)


def test_every_table_of_the_scheme_exists_and_fits_its_part() -> None:
    named = [
        part for s in scheme.load().segments for f in s.forms for part in f.parts if part.table
    ]
    assert {part.table for part in named} == {
        "divisions",
        "industries",
        "chip_families",
        "countries",
    }
    for part in named:
        found = [code for code in codes.by_name(part.table) if len(code) == part.longest]
        assert found
        assert all(set(code) <= set(part.characters) for code in found)


@pytest.mark.parametrize("name", ["chip_families.csv", "countries.csv", "owner_classes.csv"])
def test_a_table_has_no_code_twice_and_no_name_empty(name: str) -> None:
    with (SCHEMAS / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["code"] for row in rows}) == len(rows)
    assert all(row["name"] and row["name_en"] for row in rows)


def test_the_committed_tables_are_what_the_build_makes(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("pypinyin")
    pytest.importorskip("pycountry")
    command = [sys.executable, str(SCHEMAS / "build_tables.py")]
    command += ["--data", str(shared / "data"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    for name in (
        "divisions.csv",
        "places.csv",
        "industries.csv",
    ):  # country names move with pycountry
        assert (tmp_path / name).read_bytes() == (SCHEMAS / name).read_bytes(), name
