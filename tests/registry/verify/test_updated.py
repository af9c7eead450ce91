"""Zones that are updated, loaded, made anew and assigned into, in any order: verification agrees
with all of it, and finds whatever else was changed at a name.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from csid import names
from csid.protocol import TXT
from gateway.cli import main
from registry.core import Core
from registry.rules.requests import AliasSubtree, Assign, Body, Request, Retire
from registry.service import Registry
from registry.tables import zone_changes
from registry.tables.log_entry import decode
from registry.tables.transaction import AuditStore
from registry.writer.commit import commit
from resolver.store.node import RRset
from tests.support import trees, updating
from tests.support.books import ORIGIN, OWNERS, SUFFIX, accredit, create
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

DEEPER = f"330106.6450.{OWNER.lower()}.{SUFFIX}"
HOSTS = [f"h{number}" for number in range(6)]
HOSTS += [
    OWNER.lower(),
    f"a.b.{OTHER.lower()}",
    f"*.x.{OWNER.lower()}",
    f"330106.6450.{OTHER.lower()}",
]


class Life:
    """A directory in which much happens."""

    def __init__(self, data: Path, folder: Path, seed: int) -> None:
        self.data, self.folder = data, folder
        self.random = random.Random(seed)
        self.numbers = iter(range(1, 1_000))
        self.steps: list[Callable[[], None]] = [
            *[self.update] * 8,
            self.update_apex,
            self.assign,
            self.load,
            self.rebuild,
            self.load_deeper,
            self.drop_deeper,
            self.close,
        ]

    def on_core(self, work: Callable[[Core], object]) -> None:
        core = updating.core(self.data)
        try:
            work(core)
        finally:
            core.store.close()

    def update(self) -> None:
        origin = self.random.choice([SUFFIX, SUFFIX, DEEPER])
        message = updating.new(origin)
        for _ in range(self.random.randrange(1, 6)):
            host = self.random.choice(HOSTS)
            name = f"{host}.{origin}"
            kind, data = self.random.choice(
                [
                    ("A", "192.0.2.1"),
                    ("TXT", '"x"'),
                    ("NS", f"h1.{SUFFIX}"),
                    ("MX", f"1 h2.{SUFFIX}"),
                ]
            )
            if self.random.random() < 0.6:
                message.add(name, self.random.choice([60, 300]), kind, data)
            else:
                message.delete(name, *self.random.choice([(), (kind,), (kind, data)]))
        self.on_core(lambda core: updating.ask(core, message))

    def update_apex(self) -> None:
        message = updating.new(SUFFIX)
        message.add(SUFFIX, 300, "NS", f"h{self.random.randrange(4)}.{SUFFIX}")
        message.replace(SUFFIX, 300, "TXT", f'"{self.random.random()}"')
        message.delete(SUFFIX, "NS", f"h{self.random.randrange(4)}.{SUFFIX}")
        self.on_core(lambda core: updating.ask(core, message))

    def submit(self, body: Body) -> None:
        self.on_core(lambda core: commit(core, [[Request(ADMINISTRATOR, body)]]))

    def assign(self) -> None:
        code = identifier(f"{next(self.numbers):04d}")
        self.submit(Assign(code, RECORD))
        if self.random.random() < 0.3:
            self.submit(Retire(code, ""))

    def close(self) -> None:
        self.submit(AliasSubtree(f"{OTHER}/6450/330106", f"{OWNER}/6450/330106"))

    def command(self, *words: str) -> None:
        main([*words, "--data", str(self.data)])

    def load(self) -> None:
        """The zone as it is, or as it was some time ago."""
        file = self.folder / "zone"
        if not file.exists() or self.random.random() < 0.5:
            self.command("zone", "dump", SUFFIX, "--output", str(file))
        self.command("zone", "load", str(file), "--serial", "increment")

    def rebuild(self) -> None:
        self.command("zone", "rebuild", SUFFIX)

    def load_deeper(self) -> None:
        file = self.folder / "deeper"
        self.command("zone", "dump", SUFFIX, "--output", str(self.folder / "all"))
        file.write_text(
            f"$ORIGIN {DEEPER}\n@ 60 SOA h h 1 1 1 1 1\n@ 60 NS h\nh 60 A 192.0.2.1\n"
            + "".join(
                line
                for line in (self.folder / "all").read_text().splitlines(True)
                if line.split()[0].endswith(f".acv.{DEEPER}")
            )
        )
        self.command("zone", "load", str(file), "--serial", "increment")

    def drop_deeper(self) -> None:
        self.command("zone", "drop", DEEPER, "--yes")


@pytest.mark.parametrize("seed", range(6))
def test_verification_agrees_with_whatever_was_done(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    data = create(tmp_path / "data")
    with Registry.alone(data, sync=False) as registry:
        accredit(registry, *OWNERS)
        updating.allow(registry.store, SUFFIX, DEEPER)
    life = Life(data, tmp_path, seed)
    for number in range(40):
        step = life.random.choice(life.steps)
        step()
        if number % 4 == 3:
            core = updating.core(data)
            report = updating.verified(core.store)
            trees.check(core.store)
            core.store.close()
            assert report.faults == [], (number, step.__name__, report.faults[:3])
    core = updating.core(data)
    try:
        kinds = [decode(leaf) for leaf in _leaves(core)]
        touched = {
            change.key
            for leaf in kinds
            if leaf.kind == "zone.update" and leaf.on == SUFFIX
            for change in zone_changes.changes_of(leaf.after)
        }
        assert touched
        for key in sorted(touched)[:8]:
            _find_damage(core, key)
    finally:
        core.store.close()


def _leaves(core: Core) -> list[bytes]:
    with core.store.read() as read:
        return list(AuditStore(read).leaves())


def _find_damage(core: Core, key: bytes) -> None:
    """Another record at a name is found, and when it is gone nothing is."""
    with core.store.write() as txn:
        zone = txn.update(ORIGIN)
        before = zone.rrsets(key)
        zone.set(key, {**before, TXT: RRset(7, [b"\6damage"])})
        zone.finish()
    faults = updating.verified(core.store).faults
    assert faults, names.to_text(names.wire_of_key(names.key_of(ORIGIN) + key))
    with core.store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key, before)
        zone.finish()
    assert updating.verified(core.store).faults == []
