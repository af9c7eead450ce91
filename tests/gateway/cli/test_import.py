"""`csid import`, as a user types it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csid.identifier import make
from gateway.cli.commands.import_ import FAULTS_SHOWN
from registry.service import Registry
from registry.tables import view
from registry.tables.view import get_assignment
from resolver.store.environment import Store
from tests.support import trees
from tests.support.books import accredit
from tests.support.commands import NOBODY, as_nobody, run
from tests.support.registering import OWNER
from tests.support.servers import CHECKOUT
from tests.support.tables import identifier, table


def test_rows_go_in_and_come_out_again(tmp_path: Path, data: Path) -> None:
    rows = [f"{identifier(n)},active,第{n}池,https://r{n}.example" for n in range(5)]
    ran = run("import", table(tmp_path / "t.csv", *rows), "--data", data)
    assert ran.code == 0 and "added 5" in ran.out and ran.err == ""
    ran = run("import", tmp_path / "t.csv", "--data", data)
    assert ran.code == 0 and "added 0" in ran.out and "unchanged 5" in ran.out
    lines = run("list", OWNER, "--data", data).out.splitlines()
    assert sorted(lines) == sorted(
        f"{identifier(n)}  有效 active  第{n}池  https://r{n}.example" for n in range(5)
    )


def test_wrong_rows_are_listed_and_the_exit_code_says_so(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "t.csv", "nonsense", f"{identifier(1)},active,,", "x,active,,")
    ran = run("import", file, "--data", data)
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["csid", f"{file}:2"],
        ["csid", f"{file}:4"],
    ]
    assert "added 1" in ran.out and "bad 2" in ran.out


def test_the_screen_shows_some_wrong_rows_and_the_file_all(tmp_path: Path, data: Path) -> None:
    count = FAULTS_SHOWN + 30
    file = table(tmp_path / "t.csv", *(["nonsense"] * count))
    ran = run("import", file, "--data", data, "--errors", tmp_path / "errors")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == FAULTS_SHOWN + 1
    assert "30 more" in ran.err and str(tmp_path / "errors") in ran.err
    written = (tmp_path / "errors").read_text().splitlines()
    assert [line.split(": ")[0] for line in written] == [f"{file}:{n}" for n in range(2, count + 2)]


def test_a_dry_run_keeps_nothing(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,", "nonsense")
    ran = run("import", file, "--data", data, "--dry-run")
    assert ran.code == 1 and "dry run" in ran.out and "added 1" in ran.out
    assert run("list", "--data", data).out == ""


def test_codes_must_be_in_force_on_the_date(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1, location='320602')},active,,")
    ran = run("import", file, "--data", data, "--on", "2026-01-01")
    assert ran.code == 1 and "not in force in 2026" in ran.err
    ran = run("import", file, "--data", data, "--on", "2019-01-01")
    assert ran.code == 0


def test_a_date_of_registration_does_not_lie_ahead(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_798_732_799)  # the last second of 2026 in China
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,")
    for words in ([], ["--dry-run"]):
        ran = run("import", file, "--data", data, "--on", "2027-01-01", *words)
        assert ran.code == 2 and "2027-01-01 lies ahead" in ran.err and "2026-12-31" in ran.err
    assert run("import", file, "--data", data, "--on", "2026-12-31").code == 0


def test_a_table_is_read_from_stdin(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with table(tmp_path / "t.csv", f"{identifier(1)},active,,").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        ran = run("import", "-", "--data", data)
    assert ran.code == 0 and "added 1" in ran.out


def test_the_summary_for_scripts(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,", "nonsense")
    ran = run("import", file, "--data", data, "--json")
    summary = json.loads(ran.out)
    assert ran.code == 1
    (told,) = map(json.loads, ran.err.splitlines())
    assert told["error"]["message"].startswith(f"{file}:3: ")
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
    tmp_path: Path, data: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "t.csv"
    if content is not None:
        file.write_text(content)
    ran = run("import", file, "--data", data)
    assert ran.code == 2 and reason in ran.err and ran.err.count("\n") == 1


def test_a_full_map_says_what_is_in(tmp_path: Path) -> None:
    data = tmp_path / "small"
    run("init", "--data", data, "--map-size", "1MiB")
    with Registry.open(data, writable=True) as registry:
        accredit(registry, OWNER)
    rows = [f"{identifier(n)},active,{'x' * 60},https://r{n}.example" for n in range(5_000)]
    ran = run("import", table(tmp_path / "t.csv", *rows), "--data", data)
    assert ran.code == 2 and "map is full" in ran.err and "--map-size" in ran.err
    with Store.open(data, writable=True) as store:
        trees.check(store)
    with Registry.open(data) as registry, registry.view() as seen:
        assert f"added {view.count_live(seen, OWNER):,}," in ran.out


def test_who_may_not_write_is_told(tmp_path: Path, data: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    data.chmod(0o755)
    for file in data.iterdir():
        file.chmod(0o444)
    (data / "lock.mdb").chmod(0o660)  # where who reads writes its slot
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,")
    known = tmp_path / "csid.toml"  # somebody who may act, but not write here
    known.write_text(f'[[actor]]\nname = "张三"\nuid = {NOBODY}\nrole = "administrator"\n')
    with as_nobody():
        ran = run("import", file, "--data", data, "--config", known)
        assert ran.code == 2 and "ermission" in ran.err and ran.err.count("\n") == 1
        assert run("list", "--data", data).code == 0


def test_the_file_of_wrong_rows_is_in_the_order_of_lines_whatever_was_wrong(
    tmp_path: Path, data: Path
) -> None:
    foreign = str(make("X00000000000000015", "6450", "330106", "GCV", "G09M04R8", "1"))
    rows = [f"{foreign},active,,", "nonsense"]
    rows += [f"{identifier(2)},active,,", f"{identifier(1)},active,,"]
    rows += [f"{identifier(1)},active,other,", "nonsense", f"{identifier(2)},active,,"]
    file = table(tmp_path / "t.csv", *rows)
    for dry in (["--dry-run"], []):
        ran = run("import", file, "--data", data, "--errors", tmp_path / "errors", *dry)
        assert ran.code == 1 and "added 2" in ran.out and "unchanged 1" in ran.out
        lines = (tmp_path / "errors").read_text().splitlines()
        assert [line.split(": ")[0] for line in lines] == [f"{file}:{n}" for n in (2, 3, 6, 7)]
        assert "not registered" in lines[0] and "stands on line 5 already" in lines[2]


def test_a_dry_run_writes_nothing_and_waits_for_nobody(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,")
    before = (data / "data.mdb").read_bytes()
    with Store.open(data, writable=True) as store, store.write():
        ran = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "import", file, "--data", data, "--dry-run"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (ran.returncode, ran.stderr) == (0, "") and "added 1" in ran.stdout
    assert (data / "data.mdb").read_bytes() == before


def test_a_ttl_is_given_or_kept(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "t.csv", f"{identifier(1)},active,,")

    def ttl(*words: str) -> tuple[str, int]:
        ran = run("import", file, "--data", data, *words)
        assert ran.code == 0
        with Registry.open(data) as registry, registry.view() as seen:
            row = get_assignment(seen, str(identifier(1)))
            assert row is not None
            return ran.out.split(", 错误")[0].split("rows: ")[1], row.ttl

    assert ttl("--ttl", "77") == ("新增 added 1, 变更 changed 0, 未变 unchanged 0", 77)
    assert ttl() == ("新增 added 0, 变更 changed 0, 未变 unchanged 1", 77)
    assert ttl("--ttl", "77") == ("新增 added 0, 变更 changed 0, 未变 unchanged 1", 77)
    assert ttl("--ttl", "5") == ("新增 added 0, 变更 changed 1, 未变 unchanged 0", 5)
    with Registry.open(data) as registry:
        assert registry.verify().agrees
