"""Commands that change zones, keys and whole tables, given to the writer of a running node: what
they have done is answered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from registry.service import Registry
from tests.support.books import SUFFIX
from tests.support.commands import Node, run
from tests.support.killed import Say, killed_after, start
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, identifier
from tests.support.servers import Server, eventually, serving

CHILD = f"child.{SUFFIX}"
FACTS = ("--endpoint", "https://a.example:8443")
NAMES = 60_000


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node")
    for owner in (OWNER, OTHER):
        made.accredit(owner)
    made.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    made.must("assign", identifier("A001"), *FACTS)
    made.must("audit", "key", "--new", "example.cn/log")
    return made


@pytest.fixture
def server(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The node runs, and no command writes by itself."""

    def alone(data: Path, writable: bool = True, *_: object, **__: object) -> Registry:
        assert not writable, "the writer of the node was not asked"
        return opened(data, writable=False)

    opened = Registry.alone
    with serving(node.data) as running:
        monkeypatch.setattr(Registry, "alone", alone)
        yield running


def zone(folder: Path, serial: int, address: str, origin: str = CHILD) -> Path:
    file = folder / "zone"
    file.write_text(
        f"$ORIGIN {origin}\n@ 60 SOA ns1 host {serial} 60 60 60 60\n@ 60 NS ns1\n"
        f"ns1 60 A 127.0.0.1\nwww 60 A {address}\n"
    )
    return file


def addresses(server: Server, name: str) -> list[str]:
    asked = dns.message.make_query(name, "A")
    answer = dns.query.udp(asked, "127.0.0.1", port=server.port, timeout=10)
    return [str(rdata) for rrset in answer.answer for rdata in rrset]


def resolves(server: Server, code: object) -> bool:
    return run("resolve", code, "--server", f"127.0.0.1:{server.port}").code == 0


def test_zones_come_change_and_go(node: Node, server: Server, tmp_path: Path) -> None:
    node.must("zone", "load", zone(tmp_path, 1, "127.0.0.7"))
    assert addresses(server, f"www.{CHILD}") == ["127.0.0.7"]
    node.must("zone", "load", zone(tmp_path, 2, "127.0.0.8"))
    assert addresses(server, f"www.{CHILD}") == ["127.0.0.8"]
    refused = node.run("zone", "load", zone(tmp_path, 2, "127.0.0.9"))
    assert refused.code == 1
    assert addresses(server, f"www.{CHILD}") == ["127.0.0.8"]
    assert node.run("zone", "drop", SUFFIX, "--yes").code == 1
    assert resolves(server, identifier("A001"))
    node.must("zone", "rebuild", SUFFIX)
    assert resolves(server, identifier("A001"))
    node.must("zone", "drop", CHILD, "--yes")
    assert addresses(server, f"www.{CHILD}") == []
    assert node.run("audit", "verify").code == 0


def test_tables_come_in(node: Node, server: Server, tmp_path: Path) -> None:
    codes = [identifier(f"B{number:03d}") for number in range(300)]
    table = tmp_path / "table.csv"
    rows = "".join(f"{code},active,https://a.example:8443\n" for code in codes)
    table.write_text("identifier,state,endpoints\n" + rows)
    node.must("import", table)
    assert all(resolves(server, code) for code in (codes[0], codes[-1]))
    exported = tmp_path / "all.jsonl"
    node.must("export", "--format", "jsonl", "--output", exported)
    assert node.run("restore", exported).code == 0
    assert node.run("audit", "verify").code == 0


def test_keys_follow_one_another_and_sign(node: Node, server: Server, tmp_path: Path) -> None:
    node.must("audit", "checkpoint", "--output", tmp_path / "first")
    node.must("audit", "key", "--rotate")
    node.must("audit", "checkpoint")
    node.must("audit", "rebuild-indexes")
    node.must("audit", "publish", tmp_path / "published")
    assert resolves(server, node.must("assign", f"{PLACE}/{CLASS}", *FACTS))
    ran = node.run("audit", "verify", "--checkpoint", tmp_path / "first")
    assert (ran.code, "完好 sound" in ran.out) == (0, True), ran


def load(say: Say, data: Path, file: Path) -> None:
    say("begins")
    run("zone", "load", file, "--data", data)


def fill(say: Say, data: Path, file: Path) -> None:
    say("begins")
    run("import", file, "--data", data)


def generations(node: Node) -> tuple[int, int]:
    """How many there are that no zone has, and nodes of the tree."""
    with Registry.open(node.data) as registry, registry.store.read() as read:
        return read.table(b"doomed").entries(), read.table(b"tree").entries()


def large_zone(folder: Path) -> Path:
    file = zone(folder, 1, "127.0.0.7")
    with file.open("a") as lines:
        lines.writelines(f"n{number} 60 A 127.0.0.1\n" for number in range(NAMES))
    return file


def large_table(folder: Path) -> Path:
    file = folder / "table.csv"
    with file.open("w") as lines:
        lines.write("identifier,state,endpoints\n")
        for number in range(NAMES):
            lines.write(f"{identifier(f'{number:06d}')},active,https://a.example:8443\n")
    return file


@pytest.mark.parametrize(("work", "made"), [(load, large_zone), (fill, large_table)])
def test_of_who_is_killed_in_the_midst_nothing_is_left_half_done(
    node: Node,
    server: Server,
    tmp_path: Path,
    work: Callable[..., None],
    made: Callable[[Path], Path],
) -> None:
    file = made(tmp_path)
    before = generations(node)
    started = start(work, node.data, file)
    eventually("it writes", lambda: generations(node) != before)
    killed_after(started, 1, 0.0)
    eventually("what it has left is swept", lambda: generations(node)[0] == 0)
    assert addresses(server, f"www.{CHILD}") == []
    assert node.run("audit", "verify").code == 0
    given = node.must("assign", identifier("Z001"), *FACTS)
    assert resolves(server, given)
