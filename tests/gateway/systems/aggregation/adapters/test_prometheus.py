"""What Prometheus says of targets, recorded and made up, as machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import identifier
from csid.record import Record
from gateway.systems.aggregation.adapters.prometheus import adapter
from gateway.systems.aggregation.adapters.prometheus.adapter import Prometheus
from gateway.systems.aggregation.adapters.prometheus.facts import WHAT
from gateway.systems.aggregation.http_sd import Registered, http_sd
from gateway.systems.aggregation.readings import Ask, Memory, Reading, ReadingError, Said, Unit
from tests.support.adapters import by_kind, driven, recorded, source
from tests.support.growth import FEW, IN_PROPORTION, MANY, growth

NOW = 1_795_726_430.0
GIB = 1 << 30
UUID = "4c4c4544-0033-4710-8032-c7c04f475931"
OTHER = "4c4c4544-0033-4710-8032-c7c04f475932"
Series = dict[str, Any]


def series(name: str, value: float | str, **labels: str) -> Series:
    return {"metric": {"__name__": name, **labels}, "value": [NOW, str(value)]}


def made(what: str, value: float | str, **labels: str) -> Series:
    return {"metric": {WHAT: what, **labels}, "value": [NOW, str(value)]}


def answer(found: Iterable[Series], *warnings: str) -> bytes:
    data = {"resultType": "vector", "result": list(found)}
    told = {"warnings": warnings} if warnings else {}
    return json.dumps({"status": "success", "data": data} | told).encode()


def labelled(found: Iterable[Series], **labels: str) -> list[Series]:
    """The same series with further labels, or others."""
    return [one | {"metric": one["metric"] | labels} for one in found]


def node(
    instance: str = "10.0.0.1:9100", name: str = "g1", uuid: str = UUID, age: float = 5, **more: str
) -> list[Series]:
    of = {"job": "node", "instance": instance} | more
    return [
        series("up", 1, **of),
        series("node_memory_MemTotal_bytes", 512 * GIB, **of),
        series("node_memory_MemAvailable_bytes", 300 * GIB, **of),
        series("node_load1", 12, **of),
        series("node_uname_info", 1, nodename=name, machine="x86_64", sysname="Linux", **of),
        series("node_dmi_info", 1, product_uuid=uuid, system_vendor="Dell", **of),
        made("node_time", NOW - age, **of),
        made("cpus", 64, **of),
        made("idle", 40.7, **of),
    ]


def card(
    number: int = 0,
    util: float | str = 0,
    used: float = 300,
    xid: int | None = 0,
    age: float = 5,
    instance: str = "10.0.0.1:9400",
    host: str = "g1",
    **more: str,
) -> list[Series]:
    of = {"job": "dcgm", "instance": instance, "gpu": str(number), "Hostname": host}
    full = of | {"UUID": f"GPU-{instance}-{number}", "modelName": "NVIDIA H100 80GB HBM3"} | more
    found = [
        series("up", 1, job="dcgm", instance=instance),
        series("DCGM_FI_DEV_GPU_UTIL", util, **full),
        series("DCGM_FI_DEV_FB_USED", used, **full),
        series("DCGM_FI_DEV_FB_FREE", 81_000 - used, **full),
        made("card_time", NOW - age, **full),
        made("card_peak", util, **full),
    ]
    return found + ([] if xid is None else [series("DCGM_FI_DEV_XID_ERRORS", xid, **of)])


def down(found: Iterable[Series], job: str) -> list[Series]:
    """The same when a job's targets cannot be scraped: nothing is left of them but that."""
    kept = [one for one in found if one["metric"]["job"] != job]
    instances = {one["metric"]["instance"] for one in found if one["metric"]["job"] == job}
    return kept + [series("up", 0, job=job, instance=instance) for instance in sorted(instances)]


