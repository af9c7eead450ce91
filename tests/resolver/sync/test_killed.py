"""Killed at any moment of a transfer: the zone is the old one or the new one, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolver.store.environment import Store
from resolver.sync.transfer import intake, sorter
from resolver.sync.transfer.fetch import Fetch
from tests.resolver.sync.test_fetch import ORIGIN, ZONE, loaded, nodes
from tests.support import killed, trees
from tests.support.killed import Say
from tests.support.servers import make_data
from tests.support.transfers import NOW, Line, given, messages, soa, whole

NAMES = 60
ROUNDS = 6  # transfers in a process
KILLS = 8


def lines(serial: int) -> list[Line]:
    """The zone of a serial: half of its names are others in each, one is out of order."""
    made = [Line(ZONE, "NS", "ns.net."), Line("ns.net.", "A", f"192.0.2.{serial}")]
    made += [Line(f"n{number:02}.a.net.", "TXT", f'"{number}"') for number in range(NAMES)]
    made += [Line(f"m{number:02}.b{serial}.net.", "MX", "1 ns.net.") for number in range(NAMES)]
    return made


def work(say: Say, path: Path, is_whole: bool) -> None:
    """Follow a primary through its serials; says what it was given, and what is through."""
    intake.INTAKE_NODES = intake.NODES_PER_LOOK = 20  # type: ignore[misc]
    intake.POINTERS_PER_COMMIT = 15  # type: ignore[misc]
    sorter.INTAKE_OCTETS = 8_000  # type: ignore[misc]
    with Store.open(path, writable=True) as store:
        for serial in range(2, ROUNDS + 2):
            fetch = Fetch(store, ORIGIN, None, NOW, full=is_whole)
            sent = [soa(ZONE, serial), soa(ZONE, serial - 1)]
            old, new = lines(serial - 1), lines(serial)
            sent += [one for one in old if one not in new]
            sent += [soa(ZONE, serial), *(one for one in new if one not in old), soa(ZONE, serial)]
            made = messages(fetch.request, whole(ZONE, serial, new) if is_whole else sent, 10)
            for number, one in enumerate(made):
                fetch.receive(one, NOW)
                say(f"{serial} {number}")
            say(f"{serial} through")


@pytest.mark.parametrize("is_whole", [True, False], ids=["AXFR", "IXFR"])
def test_a_zone_is_old_or_new_wherever_it_is_killed(tmp_path: Path, is_whole: bool) -> None:
    said = 0
    for kill in range(KILLS + 1):
        path = make_data(tmp_path / str(kill))
        with Store.open(path, writable=True) as store:
            fetch = Fetch(store, ORIGIN, None, NOW)
            assert given(fetch, messages(fetch.request, whole(ZONE, 1, lines(1))))
        started = killed.start(work, path, is_whole)
        if not kill:  # how much there is to say
            said = len(killed.finished(started))
            continue
        moments = killed.moments(KILLS, said - 2)
        told = killed.killed_after(started, *moments[kill - 1])
        through = [int(line.split()[0]) for line in told if line.endswith("through")]
        with Store.open(path, writable=True) as store:
            with store.read() as read:
                held = read.summary(read.zone(ORIGIN)).serial
            reached = max(through, default=1)
            assert held in (reached, reached + 1)
            made = nodes(store)
            wanted = loaded(lines(held), held)
            assert made.keys() == wanted.keys()
            if is_whole:
                assert made == wanted
            trees.check(store)
            store.sweep()
            assert trees.leftovers(store) == 0
