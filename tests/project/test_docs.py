"""The commands of docs/registry.md do what it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.commands import Ran, run
from tests.support.servers import CHECKOUT

TOUR = CHECKOUT / "docs" / "registry.md"
ANYTHING = "..."


class Step(NamedTuple):
    """A command that is shown, its exit code and some of what it prints."""

    command: str
    code: int
    shown: list[str]


def steps() -> Iterator[Step]:
    """The commands of the tour in order."""
    for block in re.findall(r"```console\n(.*?)```", TOUR.read_text(encoding="utf-8"), re.DOTALL):
        for shown in block.split("$ csid ")[1:]:
            command, *lines = shown.rstrip("\n").split("\n")
            code = re.search(r"# exit code (\d+)$", command)
            yield Step(command, int(code[1]) if code else 0, lines)


def shows(shown: list[str], ran: Ran) -> bool:
    """Whether lines are what was printed; ``...`` stands for anything, in a line or for lines."""
    parts = [
        "(?:.*\n)*" if line == ANYTHING else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in shown
    ]
    printed = "".join(f"{line.rstrip()}\n" for line in (ran.out + ran.err).splitlines())
    return re.fullmatch("".join(parts), printed) is not None


def test_the_tour_shows_what_its_commands_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for step in steps():
        ran = run(*shlex.split(step.command, comments=True))
        assert (step.command, ran.code) == (step.command, step.code), ran
        assert shows(step.shown, ran), (step, ran)


def test_a_line_that_is_not_printed_is_noticed() -> None:
    ran = Ran(0, "a b c\nd\n", "")
    assert shows(["a ... c", "d"], ran)
    assert shows(["...", "d"], ran)
    assert not shows(["a b c"], ran)
    assert not shows(["a b x", "..."], ran)