def reading(
    found: Sequence[Series],
    past: Sequence[Series] = (),
    memory: Memory | None = None,
    asked: list[Ask] | None = None,
    warned: Sequence[str] = (),
    now: int = 1,
    **options: str,
) -> Reading:
    values = [one for one in found if WHAT not in one["metric"]]
    worked_out = [one for one in found if WHAT in one["metric"]]
    said = {"values": answer(values), "made": answer(worked_out), "past": answer(past, *warned)}

    def say(asks: Sequence[Ask]) -> Sequence[Said]:
        if asked is not None:
            asked.extend(asks)
        return by_kind(said)(asks)

    polling = Prometheus().poll(
        source("prometheus", **options), {} if memory is None else memory, now
    )
    return driven(polling, say)


def unit(found: Sequence[Series], **options: str) -> Unit:
    (one,) = reading(found, **options).units
    return one


def test_a_recorded_machine() -> None:
    (before,) = recorded_reading("2.42").units
    assert before.total["chips"] == 2
    assert before.free["chips"] == 1
    assert before.why == "1 of 2 cards are not at rest"
    (after,) = recorded_reading("2.42-down").units
    assert (after.key, after.health) == (before.key, "failed")
    assert after.why.startswith("down: node ")


def recorded_reading(version: str) -> Reading:
    polling = Prometheus().poll(source("prometheus"), {}, 1)
    read = driven(polling, by_kind(recorded("prometheus", version)))
    assert (read.version, read.whole) == ("Prometheus 2.42.0+ds", True)
    return read


def test_what_a_machine_has_and_what_is_at_rest() -> None:
    one = unit([*node(), *card(0), *card(1, util=87, used=61_440), *card(2, used=40_000)])
    assert one.key == f"uuid:{UUID}"
    assert one.total == {"vcpu": 64, "memory_gib": 512, "chips": 3}
    assert one.free == {"vcpu": 40, "memory_gib": 300, "chips": 1}
    assert (one.chip, one.chip_memory_gib, one.health) == ("H100", 80, "ok")
    assert one.why == "2 of 3 cards are not at rest"
    assert (one.labels["os"], one.labels["architecture"]) == ("Linux", "x86_64")
    assert one.labels["estimated"] == "utilisation"


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        (card(pod="train-0", namespace="a"), "ok"),  # somebody's, though at rest
        (card(exported_pod="train-0"), "ok"),
        (card(hpc_job="4711"), "ok"),
        (card(GPU_I_ID="3", GPU_I_PROFILE="1g.10gb"), "ok"),  # in instances
        (card(util="9223372036854775794"), "ok"),  # which DCGM says where it does not know
        (card(util="NaN"), "ok"),
        (card(age=121), "ok"),
        (card(xid=79), "failed"),
    ],
)
def test_cards_that_are_not_known_to_be_at_rest(seen: list[Series], health: str) -> None:
    one = unit([*node(), *seen])
    assert one.free["chips"] == 0
    assert one.health == health


def test_an_error_of_a_program_is_none_of_its_card() -> None:
    assert unit([*node(), *card(xid=31)]).free["chips"] == 1


def test_what_is_at_rest_is_an_option() -> None:
    seen = [*node(), *card(util=8, used=2_000)]
    assert unit(seen).free["chips"] == 0
    assert unit(seen, rest_percent="10", rest_mib="4096").free["chips"] == 1


def test_a_card_that_has_failed_leaves_the_others() -> None:
    one = unit([*node(), *card(0, xid=79), *card(1)])
    assert (one.free["chips"], one.health) == (1, "degraded")
    assert one.why == "1 of 2 cards are not at rest; errors of 1: XID 79"


def test_an_old_sample_does_not_count() -> None:
    one = unit(node(age=121))
    assert (one.health, one.free) == ("degraded", {"vcpu": 0, "memory_gib": 0})
    assert one.why == "node 10.0.0.1:9100: what is known is 121 s old" and not one.is_known
    assert unit(node(age=121), stale="300").why == ""


