"""Leaves decided again under the rules of today."""

from __future__ import annotations

from pathlib import Path

from registry.rules.requests import Assign, SetScope
from registry.service import Registry
from registry.tables.transaction import TransactionView
from registry.verify.rules import judge
from tests.support import damaged
from tests.support.books import ask, opened
from tests.support.registering import RECORD, identifier


def test_what_was_decided_comes_out_the_same(tmp_path: Path) -> None:
    data = damaged.make(tmp_path / "data")
    with Registry.open(data) as registry:
        report = registry.verify([damaged.KEY.verifier], by_rules=True)
    assert (report.faults, report.by_rules) == ([], [])
    # All but those about the node itself: its beginning, its two zones' load, its key.
    assert report.size - report.looked_at["leaves decided again"] == 4


def test_what_the_rules_do_not_allow_any_more_is_told(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier(), RECORD)).status.success
        with registry.log() as log:
            leaf = log.leaf(log.size - 1)
        other = leaf.replace(str(identifier()).encode(), str(identifier("0002")).encode())
        assert ask(registry, SetScope(("11",))).status.success
        with registry.store.read() as read:
            seen = TransactionView(read)
            assert "exists already" in str(judge(seen, leaf))
            assert "this node assigns for 11 only" in str(judge(seen, other))
