"""The adapter of Placement against a real one, which is its oracle as well."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from gateway.systems.aggregation.adapters.placement.adapter import Placement
from gateway.systems.aggregation.readings import Reading, ReadingError
from tests.support.placement import HEADERS, PlacementServer, running_placement
from tests.support.polled import NOW, Polled, over_http, source

SHAPES = 9  # rounds, of two trees each


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlacementServer]:
    with running_placement(tmp_path_factory.mktemp("placement")) as one:
        yield one


@pytest.fixture
def server(running: PlacementServer) -> Iterator[PlacementServer]:
    yield running
    running.clear()


@pytest.fixture
def polled(server: PlacementServer) -> Iterator[Polled]:
    with over_http(Placement(), source("placement", server.url, HEADERS)) as one:
        yield one


def free_of(reading: Reading, kind: str = "chips") -> dict[str, float]:
    return {unit.key: unit.free.get(kind, 0) for unit in reading.units}


def test_a_quiet_poll_is_one_request_and_a_change_asks_for_what_changed(
    server: PlacementServer, polled: Polled
) -> None:
    hosts = [
        server.provider(f"host{x}", {"VCPU": {"total": 64}, "CUSTOM_CARD_H100": {"total": 8}})
        for x in range(4)
    ]
    first = polled.poll()
    assert first.whole and first.version == "placement 1.39" and not first.notes
    assert {ask.kind for ask in polled.asked} == {
        "version",
        "providers",
        "inventories",
        "usages",
        "traits",
    }
    assert [(x.chip, x.total["chips"], x.free["chips"]) for x in first.units] == [
        ("H100", 8, 8)
    ] * 4
    assert polled.poll() == first
    assert [ask.path for ask in polled.asked] == ["/resource_providers"]
    server.allocate((hosts[2], {"CUSTOM_CARD_H100": 3, "VCPU": 8}))
    assert free_of(polled.poll()) == {x: 5 if x == hosts[2] else 8 for x in hosts}
    assert len(polled.asked) == 4
    server.send("DELETE", f"/resource_providers/{hosts[0]}")
    after = polled.poll()
    assert after.whole and set(free_of(after)) == set(hosts[1:])


def test_what_is_freed_without_a_new_generation_is_seen_by_its_candidates(
    server: PlacementServer, polled: Polled
) -> None:
    host = server.provider("host", {"VCPU": {"total": 64}, "PGPU": {"total": 2}})
    taken = server.allocate((host, {"PGPU": 2, "VCPU": 4}))
    assert taken is not None
    assert free_of(polled.poll()) == {host: 0}
    before = server.generation(host)
    server.release(taken)
    assert server.generation(host) == before  # or nothing of this is needed any more
    assert free_of(polled.poll(NOW + 299_000)) == {host: 0}
    later = polled.poll(NOW + 300_000)
    assert {ask.kind for ask in polled.asked} == {"providers", "candidates"}
    assert free_of(later) == {host: 2} and free_of(later, "vcpu") == {host: 64}
    polled.poll(NOW + 900_000)  # nothing is in use now, so nothing can be freed
    assert [ask.kind for ask in polled.asked] == ["providers"]


def test_with_few_requests_a_poll_the_rest_follows_and_nothing_counts_as_vanished(
    server: PlacementServer,
) -> None:
    hosts = {server.provider(f"host{x}", {"VCPU": {"total": 4}}) for x in range(5)}
    few = source("placement", server.url, HEADERS, requests="6")
    with over_http(Placement(), few) as polled:
        for known in (2, 4):
            reading = polled.poll()
            assert len(reading.units) == known and not reading.whole and reading.notes
        reading = polled.poll()
        assert reading.whole and {unit.key for unit in reading.units} == hosts


def test_a_disabled_host_and_a_reserved_one_have_nothing_to_be_had(
    server: PlacementServer, polled: Polled
) -> None:
    off = server.provider(
        "off", {"PGPU": {"total": 2}}, ["COMPUTE_STATUS_DISABLED", "CUSTOM_GPU_A100_80GB"]
    )
    kept = server.provider("kept", {"PGPU": {"total": 2, "reserved": 2}})
    units = {unit.key: unit for unit in polled.poll().units}
    assert units[off].why == "COMPUTE_STATUS_DISABLED" and (
        units[off].chip,
        units[off].chip_memory_gib,
    ) == ("A100", 80)
    assert units[kept].why == "all of it is reserved"
    for one in units.values():
        assert (
            one.health == "maintenance" and one.total == {"chips": 2} and one.free == {"chips": 0}
        )
    server.change(off, traits=[])
    server.change(kept, inventories={"PGPU": {"total": 2}})
    assert free_of(polled.poll()) == {off: 2, kept: 2}


def test_nested_providers_come_to_one_unit_and_shares_of_cards_are_no_cards(
    server: PlacementServer, polled: Polled
) -> None:
    root = server.provider("host", {"MEMORY_MB": {"total": 4096, "reserved": 1024}})
    numa = server.provider("numa0", {"VCPU": {"total": 8, "allocation_ratio": 2.0}}, parent=root)
    for x in range(2):
        server.provider(f"card{x}", {"PGPU": {"total": 1}, "VGPU": {"total": 4}}, parent=numa)
    only = server.provider("sliced", {"VGPU": {"total": 4}})
    units = {unit.key: unit for unit in polled.poll().units}
    assert units[root].total == {"memory_gib": 3, "vcpu": 16, "chips": 2}
    assert units[only].total == {"chips": 4}


def test_groups_are_aggregates_or_traits(server: PlacementServer) -> None:
    aggregate = "a1b2c3d4-0000-4000-8000-000000000001"
    host = server.provider("host", {"VCPU": {"total": 4}}, ["CUSTOM_ROOM_7"])
    server.change(host, aggregates=[aggregate])
    for option, group in (("aggregate", aggregate), ("CUSTOM_ROOM_", "CUSTOM_ROOM_7")):
        with over_http(
            Placement(), source("placement", server.url, HEADERS, group=option)
        ) as polled:
            (unit,) = polled.poll().units
            assert unit.group == group and unit.labels == {"CUSTOM_ROOM_7": "yes"}


def test_a_wrong_token_is_said(server: PlacementServer) -> None:
    with (
        over_http(Placement(), source("placement", server.url)) as polled,
        pytest.raises(ReadingError, match="status 401: the token"),
    ):
        polled.poll()


def test_free_is_what_allocation_candidates_say_for_random_inventories(
    server: PlacementServer, polled: Polled
) -> None:
    """For m cards of one allocation, each taken from any provider of a tree, Placement names the
    trees whose unit has m free or more.
    """
    dice = random.Random(11)
    cards: list[str] = []
    consumers: list[str] = []
    for round_ in range(SHAPES):
        for _ in range(2):
            root = server.provider(f"r{round_}-{dice.random()}", {"VCPU": {"total": 16}})
            for child in range(dice.randint(1, 2)):
                total = dice.randint(1, 4)
                inventory = {
                    "total": total,
                    "reserved": dice.randint(0, total - 1),
                    "allocation_ratio": dice.choice([1.0, 1.0, 1.5, 2.0]),
                    "max_unit": dice.randint(1, 4),
                }
                cards.append(
                    server.provider(f"{root}-{child}", {"CUSTOM_NPU_910B": inventory}, parent=root)
                )
        for card in dice.sample(cards, min(4, len(cards))):
            taken = server.allocate((card, {"CUSTOM_NPU_910B": dice.randint(1, 2)}))
            if taken is not None:
                consumers.append(taken)
        if consumers and dice.random() < 0.4:
            server.release(consumers.pop(dice.randrange(len(consumers))))
        free = free_of(polled.poll(NOW + round_ * 400_000))
        for m in (1, 2, 3):
            query = "&".join(f"resources_{x}=CUSTOM_NPU_910B:1" for x in range(m))
            expected = {root for root, had in free.items() if had >= m}
            assert server.candidates(query + "&group_policy=none") == expected, (round_, m)
    assert 0 in free.values() and len(set(free.values())) > 3  # the dice have shown enough


def test_steps_and_least_amounts_hold_as_placement_holds_them(
    server: PlacementServer, polled: Polled
) -> None:
    dice = random.Random(12)
    for round_ in range(8):
        total = dice.randint(1, 24)
        inventory = {
            "total": total,
            "min_unit": dice.randint(1, 4),
            "max_unit": dice.randint(4, 24),
            "step_size": dice.randint(1, 4),
        }
        server.provider(f"r{round_}", {"CUSTOM_CARD_H20": inventory})
    free = free_of(polled.poll())
    for root, had in free.items():
        assert not had or root in server.candidates(f"resources=CUSTOM_CARD_H20:{had:.0f}")
        for more in range(int(had) + 1, 26):
            assert root not in server.candidates(f"resources=CUSTOM_CARD_H20:{more}")
