"""`csid list`: by a prefix of any segment and by attributes, page by page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.commands import Node, run
from tests.support.inventory import OTHERS, SECOND, THIRD
from tests.support.registering import OTHER, OWNER
from tests.support.servers import CHECKOUT
from tests.support.tables import identifier, table

SUFFIX = "csid.internal."


@pytest.fixture
def listed(tmp_path: Path, data: Path) -> Path:
    """Twelve identifiers that were assigned."""
    places = [("6450", "330106"), ("6450", "330108"), ("6450", "110108"), ("6420", "330106")]
    rows = [f"{identifier(n, *place)},active,," for n, place in enumerate(places * 3)]
    assert run("import", table(tmp_path / "t.csv", *rows), "--data", data).code == 0
    return data


@pytest.mark.parametrize(
    ("prefix", "count"),
    [
        ("", 12),
        (OWNER, 12),
        (OWNER.lower() + "/", 12),
        (OWNER + "/6450", 9),
        (OWNER + "/6450/33", 6),  # a province
        (OWNER + "/6450/330108", 3),
        ("*/*/33", 9),
        ("*/6450/110108", 3),
        (OWNER + "/6450/330106/GCV/G09M04R8-0", 1),
        (f"0.EXAMPLE.{OWNER}", 12),
        (f"0.EXAMPLE.{OWNER}/6420", 3),
        (f"6420.{OWNER.lower()}.{SUFFIX}", 3),
        (SUFFIX, 12),
        (OWNER + "/9999", 0),
        ("X00000000000000015", 0),
    ],
)
def test_identifiers_are_listed_by_prefix(listed: Path, prefix: str, count: int) -> None:
    ran = run("list", prefix, "--data", listed)
    assert (ran.code, len(ran.out.splitlines()), ran.err) == (0, count, "")


def test_the_list_is_in_order_and_bounded(listed: Path) -> None:
    ran = run("list", OWNER + "/6450/33", "--data", listed, "--limit", "4")
    lines = ran.out.splitlines()
    assert len(lines) == 4 and lines == sorted(lines) and "--limit 0" in ran.err
    whole = run("list", OWNER + "/6450/33", "--data", listed, "--limit", "0").out.splitlines()
    assert whole[:4] == lines and len(whole) == 6


def test_the_list_for_scripts(listed: Path) -> None:
    ran = run("list", OWNER + "/6450/110108/GCV/G09M04R8-2", "--data", listed, "--json")
    listed = json.loads(ran.out)
    since, changed = (datetime.fromisoformat(listed.pop(one)) for one in ("since", "changed"))
    assert since.tzinfo is not None and changed >= since
    assert listed == {
        "identifier": identifier(2, "6450", "110108"),
        "state": "active",
        "record": {"state": "active"},
    }


@pytest.mark.parametrize("prefix", ["a//b", "www.example.com", "所属", "a..b"])
def test_what_is_no_prefix_is_refused(listed: Path, prefix: str) -> None:
    ran = run("list", prefix, "--data", listed)
    assert (ran.code, ran.out) == (2, "") and ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--type", "ø"), "begins no type"),
        (("--industry", "٦٤"), "begins no industry"),
        (("--location", "é3"), "begins no location"),
        (("--after", "ø/6450/330106/ACV/H60M07A1-0001-FY"), "nothing comes after it"),
    ],
)
def test_letters_that_no_code_has_are_refused(
    listed: Path, words: tuple[str, str], told: str
) -> None:
    ran = run("list", *words, "--data", listed)
    assert (ran.code, ran.out, told in ran.err) == (2, "", True), ran


def test_output_to_a_closed_pipe_is_no_error(listed: Path) -> None:
    words = f"{sys.executable} -m gateway.cli list --data {listed} | head -1"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(words, shell=True, capture_output=True, text=True, env=environment)
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


def found(node: Node, *words: str) -> list[str]:
    """The identifiers that a list has."""
    return [one["identifier"] for one in node.run("list", *words, "--json").json]


def test_a_list_takes_a_prefix_of_any_segment_and_attributes(filled: Node) -> None:
    assert len(found(filled)) == 6
    assert found(filled, OWNER.lower(), "--state", "suspended") == [SECOND]
    assert found(filled, "*/*/3301", "--owner-name", "fujian") == [OTHERS]
    assert found(filled, "--state", "retired", "--location", "33", "--chip", "昇腾") == [THIRD]
    assert found(filled, f"0.EXAMPLE.{OTHER}/64") == [OTHERS]
    assert found(filled, f"330106.6450.{OTHER.lower()}.csid.internal") == [OTHERS]
    assert found(filled, "--type", "G") == []
    assert filled.run("list", "--location", "33/").code == 2
    assert filled.run("list", "--state", "lost").code == 2


def test_a_list_goes_on_behind_the_last_one_shown(filled: Node) -> None:
    page = filled.run("list", "--location", "330106", "--limit", "4")
    assert len(page.lines) == 4
    last = page.lines[-1].split()[0]
    assert f"--after {last}" in page.err
    rest = filled.run("list", "--location", "330106", "--after", last)
    assert len(rest.lines) == 2
    assert not rest.err
    assert "暂停 suspended" in page.out + rest.out
