"""An UPDATE that comes again is not carried out again, and gets the same answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dns.update
import pytest

from csid import names
from registry.core import Core
from registry.zones import updates
from registry.zones.replays import Replays
from resolver.sync import tsig
from tests.support import trees, updating
from tests.support.books import SUFFIX, create

NAME = f"www.{SUFFIX}"
A = (NAME, 60, "A", "192.0.2.1")
KEY = tsig.Key(names.from_text(updating.KEY), "hmac-sha256", updating.SECRET)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A directory whose zone a key may update."""
    core = updating.core(create(tmp_path / "data"))
    updating.allow(core.store, SUFFIX)
    yield core
    trees.check(core.store)
    core.store.close()


def made(step: str, *given: object) -> dns.update.UpdateMessage:
    message = updating.new(SUFFIX)
    getattr(message, step)(*given)
    return message


def put(core: Core, message: dns.update.UpdateMessage, packet: bytes) -> str:
    answer = updates.answer(core, packet, updating.HERE, True, int(time.time()))
    return updating.told(updating.read(message, answer))


def has(core: Core) -> bool:
    return any(line.startswith(NAME) for line in updating.text(core.store, SUFFIX))


@pytest.mark.parametrize("step", ["add", "absent"])
def test_what_was_undone_since_is_not_done_again(core: Core, step: str) -> None:
    first = made("add", *A)
    if step == "absent":  # as it holds again, its prerequisite does not keep it from being done
        first.absent(NAME)
    packet = updating.signed(first)
    assert put(core, first, packet) == "NOERROR" and has(core)
    # Its sender repeats it, as the answer was lost: it was done.
    assert put(core, first, packet) == "NOERROR"
    assert updating.ask(core, made("delete", NAME)) == "NOERROR" and not has(core)
    before = trees.serial(core.store, SUFFIX)
    assert put(core, first, packet) == "NOERROR"
    assert not has(core) and trees.serial(core.store, SUFFIX) == before
    assert updating.ask(core, made("add", *A)) == "NOERROR" and has(core)  # signed anew


def test_what_was_refused_stays_so(core: Core) -> None:
    needs = made("add", *A)
    needs.present(f"ftp.{SUFFIX}")
    packet = updating.signed(needs)
    assert put(core, needs, packet) == "NXDOMAIN"
    assert updating.ask(core, made("add", f"ftp.{SUFFIX}", 60, "A", "192.0.2.1")) == "NOERROR"
    assert put(core, needs, packet) == "NXDOMAIN" and not has(core)


def test_the_same_twice_at_once_is_done_once(core: Core) -> None:
    packet = updating.signed(made("add", *A))
    gone = updating.signed(made("delete", NAME))
    waiting = [updates.Arrived(one, updating.HERE, True) for one in (packet, gone, packet)]
    now, answers = int(time.time()), 0
    while waiting:
        told = updates.answers(core, waiting, now)
        assert all(one.message[3] & 15 == 0 for one in told)
        answers += len(told)
        del waiting[: len(told)]
    assert answers == 3 and not has(core)


def test_what_may_be_a_message_that_is_forgotten_is_not_carried_out(core: Core) -> None:
    core.replays = Replays(most=2)
    now = int(time.time())

    def send(message: dns.update.UpdateMessage, at: int) -> int:
        wire, _ = tsig.sign(message.to_wire(), KEY, at)
        return updates.answer(core, wire, updating.HERE, True, now)[3] & 15

    first = made("add", *A)
    assert send(first, now - 9) == 0
    for age in (8, 7):
        assert send(made("delete", NAME), now - age) == 0
    assert send(first, now - 9) == 5 and not has(core)
    assert send(made("add", *A), now - 6) == 0 and has(core)


def test_memory_is_bounded_and_a_mac_that_was_cut_down_is_the_same() -> None:
    kept: Replays[int] = Replays(most=100)
    for number in range(1_000):
        mac = number.to_bytes(32, "little")
        kept.note(tsig.Signed(KEY, mac, b"", number), number)
    last = tsig.Signed(KEY, (999).to_bytes(32, "little")[:16], b"", 999)
    assert kept.answer(last) == 999 and not kept.is_too_old(last)
    older = last._replace(mac=(899).to_bytes(32, "little"), time=899)
    assert kept.answer(older) is None and kept.is_too_old(older)
    assert not kept.is_too_old(older._replace(key=KEY._replace(name=b"\1x\0")))
