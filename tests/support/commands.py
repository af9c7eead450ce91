"""Running `csid` commands in a test: fixtures, to be imported by the modules that use them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cli import main
from registry.service import Registry
from tests.support.books import accredit

NOBODY = 65_534  # user id
OWNER = "X0000000000000101T"  # accredited in the data directory


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Csid = Callable[..., Ran]


@pytest.fixture
def csid(capsys: pytest.CaptureFixture[str]) -> Csid:
    def run(*words: object) -> Ran:
        code = main([str(word) for word in words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def data(tmp_path: Path, csid: Csid) -> Path:
    path = tmp_path / "data"
    assert csid("init", "--data", path).code == 0
    with Registry.open(path, writable=True) as registry:
        accredit(registry, OWNER)
    return path


def let_others_reach(path: Path) -> None:
    """Let everybody look into a directory, whatever the modes of those above it."""
    for folder in (path, *path.parents):
        if folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(0o755)


@contextmanager
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
