"""All kinds of work at once, by the writer of a node and by a process that writes beside it, all of
them killed at any moment, the writer as well: what was acknowledged is there, once.

CSID_KILLS says how many processes are killed (24 unless told otherwise).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

from csid.errors import StoreError
from gateway.cli import main
from registry.rules.decision import Decision
from registry.rules.lifecycle import Verb
from registry.rules.plan import MintAll
from registry.rules.requests import AddPool, Advance, Alias, Assign, Body, Mint, Retire
from registry.rules.status import Status
from registry.service import Outcome, Registry
from registry.tables import log_entry, view
from registry.tables.codec import decode_zone
from registry.tables.enums import State
from registry.tables.log_entry import LogEntry
from registry.tables.rows import NO_LEAF
from registry.tables.transaction import AuditStore
from registry.zones.asked import LOAD
from tests.support import trees
from tests.support.books import OWNERS, SUFFIX, accredit, ask, create, resolved
from tests.support.killed import LONGEST, Say, killed_after, start
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    PLACE,
    POOL,
    RECORD,
    identifier,
)
from tests.support.servers import Server
from tests.support.supervised import HASTY, supervised

KILLS: Final = int(os.environ.get("CSID_KILLS", "24"))
ROUNDS_PER_DIRECTORY: Final = 8  # so that looking through it all stays quick
WRITER: Final = "gateway.writing"
MOST_LINES: Final = 30  # said by a process before it is killed


# Each says what was acknowledged: "STATE NAME", the state it has at least from then on.


def requests(say: Say, data: Path, name: str, alone: bool) -> None:
    """Single requests of many kinds, about codes of its own; those whose outcome is not known are
    asked again under their keys.
    """
    opened = Registry.alone(data) if alone else Registry.open(data, writable=True)
    with opened as registry:
        for number in range(10_000):
            one, two = (identifier(f"{name}{number:04d}{half}") for half in "AB")
            steps: list[tuple[Body, str]] = [
                (Assign(one, RECORD), f"assigned {one}"),
                (Assign(two, RECORD), f"assigned {two}"),
                (Advance(two, Verb.SUSPEND), f"assigned {two}"),
                (Alias(one, two), f"superseded {one}"),
                (Retire(two), f"retired {two}"),
            ]
            for place, (body, said) in enumerate(steps):
                if insisted(registry, body, f"{name}/{number}/{place}").status.success:
                    say(said)


def insisted(registry: Registry, body: Body, key: str) -> Decision:
    while True:
        try:
            return ask(registry, body, key=key)
        except StoreError as error:
            assert "not known" in str(error) or "no other has followed" in str(error), error


def minting(say: Say, data: Path, name: str) -> None:
    """A plan that is begun again, under its key, whenever it is cut short."""

    def told(outcome: Outcome) -> None:
        for subject in outcome.subjects:
            say(f"assigned {subject}")

    with Registry.open(data, writable=True) as registry:
        for number in range(1_000):
            work = MintAll(POOL, RECORD, 20)
            done = False
            while not done:
                try:
                    registry.run(work, ADMINISTRATOR, key=f"{name}/{number}", on_progress=told)
                    done = True
                except StoreError:
                    pass
            assert insisted(registry, Mint(POOL, RECORD), f"{name}/{number}").status.success


def commands(say: Say, data: Path, name: str, folder: Path) -> None:
    """The commands that have much to do, one after the other, again and again."""
    table = folder / f"{name}.csv"
    for number in range(1_000):
        codes = [identifier(f"{name}{number:03d}{row:02d}") for row in range(30)]
        rows = [f"{code},active,https://a.example:8443\n" for code in codes]
        table.write_text("identifier,state,endpoints\n" + "".join(rows))
        if main(["import", str(table), "--data", str(data)]) == 0:
            for code in codes:
                say(f"assigned {code}")
        target = codes[0]
        for words in (
            ["update", str(target), "--count", str(number + 1)],
            ["audit", "checkpoint", "--output", str(folder / f"{name}.note")],
            ["transfer", str(target), "--to", OTHER],
        ):
            if main([*words, "--data", str(data)]) == 0 and words[0] == "transfer":
                say(f"superseded {target}")


def zones(say: Say, data: Path, name: str, folder: Path) -> None:
    """Zones that come, change and go, the tree made anew, keys that follow one another, all while
    others write.
    """
    origin = f"z{name}.{SUFFIX}"
    file = folder / f"{name}.zone"
    published = folder / f"{name}.log"
    for serial in range(1, 10_000):
        hosts = "".join(f"h{number} 60 A 127.0.0.1\n" for number in range(serial % 40))
        file.write_text(f"$ORIGIN {origin}\n@ 60 SOA h h {serial} 1 1 1 1\n@ 60 NS h\n{hosts}")
        for words in (
            ["zone", "load", str(file)],
            ["zone", "rebuild", SUFFIX],
            ["audit", "rebuild-indexes"],
            ["audit", "key", "--rotate"],
            ["audit", "checkpoint", "--output", str(folder / f"{name}.note")],
            ["audit", "publish", str(published)],
            ["zone", "drop", origin, "--yes"],
        ):
            if main([*words, "--data", str(data)]) == 0 and words[0] == "zone":
                say(f"zone.{words[1]} {serial}/{origin}")


def born(change: LogEntry) -> str:
    """The identifier that came about by a change, if one did."""
    if change.kind == "move":
        return change.to
    first = change.kind in ("assign", "mint", "import") and change.prev == NO_LEAF
    return change.on if first and change.status == Status.DONE.number else ""


def check(data: Path, promised: dict[str, set[str]]) -> int:
    """All that must hold of a registry at rest; returns how many identifiers it has."""
    with Registry.open(data) as registry:
        report = registry.verify()
        assert report.agrees, report.faults[:3]
        with registry.store.read() as read:
            leaves = list(map(log_entry.decode, AuditStore(read).leaves()))
        births = Counter(filter(None, map(born, leaves)))
        loads = {f"{decode_zone(one.after).serial}/{one.on}" for one in leaves if one.kind == LOAD}
        with registry.view() as seen:
            rows = {found: row for owner in OWNERS for found, row in view.assignments(seen, owner)}
        assert set(births) == set(rows)
        assert set(births.values()) <= {1}, "a code was given twice"
        for name, words in promised.items():
            if "zone.load" in words:
                assert name in loads, f"an acknowledged zone is lost: {name}"
            if any(word.startswith("zone") for word in words):
                continue
            assert name in rows, f"an acknowledged code is lost: {name}"
            if "superseded" in words:
                assert rows[name].state is State.SUPERSEDED
            elif "retired" in words:
                assert rows[name].state is State.RETIRED
            elif rows[name].state is not State.SUPERSEDED:
                assert resolved(registry, name) is not None
        trees.check(registry.store)
        return len(rows)


def test_all_work_and_the_writer_are_killed_at_any_moment(tmp_path: Path) -> None:
    source = random.Random(3)
    killed = 0
    round_ = 0
    while killed < KILLS:
        data = create(tmp_path / f"data{round_}")
        promised: dict[str, set[str]] = {}
        with Registry.alone(data, sync=False) as registry:
            accredit(registry, *OWNERS)
            ask(registry, AddPool(PLACE, CLASS, 30_000))
        assert main(["audit", "key", "--new", "example.cn/log", "--data", str(data)]) == 0
        sizes = set()
        with supervised(data, writer=True, timing=HASTY) as server:
            for _ in range(ROUNDS_PER_DIRECTORY):
                killed += a_round(data, tmp_path, server, round_, promised, source)
                sizes.add(check(data, promised))
                round_ += 1
                if killed >= KILLS:
                    break
        assert len(sizes) > 1 or round_ == 1


def a_round(
    data: Path,
    folder: Path,
    server: Server,
    round_: int,
    promised: dict[str, set[str]],
    source: random.Random,
) -> int:
    """Let all work for a while and kill each in the midst of it; how many were killed."""
    name = f"{round_ % 1_000:03d}"
    running = [
        start(requests, data, f"{name}0", False),
        start(requests, data, f"{name}1", False),
        start(requests, data, f"{name}2", True),
        start(minting, data, f"{name}3"),
        start(commands, data, f"{name}4", folder),
        start(zones, data, f"{name}5", folder),
    ]
    writes = [source.randrange(1, MOST_LINES) for _ in running]
    further = [source.random() * LONGEST for _ in running]
    writers = 0
    with ThreadPoolExecutor(len(running)) as threads:
        ends = [
            threads.submit(killed_after, *each)
            for each in zip(running, writes, further, strict=True)
        ]
        while not all(end.done() for end in ends):
            time.sleep(source.random() * 0.3)
            for pid in server.workers(WRITER):
                os.kill(pid, signal.SIGKILL)
                writers += 1
    for word, subject in map(str.split, chain.from_iterable(end.result() for end in ends)):
        promised.setdefault(subject, set()).add(word)
    return len(running) + writers
