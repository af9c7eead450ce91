"""The commands of the pages in docs/ do what they show."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import version_1
from tests.support.commands import Ran, run
from tests.support.servers import CHECKOUT

TOURS = (
    "registry.md",
    "operations.md",
    "catalogs.md",
    "network.md",
    "filing.md",
    "sheets.md",
    "http.md",
    "service.md",
    "gateway.md",
    "aggregation.md",
    "paths.md",
)
ANYTHING = "..."


class Step(NamedTuple):
    """A command that is shown, its exit code and some of what it prints."""

    command: str
    code: int
    shown: list[str]


def steps(page: str) -> Iterator[Step]:
    """The commands of a page in order."""
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = shown.rstrip("\n").split("\n")
            code = re.search(r"# exit code (\d+)$", command)
            yield Step(command, int(code[1]) if code else 0, lines)


def done(command: str) -> Ran:
    """What a command does: one of csid, or of the shell."""
    program, *words = shlex.split(command, comments=True)
    if program == "csid":
        return run(*words)
    if program == "python":
        program = sys.executable
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    ended = subprocess.run([program, *words], capture_output=True, text=True, env=environment)
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def shows(shown: list[str], ran: Ran) -> bool:
    """Whether lines are what was printed; ``...`` stands for anything, in a line or for lines."""
    parts = [
        "(?:.*\n)*" if line == ANYTHING else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in shown
    ]
    printed = "".join(f"{line.rstrip()}\n" for line in (ran.out + ran.err).splitlines())
    return re.fullmatch("".join(parts), printed) is not None


@pytest.mark.parametrize("page", TOURS)
def test_a_tour_shows_what_its_commands_do(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    version_1.write(tmp_path / "old")
    for step in steps(page):
        ran = done(step.command)
        assert (step.command, ran.code) == (step.command, step.code), ran
        assert shows(step.shown, ran), (step, ran)


def test_a_line_that_is_not_printed_is_noticed() -> None:
    ran = Ran(0, "a b c\nd\n", "")
    assert shows(["a ... c", "d"], ran)
    assert shows(["...", "d"], ran)
    assert not shows(["a b c"], ran)
    assert not shows(["a b x", "..."], ran)