def test_a_node_that_is_down_is_what_it_was_and_failed() -> None:
    seen = [*node(), *card()]
    asked: list[Ask] = []
    memory: dict[str, Any] = {}
    past = [one for one in node() if one["metric"].get(WHAT) != "node_time"]
    read = reading(down(seen, "node"), past, memory, asked)
    (one,) = read.units
    assert (one.key, one.health, one.why) == (f"uuid:{UUID}", "failed", "down: node 10.0.0.1:9100")
    assert one.total == {"vcpu": 64, "memory_gib": 512, "chips": 1}
    assert not any(one.free.values())
    assert [ask.kind for ask in asked] == ["version", "values", "made", "past"]
    asked.clear()
    reading(down(seen, "node"), past, memory, asked)  # which is remembered
    assert [ask.kind for ask in asked] == ["values", "made"]
    reading(seen, (), memory)
    assert memory["past"] == {}


def test_cards_whose_exporter_is_down_stay_and_are_not_free() -> None:
    seen = [*node(), *card(0), *card(1)]
    past = [one for one in seen if one["metric"]["job"] == "dcgm" and WHAT not in one["metric"]]
    (one,) = reading(down(seen, "dcgm"), past).units
    assert (one.total["chips"], one.free["chips"], one.health) == (2, 0, "degraded")
    assert one.free["vcpu"] == 40
    assert one.why.endswith("down: dcgm 10.0.0.1:9400")


def test_a_machine_of_a_day_is_one_though_its_series_changed() -> None:
    before = [one for one in node() if one["metric"].get(WHAT) != "node_time"]
    after = labelled(before, pod="node-exporter-2", release="6.1.0-39")
    after[-1]["metric"].pop("pod")  # of processors only job and instance are said
    (one,) = reading(down(node(), "node"), [*before, *after]).units
    assert (one.key, one.total["vcpu"]) == (f"uuid:{UUID}", 64)


@pytest.mark.parametrize("other", [node(name="g9"), node(uuid=OTHER)])
def test_an_address_that_two_machines_had_in_a_day_is_left_out(other: list[Series]) -> None:
    memory: dict[str, Any] = {}
    for past in ([*node(), *other], []):  # which is remembered
        read = reading(down(node(), "node"), past, memory)
        assert (read.units, read.whole) == ((), False)
        assert read.notes[0].startswith(LEFT_OUT)


def test_a_past_of_which_not_all_is_said_is_asked_for_again() -> None:
    memory: dict[str, Any] = {}
    asked: list[Ask] = []
    seen = down(node(), "node")
    part = [one for one in node() if one["metric"].get("__name__") != "node_dmi_info"]
    read = reading(seen, part, memory, warned=["store timed out"])
    assert (read.units, read.whole) == ((), False)
    read = reading(seen, node(), memory, asked)
    assert [ask.kind for ask in asked] == ["values", "made", "past"]
    assert ([one.key for one in read.units], read.whole) == ([f"uuid:{UUID}"], True)


def many_down(count: int, cards: int) -> tuple[list[Series], list[Series]]:
    """So many exporters of so many cards, and what was known of them."""
    instances = [f"10.0.{number >> 8}.{number & 255}:9400" for number in range(count)]
    labels = [{"job": "dcgm", "instance": instance} for instance in instances]
    past = [
        series("DCGM_FI_DEV_FB_USED", 1, **of, gpu=str(n), UUID=f"GPU-{of['instance']}-{n}", x="y")
        for of in labels
        for n in range(cards)
    ]
    return [series("up", 0, **of) for of in labels], past


def polled_until_known(found: list[Series], past: list[Series], memory: Memory) -> list[Reading]:
    """Readings until no more is asked for."""
    readings: list[Reading] = []
    for _ in range(100):
        asked: list[Ask] = []
        readings.append(reading(found, past, memory, asked))
        if asked[-1].kind != "past":
            return readings
    raise AssertionError("it is asked for without an end")


