"""`csid history`: each change, when, by whom and why."""

from __future__ import annotations

import contextlib

from gateway.cli.commands.history import json_of, rows_of
from registry.tables import log_entry
from registry.tables.log_entry import EntryWriter
from tests.support import updating
from tests.support.books import SUFFIX
from tests.support.commands import Node
from tests.support.inventory import SECOND
from tests.support.registering import OTHER, OWNER, identifier


def test_a_history_says_when_by_whom_and_why(filled: Node) -> None:
    filled.must("reinstate", SECOND, "--as", "李", "--reason", "修好")
    moved = filled.must("transfer", SECOND, "--to", OTHER)
    lines = filled.run("history", SECOND).lines
    assert len(lines) == 4
    assert "检修" in lines[1]
    assert "suspended" in lines[1]
    assert "李 (administrator)  修好" in lines[2]
    assert f"→ {moved}" in lines[3]
    changes = filled.run("history", moved, "--json").json
    assert [one["kind"] for one in changes] == ["assign", "advance", "advance", "move"]
    assert changes[1]["record"]["state"] == "suspended"
    assert changes[-1]["to"] == moved
    assert [one["ttl"] for one in changes] == [300] * 4
    filled.must("update", moved, "--ttl", "60")
    assert "TTL 60" in filled.run("history", moved).lines[-1]
    owner = filled.run("history", OWNER, "--json").json
    assert [one["kind"] for one in owner] == ["owner.add", "owner.judge"]
    assert filled.run("history", str(identifier("7"))).code == 1
    assert filled.run("history", "甲").code == 2


def test_a_leaf_that_is_there_for_its_key_alone_has_no_record() -> None:
    writer = EntryWriter("li", "administrator", "", "update", 1_780_000_000, "")
    leaf = log_entry.decode(writer.entry(SECOND, b"", -1, "", 101, key=b"k" * 64))
    assert json_of(7, leaf)["record"] is None
    assert ("对象 On", SECOND) in rows_of(7, leaf)


def test_the_history_of_a_zone_says_what_updates_have_changed(filled: Node) -> None:
    core = updating.core(filled.data)
    with contextlib.closing(core.store):
        updating.allow(core.store, SUFFIX)
        for address in ("192.0.2.1", "192.0.2.2"):
            message = updating.new(SUFFIX)
            message.replace(f"www.{SUFFIX}", 60, "A", address)
            assert updating.ask(core, message) == "NOERROR"
    lines = filled.run("history", SUFFIX).lines
    assert [one.strip() for one in lines[-2:]] == [
        f"- www.{SUFFIX} 60 IN A 192.0.2.1",
        f"+ www.{SUFFIX} 60 IN A 192.0.2.2",
    ]
    assert f"zone.update  {updating.KEY} (key)" in lines[-3]
    last = filled.run("history", SUFFIX, "--json").json[-1]
    assert last["records"] == [one.strip() for one in lines[-2:]]
