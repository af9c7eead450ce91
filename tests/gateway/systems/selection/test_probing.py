"""Probes: real connections over loopback, and what they come to."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import time

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from csid.address import Address
from gateway.systems.selection import measuring
from gateway.systems.selection.measuring import measure
from gateway.systems.selection.paths.measured import Measurement
from gateway.systems.selection.paths.probing import (
    Probe,
    ProbeError,
    made_of,
    probe_of,
    quantiles,
)
from tests.support.peers import HOST, free_port


def measured(port: int, count: int = 5) -> Measurement:
    probe = Probe("330106", "330106", Address(HOST, port))
    return asyncio.run(measure(probe, count, pause=0))


@pytest.mark.parametrize("by_kernel", [True, False])
def test_round_trips_to_a_server_that_listens(
    by_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_kernel:
        monkeypatch.setattr(measuring, "_told_by_kernel", lambda opened: 0.0)
    with socket.create_server((HOST, 0), backlog=50) as server:
        found = measured(server.getsockname()[1], 20)
    assert found.p90_ms is not None
    assert 0 < found.median_ms <= found.p90_ms < 1_000
    assert (found.start, found.end, found.loss) == ("330106", "330106", 0.0)


def test_the_kernel_is_asked_for_what_it_has_measured() -> None:
    with (
        socket.create_server((HOST, 0)) as server,
        socket.create_connection(server.getsockname()) as opened,
    ):
        found = measuring._told_by_kernel(opened)
    assert 0 < found < 1_000


def test_what_is_lost_counts_as_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "TIMEOUT", 0.2)
    with socket.create_server((HOST, 0), backlog=0) as server:  # room for one that nobody takes
        found = measured(server.getsockname()[1], 4)
        assert found.loss >= 0.5
        assert found.p90_ms == 200.0
        with pytest.raises(ProbeError, match="none of 2 connections"):
            measured(server.getsockname()[1], 2)


def test_a_busy_process_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "TIMEOUT", 0.2)

    async def main(port: int) -> Measurement:
        probe = Probe("330106", "330106", Address(HOST, port))
        asyncio.get_running_loop().call_soon(time.sleep, 0.4)
        asyncio.get_running_loop().call_later(0.01, time.sleep, 0.4)
        return await measure(probe, 3, pause=0)

    for run in (asyncio.run, uvloop.run):
        with socket.create_server((HOST, 0), backlog=50) as server:
            found = run(main(server.getsockname()[1]))
        assert found.loss == 0.0 and found.median_ms < 200


def test_a_server_here_is_not_somewhere_else() -> None:
    with (
        socket.create_server((HOST, 0)) as server,
        pytest.raises(ProbeError, match="this machine itself, which is not at 310000"),
    ):
        probe = Probe("330106", "310000", Address(HOST, server.getsockname()[1]))
        asyncio.run(measure(probe))


def test_where_there_is_no_such_network_it_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_socket(*_: object) -> float:
        raise OSError(errno.EAFNOSUPPORT, "")

    monkeypatch.setattr(measuring, "_round_trip", no_socket)
    with pytest.raises(ProbeError, match="not supported"):
        measured(9)


def test_whoever_refuses_has_not_been_measured() -> None:
    with pytest.raises(ProbeError, match="refused"):
        measured(free_port())


def test_a_server_without_an_address_is_told_of() -> None:
    probe = Probe("330100", "310000", Address("nobody.invalid", 53))
    with pytest.raises(ProbeError, match=r"nobody\.invalid:53: no address"):
        asyncio.run(measure(probe))


@given(st.lists(st.floats(0.001, 1_000), min_size=1, max_size=60))
def test_quantiles_are_values_and_so_many_are_no_larger(took: list[float]) -> None:
    median, p90 = quantiles(took)
    for found, share in ((median, 0.5), (p90, 0.9)):
        rank = math.ceil(share * len(took) - 1e-9)
        assert found == sorted(took)[rank - 1]
    assert median <= p90


def test_probes_are_written_in_the_configuration() -> None:
    probe = probe_of("330106  sgsin [2001:db8::1]:53")
    assert probe == Probe("330106", "SGSIN", Address("2001:db8::1", 53))
    for wrong in ("330106 SGSIN", "330106 here 192.0.2.1:53", "330106 SGSIN 192.0.2.1", ""):
        with pytest.raises(ProbeError, match="probe '"):
            probe_of(wrong)
    twice = ["330106 SGSIN 192.0.2.1:53", "SGSIN 330106 192.0.2.2:53"]
    with pytest.raises(ProbeError, match=r"measured already, at 192\.0\.2\.1:53"):
        made_of(twice)
    with pytest.raises(ProbeError, match="runs in one place"):
        made_of(["330106 SGSIN 192.0.2.1:53", "310000 330100 192.0.2.2:53"])
