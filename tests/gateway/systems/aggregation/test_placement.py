"""The adapter of Placement with what a real one said (said/placement/, recorded by us)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
import pytest

from gateway.systems.aggregation.adapters.placement.adapter import Placement
from gateway.systems.aggregation.readings import Ask, ReadingError, Said
from tests.support.growth import FEW, IN_PROPORTION, MANY, growth
from tests.support.polled import NOW, Polled, source

SAID = msgspec.json.decode(
    (Path(__file__).parent / "said/placement/1.39/answers.json").read_bytes(),
    type=dict[str, msgspec.Raw],
)


def recorded(ask: Ask) -> Said:
    return Said(200, {}, bytes(SAID[ask.path]))


def test_what_was_recorded_is_read() -> None:
    reading = Polled(Placement(), source("placement", group="aggregate"), recorded).poll()
    busy, off = reading.units
    assert reading.whole and reading.version == "placement 1.39"
    assert busy.total == {"vcpu": 128, "memory_gib": 996, "disk_gib": 4000, "chips": 2}
    assert busy.free == {"vcpu": 112, "memory_gib": 932, "disk_gib": 3900, "chips": 2}
    assert (busy.name, busy.chip, busy.health, busy.why) == ("gpu1", "H100", "ok", "")
    assert busy.group == "a1b2c3d4-0000-4000-8000-000000000001"
    assert busy.labels["HW_CPU_X86_AVX512F"] == "yes"
    assert (off.chip, off.why, off.free["chips"]) == ("910B", "COMPUTE_STATUS_DISABLED", 0)


@pytest.mark.parametrize(
    ("least", "most", "spoken"),
    [("1.0", "1.31", "1.31"), ("1.0", "1.99", "1.39"), ("1.0", "1.28", ""), ("1.40", "2.0", "")],
)
def test_the_newest_version_that_both_know_is_spoken(least: str, most: str, spoken: str) -> None:
    offered = msgspec.json.encode({"versions": [{"min_version": least, "max_version": most}]})

    def answer(ask: Ask) -> Said:
        return Said(200, {}, offered) if ask.path == "/" else recorded(ask)

    polled = Polled(Placement(), source("placement"), answer)
    if not spoken:
        with pytest.raises(ReadingError, match=r"needed is one from 1\.29 to 1\.39"):
            polled.poll()
        return
    polled.poll()
    assert {x.headers.get("openstack-api-version") for x in polled.asked[1:]} == {
        f"placement {spoken}"
    }


def test_another_server_behind_the_url_is_asked_for_its_version_again() -> None:
    older = False

    def answer(ask: Ask) -> Said:
        return Said(406, {}, b"") if older and ask.path != "/" else recorded(ask)

    polled = Polled(Placement(), source("placement"), answer)
    polled.poll()
    older = True
    with pytest.raises(ReadingError, match="does not speak this version"):
        polled.poll()
    older = False
    polled.poll()
    assert polled.asked[0].path == "/"


def test_providers_that_do_not_answer_stay_as_they_were_and_are_asked_again() -> None:
    broken = True

    def answer(ask: Ask) -> Said:
        return Said(503, {}, b"") if broken and ask.kind == "usages" else recorded(ask)

    polled = Polled(Placement(), source("placement"), answer)
    reading = polled.poll()
    assert not reading.units and not reading.whole and "4 providers did not answer" in reading.notes
    broken = False
    assert len(polled.poll().units) == 2


def test_what_is_a_card_can_be_said() -> None:
    polled = Polled(Placement(), source("placement", chips="VCPU_X,CUSTOM_NPU_910B"), recorded)
    assert [unit.total.get("chips", 0) for unit in polled.poll().units] == [0, 8]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ReadingError, match="placement has no option 'chps'; it has chip, chips"):
        Polled(Placement(), source("placement", chps="x"), recorded).poll()


def test_a_quiet_poll_is_one_request_and_grows_with_the_providers_no_faster() -> None:
    def quiet(providers: int) -> Callable[[], None]:
        polled = _of(providers)
        polled.poll()
        times = itertools.count(NOW + 1)

        def work() -> None:
            reading = polled.poll(next(times))
            assert len(reading.units) == providers and reading.whole and len(polled.asked) == 1

        return work

    assert growth(quiet(FEW), quiet(MANY)) < IN_PROPORTION


def _of(providers: int) -> Polled:
    uuids = [str(UUID(int=x)) for x in range(providers)]
    listed = msgspec.json.encode(
        {
            "resource_providers": [
                {
                    "uuid": x,
                    "name": f"host {x}",
                    "generation": 7,
                    "root_provider_uuid": x,
                    "parent_provider_uuid": None,
                    "links": [{"rel": "self", "href": f"/resource_providers/{x}"}] * 6,
                }
                for x in uuids
            ]
        }
    )
    inventory = {"total": 8, "reserved": 0, "min_unit": 1, "max_unit": 8, "step_size": 1}
    parts = {
        "inventories": {"inventories": {"VCPU": inventory, "PGPU": inventory}},
        "usages": {"usages": {"PGPU": 3}},
        "traits": {"traits": ["HW_CPU_X86_AVX2", "CUSTOM_GPU_H100"]},
    }
    bodies = {
        kind: msgspec.json.encode({**body, "resource_provider_generation": 7})
        for kind, body in parts.items()
    }
    bodies |= {"providers": listed, "version": bytes(SAID["/"])}

    def answer(ask: Ask) -> Said:
        return Said(200, {}, bodies[ask.kind])

    return Polled(Placement(), source("placement", requests="30000"), answer)


# -- clouds in which something happens meanwhile


class Host(msgspec.Struct):
    """A provider of a cloud; `told` is the generation that it is listed with, if another."""

    generation: int = 1
    told: int | None = None
    inventories: dict[str, Any] = msgspec.field(default_factory=lambda: {"VCPU": {"total": 64}})
    usages: dict[str, int] = {}
    fails: bool = False


class Cloud:
    """Hosts, each a tree by itself."""

    def __init__(self, **hosts: Host) -> None:
        self.hosts = hosts
        self.polled = Polled(Placement(), source("placement", freed_seconds="60"), self.answer)

    def answer(self, ask: Ask) -> Said:
        if ask.kind == "version":
            return recorded(ask)
        if ask.kind == "providers":
            return said({"resource_providers": [*map(self.listed, self.hosts)]})
        if ask.kind == "candidates":
            class_ = parse_qs(urlsplit(ask.path).query)["resources"][0].partition(":")[0]
            return said({"provider_summaries": dict(self.summaries(class_))})
        host = self.hosts[ask.path.split("/")[2]]
        if host.fails:
            return Said(503, {}, b"")
        whole = {"inventories": host.inventories, "usages": host.usages, "traits": []}
        return said(whole | {"resource_provider_generation": host.generation})

    def listed(self, name: str) -> dict[str, Any]:
        host = self.hosts[name]
        generation = host.generation if host.told is None else host.told
        return {"uuid": name, "name": name, "root_provider_uuid": name, "generation": generation}

    def summaries(self, class_: str) -> Iterator[tuple[str, Any]]:
        for name, host in self.hosts.items():
            if host.inventories.get(class_, {"total": 0})["total"] > host.usages.get(class_, 0):
                used = {one: {"used": host.usages.get(one, 0)} for one in host.inventories}
                yield name, {"resources": used}


def said(whole: Any) -> Said:
    return Said(200, {}, msgspec.json.encode(whole))


def test_what_has_changed_and_was_not_read_is_not_told_as_it_was() -> None:
    cloud = Cloud(a=Host(), b=Host())
    assert [one.free["vcpu"] for one in cloud.polled.poll().units] == [64, 64]
    cloud.hosts["a"] = Host(2, usages={"VCPU": 64}, fails=True)
    reading = cloud.polled.poll()
    assert [one.key for one in reading.units] == ["b"] and not reading.whole
    cloud.hosts["a"].fails = False
    assert [one.free["vcpu"] for one in cloud.polled.poll().units] == [0, 64]


def test_what_has_changed_since_the_list_is_newer_than_that_and_all_is_read() -> None:
    cloud = Cloud(a=Host(), b=Host())
    for generation in range(1, 5):
        cloud.hosts["a"] = Host(generation + 1, told=generation)
        reading = cloud.polled.poll()
        assert len(reading.units) == 2 and reading.whole
    cloud.hosts["a"] = Host(4)  # as it was read already
    assert cloud.polled.poll().whole and len(cloud.polled.asked) == 1


def test_those_asked_longest_ago_come_first_where_not_all_can_be_asked() -> None:
    cloud = Cloud(**{f"h{n}": Host() for n in range(9)})
    cloud.polled.source = source("placement", requests="9")
    for _ in range(3):
        cloud.polled.poll()
    read = set()
    for generation in range(2, 5):  # all of them change all the time
        for host in cloud.hosts.values():
            host.generation = generation
        cloud.polled.poll()
        read |= {ask.path.split("/")[2] for ask in cloud.polled.asked if ask.kind == "usages"}
    assert len(read) == 9


def test_what_is_freed_is_heard_of_in_each_tree() -> None:
    cloud = Cloud(
        a=Host(inventories={"VCPU": {"total": 64}}, usages={"VCPU": 4}),
        b=Host(inventories={"PCPU": {"total": 64}}, usages={"PCPU": 64}),
    )
    assert [one.free["vcpu"] for one in cloud.polled.poll().units] == [60, 0]
    cloud.hosts["b"].usages = {}  # which leaves the generation as it was
    assert [one.free["vcpu"] for one in cloud.polled.poll(NOW + 60_000).units] == [60, 64]


@pytest.mark.parametrize("inventory", [{"total": 10**30}, {"total": 4, "reserved": -(10**30)}])
def test_numbers_beyond_all_bounds_are_refused_by_name(inventory: dict[str, int]) -> None:
    with pytest.raises(ReadingError, match="inventories of a"):
        Cloud(a=Host(inventories={"VCPU": inventory})).polled.poll()
