"""A cut moves between two running nodes while some ask and others assign."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from registry.rules.requests import Assign, MoveCut, Request
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.enums import FilingState, State
from registry.tables.view import get_assignment, get_cut, get_cut_filing
from tests.support.books import SUFFIX
from tests.support.moving import CUT, HOSTS, make
from tests.support.peers import HOST, free_port
from tests.support.registering import ADMINISTRATOR, RECORD, identifier
from tests.support.servers import serving
from tests.support.syncing import until

OLD, NEW = "zhejiang", "hangzhou"
FIRST = identifier("0001")
SYNC = "registry.sync.process"


class Asker(threading.Thread):
    """Asks again and again until it is told to stop; keeps what it should not have been told."""

    def __init__(self, ask: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self.is_over = threading.Event()
        self.count = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                said = self._ask()
            except Exception as error:  # whatever keeps it from an answer
                said = repr(error)
            self.count += 1
            if said:
                self.wrong.append(said)

    def stop(self) -> None:
        self.is_over.set()
        self.join(30)
        assert self.count > 20
        assert self.wrong == []


def put(port: int) -> dns.message.Message:
    name = FIRST.to_dns_name(SUFFIX)
    return dns.query.udp(dns.message.make_query(name, "TXT"), HOST, port=port, timeout=10)


def kind_of(reply: dns.message.Message) -> str:
    if reply.rcode() != dns.rcode.NOERROR:
        return dns.rcode.to_text(reply.rcode())
    if reply.answer:
        return "answers"
    found = {one.rdtype for one in reply.authority}
    return "refers" if found == {dns.rdatatype.NS} else "denies"


def answers_or_refers(port: int) -> str:
    """Empty, or what a node says that does not help."""
    kind = kind_of(put(port))
    return "" if kind in ("answers", "refers") else f"{port}: {kind}"


def followed(ports: dict[str, int]) -> str:
    """Empty, or what somebody meets who comes from the root."""
    reply = put(ports["root"])
    if kind_of(reply) != "refers":
        return f"root: {kind_of(reply)}"
    server = str(reply.authority[0][0]).partition(".")[0]
    answer = put(ports[server])
    is_whole = kind_of(answer) == "answers" and answer.flags & dns.flags.AA
    return "" if is_whole else f"{server}: {kind_of(answer)}"


def state(registry: Registry) -> FilingState | None:
    with registry.view() as seen:
        row = get_cut_filing(seen, CUT)
    return None if row is None else row.state


def registered(registry: Registry, name: str) -> State | None:
    with registry.view() as seen:
        row = get_assignment(seen, name)
    return None if row is None else row.state


@pytest.mark.parametrize("is_killing", [False, True])
def test_nobody_misses_an_answer_and_nothing_is_lost(tmp_path: Path, is_killing: bool) -> None:
    ports = {name: free_port() for name in HOSTS}
    make(tmp_path, {name: (HOST, port) for name, port in ports.items()})
    given: dict[str, str] = {str(FIRST): OLD}
    with contextlib.ExitStack() as opened:
        servers = {
            name: opened.enter_context(serving(tmp_path / name, listen=(f"{HOST}:{port}",)))
            for name, port in ports.items()
        }
        writers = {}
        for name in ("root", OLD, NEW):
            writers[name] = opened.enter_context(Registry.open(tmp_path / name, writable=True))

        def assign(name: str, number: int) -> Status:
            body = Assign(identifier(f"{number:04}"), RECORD)
            return writers[name].submit(Request(ADMINISTRATOR, body)).status

        assert assign(OLD, 1).success
        until(lambda: registered(writers[OLD], str(FIRST)) is State.ACTIVE, 60)
        until(lambda: not answers_or_refers(ports[NEW]), 60)
        askers = [
            Asker(lambda: answers_or_refers(ports[OLD])),
            Asker(lambda: answers_or_refers(ports[NEW])),
            Asker(lambda: followed(ports)),
        ]
        for one in askers:
            one.start()
        # The old node hears of the move only once it has assigned while the move was under way.
        held = servers[OLD].workers(SYNC)
        assert held
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        move = writers["root"].submit(Request(ADMINISTRATOR, MoveCut(CUT, NEW)))
        assert move.status is Status.DONE, move
        assert assign(OLD, 2).success
        given[str(identifier("0002"))] = OLD
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        number, left = 2, 10
        killed = [OLD, NEW, "sum", NEW, OLD] if is_killing else []
        until_then = time.monotonic() + 120
        while left and time.monotonic() < until_then:
            number += 1
            if killed:
                for pid in servers[killed[-1]].workers(SYNC):
                    os.kill(pid, signal.SIGKILL)
                    killed.pop()
                    break
            for name in (OLD, NEW):
                status = assign(name, number)
                assert status in (Status.DONE, Status.CUT_MOVES, Status.OUT_OF_SCOPE), status
                if status.success:
                    assert str(identifier(f"{number:04}")) not in given
                    given[str(identifier(f"{number:04}"))] = name
                    left -= name == NEW
            time.sleep(0.02)
        assert left == 0, (state(writers[OLD]), state(writers[NEW]))
        for name in given:
            until(lambda name=name: registered(writers[NEW], name) is State.ACTIVE, 60)
            assert registered(writers[OLD], name) is None
        for one in askers:
            one.stop()
        with writers["root"].view() as seen:
            row = get_cut(seen, CUT)
        assert row is not None
        assert row.node == NEW
        assert state(writers[NEW]) is FilingState.FILED
    for name in HOSTS:
        with Registry.open(tmp_path / name) as registry:
            assert registry.verify().faults == []
