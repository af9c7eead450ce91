"""`--dry-run` writes nothing and waits for nobody, in every command that has it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import COMMANDS, _parser
from resolver.store.environment import Store
from tests.support.commands import Node, as_nobody
from tests.support.killed import Say, Started, start
from tests.support.registering import CLASS, FOREIGN, OTHER, OWNER, PLACE, identifier

PATIENCE = 10  # seconds, after which whoever waited for the write lock gets it
ZONE = """\
$ORIGIN far.example.
$TTL 300
@   SOA ns host 2 3600 900 604800 60
    NS  ns
ns  A   192.0.2.1
"""
LIVING, FILED, HELD, RESERVED, IMPORTED, FREE = (
    str(identifier(serial)) for serial in ("A001", "A002", "A003", "A004", "A005", "B001")
)

# What is tried of each command, by its words: each of it would change something.
TRIALS: dict[str, tuple[str, ...]] = {
    "owner add": ("X0000000000000101T", "--kind", "resource", "--name", "n", "--contact", "c"),
    "owner update": (OWNER, "--name", "another"),
    "owner accredit": ("91110000802100433B",),
    "owner suspend": (OWNER,),
    "owner reinstate": (OTHER,),
    "owner end": ("91110000802100433B",),
    "owner qualify": (FOREIGN,),
    "token add": ("desk", "--role", "read-only"),
    "token revoke": ("panel",),
    "gateway enrol": ("gw2", "--prefix", OWNER),
    "gateway remove": ("gw1",),
    "scope set": ("--location", "33"),
    "pool add": (PLACE, "--class", CLASS, "--count", "5"),
    "pool mint": (f"{PLACE}/{CLASS}", "--number", "2"),
    "assign": (FREE,),
    "update": (LIVING, "--count", "9"),
    "file": (RESERVED,),
    "activate": (FILED,),
    "withdraw": (FILED,),
    "suspend": (LIVING,),
    "reinstate": (HELD,),
    "retire": (LIVING,),
    "alias": (LIVING, HELD),
    "transfer": (LIVING, "--to", FOREIGN),
    "lock add": (LIVING,),
    "lock remove": (RESERVED,),
    "renew": (LIVING, "--until", "2090-12-31"),
    "validity set": ("--grace", "9"),
    "location retire": ("330106", "330108"),
    "import": ("table.csv",),
    "restore": ("lines.jsonl",),
    "zone load": ("far.zone",),
    "zone drop": ("far.example.",),
    "zone rebuild": ("csid.internal.",),
    "migrate": (),
}


def offering(parser: argparse.ArgumentParser, words: str) -> Iterator[str]:
    """The commands at and below a parser that have --dry-run."""
    if "--dry-run" in parser._option_string_actions:
        yield words
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from offering(below, f"{words} {word}".strip())


# They are for nodes of a network, or for none: test_filing.py, test_node.py, test_aggregate.py,
# test_latency.py.
APART = {"filing", "node", "aggregate", "latency"}
OFFERED = sorted({one for name in set(COMMANDS) - APART for one in offering(_parser([name]), "")})


def test_every_command_that_offers_it_is_tried() -> None:
    assert set(OFFERED) <= set(TRIALS)
    assert len(OFFERED) > 20


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node for which each of the trials would be a change, with the files that they read."""
    folder = tmp_path_factory.mktemp("dry")
    made = Node(folder / "node")
    made.accredit(OWNER)
    made.accredit(OTHER)
    made.must(
        *("owner", "add", FOREIGN, "--kind", "resource", "--kind", "resale"),
        *("--name", "n", "--contact", "c"),
    )
    made.must("owner", "accredit", FOREIGN)
    made.must("owner", "suspend", OTHER)
    made.must(
        "owner", "add", "91110000802100433B", "--kind", "resource", "--name", "n", "--contact", "c"
    )
    made.must("token", "add", "panel", "--role", "read-only")
    made.must("gateway", "enrol", "gw1", "--prefix", OWNER)
    made.must("pool", "add", PLACE, "--class", CLASS, "--count", 50)
    for code, state in ((LIVING, "active"), (HELD, "active"), (IMPORTED, "active")):
        made.must("assign", code, "--state", state)
    for code, state in ((FILED, "filing"), (RESERVED, "reserved")):
        made.must("assign", code, "--state", state)
    made.must("suspend", HELD)
    made.must("lock", "add", RESERVED, "--lock", "renew")
    (folder / "table.csv").write_text(f"identifier,state\n{IMPORTED},suspended\n")
    line = f'{{"identifier": "{IMPORTED}", "record": {{"state": "suspended"}}}}\n'
    (folder / "lines.jsonl").write_text(line)
    (folder / "far.zone").write_text(ZONE)
    assert made.run("zone", "load", folder / "far.zone").code == 0
    (folder / "far.zone").write_text(ZONE.replace("host 2", "host 3"))
    return made


def hold_the_write_lock(say: Say, data: Path) -> None:
    """Be writing for PATIENCE, or until killed."""
    with Store.open(data, writable=True) as store, store.write():
        say("writing")
        time.sleep(PATIENCE)


@pytest.fixture
def writer(node: Node) -> Iterator[Started]:
    """Somebody who is writing."""
    started = start(hold_the_write_lock, node.data)
    assert started.said.readline() == b"writing\n"
    yield started
    started.process.kill()
    started.process.join()
    started.said.close()


def contents(data: Path) -> dict[str, tuple[int, bytes]]:
    """When each file was written, and its octets; `lock.mdb` is where readers have their slots."""
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in data.iterdir()
        if path.name != "lock.mdb"
    }


@pytest.mark.parametrize("words", OFFERED)
def test_a_dry_run_writes_nothing_and_does_not_wait_for_who_writes(
    node: Node, writer: Started, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(node.data.parent)
    before = contents(node.data)
    ran = node.run(*words.split(), *TRIALS[words], "--dry-run")
    assert writer.process.is_alive(), "it waited for the write lock"
    assert ran.code == 0, ran
    assert contents(node.data) == before


@pytest.mark.parametrize("words", OFFERED)
def test_a_dry_run_says_that_it_is_one_to_scripts(
    node: Node, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(node.data.parent)
    ran = node.run(*words.split(), *TRIALS[words], "--dry-run", "--json")
    assert ran.code == 0, ran
    assert ran.json[-1]["dry_run"] is True


@pytest.mark.parametrize("words", OFFERED)
def test_a_dry_run_needs_no_right_to_write(
    node: Node, words: str, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Node.__new__(Node)
    copy.data = open_folder / "node"
    copy.data.mkdir()
    (copy.data / "data.mdb").write_bytes((node.data / "data.mdb").read_bytes())
    (copy.data / "lock.mdb").touch()
    copy.data.chmod(0o755)
    (copy.data / "data.mdb").chmod(0o644)
    (copy.data / "lock.mdb").chmod(0o666)
    for name in ("table.csv", "lines.jsonl", "far.zone"):
        (open_folder / name).write_bytes((node.data.parent / name).read_bytes())
        (open_folder / name).chmod(0o644)
    open_folder.chmod(0o777)  # a table is sorted in a temporary file
    monkeypatch.setenv("TMPDIR", str(open_folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(open_folder)
    before = contents(copy.data)
    with as_nobody():
        ran = copy.run(*words.split(), *TRIALS[words], "--dry-run")
    assert ran.code == 0, ran
    assert contents(copy.data) == before
