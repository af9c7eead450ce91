"""Whatever another tool changes of the network's tables and names, verification finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from csid.errors import CsidError
from registry import deployment
from registry.network.filings import UNIT as ANSWER
from registry.network.receipts import take
from registry.receiving import Receipt
from registry.rules.requests import (
    AddNode,
    ApproveCut,
    Assign,
    Body,
    FileCut,
    RejectCut,
    RekeyNode,
    RemoveNode,
    Request,
    RequestFiling,
    SetFiling,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.enums import FilingState
from registry.verify import Report, Verdict
from resolver.store import node
from tests.support import damaged
from tests.support.books import OWNERS, SUFFIX, accredit, ask
from tests.support.joined import core_of, joined
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

REGISTRY: Final = (
    "registry.nodes",
    "registry.cuts",
    "registry.past_cuts",
    "registry.cut_index",
    "registry.counts",
    "registry.settings",
    "registry.owners",
    "registry.filings",
    "registry.by_state",
    "registry.filed",
    "registry.assignments",
)
SYNC: Final = ("sync.keys", "sync.rights", "sync.targets", "sync.follows", "sync.catalogs")

Row = tuple[bytes, bytes]


def _national(path: Path) -> None:
    deployment.create(path, SUFFIX, "0.EXAMPLE", map_octets=1 << 30, national=True)
    inside = f"ns.330106.6450.{OWNER}.{SUFFIX}".lower()
    steps: list[Body] = [
        AddNode("zhejiang", "region", ("33",), ("127.0.0.3:5300", "[::3]:5300"), "浙江"),
        AddNode("beijing", "region", ("11", "12"), ("127.0.0.4:5300",)),
        AddNode("hebei", "region", ("13",), ("127.0.0.5:5300",)),
        AddNode("sum", "aggregate", (), ("127.0.0.2:5300",)),
        FileCut(f"{OWNER}/6450/330106", "zhejiang", ((inside, ("127.0.0.9", "::9")),)),
        FileCut(f"{OWNER}/6450/330108", "zhejiang", ds=(b"\x12\x34\x08\2" + b"d" * 32,)),
        FileCut(f"{OTHER}/6450/110105", "beijing"),
        WithdrawCut(f"{OTHER}/6450/110105", "beijing"),
        RekeyNode("zhejiang", 86_400),
        RemoveNode("hebei"),
        SetFiling("manual"),
        FileCut(f"{OTHER}/6450/110106", "beijing"),
        FileCut(f"{OTHER}/6450/110107", "beijing"),
        FileCut(f"{OTHER}/6450/110108", "beijing"),
        ApproveCut(f"{OTHER}/6450/110108"),
        SuspendNode("beijing"),
    ]
    with Registry.open(path, writable=True, sync=False) as registry:
        accredit(registry, *OWNERS)
        for step in steps:
            decision = ask(registry, step)
            assert decision.status is Status.DONE, (step, decision)
        rejected = Request(ADMINISTRATOR, RejectCut(f"{OTHER}/6450/110107"), "no")
        assert registry.submit(rejected).status is Status.DONE
        registry.checkpoint(damaged.KEY, ADMINISTRATOR)


@pytest.fixture(scope="module")
def national(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("national") / "data"
    _national(path)
    return path


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node that files: with one cut in each state, and identifiers in those of filing."""
    path = tmp_path_factory.mktemp("region") / "data"
    with joined(path) as registry:
        for at in ("330106", "330108", "330109", "330110"):
            assert ask(registry, RequestFiling(f"{OWNER}/6450/{at}")).status is Status.DONE
        for serial in ("0100", "0200"):
            assert ask(registry, Assign(identifier(serial), RECORD)).status is Status.DONE
        receipt = Receipt(str(identifier("0100")), 7, Status.DONE.number, 9, "")
        (taken,) = take(core_of(registry), "zhejiang-1.", [receipt], 1_800_000_000)
        assert taken.status is Status.DONE
        states = zip(("330106", "330108", "330109"), list(FilingState)[1:4], strict=True)
        for at, state in states:
            registry.perform(ANSWER, ["zhejiang-1.", f"{OWNER}/6450/{at}", int(state), "so", ""])
        registry.checkpoint(damaged.KEY, ADMINISTRATOR)
    return path


def verified(path: Path) -> Report | None:
    try:
        with Registry.open(path) as registry:
            return registry.verify([damaged.KEY.verifier])
    except CsidError:
        return None


EDITS: Final[dict[str, Callable[[Row], list[Row | tuple[bytes, None]]]]] = {
    "gone": lambda row: [(row[0], None)],
    "first octet": lambda row: [(row[0], bytes((row[1][0] ^ 1,)) + row[1][1:] if row[1] else b"1")],
    "last octet": lambda row: [
        (row[0], row[1][:-1] + bytes((row[1][-1] ^ 1,)) if row[1] else b"1")
    ],
    "twice": lambda row: [(row[0] + b"0", row[1])],
}


def unfound(path: Path, table: str) -> Iterator[str]:
    """The damages of a table that are not found, each done to the one directory and undone."""
    name = table.encode("ascii")
    with damaged.table(path, name) as rows:
        held = rows.all()
    for row in held:
        for word, edit in EDITS.items():
            changed = edit(row)
            with damaged.table(path, name) as rows:
                _put(rows, changed)
            report = verified(path)
            if report is not None and report.verdict is Verdict.SOUND:
                yield f"{word} of {table} {row[0]!r}"
            with damaged.table(path, name) as rows:
                _put(rows, [(key, dict(held).get(key)) for key, _ in changed])


def _put(rows: damaged.Rows, changed: list[Row | tuple[bytes, None]]) -> None:
    for key, value in changed:
        if value is None:
            rows.delete(key)
        else:
            rows.put(key, value)


def test_the_national_node_is_sound(national: Path) -> None:
    report = verified(national)
    assert report is not None and report.faults == []
    assert report.verdict is Verdict.SOUND


@pytest.mark.parametrize("table", [*REGISTRY, *SYNC, "tree", "meta"])
def test_each_damage_of_a_national_node_is_found(national: Path, table: str) -> None:
    """But for what others were given beside it, and how many generations were given out."""
    missed = [one for one in unfound(national, table) if not one.startswith("twice of sync.")]
    assert [one for one in missed if "b'generation'" not in one] == []


def test_a_region_node_is_sound(region: Path) -> None:
    report = verified(region)
    assert report is not None and report.faults == []
    assert report.verdict is Verdict.SOUND


@pytest.mark.parametrize("table", [*REGISTRY, "sync.keys", "sync.rights", "sync.follows", "apexes"])
def test_each_damage_of_a_region_node_is_found(region: Path, table: str) -> None:
    """But for what others were given beside it, and when (the last octets of sync tables)."""
    missed = list(unfound(region, table))
    if table.startswith("sync."):
        missed = [one for one in missed if not one.startswith(("twice", "last octet"))]
    assert missed == []


def test_a_key_that_ends_within_a_label_is_found(national: Path) -> None:
    """Though an empty node there has, by its octets, something below it."""
    with damaged.table(national, b"tree") as rows:
        held = rows.all()
    beneath = [
        (below[: len(above) + 1], blob)
        for (above, blob), (below, _) in pairwise(held)
        if below.startswith(above) and len(blob) == len(node.EMPTY)
    ]
    assert beneath
    for key, blob in beneath:
        with damaged.table(national, b"tree") as rows:
            rows.put(key, blob)
        report = verified(national)
        assert report is not None and report.verdict is Verdict.NOT_SOUND, key
        with damaged.table(national, b"tree") as rows:
            rows.delete(key)
