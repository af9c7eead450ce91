"""Zones that are held and not served: expired ones, and those that were not transferred yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import pytest

from csid import names
from csid.errors import ZoneError
from csid.protocol import EDE_INVALID_DATA, EDE_NOT_AUTHORITATIVE, EDE_NOT_READY, TXT
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.store.apexes import (
    EXPIRED,
    NOT_READY,
    SERVED,
    ZoneEntry,
    split_zone_entry,
    zone_entry,
)
from resolver.store.build import build
from resolver.store.check import faults
from resolver.store.environment import Store
from resolver.store.node import RRset
from tests.support.answering import status
from tests.support.memory import zone_data
from tests.support.packets import NOW, PEER

PARENT, CHILD = "example.", "child.example."
TEXT = """\
$TTL 60
@    SOA ns host 1 2 3 4 5
     NS  ns
www  A   192.0.2.1
to   CNAME www.child.example.
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "data", "csid.internal.", "0.EXAMPLE") as made:
        load(made, PARENT)
        yield made


def load(store: Store, origin: str) -> None:
    with store.write() as txn:
        txn.replace_zone(names.from_text(origin), list(build(*zone_data(TEXT, origin))))


def flag(store: Store, origin: str, flags: int) -> None:
    with store.write() as txn:
        txn.set_flags(names.from_text(origin), flags)


def asked(store: Store, name: str, qtype: str = "A") -> tuple[str, list[int]]:
    """Status and extended errors of an answer."""
    query = dns.message.make_query(name, qtype, use_edns=0).to_wire()
    told: list[str] = []
    answerer = Answerer(OptWriter(bytes(16)), tell=told.append)
    with store.read() as read:
        packet = answerer.answer(query, TreeSource(read.snapshot), NOW, PEER, False)
    assert packet is not None and not told
    reply = dns.message.from_wire(packet)
    found = [one.code for one in reply.options if isinstance(one, dns.edns.EDEOption)]
    return status(reply), found


def test_an_expired_zone_is_told_of_and_served_again(store: Store) -> None:
    flag(store, PARENT, EXPIRED)
    for name in ("www.example.", "gone.example.", "example."):
        assert asked(store, name) == ("SERVFAIL", [EDE_INVALID_DATA])
    assert asked(store, "elsewhere.") == ("REFUSED", [EDE_NOT_AUTHORITATIVE])
    with store.read() as read:
        assert read.zone(names.from_text(PARENT)).flags == EXPIRED
        assert len(list(read.rows(read.zone(names.from_text(PARENT))))) == 4
    flag(store, PARENT, SERVED)
    assert asked(store, "www.example.") == ("NOERROR", [])


def test_a_zone_not_there_yet_hides_its_part_of_the_zone_above_it(store: Store) -> None:
    flag(store, CHILD, NOT_READY)
    assert asked(store, "www.child.example.") == ("SERVFAIL", [EDE_NOT_READY])
    assert asked(store, "www.example.") == ("NOERROR", [])
    assert asked(store, "to.example.") == ("NOERROR", [])  # the alias, and no more
    assert asked(store, "child.example.", "DS") == ("NXDOMAIN", [])  # the zone above knows
    with store.read() as read:
        assert list(faults(read)) == []
    load(store, CHILD)
    assert asked(store, "www.child.example.") == ("NOERROR", [])
    with store.read() as read:
        assert read.zone(names.from_text(CHILD)).flags == SERVED


def test_a_change_of_a_name_leaves_the_flags(store: Store) -> None:
    flag(store, PARENT, EXPIRED)
    with store.write() as txn:
        update = txn.update(names.from_text(PARENT))
        update.set(b"*\0", {TXT: RRset(60, [b"\1x"])})  # a wildcard, which the entry counts
        update.finish()
    with store.read() as read:
        held = read.zone(names.from_text(PARENT))
    assert (held.wildcards, held.flags) == (1, EXPIRED)


def test_a_published_zone_is_served(store: Store) -> None:
    flag(store, PARENT, EXPIRED)
    load(store, PARENT)
    assert asked(store, "www.example.") == ("NOERROR", [])


def test_flags_must_agree_with_what_is_held(store: Store) -> None:
    with pytest.raises(ZoneError, match="data of it is held"):
        flag(store, PARENT, NOT_READY)
    with pytest.raises(ZoneError, match="no zone with this apex"):
        flag(store, CHILD, EXPIRED)
    flag(store, CHILD, NOT_READY)
    flag(store, CHILD, NOT_READY)
    for flags in (SERVED, EXPIRED):
        with pytest.raises(ZoneError, match="no data of it is held"):
            flag(store, CHILD, flags)


def test_entries_without_flags_are_those_of_before() -> None:
    plain = ZoneEntry(bytes(range(8)), 5, bytes(range(8, 16)))
    assert len(zone_entry(plain)) == 24
    for entry in (plain, plain._replace(flags=EXPIRED), plain._replace(flags=NOT_READY)):
        assert split_zone_entry(zone_entry(entry)) == entry


@pytest.mark.parametrize("value", [bytes(23), bytes(25), bytes(24) + b"\3", bytes(26), b""])
def test_a_damaged_entry_is_told(value: bytes) -> None:
    with pytest.raises(LookupError):
        split_zone_entry(value)