def test_of_an_outage_of_racks_all_is_remembered() -> None:
    found, past = many_down(400, 8)
    last = polled_until_known(found, past, {})[-1]
    assert (len(last.units), last.whole) == (400, True)


def test_what_is_remembered_of_targets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_KEPT_MAX", 100)
    monkeypatch.setattr(adapter, "_KEPT_CARDS_MAX", 2)
    found, past = many_down(60, 2)
    memory: dict[str, Any] = {}
    *_, last = polled_until_known(found, past, memory)
    assert len(memory["past"]) == 33
    assert (len(last.units), last.whole) == (33, False)
    assert last.notes[0].startswith("27 targets are down, of which nothing is known yet")


def test_a_target_of_too_many_cards_is_missing_and_not_asked_about_again() -> None:
    found, past = many_down(1, 1_001)
    readings = polled_until_known(found, past, {})
    assert [(one.units, one.whole) for one in readings] == [((), False)] * 2


def test_targets_with_endless_names_are_missing_and_not_asked_about() -> None:
    asked: list[Ask] = []
    read = reading([series("up", 0, job="node", instance="x" * 1_000)], asked=asked)
    assert [ask.kind for ask in asked] == ["version", "values", "made"]
    assert not read.whole


def test_targets_of_other_kinds_that_are_down_are_nothing_to_us() -> None:
    seen = [*node(), series("up", 0, job="blackbox", instance="https://a.example/")]
    read = reading(seen)
    assert (len(read.units), read.whole) == (1, True)


def test_many_targets_that_are_down_are_asked_about_in_turn() -> None:
    many = [series("up", 0, job="node", instance=f'10.0.1.{n}:9100"') for n in range(30)]
    memory: dict[str, Any] = {}
    asked: list[Ask] = []
    read = reading([*node(), *many], (), memory, asked)
    assert not read.whole
    assert any(note.startswith("10 targets are down") for note in read.notes)
    query = unquote(asked[-1].path)
    assert '10\\\\.0\\\\.1\\\\.0:9100\\"' in query  # as one text of PromQL
    assert reading([*node(), *many], (), memory).whole


def test_two_jobs_that_scrape_one_machine_are_one() -> None:
    one = unit([*node(), *labelled(node(), job="again")])
    assert one.total["vcpu"] == 64


@pytest.mark.parametrize("uuid", [UUID, ""])
def test_two_exporters_of_one_machine_are_one_whatever_they_may_read(uuid: str) -> None:
    again = node("10.0.0.1:9796", uuid="", job="again")
    for found in ([*node(uuid=uuid), *again], [*again, *node(uuid=uuid)]):
        one = unit(found)
        assert one.key == (f"uuid:{UUID}" if uuid else "instance:g1@10.0.0.1")
        assert one.total["vcpu"] == 64


def test_machines_behind_one_address_are_several_by_their_names() -> None:
    read = reading([*node(), *node("10.0.0.1:9101", "g2", "")])
    assert [one.key for one in read.units] == ["instance:g2@10.0.0.1", f"uuid:{UUID}"]
    nameless = [
        one
        for port in (9100, 9101)
        for one in node(f"10.0.0.1:{port}", uuid="")
        if one["metric"].get("__name__") != "node_uname_info"
    ]
    keys = [one.key for one in reading(nameless).units]
    assert keys == ["instance:10.0.0.1:9100", "instance:10.0.0.1:9101"]
    same_name = reading([*node("fd00::1", uuid=""), *node("fd00::2", uuid="")])
    assert [one.key for one in same_name.units] == ["instance:g1@fd00::1", "instance:g1@fd00::2"]


