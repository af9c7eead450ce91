"""What is followed is said again when it is something else, and `unchanged` only if it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.http.problems import Problem
from gateway.systems.selection import calls, streams
from gateway.systems.selection.demand import Demand
from tests.support.begun_selection import BLOCK, begun, call, named


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GAP_SECONDS", 0.001)
    monkeypatch.setattr(streams, "SHARE", 0)
    monkeypatch.setattr(streams, "QUIET_SECONDS", 0.1)


STEADY = Demand(per_node=8, free=True, weights={"price": 1})  # points do not go down with the age


def test_a_status_that_ends_while_all_are_silent_is_seen(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            net.tell(1, lasts=30_000, chips=16, nodes_8=2)
            events = streams.stream(net.state, STEADY)
            first = await anext(events)
            assert (first.name, len(first.data["results"])) == ("selection", 1)
            assert (await anext(events)).name == "unchanged"
            net.ahead[0] = 31_000
            then = await anext(events)
            assert (then.name, then.data["results"], then.number) == ("selection", [], 2)
            assert (await anext(events)).name == "unchanged"

    asyncio.run(main())


def test_what_comes_while_a_slow_client_takes_an_event_is_seen(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            events = streams.stream(net.state, STEADY)
            assert (await anext(events)).data["results"] == []
            assert (await anext(events)).name == "unchanged"
            net.tell(1, chips=16, nodes_8=2)  # the stream stands in its `yield`
            then = await anext(events)
            assert [one["identifier"] for one in then.data["results"]] == [named(1)]

    asyncio.run(main())


def test_a_stream_lives_though_what_changes_does_not_concern_it(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            events = streams.stream(net.state, STEADY)
            await anext(events)

            async def others() -> None:
                while True:
                    net.state.reserved({})
                    net.state.changed(())
                    await asyncio.sleep(0.01)

            task = asyncio.create_task(others())
            assert (await asyncio.wait_for(anext(events), 5)).name == "unchanged"
            task.cancel()

    asyncio.run(main())


def test_what_cannot_be_answered_is_refused_before_events_begin(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            asked = call(
                Demand(chips=("ZX9000",)), calls.How(), headers={"accept": "text/event-stream"}
            )
            with pytest.raises(Problem, match="no chip is called") as refused:
                await calls.select(net.state, asked)
            assert refused.value.http == 422

    asyncio.run(main())


def test_a_kept_demand_for_a_chip_that_is_not_there_yet_is_followed(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            name = await net.keep(Demand(chips=("ZX9000",)), dispatch=False)
            events = (await calls.stream_demand(net.state, call(path=name))).body
            first = await anext(events)
            assert first.data["results"] == [] and "zx9000" in first.data["unanswered"].lower()
            assert first.data["why"]["never"] is False  # as it may be registered
            net.learn(2, chip="ZX9000")
            then = await anext(events)
            assert [one["identifier"] for one in then.data["results"]] == [named(2)]
            assert "unanswered" not in then.data

    asyncio.run(main())


def test_streams_are_counted_while_they_are_followed(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            events = streams.stream(net.state, BLOCK)
            await anext(events)
            assert net.state.streams == 1
            await events.aclose()  # type: ignore[attr-defined]
            assert net.state.streams == 0

    asyncio.run(main())
