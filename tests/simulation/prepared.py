"""Data directories of a network at its beginning, made once and copied for each history."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from csid import names
from registry import deployment
from registry.network import joining
from registry.network.joining import Key, Membership
from registry.network.receipt_seal import public_key
from registry.rules.requests import AddNode, Request
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.enums import NodeRole
from registry.tables.node_keys import ALGORITHM, SECRET, derive
from resolver.store import epochs
from tests.simulation.world import World
from tests.support.books import OWNERS, SUFFIX, accredit
from tests.support.registering import ADMINISTRATOR

ROOT: Final = ("127.0.0.1", 5300)
_MAP_OCTETS: Final = 1 << 26
# Two regions share what begins with 33, so they want the same cuts.
MEMBERS: Final = {
    "sum": (NodeRole.AGGREGATE, (), "127.0.0.2"),
    "zhejiang": (NodeRole.REGION, ("33",), "127.0.0.3"),
    "east": (NodeRole.REGION, ("33", "31"), "127.0.0.4"),
    "grid": (NodeRole.INDUSTRY, ("64",), "127.0.0.5"),
}
HOSTS: Final = {"root": ROOT[0], **{name: host for name, (_, _, host) in MEMBERS.items()}}
REGIONS: Final = ("zhejiang", "east")


def memory() -> str | None:
    """A folder in memory, if this machine has one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="csid-simulated-", dir=memory())
    with World(0).clocks():
        _make(Path(folder.name))
    return folder


def _make(folder: Path) -> None:
    root = folder / "root"
    deployment.create(root, SUFFIX, "0.EXAMPLE", map_octets=_MAP_OCTETS, national=True)
    with Registry.alone(root, sync=False) as registry:
        accredit(registry, *OWNERS)
        for name, (role, scope, host) in MEMBERS.items():
            body = AddNode(name, role.name.lower(), scope, (f"{host}:{ROOT[1]}",))
            assert registry.submit(Request(ADMINISTRATOR, body)).status is Status.DONE
        with registry.store.read() as read:
            secret = read.table(b"meta").get(SECRET) or b""
    for name, (role, scope, _) in MEMBERS.items():
        key = Key(names.from_text(f"{name}-1."), ALGORITHM, derive(secret, name, 1))
        own = secret if role is NodeRole.AGGREGATE else b""
        is_region, receipts = role is NodeRole.REGION, public_key(secret)
        of = Membership(role, name, scope, ROOT, key, is_region, own, receipts)
        joining.create(folder / name, SUFFIX, "0.EXAMPLE", of, _MAP_OCTETS)
        if of.registers:
            with Registry.alone(folder / name, sync=False) as registry:
                accredit(registry, *OWNERS)


@contextmanager
def directories() -> Iterator[Path]:
    """A folder with a fresh data directory for each machine, and with what these machines know of
    how far their nodes got; gone afterwards.
    """
    prepared = Path(_folder().name)
    with (
        tempfile.TemporaryDirectory(prefix="csid-history-", dir=memory()) as path,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(path)
        patch.setenv(epochs.FOLDER_VARIABLE, f"{folder / 'epochs'}")
        patch.setattr(epochs, "_open", {})
        for name in HOSTS:
            shutil.copytree(prepared / name, folder / name)
        yield folder