def test_an_exporter_that_can_be_of_two_machines_is_left_out() -> None:
    found = [*node(), *node("10.0.0.1:9101", uuid=OTHER), *node("10.0.0.1:9102", uuid="")]
    read = reading(found)
    assert [one.key for one in read.units] == [f"uuid:{UUID}", f"uuid:{OTHER}"]
    assert not read.whole
    assert read.notes[0].startswith("instance:g1@10.0.0.1: left out, several machines have it: ")


def test_of_two_exporters_of_a_machine_the_one_that_says_more_speaks() -> None:
    less = [
        one
        for one in node("10.0.0.1:9796", age=1, job="again")
        if one["metric"].get(WHAT) not in ("cpus", "idle")
    ]
    assert unit([*less, *node()]).total["vcpu"] == 64


def test_machines_of_one_identity_are_left_out() -> None:
    read = reading([*node(), *node("10.0.0.2:9100", "g2"), *node("10.0.0.3:9100", "g3", OTHER)])
    assert [one.name for one in read.units] == ["g3"]
    assert not read.whole
    assert any("several machines have it: g1, g2" in note for note in read.notes)


def test_a_machine_known_by_its_address_only_is_noted() -> None:
    read = reading(node(uuid=""))
    assert read.units[0].key == "instance:g1@10.0.0.1"
    assert "known by their address or name only: 1 machines, such as g1" in read.notes[0]
    read = reading(node(uuid="", machine_id="7f3a"), key="machine_id")
    assert (read.units[0].key, read.notes) == ("machine_id:7f3a", ())


def test_cards_belong_to_the_machine_of_their_name_or_address() -> None:
    other = node("10.0.0.2:9100", "g2.example", OTHER)
    by_name = reading([*node(), *other, *card(host="g2", instance="10.9.9.9:9400")])
    assert {one.name: one.total.get("chips") for one in by_name.units} == {
        "g1": None,
        "g2.example": 1,
    }
    by_address = reading([*node(), *other, *card(host="3f2a77c0", instance="10.0.0.1:9400")])
    assert {one.name: one.total.get("chips") for one in by_address.units} == {
        "g1": 1,
        "g2.example": None,
    }
    of_nobody = reading([*node(), *card(host="g9", instance="10.9.9.9:9400")])
    assert {one.key: one.total.get("chips") for one in of_nobody.units} == {
        f"uuid:{UUID}": None,
        "host:g9": 1,
    }


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        (card(exported_pod="train-0"), "ok"),  # who has it is known to one of them
        (card(GPU_I_ID="3", GPU_I_PROFILE="1g.10gb"), "ok"),
        (card(util=87), "ok"),
        (card(used=40_000), "ok"),
        (card(xid=79), "failed"),
    ],
)
def test_a_card_that_two_exporters_see_is_one_and_whatever_one_says(
    seen: list[Series], health: str
) -> None:
    again = labelled(card(xid=94), job="again", instance="10.0.0.1:9401")
    for found in ([*node(), *seen, *again], [*again, *seen, *node()]):
        one = unit(found)
        assert (one.total["chips"], one.free["chips"], one.health) == (1, 0, health)


def test_a_card_that_two_exporters_see_is_as_old_as_the_newer_says() -> None:
    again = labelled(card(age=500), job="again", instance="10.0.0.1:9401")
    assert unit([*node(), *card(), *again]).free["chips"] == 1


def test_of_two_exporters_of_a_card_the_one_that_is_up_counts() -> None:
    again = labelled(card(util=90, pod="gone"), job="again", instance="10.0.0.1:9401")
    past = [one for one in again if WHAT not in one["metric"]]
    (one,) = reading(down([*node(), *card(), *again], "again"), past).units
    assert (one.total["chips"], one.free["chips"], one.why) == (1, 1, "")


def test_of_errors_of_a_card_the_fatal_one_counts() -> None:
    instances = [*card(xid=79, GPU_I_ID="1"), *card(xid=94, GPU_I_ID="2")]
    instances = [*instances, *labelled(card(xid=94)[-1:], GPU_I_ID="2")]
    assert unit([*node(), *instances]).health == "failed"


