"""Systems for tests: one in a folder of the test's own, and a process that runs some."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.commands import run
from tests.support.servers import Server, running

ID = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"


@contextlib.contextmanager
def forgotten(*names: str) -> Iterator[None]:
    """Have modules forgotten that were found in folders of the test's own, and lie below these."""
    path, known = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in names:
            del sys.modules[name]


def made(folder: Path, name: str = "remark") -> Path:
    """A system as `csid system new` makes it; the folder in which it lies."""
    assert run("system", "new", name, "--folder", folder).code == 0
    return folder


def configured(folder: Path, *lines: str) -> Path:
    """A configuration in which that is run."""
    file = folder / "csid.toml"
    said = ["[systems]", f'folders = ["{folder}"]', f'data = "{folder / "data"}"', *lines]
    file.write_text("\n".join(said), "utf-8")
    return file


@contextlib.contextmanager
def running_systems(file: Path, *names: str) -> Iterator[tuple[Server, httpx.Client]]:
    """A process that runs systems, and who calls it."""
    words = ["--config", str(file), "system", "run", *names, "--listen", "127.0.0.1:0"]
    with running(words, file.with_suffix(".log")) as server:
        address = server.ready.split(",")[0].split()[2]
        with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=20) as client:
            yield server, client
