"""What Redfish services say, recorded and written after the standard, as readings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.identity import machine_key
from gateway.systems.aggregation.adapters.redfish import adapter
from gateway.systems.aggregation.adapters.redfish.adapter import Redfish
from gateway.systems.aggregation.readings import Ask, Memory, Reading, ReadingError, Said, Unit
from tests.support.adapters import by_path, driven, named, source

SYSTEMS = "/redfish/v1/Systems"
ROOT = {"RedfishVersion": "1.5.0", "Systems": {"@odata.id": SYSTEMS}}
WELL = {"State": "Enabled", "Health": "OK", "HealthRollup": "OK"}
UUID = "1c8f0a52-7f6e-4c3f-9d8e-000000000001"


def saying(said: Mapping[str, Any], asked: list[Ask] | None = None) -> Callable[..., list[Said]]:
    """A service that says that by path, and 404 otherwise."""

    def say(asks: Sequence[Ask]) -> list[Said]:
        if asked is not None:
            asked.extend(asks)
        found = [said.get(ask.path, Said(404, {}, b"nothing here")) for ask in asks]
        return [
            one if isinstance(one, Said) else Said(200, {}, json.dumps(one).encode())
            for one in found
        ]

    return say


def reading(
    said: Mapping[str, Any], memory: Memory | None = None, now: int = 1, **options: str
) -> Reading:
    of = source("redfish", **options)
    return driven(Redfish().poll(of, {} if memory is None else memory, now), saying(said))


def machines(*systems: Mapping[str, Any]) -> dict[str, Any]:
    """A service of these machines."""
    paths = [f"{SYSTEMS}/{number}" for number in range(len(systems))]
    said: dict[str, Any] = {"/redfish/v1/": ROOT}
    said[SYSTEMS] = {"Members": [{"@odata.id": path} for path in paths]}
    for path, system in zip(paths, systems, strict=True):
        said[path] = {"@odata.id": path, "UUID": UUID, "PowerState": "On", "Status": WELL} | system
    return said


def machine(**fields: Any) -> Unit:
    (unit,) = reading(machines(fields), vcpu="64").units
    return unit


def test_a_recorded_service() -> None:
    read = reading(by_path("redfish", "sushy-tools-2.2"))
    assert (read.whole, read.version) == (True, "Redfish 1.5.0")
    assert sorted(named(read)) == ["m1", "m2"]
    m1 = named(read)["m1"]
    assert (m1.key, m1.health, m1.why) == (f"uuid:{UUID}", "ok", "")
    assert m1.labels["maker"] == "Sushy Emulator"


def test_cards_of_a_board_belong_to_the_machine_it_is_in() -> None:
    read = reading(by_path("redfish", "hgx-by-hand"))
    (unit,) = read.units
    assert (unit.key, unit.name) == ("uuid:d4f1b8c2-0000-0000-0000-a088c2a1b2c3", "dgx-07")
    assert unit.total == {"vcpu": 224, "memory_gib": 2048, "chips": 8}
    assert unit.free == {"vcpu": 224, "memory_gib": 2048, "chips": 7}  # one is critical
    assert (unit.chip, unit.chip_memory_gib) == ("H100", 80)
    assert (unit.health, unit.why) == ("degraded", "1 of 8 accelerators are not well")
    assert unit.labels["serial"] == "1660224000123"
    assert read.whole
    assert any("Bluefield: a DPU is no machine" in note for note in read.notes)


def test_expanded_collections_are_one_request_each_and_processors_wait_an_hour() -> None:
    memory: dict[str, Any] = {}
    kinds = []
    for now in (1, 60_000, 3_600_002):
        asked: list[Ask] = []
        polling = Redfish().poll(source("redfish"), memory, now)
        driven(polling, saying(by_path("redfish", "hgx-by-hand"), asked))
        kinds.append([ask.kind for ask in asked])
    assert kinds == [
        ["root", "systems", "processors", "processors"],
        ["systems"],
        ["systems", "processors", "processors"],
    ]


def test_a_mark_in_the_body_saves_what_has_not_changed() -> None:
    said = machines({"@odata.etag": 'W/"7"', "Name": "n"})
    memory: dict[str, Any] = {}
    before = reading(said, memory)
    asked: list[Ask] = []
    unchanged = said | {f"{SYSTEMS}/0": Said(304, {}, b"")}
    polling = Redfish().poll(source("redfish"), memory, 1)
    assert driven(polling, saying(unchanged, asked)).units == before.units
    assert (asked[-1].headers, asked[-1].cached) == ({"If-None-Match": 'W/"7"'}, False)


def test_marks_are_kept_of_so_many_members_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_MARKS_MAX", 2)
    said = machines(
        *({"@odata.etag": 'W/"7"', "UUID": f"{UUID[:-1]}{number}"} for number in range(5))
    )
    memory: dict[str, Any] = {}
    assert len(reading(said, memory).units) == 5
    asked: list[Ask] = []
    polling = Redfish().poll(source("redfish"), memory, 2)
    assert len(driven(polling, saying(said, asked)).units) == 5
    assert sum("If-None-Match" in ask.headers for ask in asked) == 2


def test_a_mark_in_the_header_is_left_to_the_poller() -> None:
    said = machines({"@odata.etag": 'W/"7"'})
    said[f"{SYSTEMS}/0"] = Said(200, {"etag": 'W/"7"'}, json.dumps(said[f"{SYSTEMS}/0"]).encode())
    memory: dict[str, Any] = {}
    reading(said, memory)
    asked: list[Ask] = []
    driven(Redfish().poll(source("redfish"), memory, 1), saying(said, asked))
    assert (asked[-1].headers, asked[-1].cached) == ({}, True)


def test_pages_are_followed() -> None:
    said = machines({"Name": "a"}, {"Name": "b", "UUID": UUID[:-1] + "2"})
    members = said[SYSTEMS]["Members"]
    more = f"{SYSTEMS}?$skiptoken=ab//cd"
    said[SYSTEMS] = {"Members": members[:1], "Members@odata.nextLink": more}
    said[more] = {"Members": members[1:]}
    assert sorted(named(reading(said))) == ["a", "b"]
    said[more]["Members@odata.nextLink"] = more  # without end
    with pytest.raises(ReadingError, match="divide it"):
        reading(said)


@pytest.mark.parametrize(
    ("fields", "health", "why"),
    [
        ({}, "ok", ""),
        ({"PowerState": "Off"}, "ok", "PowerState Off"),
        ({"PowerState": "PoweringOn"}, "ok", "PowerState PoweringOn"),
        ({"PowerState": None}, "ok", "PowerState not said"),
        ({"Status": {"State": "Enabled", "Health": "Warning"}}, "degraded", ""),
        ({"Status": {"State": "Enabled", "HealthRollup": "Critical"}}, "failed", "Health Critical"),
        ({"Status": {"State": "Enabled", "HealthRollUp": "Critical"}}, "failed", "Health Critical"),
        ({"Status": {"State": "InTest", "Health": "OK"}}, "maintenance", "State Intest"),
        ({"Status": {"State": "Disabled"}}, "ok", "State Disabled"),
        ({"Status": None}, "ok", ""),
    ],
)
def test_power_and_health(fields: dict[str, Any], health: str, why: str) -> None:
    unit = machine(**fields)
    assert (unit.health, unit.why) == (health, why)
    assert unit.free["vcpu"] == (0 if why else 64)


def test_without_a_summary_processors_are_counted() -> None:
    path = f"{SYSTEMS}/0/Processors"
    said = machines({"Processors": {"@odata.id": path}})
    cpu = {"ProcessorType": "CPU", "TotalCores": "28", "TotalThreads": "56"}  # quoted, as seen
    npu = {"ProcessorType": "Accelerator", "Model": "Ascend 910B", "Status": WELL}
    absent = npu | {"Status": {"State": "Absent"}}
    memory = {"ProcessorMemory": [{"CapacityMiB": 32768}, {"CapacityMiB": 32768}]}
    parts = [cpu, cpu, npu | memory, npu, absent]
    said[path] = {"Members": [{"@odata.id": f"{path}/{n}"} for n in range(len(parts))]}
    said |= {f"{path}/{number}": part for number, part in enumerate(parts)}
    (unit,) = reading(said).units
    assert unit.total == {"vcpu": 112, "chips": 2}
    assert (unit.chip, unit.chip_memory_gib) == ("910B", 64)


def test_a_service_that_lists_no_processors_is_read_without() -> None:
    said = machines({"Name": "n", "Processors": {"@odata.id": f"{SYSTEMS}/0/Processors"}})
    read = reading(said)
    assert len(read.units) == 1
    assert any(note.startswith("n: processors are not listed") for note in read.notes)


def test_a_processor_that_does_not_answer_is_asked_for_again() -> None:
    path = f"{SYSTEMS}/0/Processors"
    said = machines({"Processors": {"@odata.id": path}})
    gpu = {"ProcessorType": "GPU", "Model": "H20", "Status": WELL}
    said[path] = {"Members": [{"@odata.id": f"{path}/{number}"} for number in range(2)]}
    said |= {f"{path}/0": gpu, f"{path}/1": Said(503, {}, b"busy")}
    memory: dict[str, Any] = {}
    read = reading(said, memory)
    assert (read.units[0].total["chips"], read.whole) == (1, False)
    read = reading(said | {f"{path}/1": gpu}, memory, now=2)
    assert (read.units[0].total["chips"], read.whole) == (2, True)
    read = reading(said, memory, now=3_600_003)  # an hour later it fails again
    assert (read.units[0].total["chips"], read.whole) == (2, False)


def test_a_list_that_is_shorter_than_it_says_is_not_the_whole() -> None:
    said = machines({"Name": "a"})
    said[SYSTEMS]["Members@odata.count"] = 3
    read = reading(said)
    assert (sorted(named(read)), read.whole) == (["a"], False)


def test_processors_of_all_machines_are_asked_for_at_once() -> None:
    paths = [f"{SYSTEMS}/{number}/Processors" for number in range(3)]
    said = machines(*({"Processors": {"@odata.id": path}} for path in paths))
    for path in paths:
        said[path] = {"Members": [{"@odata.id": f"{path}/0"}, {"@odata.id": f"{path}/1"}]}
    steps: list[list[str]] = []

    def say(asks: Sequence[Ask]) -> list[Said]:
        steps.append([ask.path for ask in asks])
        return saying(said)(asks)

    driven(Redfish().poll(source("redfish"), {}, 1), say)
    assert [len(step) for step in steps] == [1, 1, 3, 3, 6]


def test_a_machine_that_does_not_answer_leaves_the_rest() -> None:
    said = machines({"Name": "a"}, {"UUID": UUID[:-1] + "2"})
    said[f"{SYSTEMS}/1"] = Said(503, {}, b"busy")
    read = reading(said)
    assert (sorted(named(read)), read.whole) == (["a"], False)
    assert any("status 503: busy" in note for note in read.notes)


def test_a_machine_without_identity_is_left_out_and_not_known_by_its_number() -> None:
    nobody = {"Name": "n", "UUID": "00000000-0000-0000-0000-000000000000"}
    read = reading(machines(nobody | {"SerialNumber": "To be filled by O.E.M."}))
    assert (read.units, read.whole) == ((), False)
    assert any("neither UUID nor serial number" in note for note in read.notes)


def test_two_machines_of_one_identity_are_both_left_out() -> None:
    read = reading(machines({}, {}))
    assert (read.units, read.whole) == ((), False)


@pytest.mark.parametrize(
    ("uuid", "maker", "serial", "key"),
    [
        (UUID.upper(), "Dell", "X1", f"uuid:{UUID}"),
        ("03000200-0400-0500-0006-000700080009", "Acme", "S123", "serial:Acme/S123"),
        (None, None, "S123", "serial:/S123"),
        ("1", "Acme", "Default string", ""),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "Acme", "0000000", ""),
        (None, "Acme", None, ""),
    ],
)
def test_identities(uuid: str | None, maker: str | None, serial: str | None, key: str) -> None:
    assert machine_key(uuid, maker, serial) == key


@pytest.mark.parametrize(
    ("said", "model", "gib"),
    [
        ("NVIDIA H100 80GB HBM3", "H100", 80),
        ("NVIDIA A100-SXM4-40GB", "A100", 40),
        ("Tesla V100-PCIE-32GB", "V100", 32),
        ("NVIDIA GeForce RTX 4090", "RTX 4090", 24),
        ("NVIDIA L40S", "L40S", 24),
        ("NVIDIA H100 NVL", "H100 NVL", 24),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada Generation", 24),
        ("AMD Instinct MI300X OAM", "MI300X", 24),
        ("", "", 24),
    ],
)
def test_models(said: str, model: str, gib: float) -> None:
    assert models.model(said) == model
    assert models.memory_gib(said, 24_564) == gib


@pytest.mark.parametrize(
    "path",
    [
        "http://elsewhere.test/redfish/v1/Systems",
        "@elsewhere.test/redfish/v1",
        "//elsewhere.test/redfish/v1/",
        "/redfish/v1//elsewhere.test/",
        "/redfish/v1/../../secret",
        "/redfish/v1/Systems/..",
        "/redfish/v1/Systems/%2e%2E/",
        "/redfish/v10/Systems",
        "/redfish/v1/Systems/1 HTTP/1.1",
        "/redfish/v1/Systems\r\nX: y",
        "/redfish/v1/" + "x" * 600,
        "",
        None,
    ],
)
def test_nothing_is_asked_of_a_path_elsewhere(path: str | None) -> None:
    asked: list[Ask] = []
    said = {"/redfish/v1/": ROOT, SYSTEMS: {"Members": [{"@odata.id": path}]}}
    with pytest.raises(ReadingError, match="no path below"):
        driven(Redfish().poll(source("redfish"), {}, 1), saying(said, asked))
    assert [ask.path for ask in asked] == ["/redfish/v1/", SYSTEMS]


def test_more_machines_than_a_source_may_have_are_refused() -> None:
    said = {"/redfish/v1/": ROOT, SYSTEMS: {"Members": [{"@odata.id": f"{SYSTEMS}/1"}] * 2_001}}
    with pytest.raises(ReadingError, match="more than 2,000"):
        reading(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
STATUS = st.fixed_dictionaries(
    {}, optional={"State": st.text(max_size=9) | JSON, "Health": st.sampled_from(["OK", "?", None])}
)
SYSTEM = st.fixed_dictionaries(
    {"Status": STATUS},
    optional={
        "UUID": st.sampled_from([UUID, "x", None, 7]),
        "Id": st.sampled_from(["1", "HGX_0", None]),
        "Name": st.text() | JSON,
        "PowerState": st.sampled_from(["On", "Off", None, "\n"]),
        "ProcessorSummary": st.fixed_dictionaries(
            {},
            optional={"LogicalProcessorCount": st.floats() | st.integers() | st.text(max_size=4)},
        ),
        "MemorySummary": st.fixed_dictionaries({}, optional={"TotalSystemMemoryGiB": JSON}),
        "Processors": st.fixed_dictionaries({"@odata.id": st.just(SYSTEMS + "/p") | JSON}),
    },
)
PROCESSOR = st.fixed_dictionaries(
    {"ProcessorType": st.sampled_from(["GPU", "CPU", None])},
    optional={
        "Model": st.text(max_size=9),
        "TotalThreads": JSON,
        "Status": STATUS,
        "ProcessorMemory": JSON,
    },
)


@given(st.lists(SYSTEM, max_size=3), st.fixed_dictionaries({"Members": st.lists(PROCESSOR)}) | JSON)
def test_whatever_a_stranger_says_is_read_or_refused(systems: Any, parts: Any) -> None:
    try:
        read = reading(machines(*systems) | {SYSTEMS + "/p": parts})
    except ReadingError:
        return
    for unit in read.units:
        assert unit.key
        assert all(0 <= unit.free[kind] <= unit.total[kind] <= 2**53 for kind in unit.total)
        assert len(unit.name) <= 200
        assert msgspec.json.encode(unit)


@given(JSON, JSON)
def test_whatever_the_service_is(root: Any, systems: Any) -> None:
    for said in ({"/redfish/v1/": root}, {"/redfish/v1/": ROOT, SYSTEMS: systems}):
        try:
            assert reading(said).units == ()
        except ReadingError:
            continue
