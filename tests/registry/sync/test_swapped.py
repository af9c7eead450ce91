"""Another data directory is put in a node's place while a zone is transferred to it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import dns.message
import dns.rdatatype

from tests.support import lying
from tests.support.commands import run
from tests.support.peers import HOST, free_port
from tests.support.servers import make_data, serving
from tests.support.syncing import ORIGIN, answer, follow, state, until
from tests.support.transfers import Line, messages, whole


def test_the_directory_that_is_there_gets_the_zone(tmp_path: Path) -> None:
    data, other, aside = (tmp_path / name for name in ("node", "other", "aside"))
    lines = [Line(ORIGIN, "NS", f"ns.{ORIGIN}"), Line(f"ns.{ORIGIN}", "A", "192.0.2.7")]
    lines += [Line(f"n{number:05}.{ORIGIN}", "A", "192.0.2.9") for number in range(5_000)]
    is_under_way, may_end = threading.Event(), threading.Event()

    def primary(request: bytes) -> list[bytes]:
        """Half of the zone, and after a while the rest."""
        every = whole(ORIGIN, 5, lines)
        if dns.message.from_wire(request).question[0].rdtype == dns.rdatatype.SOA:
            return messages(request, every[:1], 1)
        is_under_way.set()
        may_end.wait(20)
        return messages(request, every, 100)

    make_data(data)
    port = free_port()
    with lying.serving(primary) as theirs:
        follow(data, theirs, key=b"")
        shutil.copytree(data, other)
        with serving(data, listen=(f"{HOST}:{port}",)) as server:
            assert is_under_way.wait(20)
            data.rename(aside)
            other.rename(data)
            may_end.set()
            until(lambda: state(data).serial == 5)
            until(lambda: answer(port, f"n04999.{ORIGIN}") == "192.0.2.9")
            assert server.process.poll() is None
    for folder in (data, aside):
        assert run("zone", "list", "--data", folder).code == 0
    # What was transferred to the one that is gone came whole or not at all.
    listed = run("zone", "dump", ORIGIN, "--data", aside)
    assert listed.code != 0 or "n04999" in listed.out
