"""Latency as others tell it and look at it, and what becomes of answers then."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csid.errors import CsidError
from gateway.http.problems import Problem
from gateway.systems.contract import OPERATE
from gateway.systems.selection import latency_calls, path_calls, probes
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.latency_calls import LatenciesAsked, OfWhom, Told
from gateway.systems.selection.paths.latency import STALE_MS, counts
from gateway.systems.selection.paths.measured import Measurement, measurement
from gateway.systems.selection.paths.probing import made_of
from gateway.systems.selection.settings import Selection
from tests.support.begun_selection import Begun, begun, call, named
from tests.support.peers import HOST, free_port
from tests.support.selecting import CHEAP, Selecting

NEAR = Demand(near="310000", rtt=3.0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Begun]:
    with begun(tmp_path) as found:
        yield found


def said(handle: Any, here: Begun, **given: Any) -> Any:
    return asyncio.run(handle(here.state, call(role=OPERATE, **given))).body


def tell(here: Begun, *some: Measurement, by: str = "p-1") -> Any:
    return said(latency_calls.tell_latencies, here, given=Told(list(some)), caller=by)


def between(one: str, other: str, ms: float, **more: Any) -> Measurement:
    return measurement(**{"from": one, "to": other, "median_ms": ms, **more})


def test_what_is_told_is_listed_shown_and_forgotten(here: Begun) -> None:
    one, two = between("330106", "310000", 5, p90_ms=6), between("SGSIN", "330100", 60)
    assert tell(here, one, two) == {"taken_in": 2, "older": 0, "by": "p-1"}
    tell(here, between("310000", "330106", 4), by="p-2")
    page = said(latency_calls.list_latencies, here, asked=LatenciesAsked(limit=2))
    assert [one["by"] for one in page["items"]] == ["p-1", "p-2"]
    rest = said(latency_calls.list_latencies, here, asked=LatenciesAsked(after=page["next"]))
    assert [one["to"] for one in rest["items"]] == ["SGSIN"] and rest["next"] is None
    city = said(latency_calls.list_latencies, here, asked=LatenciesAsked(place="330100"))
    assert {(one["from"], one["to"]) for one in city["items"]} == {
        ("330106", "310000"), ("330100", "SGSIN"),
    }  # fmt: skip
    shown = said(latency_calls.show_latency, here, path="330106/310000")
    assert (shown["public"]["mark"], shown["public"]["by"]) == ("measured", "p-2")
    assert shown["estimated"]["mark"] == "estimated" and len(shown["measured"]) == 2
    gone = said(latency_calls.forget_latency, here, path="310000/330106", asked=OfWhom("p-2"))
    assert gone == {"removed": 1}
    again = said(latency_calls.show_latency, here, path="330106/310000")
    assert (again["public"]["middle"], again["public"]["by"]) == (5.0, "p-1")
    with pytest.raises(Problem, match="has measured nothing"):
        said(latency_calls.forget_latency, here, path="310000/330106", asked=OfWhom("p-2"))
    here.ahead[0] = STALE_MS + 60_000
    stale = said(latency_calls.show_latency, here, path="330106/310000")
    assert stale["public"]["mark"] == "estimated" and not stale["measured"][0]["is_believed"]


def test_one_that_is_wrong_and_none_is_taken_in(here: Begun) -> None:
    with pytest.raises(Problem, match="light takes"):
        tell(here, between("330106", "310000", 5), between("330106", "110000", 1))
    assert said(latency_calls.list_latencies, here, asked=LatenciesAsked())["items"] == []
    for wrong in (LatenciesAsked(after="a/b"), LatenciesAsked(place="here")):
        with pytest.raises(Problem):
            said(latency_calls.list_latencies, here, asked=wrong)
    for path in ("330106", "/", "330106/", "here/330106", "a/" * 40):
        with pytest.raises(Problem, match="expected FROM/TO"):
            said(latency_calls.show_latency, here, path=path)
    one = named(1)
    assert said(latency_calls.show_latency, here, path=f"{one}/{one}")["from"] == "330106"
    with pytest.raises(Problem, match="whose"):
        said(latency_calls.forget_of, here, asked=OfWhom())


def command(folder: Path, *words: str) -> None:
    """What a command writes beside the process."""
    line = [sys.executable, "-m", "gateway.cli", "latency", *words, "--data", str(folder)]
    subprocess.run(line, check=True, capture_output=True)


def test_what_is_measured_decides_what_is_near(here: Begun, tmp_path: Path) -> None:
    here.learn(1)  # in 330106
    assert here.fits(NEAR) == []  # 3.9 ms, as is estimated
    tell(here, between("310000", "330106", 2.5))
    assert here.fits(NEAR) == [named(1)]
    command(tmp_path, "remove", "310000", "330106")
    assert here.fits(NEAR) == []


def test_what_was_measured_of_a_city_counts_for_what_lies_in_it(here: Begun) -> None:
    here.learn(1)
    near = Demand(near="310115", rtt=3.0)
    assert here.fits(near) == []
    tell(here, between("310000", "330100", 2.5))
    assert here.fits(near) == [named(1)]
    shown = said(latency_calls.show_latency, here, path="310115/330106")
    assert shown["public"]["by"] == "p-1" and len(shown["measured"]) == 1


def test_what_is_a_day_old_counts_no_more_at_that_moment(here: Begun) -> None:
    here.learn(1)
    tell(here, between("310000", "330106", 2.5))
    taken = next(iter(here.state.reaching.latencies.all())).taken
    for late, fits in ((STALE_MS - 5_000, [named(1)]), (STALE_MS + 1, []), (0, [named(1)])):
        here.ahead[0] = taken + late - time.time_ns() // 1_000_000
        assert here.fits(NEAR) == fits


def test_who_waits_for_changes_hears_of_what_a_command_writes(here: Begun, tmp_path: Path) -> None:
    async def main() -> bool:
        noticing = asyncio.create_task(here.state.notice())
        await asyncio.sleep(0)
        version = here.state.version
        await asyncio.to_thread(command, tmp_path, "add", "310000", "330106", "--median-ms", "2.5")
        try:
            return await here.state.after(version, 30)
        finally:
            noticing.cancel()

    assert asyncio.run(main())
    assert here.state.reaching.latencies.between("330106", "310000")


def test_ways_stand_beside_what_was_measured_over_the_public_internet(here: Begun) -> None:
    asked = path_calls.WaysAsked("330106", "310000")
    assert said(path_calls.show_ways, here, asked=asked)["public"]["mark"] == "estimated"
    tell(here, between("330106", "310000", 5))
    public = said(path_calls.show_ways, here, asked=asked)["public"]
    assert (public["mark"], public["by"], public["middle"]) == ("measured", "p-1", 5.0)


def test_probes_are_made_and_told_of_once(tmp_path: Path) -> None:
    port = free_port()
    far = "330106 310000 nobody.invalid:53"
    with begun(tmp_path, Selection(probe=(f"330106 330106 {HOST}:{port}", far))) as here:

        def once() -> None:
            asyncio.run(probes.once(here.state, "me", here.state.probes))

        one, other = here.state.probes
        once()
        once()
        assert len([text for text in here.log if "refused" in text]) == 1
        assert len(here.log) == 2 and "no address" in other.why
        assert one.taken == 0 and "refused" in one.why
        with socket.create_server((HOST, port), backlog=50):
            once()
        assert len(here.log) == 3 and "answers again" in here.log[2]
        assert one.taken and not one.why and other.why
        (told,) = here.state.reaching.latencies.between("330106", "330106")
        assert (told.by, told.loss) == ("me", 0.0)


def test_one_that_has_no_socket_left_ends_no_other(
    here: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(_: object) -> Measurement:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(probes, "measure", measure)
    some = made_of(["330106 310000 192.0.2.1:53", "330106 SGSIN 192.0.2.2:53"])
    asyncio.run(probes.once(here.state, "me", some))
    assert all("too many open files" in one.why for one in some)


def test_one_of_which_half_is_lost_fails(here: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = [0.0, 0.5, 0.75, 0.0]

    async def measure(_: object) -> Measurement:
        return Measurement("330106", "310000", 5.0, 6.0, lost.pop(0))

    monkeypatch.setattr(probes, "measure", measure)
    some = made_of(["330106 310000 192.0.2.1:53"])
    for why in ("", "192.0.2.1:53: 50% of", "192.0.2.1:53: 75% of", ""):
        asyncio.run(probes.once(here.state, "me", some))
        assert some[0].why.startswith(why) and bool(some[0].why) == bool(why)
        (told,) = here.state.reaching.latencies.between("330106", "310000")
        assert counts(told, here.state.now()) == (not why)
    assert len(here.log) == 2


def test_a_probe_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    wrong = Selection(probe=("330100 here 192.0.2.1:53",))
    with pytest.raises(CsidError, match=r"\[selection\] probe"), begun(tmp_path, wrong):
        pass


def test_over_http(net: Selecting) -> None:
    client = net.client
    item = {"from": "310000", "to": "330106", "median_ms": 2.5, "taken": "2020-01-01T00:00:00Z"}
    old = client.post("/v1/latencies", json={"items": [item]})
    assert old.status_code == 422 and "no news" in old.json()["detail"]
    del item["taken"]
    assert CHEAP not in net.names(near="310000", rtt=3)
    assert client.post("/v1/latencies", json={"items": [item]}).json()["taken_in"] == 1
    (cheap, *_) = net.select(near="310000", rtt=3)
    assert cheap["rtt"] == {"mark": "measured", "low": 2.5, "middle": 2.5, "high": 2.5}
    shown = client.get("/v1/latencies/310000/330106").json()
    assert shown["public"]["by"] == "local" and shown["measured"][0]["is_believed"]
    assert client.get("/v1/latencies?place=310000").json()["items"] == shown["measured"]
    assert client.delete("/v1/latencies/330106/310000?by=nobody").status_code == 404
    assert client.delete("/v1/latencies").status_code == 422
    assert client.delete("/v1/latencies?by=nobody").json() == {"removed": 0}
    assert client.delete("/v1/latencies/330106/310000").json() == {"removed": 1}
    assert net.names(near="310000", rtt=3) == []
    nothing = client.post("/v1/latencies", json={"items": []}).json()
    assert nothing == {"taken_in": 0, "older": 0, "by": "local"}
    for wrong in ({}, {"items": [item | {"median_ms": "nan"}]}, [item]):
        assert client.post("/v1/latencies", json=wrong).status_code in (400, 422)
    assert client.get("/v1/selection").json()["probes"] == []
