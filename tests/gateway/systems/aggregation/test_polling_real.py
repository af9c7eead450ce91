"""Adapters driven by the poller itself: a cluster that tells of changes, a table in a file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec

from gateway.systems.aggregation import polling
from gateway.systems.aggregation.adapters.by_kind import ADAPTERS
from gateway.systems.aggregation.pace import Limits
from gateway.systems.aggregation.polling import Reader
from gateway.systems.aggregation.readings import Reading
from tests.support import kubernetes_objects as objects
from tests.support.kubernetes_server import TOKEN, running_kubernetes
from tests.support.servers import PATIENCE
from tests.support.supply import SOURCE


def reader(kind: str, url: str, **more: Any) -> Reader:
    settings = msgspec.structs.replace(SOURCE, kind=kind, url=url, **more)
    return Reader(settings, ADAPTERS[kind], Limits())


def test_a_cluster_is_followed_and_polled_anew_when_it_has_forgotten(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(polling, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(polling, "REOPEN_SECONDS", 0.05)
    file = tmp_path / "token"
    file.write_text(TOKEN)
    with running_kubernetes() as cluster:
        cluster.put("nodes", objects.node("n1"))
        told: asyncio.Queue[Reading] = asyncio.Queue()

        async def free_soon(chips: float) -> None:
            while sum(one.free.get("chips", 0) for one in (await told.get()).units) != chips:
                pass

        async def work() -> str:
            one = reader("kubernetes", cluster.url, token_file=str(file))
            try:
                first = await one.read()
                assert first.units[0].free["chips"] == 8
                following = asyncio.create_task(
                    one.follow(one.watches(), first, told.put, PATIENCE)
                )
                async with asyncio.timeout(PATIENCE):
                    cluster.put("pods", objects.pod("p", "n1", {objects.GPU: "3"}))
                    await free_soon(5)
                    cluster.end_watches()  # as it does now and then: they are begun again
                    cluster.put("pods", objects.pod("q", "n1", {objects.GPU: "1"}))
                    await free_soon(4)
                    cluster.put("nodes", objects.node("n2"))
                    await free_soon(12)
                    cluster.compact()
                    cluster.end_watches()
                    cluster.put("nodes", objects.node("n3"))
                    cluster.compact()
                    return await following
            finally:
                await one.close()

        why = asyncio.run(work())
        assert why
        again = reader("kubernetes", cluster.url, token_file=str(file))

        async def once() -> Reading:
            try:
                return await again.read()
            finally:
                await again.close()

        assert len(asyncio.run(once()).units) == 3


def test_a_table_is_as_old_as_its_file(tmp_path: Path) -> None:
    file = tmp_path / "machines.csv"
    file.write_text("名称,芯片型号,芯片数量,核数,内存\nm1,H100,8,96,1152\n", "utf-8")
    os.utime(file, (1_764_150_000, 1_764_150_000))

    async def work() -> Reading:
        one = reader("table", str(file))
        try:
            await one.read()
            return await one.read()
        finally:
            await one.close()

    read = asyncio.run(work())
    assert read.taken == 1_764_150_000_000
    assert [one.total["chips"] for one in read.units] == [8]
