"""A server whose supervisor has little patience, so that tests of it need little time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from resolver.server.child import Timing
from tests.support.servers import PATIENCE, Server

# Long enough that a machine that is busy with other tests does not look like a hung server.
HASTY = Timing(
    look_seconds=0.1,
    most_misses=10,
    start_seconds=10.0,
    end_seconds=1.0,
    steady_seconds=0.5,
    first_delay=0.02,
    max_delay=0.1,
    most_failures=4,
)

_SCRIPT = """
import json, resource, sys
from pathlib import Path
from csid.errors import CsidError
from resolver.server import kinds
from resolver.server.kinds import Settings
from gateway.writing import kind_of
from resolver.server.child import Timing
from resolver.server.notices import tell
from resolver.server.sockets import listen_address
from resolver.server.supervisor import serve
data, workers, listen, timing, module, files, writer = json.loads(sys.argv[1])
if files:
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
if module:
    kinds.KINDS = [kind._replace(module=module) for kind in kinds.KINDS]
def ready(bound):
    print("ready: udp+tcp", *bound, sep=" ", end=",\\n", flush=True)
try:
    listen = [listen_address(one) for one in listen]
    every = (*kinds.KINDS, *([kind_of(Path(data, "none.toml"))] if writer else []))
    serve(Path(data), listen, workers, Settings(), ready, Timing(*timing), every)
except CsidError as error:
    tell(str(error))
    sys.exit(2)
"""


@contextlib.contextmanager
def supervised(
    data: Path,
    workers: int = 1,
    listen: tuple[str, ...] = ("127.0.0.1:0",),
    timing: Timing = HASTY,
    stderr: int | None = None,
    module: str = "",
    files: int = 0,
    writer: bool = False,
    log: Path | None = None,
) -> Iterator[Server]:
    """A server that has said `ready`; ended on the way out if it still runs.

    `module` is to be run in place of those that KINDS names; so many `files` may be open in each
    process. With a `writer`, it has one of these, too. `log` is where it says what it has to say.
    """
    log = log or data.with_name(data.name + ".log")
    given = json.dumps([str(data), workers, listen, timing, module, files, writer])
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, given],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file if stderr is None else stderr,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
            process_group=0,
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready"), log.read_text()
        yield Server(process, ready.rstrip("\n"), log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