LEFT_OUT = "1 targets are left out, as several machines or replicas have their job and instance"


@pytest.mark.parametrize("found", [node(), node()[1:2], card()[1:]])
def test_what_replicas_say_is_left_out(found: list[Series]) -> None:
    other = node("10.0.0.3:9100", "g3", OTHER)
    both = [*labelled(found, replica="A"), *labelled(found, replica="B")]
    read = reading([*both, *other])
    assert [one.name for one in read.units] == ["g3"]
    assert not read.whole
    assert read.notes[0].startswith(LEFT_OUT)
    (name,) = {" ".join((one["metric"]["job"], one["metric"]["instance"])) for one in found}
    assert read.notes[0].endswith(f": {name}")
    assert reading([*labelled(found, replica="A"), *other]).whole


def test_machines_at_one_address_are_left_out_and_their_cards() -> None:
    at = "localhost:9100"
    first = labelled(node(at, "a"), cluster="a")
    second = labelled(node(at, "b", OTHER), cluster="b")
    cards = card(instance="localhost:9400", host="a")
    for found in ([*first, *second, *cards], [*second, *first, *cards]):
        read = reading(found)
        assert (read.units, read.whole) == ((), False)
        assert read.notes == (f'{LEFT_OUT}; use option match, such as cluster="a": node {at}',)


def test_one_replica_to_which_a_target_is_down_says_nothing_of_it() -> None:
    one_is_down = [*node(), series("up", 0, job="node", instance="10.0.0.1:9100", replica="B")]
    read = reading(one_is_down)
    assert (read.units, read.whole) == ((), False)


def test_several_series_of_other_targets_are_nothing_to_us() -> None:
    paths = [
        series("up", 1, job="kubelet", instance="10.0.0.1:10250", metrics_path=path)
        for path in ("/metrics", "/metrics/cadvisor")
    ]
    assert reading([*node(), *paths]).whole


def test_what_shares_a_card_makes_it_no_several() -> None:
    shared = [*card(pod="a"), *card(pod="b"), *card(GPU_I_ID="1"), *card(GPU_I_ID="2")]
    read = reading([*node(), *shared])
    assert (read.units[0].total["chips"], read.whole) == (1, True)


def federated(*hosts: str) -> list[Series]:
    """The first card of each host, all at one target."""
    return [
        one
        for host in hosts
        for one in card(instance="all:9090", host=host, UUID=f"GPU-{host}", xid=None)
    ]


def test_cards_of_one_number_are_told_apart_by_their_uuid() -> None:
    read = reading([*node(), *federated("g1", "g2", "g3")])
    assert {one.name: one.total["chips"] for one in read.units} == dict.fromkeys(
        ("g1", "g2", "g3"), 1
    )
    by_label = [*labelled(federated("a")[1:], of="x"), *labelled(federated("b")[1:], of="y")]
    assert [one.key for one in reading(by_label, key="of").units] == ["of:x", "of:y"]


def test_a_series_without_uuid_is_of_the_card_of_its_number() -> None:
    of = {"job": "dcgm", "instance": "all:9090", "gpu": "0"}
    cards = federated("g1", "g2")
    fault = series("DCGM_FI_DEV_XID_ERRORS", 79, **of, Hostname="g2")
    read = reading([fault, *cards])
    assert {one.name: one.free["chips"] for one in read.units} == {"g1": 1, "g2": 0}
    of_either = reading([series("DCGM_FI_DEV_XID_ERRORS", 79, **of), *cards])
    assert {one.name: one.free["chips"] for one in of_either.units} == {"g1": 0, "g2": 0}


