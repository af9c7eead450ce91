"""How long it takes to a server and back, measured by opening TCP connections to it 拨测.

The kernel says how long the answer to a SYN took (TCP_INFO), so that nothing that keeps this
process from running is measured; elsewhere the clock says so.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from csid.address import is_here
from gateway.systems.selection.paths.measured import Measurement
from gateway.systems.selection.paths.probing import Probe, ProbeError, quantiles

COUNT: Final = 10  # connections of one probe
COUNT_MAX: Final = 1_000
PAUSE: Final = 0.1  # seconds between two of them
TIMEOUT: Final = 1.0  # seconds, after which a SYN is sent again (RFC 6298 section 2.1): it was lost
_RTT: Final = 68  # of Linux, struct tcp_info: tcpi_rtt, µs
_RETRANS: Final = 100  # tcpi_total_retrans
_OCTETS: Final = 104


async def measure(
    probe: Probe,
    count: int = COUNT,
    pause: float = PAUSE,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Measurement:
    """Measure round trips by so many connections, one after another. One that is lost counts as
    TIMEOUT.

    Raises:
        ProbeError: the server has no address, refuses connections, or has answered none; or it is
            this machine itself, and said to be somewhere else.
    """
    server = probe.server
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise ProbeError(f"{server}: no address: {error}") from None
    family, _, _, _, where = found[0]
    if probe.one != probe.other and is_here(str(where[0])):
        raise ProbeError(f"{server} is this machine itself, which is not at {probe.other}")
    took: list[float] = []
    for number in range(count):
        if number:
            await asyncio.sleep(pause)
        try:
            took.append(await _round_trip(family, where))
        except TimeoutError:
            took.append(TIMEOUT * 1_000)
        except OSError as error:  # whoever refuses may be a firewall on the way
            told = os.strerror(error.errno) if error.errno else str(error)
            raise ProbeError(f"{server}: {told}") from None
        on_progress(number + 1)
    lost = sum(ms >= TIMEOUT * 1_000 for ms in took)
    if lost == count:
        raise ProbeError(f"{server}: none of {count} connections was answered within a second")
    median, p90 = quantiles(took)
    return Measurement(probe.one, probe.other, median, p90, round(lost / count, 4))


async def _round_trip(family: int, where: Any) -> float:
    """The ms of one round trip.

    Raises:
        TimeoutError: it was lost.
        OSError: there is no way there, or whoever answers does not want connections.
    """
    with socket.socket(family, socket.SOCK_STREAM) as opened:
        opened.setblocking(False)
        begun = time.perf_counter()
        # Not `sock_connect`, which may look for addresses first, in a thread of its own.
        if (error := opened.connect_ex(where)) not in (0, errno.EINPROGRESS):
            raise OSError(error, "")
        try:
            async with asyncio.timeout(TIMEOUT):
                await _writable(opened)
        except TimeoutError:
            if not _is_connected(opened):
                raise
            begun = time.perf_counter()  # it is this process that was late
        clock = (time.perf_counter() - begun) * 1_000
        if error := opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "")
        told = _told_by_kernel(opened) or clock
        if told >= TIMEOUT * 1_000:
            raise TimeoutError
        return told


async def _writable(opened: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(opened, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(opened)


def _is_connected(opened: socket.socket) -> bool:
    try:
        opened.getpeername()
    except OSError:
        return False
    return hasattr(socket, "TCP_INFO")  # without it nobody knows how long it took


def _told_by_kernel(opened: socket.socket) -> float:
    """The ms that the kernel has measured; 0 if it does not say so."""
    if not hasattr(socket, "TCP_INFO"):
        return 0.0
    try:
        info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _OCTETS)
    except OSError:
        return 0.0
    if len(info) < _OCTETS:
        return 0.0
    if struct.unpack_from("=I", info, _RETRANS)[0]:
        raise TimeoutError  # what took so long was the wait before it was sent again
    return int(struct.unpack_from("=I", info, _RTT)[0]) / 1_000
