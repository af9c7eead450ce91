"""UPDATEs about moves of cuts, as the national node takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from csid import names
from csid.protocol import CLASS_ANY, TXT, A
from registry.network.moves import MOST
from registry.rules.requests import KeepCut, MoveCut
from registry.tables import network
from registry.tables.node_keys import key_name
from registry.tables.rows import Moving
from registry.tables.view import get_cut
from registry.zones import moving
from resolver.store import node
from resolver.sync.actions import Errand
from resolver.sync.settings import Target
from resolver.sync.update.message import request
from tests.support.moving import CUT, HOSTS, NAMED, PORT, World
from tests.support.registering import identifier

NAME = NAMED.target(f"{network.MOVES}/{CUT}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    of = World(tmp_path)
    of.begun(identifier("0001"))
    assert of.ask("root", MoveCut(CUT, "hangzhou")).status.success
    yield of
    of.close()


def noted(world: World) -> Moving:
    with world.at["root"].view() as seen:
        row = get_cut(seen, CUT)
    assert row is not None and row.moving is not None
    return row.moving


def held(world: World) -> list[bytes]:
    """What the root zone says of the move, as a prerequisite."""
    with world.at["root"].store.read() as read:
        move = moving.move_of(read, NAMED, CUT)
    assert move is not None
    return [node.rr(NAME, TXT, 0, one) for one in move.texts]


def said(
    world: World, changes: list[bytes], prerequisites: list[bytes], by: str = "zhejiang"
) -> tuple[str, str]:
    """The rcode and the words of the national node."""
    target = Target(HOSTS["root"], PORT, key_name(by, 1))
    message = request(NAMED.wire, changes, prerequisites)
    answer = dns.message.from_wire(world.update(by, Errand(b"test", target, message)))
    return dns.rcode.to_text(answer.rcode()), "".join(one.text or "" for one in answer.options)


def text(*strings: str, name: bytes = NAME) -> bytes:
    data = b"".join(bytes((len(one),)) + one for one in (string.encode() for string in strings))
    return node.rr(name, TXT, 60, data)


def test_the_two_nodes_say_what_they_have_to_say(world: World) -> None:
    assert said(world, [text("serial=7")], held(world))[0] == "NOERROR"
    assert noted(world).serial == 7
    assert said(world, [text("why=not yet")], held(world), "hangzhou")[0] == "NOERROR"
    assert noted(world).why == "not yet"
    rcode, words = said(world, [text("serial=8")], held(world), "hangzhou")
    assert (rcode, "is a cut of node zhejiang" in words) == ("REFUSED", True)
    assert noted(world).serial == 7


@pytest.mark.parametrize(
    "change",
    [
        text("serial=7", "x"),
        text("serial"),
        text("serial="),
        text("serial=-1"),
        text("serial=１"),
        text("serial=99999999999"),
        text("what=7"),
        node.rr(NAME, A, 60, bytes(4)),
        NAME + bytes((0, TXT, 0, CLASS_ANY, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_what_is_nothing_of_the_kind_is_told_what_was_expected(world: World, change: bytes) -> None:
    rcode, words = said(world, [change], held(world))
    assert (rcode, "expected" in words) == ("FORMERR", True)
    assert noted(world).serial is None


def test_it_is_bound_to_the_move_that_was_seen(world: World) -> None:
    before = held(world)
    assert said(world, [text("serial=7")], [])[0] == "REFUSED"
    other = node.rr(NAMED.target("nodes/zhejiang"), TXT, 0, b"\1x")
    assert said(world, [text("serial=7")], [other])[0] == "REFUSED"
    exists = NAME + bytes((0, TXT, 0, CLASS_ANY, 0, 0, 0, 0, 0, 0))
    assert said(world, [text("serial=7")], [exists])[0] == "REFUSED"  # it would fit any move
    assert world.ask("root", KeepCut(CUT)).status.success
    assert world.ask("root", MoveCut(CUT, "hangzhou")).status.success
    assert said(world, [text("serial=7")], before)[0] == "NXRRSET"
    assert noted(world).serial is None


def test_all_of_one_update_is_done_or_nothing(world: World) -> None:
    changes = [text("serial=7"), text("serial=99999999999")]
    assert said(world, changes, held(world))[0] == "FORMERR"
    assert noted(world).serial is None
    many = [text(f"serial={number}") for number in range(MOST + 1)]
    rcode, words = said(world, many, held(world))
    assert (rcode, f"at most {MOST}" in words) == ("REFUSED", True)
    assert said(world, many[:MOST], held(world))[0] == "NOERROR"
    assert noted(world).serial == MOST - 1


def test_a_name_that_is_no_cut_is_told_so(world: World) -> None:
    for path in (network.MOVES, f"{network.MOVES}/x"):
        name = NAMED.target(path)
        held_there = [node.rr(name, TXT, 0, b"\1x")]
        rcode, _ = said(world, [text("serial=7", name=name)], held_there)
        assert rcode in ("NXRRSET", "FORMERR", "REFUSED")
    assert names.to_text(NAME).startswith("330106.")
    assert noted(world).serial is None