def test_cards_of_which_nothing_says_a_uuid_are_told_apart_by_number_and_host() -> None:
    def numbered(number: int, host: str) -> list[Series]:
        found = card(number, host=host, instance="all:9090", UUID="")
        return [
            {**one, "metric": {k: v for k, v in one["metric"].items() if k != "UUID"}}
            for one in found
        ]

    read = reading([*numbered(0, "a"), *numbered(1, "a"), *numbered(0, "b")])
    assert {one.name: one.free["chips"] for one in read.units} == {"a": 2, "b": 1}


def test_labels_of_relabelling_are_kept_and_group() -> None:
    one = unit(node(csid="A/B", rack="r7"), group="rack")
    assert (one.group, one.labels["csid"]) == ("r7", "A/B")


def test_queries_are_few_and_narrowed_by_a_selector() -> None:
    asked: list[Ask] = []
    reading(node(), asked=asked, match='region="330106",job=~"node|dcgm"')
    assert [ask.kind for ask in asked] == ["version", "values", "made"]
    for ask in asked[1:]:
        assert unquote(ask.path).count('region="330106"') >= 1
        assert len(ask.path) < 4_000
    assert unquote(asked[2].path).count('region="330106"') == 5
    for wrong in ("region", 'a="b"}) or vector(1', 'a="b",', "a='b'"):
        with pytest.raises(ReadingError, match="no selector"):
            reading(node(), match=wrong)


@pytest.mark.parametrize(
    "said",
    [
        Said(400, {}, b'{"status":"error","error":"parse error"}'),
        Said(503, {}, b"starting"),
        Said(200, {}, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'),
        Said(200, {}, b"<html>"),
        Said(200, {}, b'{"data":{"result":' + b"[" * 100_000),
    ],
)
def test_nothing_is_believed_of_a_refusal(said: Said) -> None:
    polling = Prometheus().poll(source("prometheus"), {}, 1)
    with pytest.raises(ReadingError, match="query: "):
        driven(polling, by_kind({"values": answer(node()), "made": said}))


def test_a_warning_says_that_something_may_be_missing() -> None:
    said = json.loads(answer(node())) | {"warnings": ["No StoreAPIs matched for this query"]}
    answers = {"values": json.dumps(said).encode(), "made": answer(())}
    read = driven(Prometheus().poll(source("prometheus"), {}, 1), by_kind(answers))
    assert (len(read.units), read.whole) == (1, False)
    assert read.notes[0] == "not all is known: No StoreAPIs matched for this query"


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (NOW, NOW),
        (NOW - 86_400, NOW - 86_400),
        (NOW + 86_400, NOW),  # a clock that is ahead
        (1e300, NOW),
        (-5, 0),
    ],
)
def test_a_reading_is_of_when_its_older_answer_is(asked: float, taken: float) -> None:
    found = node()
    for which in (found[1], found[-1]):  # of either answer
        which["value"] = [asked, which["value"][1]]
        read = reading(found, now=int(NOW * 1_000))
        assert read.taken == taken * 1_000
        assert any("kept on the way" in note for note in read.notes) == (taken != NOW)
        which["value"][0] = NOW
    assert reading([], now=5).taken == 5


@pytest.mark.parametrize("when", ["NaN", "1e999", "-1e999", "Infinity"])
def test_what_is_no_time_is_refused(when: str) -> None:
    said = answer(node()).replace(str(NOW).encode(), when.encode())
    polling = Prometheus().poll(source("prometheus"), {}, 1)
    with pytest.raises(ReadingError, match="query: "):
        driven(polling, by_kind({"values": said, "made": said}))


def test_the_effort_grows_with_the_machines_no_faster() -> None:
    def read(machines: int) -> Callable[[], None]:
        many: list[Series] = []
        for number in range(machines):
            uuid = f"4c4c4544-0033-4710-8032-{number:012}"
            many += node(f"10.{number >> 8}.{number & 255}.1:9100", f"n{number}", uuid)
        said = {
            "values": answer(one for one in many if WHAT not in one["metric"]),
            "made": answer(one for one in many if WHAT in one["metric"]),
        }

        def work() -> None:
            read = driven(Prometheus().poll(source("prometheus"), {}, 1), by_kind(said))
            assert len(read.units) == machines

        return work

    assert growth(read(FEW), read(MANY)) < IN_PROPORTION


