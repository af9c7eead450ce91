"""`csid serve` and servers of others that keep zones of each other up to date."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from resolver.store.environment import Store
from tests.support import lying
from tests.support.commands import run
from tests.support.peers import HOST, free_port, installed, running
from tests.support.servers import make_data, put_zone, serving
from tests.support.syncing import (
    KINDS,
    ORIGIN,
    answer,
    follow,
    give_key,
    notify,
    secondary,
    state,
    until,
    zone_text,
)
from tests.support.transfers import Line, message, whole

SYNC = "registry.sync.process"


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not installed(KINDS[name](1)):
        pytest.skip(f"{name} is not installed")
    return name


def node(path: Path) -> Path:
    data = make_data(path)
    give_key(data)
    return data


def put(data: Path, text: str, origin: str = ORIGIN) -> None:
    with Store.open(data, writable=True) as store:
        put_zone(store, text, origin)


def test_we_follow_a_primary_by_notice(tmp_path: Path, kind: str) -> None:
    data = node(tmp_path / "node")
    port = free_port()
    folder = tmp_path / kind
    folder.mkdir()
    with (
        serving(data, listen=(f"{HOST}:{port}",)),
        running(KINDS[kind](primary_of=port), folder, {ORIGIN: zone_text()}) as primary,
    ):
        follow(data, primary.port)
        until(lambda: answer(port, f"www.{ORIGIN}") == "192.0.2.1")
        assert answer(port, ORIGIN, "SOA").split()[2] == "1"
        primary.add("new", "192.0.2.77")
        until(lambda: answer(port, f"new.{ORIGIN}") == "192.0.2.77")  # BIND waits for 5 s
        # PowerDNS answers IXFR by the whole zone.
        until(lambda: state(data).kind == ("AXFR" if kind == "pdns" else "IXFR"))
        assert not state(data).failures


def test_a_secondary_follows_us_by_notice(tmp_path: Path, kind: str) -> None:
    data = node(tmp_path / "node")
    put(data, zone_text())
    port, theirs = free_port(), free_port()
    notify(data, theirs)
    folder = tmp_path / kind
    folder.mkdir()
    with (
        serving(data, listen=(f"{HOST}:{port}",)),
        secondary(KINDS[kind](secondary_of=port), folder, theirs),
    ):
        until(lambda: answer(theirs, f"www.{ORIGIN}") == "192.0.2.1")
        put(data, zone_text(2))
        until(lambda: answer(theirs, f"www.{ORIGIN}") == "192.0.2.2", 5)


def test_one_of_ours_follows_another_of_ours(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text())
    ports = free_port(), free_port()
    notify(first, ports[1])
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)),
        serving(second, listen=(f"{HOST}:{ports[1]}",)),
    ):
        follow(second, ports[0])
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")
        for serial in range(2, 30):
            put(first, zone_text(serial))
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.29", 5)


def test_a_primary_that_is_away_leads_to_the_next_and_is_no_delay(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text())
    notify(first)
    ports = free_port(), free_port()
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)),
        serving(second, listen=(f"{HOST}:{ports[1]}",)),
    ):
        follow(second, free_port(), ports[0])
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1", 5)


def test_a_primary_that_says_nothing_delays_no_other_zone(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text())
    notify(first)
    ports = free_port(), free_port()
    with (
        socket.create_server((HOST, 0)) as silent,
        serving(first, listen=(f"{HOST}:{ports[0]}",)),
        serving(second, listen=(f"{HOST}:{ports[1]}",)),
    ):
        for number in range(20):
            follow(second, silent.getsockname()[1], origin=f"silent{number}.test.")
        follow(second, ports[0])
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1", 5)
        assert answer(ports[1], "www.silent1.test.") == "SERVFAIL"


def test_a_refusal_is_told_and_tried_again(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text())
    ports = free_port(), free_port()
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)),
        serving(second, listen=(f"{HOST}:{ports[1]}",)),
    ):
        follow(second, ports[0])
        until(lambda: "REFUSED" in state(second).error)
        notify(first, ports[1])  # which lets it transfer
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")


@pytest.mark.parametrize("left", [0, 1], ids=["closes", "says its SOA and closes"])
def test_a_primary_that_breaks_ixfr_off_is_asked_for_the_whole_zone(
    tmp_path: Path, left: int
) -> None:
    served = [1]

    def lie(request: bytes) -> list[bytes]:
        asked = dns.message.from_wire(request).question[0].rdtype
        lines = [Line(ORIGIN, "NS", f"ns.{ORIGIN}"), Line(f"ns.{ORIGIN}", "A", "192.0.2.7")]
        every = whole(ORIGIN, served[-1], lines)
        if asked == dns.rdatatype.AXFR:
            return [message(request, every)]
        if asked == dns.rdatatype.SOA:
            return [message(request, every[:1])]
        return [message(request, every[:1])][:left]

    data = make_data(tmp_path / "node")
    with lying.serving(lie) as port, serving(data):
        follow(data, port, key=b"")
        until(lambda: state(data).serial == 1)
        served.append(2)
        until(lambda: state(data).serial == 2)
        assert state(data).kind == "AXFR"


def test_a_zone_expires_and_returns(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text(times="1 1 3"))
    notify(first)
    ports = free_port(), free_port()
    with serving(second, listen=(f"{HOST}:{ports[1]}",)) as server:
        with serving(first, listen=(f"{HOST}:{ports[0]}",)):
            follow(second, ports[0])
            until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "SERVFAIL", 15)
        until(lambda: f"{ORIGIN} has expired" in server.log.read_text())
        with serving(first, listen=(f"{HOST}:{ports[0]}",)):
            until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1", 30)


def test_the_sync_process_is_replaced_and_goes_on(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text())
    ports = free_port(), free_port()
    notify(first, ports[1])
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)) as one,
        serving(second, listen=(f"{HOST}:{ports[1]}",)) as other,
    ):
        follow(second, ports[0])
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")
        for serial, server in ((2, one), (3, other), (4, one), (5, other)):
            (pid,) = server.workers(SYNC)
            os.kill(pid, signal.SIGKILL)
            put(first, zone_text(serial))
            until(lambda one=server, gone=[pid]: one.workers(SYNC) not in ([], gone))
            until(lambda wanted=f"192.0.2.{serial}": answer(ports[1], f"www.{ORIGIN}") == wanted)


def test_a_data_directory_opened_anew_is_followed_on(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text())
    ports = free_port(), free_port()
    notify(first, ports[1])
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)) as one,
        serving(second, listen=(f"{HOST}:{ports[1]}",)) as other,
    ):
        follow(second, ports[0])
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")
        before = [server.workers(SYNC) for server in (one, other)]
        for server in (one, other):
            server.process.send_signal(signal.SIGHUP)
        for server, pids in zip((one, other), before, strict=True):
            until(lambda at=server, gone=pids: at.workers(SYNC) not in ([], gone))
        put(first, zone_text(2))
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.2")
        assert one.stop() == other.stop() == 0


def test_many_zones_at_once(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    count = 300
    for number in range(count):
        put(first, zone_text(), f"z{number}.test.")
        notify(first, origin=f"z{number}.test.")
    ports = free_port(), free_port()
    for number in range(count):
        follow(second, ports[0], origin=f"z{number}.test.")
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)),
        serving(second, listen=(f"{HOST}:{ports[1]}",)),
    ):
        started = time.monotonic()
        for number in range(count):
            until(lambda at=number: answer(ports[1], f"www.z{at}.test.") == "192.0.2.1", 30)
        assert time.monotonic() - started < 30


def test_a_refresh_is_waited_for_and_told_of(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text(9))
    notify(first)
    ports = free_port(), free_port()
    with serving(second, listen=(f"{HOST}:{ports[1]}",)):
        with serving(first, listen=(f"{HOST}:{ports[0]}",)):
            follow(second, ports[0])
            until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.9")
            put(first, zone_text(10))
            (row,) = run("zone", "refresh", ORIGIN, "--data", second, "--json").json
            assert (row["outcome"], row["serial"]) == ("current", 10)
            put(first, zone_text(3))  # the serial goes back
            assert run("zone", "refresh", ORIGIN, "--data", second).code == 0
            assert "has serial 3, which is behind 10 here" in state(second).error
            assert answer(ports[1], f"www.{ORIGIN}") == "192.0.2.10"
            (row,) = run("zone", "refresh", ORIGIN, "--full", "--data", second, "--json").json
            assert (row["outcome"], row["serial"]) == ("current", 3)
            assert answer(ports[1], f"www.{ORIGIN}") == "192.0.2.3"
        refused = run("zone", "refresh", ORIGIN, "--data", second)
        assert refused.code == 1 and "Connection refused" in refused.err
