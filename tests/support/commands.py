"""The `csid` command run in this process, for tests: what it printed and its exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.cli import main
from tests.support.shapes import require_shape

NOBODY = 65_534  # user id


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self.out.splitlines()

    @property
    def json(self) -> list[Any]:
        """What it printed, as JSON Lines."""
        return [json.loads(line) for line in self.lines]


def run(*words: object) -> Ran:
    """One command; with --json, what it prints is held against its schema."""
    texts = [str(word) for word in words]
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        try:
            code = main(texts)
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
    require_shape(texts, code, out.getvalue(), err.getvalue())
    return Ran(code, out.getvalue(), err.getvalue())


class Node:
    """A data directory, and commands about it."""

    def copy(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
        """A copy of it, as on another machine: from now on commands run there."""
        shutil.copytree(self.data, folder)
        copied = Node.__new__(Node)
        copied.data = folder
        copied.is_here(monkeypatch)
        return copied

    def is_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on commands run on the machine of this one, which knows of no other."""
        monkeypatch.setenv("CSID_STATE", str(self.data.with_name(f"{self.data.name}-state")))

    def __init__(self, data: Path) -> None:
        self.data = data
        assert run("init", "--data", data).code == 0

    def run(self, *words: object) -> Ran:
        """One command with --data."""
        return run(*words, "--data", self.data)

    def must(self, *words: object) -> str:
        """One command that has to succeed; the last line it printed."""
        ran = self.run(*words)
        assert ran.code == 0, (words, ran)
        return ran.lines[-1] if ran.lines else ""

    def accredit(self, code: str, name: str = "杭州算力", kind: str = "resource") -> None:
        """Register and accredit a participant."""
        self.must("owner", "add", code, "--kind", kind, "--name", name, "--contact", "noc@a.cn")
        self.must("owner", "accredit", code)

    def state(self, code: object) -> str:
        """The state that a list shows of an identifier."""
        (found,) = self.run("list", code, "--json").json
        assert isinstance(found["state"], str)
        return found["state"]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, to whom nothing is forbidden."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