NAME = st.sampled_from(
    [
        "up",
        "node_memory_MemTotal_bytes",
        "node_uname_info",
        "node_dmi_info",
        "DCGM_FI_DEV_GPU_UTIL",
        "DCGM_FI_DEV_FB_USED",
        "DCGM_FI_DEV_XID_ERRORS",
        "other",
    ]
)
LABELS = st.fixed_dictionaries(
    {"__name__": NAME},
    optional={
        "job": st.sampled_from(["a", "b"]),
        "instance": st.sampled_from(["h:1", "[::1]:9", "", "x" * 500]),
        "nodename": st.text(max_size=4),
        "product_uuid": st.sampled_from([UUID, "0"]),
        "gpu": st.text(max_size=2),
        "UUID": st.sampled_from(["GPU-1", "GPU-2"]),
        "Hostname": st.text(max_size=4),
        "modelName": st.text(max_size=300),
        WHAT: st.sampled_from(["cpus", "idle", "card_time", "card_peak", "node_time", "?"]),
    },
)
NUMBER = (
    st.floats().map(str) | st.text(max_size=5) | st.sampled_from(["NaN", "+Inf", "-1", "1e300"])
)
SAMPLE = st.fixed_dictionaries({"metric": LABELS, "value": st.tuples(st.floats(0, 1e12), NUMBER)})
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.lists(SAMPLE, max_size=12), st.lists(SAMPLE, max_size=4), JSON)
def test_whatever_a_stranger_says_is_read_or_refused(
    values: list[Series], past: list[Series], other: Any
) -> None:
    for said in (answer(values), json.dumps(other).encode()):
        polling = Prometheus().poll(source("prometheus"), {}, 1)
        answers: Mapping[str, bytes] = {"values": said, "made": said, "past": answer(past)}
        try:
            read = driven(polling, by_kind(answers))
        except ReadingError:
            continue
        for one in read.units:
            assert one.key
            assert one.name
            assert len(one.name) <= 200
            assert one.free.keys() == one.total.keys()
            assert all(0 <= one.free[kind] <= one.total[kind] <= 2**53 for kind in one.total)
            assert msgspec.json.encode(one)


DISTINCT = st.lists(SAMPLE, max_size=12, unique_by=lambda one: tuple(sorted(one["metric"].items())))


@given(DISTINCT.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_of_series_does_not_matter(found: tuple[list[Series], list[Series]]) -> None:
    first, second = (reading(each, each) for each in found)
    assert first == second


def test_what_is_registered_as_targets() -> None:
    text = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"
    endpoints = ["https://api.example.cn/v1", "ssh://[2001:db8::1]:2222"]
    record = Record({"state": "active", "chip": "H100", "count": 8, "endpoints": endpoints})
    nowhere = Registered(identifier.parse(text), Record({"state": "active"}))
    first, second = json.loads(http_sd([Registered(identifier.parse(text), record), nowhere]))
    assert first["targets"] == ["api.example.cn:443"]
    assert second["targets"] == ["[2001:db8::1]:2222"]
    assert first["labels"] == {
        "__meta_csid_identifier": text,
        "__meta_csid_owner": "91330106673959654P",
        "__meta_csid_industry": "6450",
        "__meta_csid_location": "330106",
        "__meta_csid_type": "ACV",
        "__meta_csid_capability": "H60M07A1",
        "__meta_csid_state": "active",
        "__meta_csid_chip": "H100",
        "__meta_csid_count": "8",
        "__meta_csid_protocol": "https",
        "__meta_csid_endpoint": "https://api.example.cn/v1",
    }
