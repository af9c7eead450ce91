"""What was registered, with what others have put into its record, as targets for Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from csid.errors import CsidError
from gateway.systems.aggregation.region import Aggregating
from gateway.systems.aggregation.system import SYSTEM
from gateway.systems.running import opened
from tests.support.aggregating import Net, aggregating
from tests.support.registering import OWNER
from tests.support.supply import SOURCE

STOCK = "资源编号,名称,芯片,芯片数量,核数,空闲卡数\nr1,a,H100,8,192,5\nr2,b,H100,4,96,4\n"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with aggregating(tmp_path_factory.mktemp("registered"), 3_600) as found:
        yield found


async def polled(made: Aggregating) -> list[dict[str, Any]]:
    """Targets after a poll and a reading of the records."""
    try:
        await made.poller.once(made.book.source("stock"))
        await made.registered.read()
        found: list[dict[str, Any]] = json.loads(made.registered.targets())
        return found
    finally:
        await made.close()


def test_what_is_registered_and_has_endpoints_is_a_target(net: Net, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text(STOCK, "utf-8")
    added = msgspec.structs.replace(SOURCE, name="stock", kind="table", url=str(file), owner=OWNER)
    with opened(SYSTEM, net.settings, tmp_path) as place:
        made = Aggregating(place)
        made.book.add(added)
        assert asyncio.run(polled(made)) == []  # two pools, and nobody has said where they are
        names = sorted(made.book.active("stock"))
        assert len(names) == 2
        patch = {"record": {"endpoints": ["https://h1.example:443/v1"]}}
        done = net.office.patch(f"/v1/identifiers/{names[0]}", json=patch)
        assert done.status_code == 200, done.text
        (target,) = asyncio.run(polled(Aggregating(place)))
        assert target["targets"] == ["h1.example:443"]
        assert target["labels"]["__meta_csid_identifier"] == names[0]
        done = net.office.post(f"/v1/identifiers/{names[0]}/suspend", json={})
        assert done.status_code == 200, done.text
        (target,) = asyncio.run(polled(Aggregating(place)))
        assert target["labels"]["__meta_csid_state"] == "suspended"
        assert made.book.active("stock") == {names[1]}  # no statuses are told of the other
        done = net.office.post(f"/v1/identifiers/{names[0]}/reinstate", json={})
        assert done.status_code == 200, done.text
        asyncio.run(polled(Aggregating(place)))
        assert made.book.active("stock") == set(names)


def test_a_registry_that_does_not_answer_leaves_what_was_kept(net: Net, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text(STOCK.replace("H100", "A100"), "utf-8")
    added = msgspec.structs.replace(SOURCE, name="stock", kind="table", url=str(file), owner=OWNER)
    with opened(SYSTEM, net.settings, tmp_path) as place:
        made = Aggregating(place)
        made.book.add(added)
        asyncio.run(polled(made))
        kept = made.registered.targets()
        absent = replace(net.settings, registry="http://127.0.0.1:9")
        with pytest.raises(CsidError):
            asyncio.run(Aggregating(place._replace(settings=absent)).registered.read())
        assert made.registered.targets() == kept
