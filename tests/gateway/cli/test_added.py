"""Commands of systems elsewhere: found by a first word that is none of csid's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Ran, run
from tests.support.servers import CHECKOUT
from tests.support.systems import configured, forgotten

SYSTEM = """
from csid.vocabulary import Words
from gateway.systems.contract import Command, System

SYSTEM = System(
    name="{name}",
    words=Words("问候", "says hello"),
    commands={{word: Command("{name}.cmd", "says hello 问候") for word in {words}}},
)
"""
COMMAND = """
def register(subparsers):
    parser = subparsers.add_parser("greet")
    parser.add_argument("whom")
    parser.set_defaults(run=lambda args: print("hello", args.whom) or 3)
"""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    with forgotten("hello", "welcome", "broken"):
        yield


def made(folder: Path, name: str = "hello", words: tuple[str, ...] = ("greet",)) -> Path:
    """The system, and a configuration of the folder where it lies."""
    (folder / name).mkdir()
    (folder / name / "system.py").write_text(SYSTEM.format(name=name, words=words))
    (folder / name / "cmd.py").write_text(COMMAND)
    return configured(folder)


def test_it_is_found_by_the_configuration_that_it_would_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path)

    def is_greeted(ran: Ran) -> bool:
        return (ran.code, ran.out) == (3, "hello world\n")

    assert is_greeted(run("--config", file, "greet", "world"))
    assert is_greeted(run(f"--config={file}", "greet", "world"))
    assert is_greeted(run("greet", "world", "--config", file))
    assert "there is no command 'greet'" in run("greet", "world").err
    monkeypatch.setenv("CSID_CONFIG", str(file))
    assert is_greeted(run("greet", "world"))
    assert "whom" in run("greet", "--help").out
    assert "did you mean greet?" in run("gret").err


def test_a_command_of_csid_is_not_taken_over_nor_loads_a_system(tmp_path: Path) -> None:
    file = made(tmp_path, words=("greet", "id"))
    (tmp_path / "hello" / "system.py").open("a").write("\nprint('loaded')\n")
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "id", "--help"],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "CSID_CONFIG": str(file)},
        timeout=60,
        check=True,
    )
    assert "usage: csid id" in done.stdout and "loaded" not in done.stdout


def test_they_are_listed_with_their_systems(tmp_path: Path) -> None:
    file = made(tmp_path, words=("greet", "id"))
    listed = run("--config", file, "system", "list")
    assert "greet" in listed.out
    assert "csid id is a command of csid, not this one's" in listed.err
    (row,) = (
        one
        for one in run("--config", file, "system", "list", "--json").json
        if one["name"] == "hello"
    )
    assert row["commands"] == ["greet"]


def test_one_that_two_have_is_neither_s(tmp_path: Path) -> None:
    made(tmp_path)
    ran = run("--config", made(tmp_path, "welcome"), "greet", "world")
    assert ran.code == 2 and "several systems have this command: hello, welcome" in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module", "hello.cmd cannot be loaded: ModuleNotFoundError"),
        ("import sys; sys.exit(0)", "hello.cmd cannot be loaded: SystemExit"),
        ("def register(subparsers): subparsers.add_parser('other')", "adds no command greet"),
    ],
)
def test_what_is_wrong_with_its_module_is_said(tmp_path: Path, text: str, said: str) -> None:
    file = made(tmp_path)
    (tmp_path / "hello" / "cmd.py").write_text(text)
    ran = run("--config", file, "greet", "world")
    assert ran.code == 2 and said in ran.err


@pytest.mark.parametrize("text", ["import no_such_module", "import sys; sys.exit(0)"])
def test_a_system_that_cannot_be_loaded_hides_no_other(tmp_path: Path, text: str) -> None:
    file = made(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "system.py").write_text(text)
    assert run("--config", file, "greet", "world").code == 3
    ran = run("--config", file, "wave")
    assert ran.code == 2 and "there is no command 'wave'" in ran.err
    assert "system broken: broken.system cannot be loaded" in ran.err


def test_a_configuration_that_cannot_be_read_hides_no_slip(tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text("[")
    ran = run("--config", file, "lst")
    assert ran.code == 2 and "did you mean list?" in ran.err and "no TOML" in ran.err
