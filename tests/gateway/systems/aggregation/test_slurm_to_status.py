"""From a job in a real Slurm cluster to the status that a gateway answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.service import Service
from gateway.systems.aggregation.tables import NAMES, Book
from resolver.server.notices import Repeated
from resolver.tables import Tables
from tests.support import slurm
from tests.support.aggregating import aggregating
from tests.support.registering import OWNER
from tests.support.servers import eventually

pytestmark = pytest.mark.skipif(not slurm.installed(), reason="Slurm is not installed")

INTERVAL = 5  # seconds
TTL = 5  # seconds for which a gateway may say what a status was (csid.status.TTL_SECONDS)


@contextmanager
def run(service: Service) -> Iterator[None]:
    """The system, in a thread with a loop of its own."""
    over: asyncio.Event
    begun = threading.Event()
    loop = asyncio.new_event_loop()

    async def work() -> None:
        nonlocal over
        over = asyncio.Event()
        begun.set()
        task = asyncio.create_task(service.run())
        await over.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await service.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),))
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def test_a_change_in_the_cluster_is_answered_within_an_interval(tmp_path: Path) -> None:
    with (
        slurm.running() as cluster,
        aggregating(tmp_path, 3_600) as net,
        closing(Tables(tmp_path / "tables.mdb", NAMES, 64 << 20, lasting=True)) as tables,
    ):
        book = Book(tables)
        token = tmp_path / "slurm-token"
        token.write_text("".join(f"{name}: {one}\n" for name, one in cluster.headers.items()))
        book.add(
            Settings(
                name="h5",
                kind="slurm",
                url=cluster.url,
                owner=OWNER,
                industry="6450",
                location="330106",
                interval=INTERVAL,
                token_file=str(token),
            )
        )

        def chips() -> Any:
            """What the node has been told, without what a gateway remembers for TTL seconds."""
            (found,) = [one for one in book.known("h5").pools.values() if one.wanted.get("chip")]
            with net.gateway.client() as client:
                said = client.get(f"/v1/identifiers/{found.identifier}/status").json()
            return said.get("free", {}).get("chips")

        with run(Service(book, net.settings, Repeated())):
            # Not asked for before: that there is no such name would be remembered for a minute.
            eventually("it is registered", lambda: bool(book.active("h5")), 40)
            eventually("all is free", lambda: chips() == 24, 40)
            begun = time.monotonic()
            cluster.submit("--gres=gpu:h100:3", "-p", "gpu", "-w", "g1", "-c", "16", "--mem=100G")
            eventually("three cards less", lambda: chips() == 21, 60)
            took = time.monotonic() - begun
        assert took < 1.1 * INTERVAL + 1 + TTL, took
