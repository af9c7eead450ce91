"""Slurm's answers, recorded and written after the documentation, as readings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.slurm import nodes
from gateway.systems.aggregation.adapters.slurm.adapter import VERSIONS, Slurm
from gateway.systems.aggregation.readings import Ask, Reading, ReadingError, Said
from tests.support.adapters import by_kind, driven, named, recorded, source, taken
from tests.support.growth import FEW, IN_PROPORTION, MANY, growth

VERSIONS_BY_HAND = ("v0.0.39", "v0.0.40", "v0.0.42")
VERSIONS_RECORDED = ("v0.0.37", "v0.0.38")


def reading(
    version: str, changed: Mapping[str, Any] | None = None, now: int = 0, **options: str
) -> Reading:
    """A reading of what a server of that version said, with other answers to some requests."""
    said = recorded("slurm", version) | {
        kind: one if isinstance(one, Said) else json.dumps(one).encode()
        for kind, one in (changed or {}).items()
    }
    of = source("slurm", **{"version": version} | options)
    return driven(Slurm().poll(of, {}, now or taken("slurm", version)), by_kind(said))


def nodes_like(version: str, **changed: object) -> dict[str, Any]:
    """One node, the first of the fixture with these fields changed."""
    said: dict[str, Any] = json.loads(recorded("slurm", version)["nodes"])  # type: ignore[arg-type]
    return said | {"nodes": [said["nodes"][-1] | {"state_flags": []} | changed]}


@pytest.mark.parametrize("version", VERSIONS_RECORDED)
def test_a_recorded_cluster(version: str) -> None:
    read = reading(version)
    assert (read.whole, read.version) == (True, f"22.05.8 {version}")
    units = named(read)
    assert sorted(units) == ["c1", "c2", "c3", "c4", "c5", "g1", "g2", "g3"]
    g1 = units["g1"]
    assert g1.key == "here/g1"
    assert g1.total == {"chips": 8, "vcpu": 64, "memory_gib": 1000}
    assert g1.free == {"chips": 5, "vcpu": 48, "memory_gib": 900}
    assert (g1.chip, g1.group, g1.health, g1.why) == ("H100", "gpu", "ok", "")
    assert g1.labels["features"] == "nvlink,ib400"
    assert g1.labels["architecture"] == "x86_64"
    assert g1.labels["os"].startswith("Linux")
    assert units["g3"].free == units["g3"].total
    for name, health, why in (
        ("g2", "maintenance", "DRAIN: ECC memory error"),
        ("c5", "maintenance", "MAINTENANCE RESERVED: maint"),
        ("c3", "ok", "RESERVED: part"),
        ("c4", "failed", "NOT_RESPONDING"),
        ("c1", "ok", "RESERVED: training, from 2026-11-26T"),
        ("c2", "ok", "RESERVED: training, from 2026-11-26T"),
    ):
        unit = units[name]
        assert unit.health == health, unit
        assert unit.why.startswith(why), unit
        assert not any(unit.free.values()), unit


@pytest.mark.parametrize("version", VERSIONS_BY_HAND)
def test_later_versions_say_the_same_in_other_forms(version: str) -> None:
    read = reading(version, cluster="h5")
    units = named(read)
    assert sorted(units) == [*(f"c{n}" for n in range(1, 9)), *(f"g{n}" for n in range(1, 7))]
    assert units["g1"].key == "h5/g1"
    assert units["g1"].free == {"chips": 5, "vcpu": 48, "memory_gib": 900}
    why = {
        "g2": ("maintenance", "DRAIN: ECC memory error"),
        "g3": ("ok", "allocated: all vcpu"),
        "g6": ("ok", "POWERED_DOWN"),
        "c1": ("failed", "NOT_RESPONDING"),
        "c2": ("failed", "DOWN NOT_RESPONDING: Not responding"),
        "c3": ("ok", "PLANNED"),
        "c6": ("maintenance", "MAINTENANCE RESERVED: maint"),
        "c7": ("ok", "RESERVED: soon, from 2026-11-26T21:23:50Z"),
        "c8": ("failed", "INVALID_REG: gres/gpu count reported lower than configured (0 < 8)"),
    }
    if version != "v0.0.39":  # which does not say the state of a partition
        why["c5"] = ("ok", "partition spare DRAIN")
        assert units["g1"].labels["cluster"] == "h5"
    for name, unit in units.items():
        assert (unit.health, unit.why) == why.get(name, ("ok", "")), unit
        assert any(unit.free.values()) is (name not in why)
    assert any("FUTURE" in note for note in read.notes)


def test_what_slurm_keeps_for_itself_is_not_the_node_s() -> None:
    g4 = named(reading("v0.0.42"))["g4"]
    assert g4.total == {"chips": 8, "vcpu": 60, "memory_gib": 976.562}
    assert g4.free == {"chips": 5, "vcpu": 60, "memory_gib": 976.562}
    assert g4.chip == ""  # untyped: nobody says
    assert named(reading("v0.0.42", **{"chip.": "H20"}))["g4"].chip == "H20"


def test_of_several_types_of_card_the_most_are_counted() -> None:
    read = reading("v0.0.42")
    g5 = named(read)["g5"]
    assert (g5.chip, g5.total["chips"], g5.free["chips"]) == ("H100", 4, 3)
    assert "g5: of several types of card only h100 is counted, not a100:2" in read.notes


def test_options_say_what_a_type_is() -> None:
    g1 = named(reading("v0.0.42", **{"chip.h100": "H800", "chip_memory_gib.h100": "80"}))["g1"]
    assert (g1.chip, g1.chip_memory_gib) == ("H800", 80)


def test_partitions_can_be_chosen() -> None:
    units = named(reading("v0.0.42", partitions="spare,gpu"))
    assert "c7" not in units
    assert {name: units[name].group for name in ("c4", "c5", "g1")} == {
        "c4": "spare",
        "c5": "spare",
        "g1": "gpu",
    }
    assert units["c4"].why == "partition spare DRAIN"  # the other one is not read


@pytest.mark.parametrize(
    ("state", "flags", "health", "free"),
    [
        ("idle", [], "ok", True),
        ("mixed", ["COMPLETING"], "ok", True),
        ("idle", ["CLOUD"], "ok", True),
        ("down", [], "failed", False),
        ("unknown", [], "failed", False),
        ("error", [], "failed", False),
        ("idle", ["FAIL"], "failed", False),
        ("idle", ["INVAL"], "failed", False),
        ("idle", ["POWERED_DOWN"], "ok", False),
        ("idle", ["POWERING_UP"], "ok", False),
        ("idle", ["REBOOT_ISSUED"], "maintenance", False),
        ("idle", ["BLOCKED"], "ok", False),
        ("idle", ["A_WORD_OF_LATER"], "degraded", False),
        (None, [], "degraded", False),
    ],
)
def test_states(state: str | None, flags: list[str], health: str, free: bool) -> None:
    said = nodes_like("v0.0.38", state=state, state_flags=flags)
    (unit,) = reading("v0.0.38", {"nodes": said}).units
    assert (unit.health, any(unit.free.values())) == (health, free)
    assert free is (unit.why == "")


def test_a_node_that_one_user_has_alone_cannot_be_had() -> None:
    (unit,) = reading("v0.0.38", {"nodes": nodes_like("v0.0.38", owner="li")}).units
    assert (unit.why, any(unit.free.values())) == ("had by li alone", False)


def test_a_node_whose_memory_is_allocated_has_no_free_card() -> None:
    said = nodes_like("v0.0.38", alloc_memory=1024000)
    (unit,) = reading("v0.0.38", {"nodes": said}).units
    assert unit.why == "allocated: all memory_gib"
    assert not any(unit.free.values())


def test_cards_are_free_as_tres_say_where_gres_do_not() -> None:
    said = nodes_like("v0.0.38", gres_used="", tres_used="cpu=16,gres/gpu=6,gres/gpu:h100=6")
    (unit,) = reading("v0.0.38", {"nodes": said}).units
    assert unit.free["chips"] == 2


def test_soon_is_an_option() -> None:
    assert named(reading("v0.0.42", soon="60"))["c7"].why == ""
    assert named(reading("v0.0.42", soon="7200"))["g1"].why.startswith("MAINT: later, from ")
    with pytest.raises(ReadingError, match="soon=tomorrow"):
        reading("v0.0.42", soon="tomorrow")


def test_the_newest_known_version_is_asked_for_once() -> None:
    said = recorded("slurm", "v0.0.42")
    memory: dict[str, Any] = {}
    asked: list[Ask] = []

    def say(asks: Any) -> Any:
        asked.extend(asks)
        return by_kind(said)(asks)

    for _ in range(2):
        driven(Slurm().poll(source("slurm"), memory, taken("slurm", "v0.0.42")), say)
    assert [ask.path for ask in asked] == [
        "/openapi/v3",
        *2 * ["/slurm/v0.0.42/nodes", "/slurm/v0.0.42/partitions", "/slurm/v0.0.42/reservations"],
    ]


def test_after_an_upgrade_versions_are_asked_for_again() -> None:
    memory: dict[str, Any] = {"version": "v0.0.39"}
    there = by_kind(recorded("slurm", "v0.0.42"))

    def say(asks: Any) -> Any:
        return [Said(404, {}, b"")] * 3 if "v0.0.39" in asks[0].path else there(asks)

    read = driven(Slurm().poll(source("slurm"), memory, taken("slurm", "v0.0.42")), say)
    assert memory["version"] == "v0.0.42"
    assert len(read.units) == 14


def test_a_version_that_is_pinned_stays_pinned() -> None:
    polling = Slurm().poll(source("slurm", version="v0.0.39"), {"version": "v0.0.42"}, 1)
    with pytest.raises(ReadingError, match="status 404"):
        driven(polling, lambda asks: [Said(404, {}, b"")] * len(asks))


def test_keys_stay_when_a_later_version_says_the_cluster_s_name() -> None:
    before, after = reading("v0.0.39"), reading("v0.0.40")
    assert [unit.key for unit in before.units] == [unit.key for unit in after.units]


def test_another_cluster_under_the_same_url_is_refused() -> None:
    with pytest.raises(ReadingError, match="cluster 'h5', expected 'other'"):
        reading("v0.0.40", cluster="other")
    memory: dict[str, Any] = {"cluster": "before"}
    polling = Slurm().poll(source("slurm"), memory, taken("slurm", "v0.0.40"))
    with pytest.raises(ReadingError, match="expected 'before'"):
        driven(polling, by_kind(recorded("slurm", "v0.0.40")))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"nodes": Said(500, {}, b'{"errors":[{"error":"Unspecified error"}]}')},
            "status 500, Slurm says: Unspecified error; is the token valid",
        ),
        ({"nodes": Said(401, {}, b"Authentication failure")}, "status 401: the token"),
        ({"partitions": Said(200, {}, b"<html>")}, "partitions: .*html.*right kind"),
        (
            {"nodes": {"nodes": [], "errors": [{"error": "Unable to contact"}]}},
            "Unable to contact$",
        ),
        ({"nodes": Said(502, {}, b"bad gateway")}, "status 502: bad gateway"),
        ({"reservations": {}}, "reservations"),
    ],
)
def test_nothing_is_believed_of_a_refusal(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ReadingError, match=says):
        reading("v0.0.38", changed)


def test_versions_that_are_not_known_are_named() -> None:
    said = {"versions": json.dumps({"paths": {"/slurm/v0.0.99/nodes/": {}}}).encode()}
    with pytest.raises(ReadingError, match=r"offers v0\.0\.99; known here are v0\.0\.37 to"):
        driven(Slurm().poll(source("slurm"), {}, 1), by_kind(said))


def test_options_that_there_are_not_are_said_to_be() -> None:
    with pytest.raises(ReadingError, match="no option 'partition'; it has cluster, gres,"):
        reading("v0.0.42", partition="gpu")
    with pytest.raises(ReadingError, match=r"chip_memory_gib\.h100=many"):
        reading("v0.0.42", **{"chip_memory_gib.h100": "many"})


def test_more_nodes_than_a_source_may_have_are_refused() -> None:
    with pytest.raises(ReadingError, match="100,001 nodes; a source may have 100,000"):
        reading("v0.0.38", {"nodes": {"nodes": [{"name": "n"}] * 100_001}})


def test_two_nodes_of_a_name_are_left_out() -> None:
    said = nodes_like("v0.0.38")
    read = reading("v0.0.38", {"nodes": said | {"nodes": said["nodes"] * 2}})
    assert read.units == ()
    assert "here/g3: several units have this key" in read.notes[0]


@pytest.mark.parametrize("changed", [{}, {"name": ""}])
def test_what_is_left_out_has_not_vanished(changed: dict[str, str]) -> None:
    said = nodes_like("v0.0.38")
    (g3,) = said["nodes"]
    assert reading("v0.0.38", {"nodes": said}).whole
    read = reading("v0.0.38", {"nodes": said | {"nodes": [g3, g3 | {"name": "g4"}, g3 | changed]}})
    assert not read.whole
    assert "here/g4" in {unit.key for unit in read.units}


def reserving(*lists: str, **changed: object) -> dict[str, Any]:
    """Reservations of these lists, which run."""
    each = {"name": "r", "start_time": 1, "end_time": 2**32} | changed
    return {"reservations": {"reservations": [each | {"node_list": one} for one in lists]}}


def test_numbers_of_hosts_may_be_long() -> None:
    changed = {"nodes": nodes_like("v0.0.38", name="ip-1017251525")}
    read = reading("v0.0.38", changed | reserving("ip-[1017251521-1017251530]"))
    assert (read.units[0].why, read.notes) == ("RESERVED: r", ())


def test_of_a_list_that_cannot_be_read_all_nodes_that_begin_like_it_are_kept() -> None:
    read = reading("v0.0.38", reserving("g[1-,c5", "g2", flags=["MAINT"]))
    units = named(read)
    for name in ("g1", "g3"):
        assert units[name].why == "MAINT: r; which nodes it keeps cannot be read"
        assert (units[name].health, units[name].is_known) == ("ok", False)
        assert not any(units[name].free.values())
    assert (units["g2"].health, units["g2"].is_known) == ("maintenance", True)
    assert (units["c1"].why, units["c1"].is_known) == ("", True)
    assert read.notes == (
        "reservation r: g[1- is no list of nodes; all that begin with g count as reserved",
    )
    (note,) = reading("v0.0.38", reserving("[1-")).notes
    assert note == "reservation r: [1- is no list of nodes; which it keeps is not known"


def test_of_many_long_reservations_the_rest_is_not_read() -> None:
    read = reading("v0.0.38", reserving(*["c[1-99999]"] * 1_000))
    units = named(read)
    assert units["c1"].why == "RESERVED: r"
    assert units["g1"].why == ""
    assert len(read.notes) == 21


def test_a_reservation_that_runs_is_told_before_one_to_come() -> None:
    now = taken("slurm", "v0.0.38") // 1_000
    runs = {"node_list": "g1", "start_time": 1, "end_time": 2**32}
    soon = runs | {"name": "soon", "start_time": now + 60, "flags": ["MAINT"]}
    both = {"reservations": [runs | {"name": "now", "flags": ["MAINT"]}, soon]}
    for order in (1, -1):
        changed = {"reservations": {"reservations": both["reservations"][::order]}}
        g1 = named(reading("v0.0.38", changed))["g1"]
        assert (g1.health, g1.why) == ("maintenance", "MAINT: now")
    only = {"reservations": [soon, runs | {"name": "now", "flags": []}]}
    assert named(reading("v0.0.38", {"reservations": only}))["g1"].why == "RESERVED: now"


@pytest.mark.parametrize(
    ("partitions", "why"),
    [
        (["hidden"], "partition hidden is not listed"),
        (["hidden", "gpu"], ""),
        (["hidden", "spare"], "partition spare DRAIN; partition hidden is not listed"),
    ],
)
def test_a_partition_that_is_not_listed_is_not_open(partitions: list[str], why: str) -> None:
    said = nodes_like("v0.0.42")
    g1 = json.loads(recorded("slurm", "v0.0.42")["nodes"])["nodes"][0]  # type: ignore[arg-type]
    read = reading("v0.0.42", {"nodes": said | {"nodes": [g1 | {"partitions": partitions}]}})
    assert (read.units[0].why, any(read.units[0].free.values())) == (why, not why)


def test_without_partitions_none_is_closed() -> None:
    read = reading("v0.0.38", {"partitions": {"partitions": []}})
    assert named(read)["g3"].why == ""


UNSAID = "how much is in use is not said: chips"


@pytest.mark.parametrize(
    ("there", "used", "chips", "free"),
    [
        # Recorded from 22.05.8, where the cards are counted of which parts are in use.
        ("gpu:h100:8,shard:h100:64", "gpu:h100:0(IDX:N/A),shard:h100:0(IDX:N/A),mps:0", 8, 8),
        ("gpu:h100:8,shard:h100:64", "gpu:h100:0(IDX:N/A),shard:h100:1(IDX:0),mps:0", 8, 7),
        ("gpu:h100:8,shard:h100:64", "gpu:h100:2(IDX:1-2),shard:h100:1(IDX:0),mps:0", 8, 5),
        ("gpu:h100:8,mps:h100:800", "gpu:h100:2(IDX:1-2),shard:0,mps:h100:1(IDX:0)", 8, 5),
        # Later versions count the parts, by card.
        ("gpu:h100:2,shard:h100:16", "gpu:h100:0(IDX:N/A),shard:h100:0(0/8,0/8)", 2, 2),
        ("gpu:h100:2,shard:h100:16", "gpu:h100:0(IDX:N/A),shard:h100:16(8/8,8/8)", 2, 0),
        ("gpu:h100:2,shard:h100:16", "gpu:h100:0(IDX:N/A),shard:h100:9(8/8,1/8)", 2, 0),
        ("gpu:h100:4,shard:h100:32", "gpu:h100:1(IDX:3),shard:h100:3(0/8,3/8,0/8,-/8)", 4, 2),
        ("gpu:2,mps:200", "gpu:0(IDX:N/A),mps:(null):30(30/100,0/100)", 2, 1),
        # Parts that are on no card that is told of.
        ("gpu:h100:4,shard:h100:320", "gpu:h100:0(IDX:N/A),shard:h100:40(0/80)", 4, 0),
        ("gpu:h100:4,shard:h100:32", "gpu:h100:0,shard:h100:3", 4, 1),
        # What is there is not said to be in use, or not to be.
        ("gpu:h100:4,shard:h100:32", "gpu:h100:0(IDX:N/A)", 4, None),
        ("gpu:h100:8", "", 8, None),
        ("gpu:h100:8", None, 8, None),
        ("gpu:h100:8", "shard:0", 8, None),
        ("gpu:h100:8", "gpu:h100=8", 8, None),
        ("gpu:h100:8", "gpu:h100:many,gpu:a100:0", 8, None),
        ("gpu:h100:4,gpu:a100:2", "gpu:a100:2", 4, None),
        ("gpu:h100:4,shard:h100:32", "gpu:h100:0,shard:h100:few", 4, None),
        # Idle, as it is said of nodes that are not registered yet, too.
        ("gpu:h100:8", "gpu:0", 8, 8),
        ("gpu:8", "gpu:0", 8, 8),
        # Types of others, instances of cards.
        ("gpu:4,npu:8", "gpu:0,npu:8", 8, 0),
        ("gpu:4,npu:8", "gpu:4,npu:0", 8, 8),
        ("gpu:a100:6,gpu:a100_1g.5gb:14", "gpu:a100:1(IDX:0),gpu:a100_1g.5gb:3(IDX:6-8)", 6, 5),
        ("gpu:a100_1g.5gb:56", "gpu:a100_1g.5gb:0", None, None),
        ("gpu:nvidia_h100_80gb_hbm3:8", "gpu:nvidia_h100_80gb_hbm3:2", 8, 6),
    ],
)
def test_cards_that_can_be_had(
    there: str, used: str | None, chips: int | None, free: int | None
) -> None:
    said = nodes_like("v0.0.38", gres=there, gres_used=used, tres_used="cpu=16,mem=200G")
    (unit,) = reading("v0.0.38", {"nodes": said}).units
    assert unit.total.get("chips") == chips
    unsaid = chips is not None and free is None
    assert (unit.why, unit.is_known) == ((UNSAID, False) if unsaid else ("", True))
    assert unit.free.get("chips") == (0 if unsaid else free)
    assert any(unit.free.values()) is not unsaid


def test_cards_and_parts_are_in_use_as_tres_say_where_gres_do_not() -> None:
    parts = {"gres": "gpu:h100:8,shard:h100:64", "gres_used": None}
    tres = "cpu=16,gres/gpu=3,gres/gpu:h100=3,gres/shard=2"
    said = nodes_like("v0.0.38", tres_used=tres, **parts)
    (unit,) = reading("v0.0.38", {"nodes": said}).units
    assert unit.free["chips"] == 3


def test_what_cannot_be_read_of_cards_is_noted() -> None:
    (note,) = reading("v0.0.38", {"nodes": nodes_like("v0.0.38", gres="gpu:h100=8")}).notes
    assert note == "g3: gpu:h100=8 is no number of cards"
    (note,) = reading("v0.0.38", {"nodes": nodes_like("v0.0.38", gres_used="gpu:h100=8")}).notes
    assert note == "g3: gpu:h100=8 is no number of cards in use"


def test_what_is_not_counted_of_cards_is_noted() -> None:
    said = nodes_like("v0.0.38", gres="gpu:4,npu:910b:8", gres_used="gpu:0,npu:910b:0")
    (note,) = reading("v0.0.38", {"nodes": said}).notes
    assert note == "g3: of several types of card only npu:910b is counted, not gpu:4"
    said = nodes_like("v0.0.38", gres="gpu:a100_1g.5gb:56", gres_used="gpu:a100_1g.5gb:0")
    (note,) = reading("v0.0.38", {"nodes": said}).notes
    assert note == "1 nodes have MIG instances, which are not counted as cards"


@pytest.mark.parametrize(("field", "kind"), [("alloc_memory", "memory_gib"), ("idle_cpus", "vcpu")])
@pytest.mark.parametrize("amount", [None, -1, {"infinite": True}, {"set": False}])
def test_what_is_not_said_to_be_in_use_is_not_free(field: str, kind: str, amount: object) -> None:
    said = nodes_like("v0.0.38", **{field: amount})
    (unit,) = reading("v0.0.38", {"nodes": said}).units
    assert (unit.why, unit.is_known) == (f"how much is in use is not said: {kind}", False)
    assert not any(unit.free.values())


@pytest.mark.parametrize("version", (*VERSIONS_RECORDED, *VERSIONS_BY_HAND))
def test_of_every_version_all_that_is_in_use_is_known(version: str) -> None:
    read = reading(version)
    assert read.whole
    assert all(unit.is_known for unit in read.units)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NUMERIC = (
    st.integers()
    | st.floats()
    | st.none()
    | st.fixed_dictionaries(
        {}, optional={"set": st.booleans(), "infinite": st.booleans(), "number": st.floats() | JSON}
    )
)
GRES = st.sampled_from(
    [
        "gpu:h100:8",
        "gpu",
        "gpu:a:2,gpu:b:2(S:0)",
        "(((",
        "gpu:9999999999",
        "gpu:0(IDX:N/A),shard:9(1/8,-/8,0/8)",
        "gpu:a_1g.5gb:7,npu:4,gpu:a:2,mps:100",
    ]
) | st.text("gpu:,()=/-018shard", max_size=20)
NODE = st.fixed_dictionaries(
    {"name": st.sampled_from(["g1", "g2", "", "a\nb", "x" * 999])},
    optional={
        "state": st.sampled_from(["idle", "IDLE,DRAIN", "", ["MIXED"], ["FUTURE"], None, 3]),
        "state_flags": st.lists(st.text(max_size=5), max_size=3),
        "cpus": NUMERIC,
        "alloc_idle_cpus": NUMERIC,
        "real_memory": NUMERIC,
        "alloc_memory": NUMERIC,
        "gres": GRES | st.text(max_size=20),
        "gres_used": GRES | st.none(),
        "tres_used": st.sampled_from(["gres/gpu=1", "gres/shard=1,gres/gpu=x", ""]) | st.none(),
        "partitions": st.just(["gpu"]) | JSON,
        "owner": st.text(max_size=3) | JSON,
    },
)
RESERVATION = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=3),
        "node_list": st.sampled_from(["g[1-2]", "g[1-", "g1,,g2", None])
        | st.text("g[]1-,", max_size=9),
        "flags": JSON,
        "start_time": NUMERIC,
        "end_time": NUMERIC,
    },
)


@given(
    st.fixed_dictionaries({"nodes": st.lists(NODE, max_size=4)}) | JSON,
    st.fixed_dictionaries({"reservations": st.lists(RESERVATION, max_size=3)}) | JSON,
    st.integers(0, 2**62),
)
def test_whatever_a_stranger_says_is_read_or_refused(
    nodes: Any, reservations: Any, now: int
) -> None:
    try:
        read = reading("v0.0.38", {"nodes": nodes, "reservations": reservations}, now)
    except ReadingError:
        return
    assert len({unit.key for unit in read.units}) == len(read.units)
    for unit in read.units:
        assert all(0 <= unit.free[kind] <= unit.total[kind] for kind in unit.total)
        assert unit.is_known or not any(unit.free.values())
        assert len(unit.name) <= 200
        assert len(unit.why) <= 200
        assert msgspec.json.encode(unit)


@given(JSON, JSON)
def test_whatever_versions_and_partitions_are(versions: Any, partitions: Any) -> None:
    said = recorded("slurm", "v0.0.38")
    for changed in ({"versions": versions}, {"partitions": {"partitions": partitions}}):
        encoded = {kind: json.dumps(one).encode() for kind, one in changed.items()}
        try:
            assert driven(Slurm().poll(source("slurm"), {}, 1), by_kind(said | encoded)).units
        except ReadingError:
            continue


@given(st.binary(max_size=60))
def test_octets_that_are_no_json_are_refused(octets: bytes) -> None:
    with pytest.raises(ReadingError):
        reading("v0.0.38", {"nodes": Said(200, {}, octets)})


@pytest.mark.parametrize("octets", [b"[" * 200_000, b'{"nodes":[' + b'{"a":' * 200_000, b"\xff"])
def test_depth_is_refused(octets: bytes) -> None:
    with pytest.raises(ReadingError):
        reading("v0.0.38", {"nodes": Said(200, {}, octets)})


def test_the_effort_grows_with_the_nodes_no_faster() -> None:
    said: dict[str, Any] = json.loads(recorded("slurm", "v0.0.42")["nodes"])  # type: ignore[arg-type]

    def read(nodes: int) -> Callable[[], None]:
        many = [said["nodes"][0] | {"name": f"n{number}"} for number in range(nodes)]
        answers = {"nodes": Said(200, {}, json.dumps(said | {"nodes": many}).encode())}

        def work() -> None:
            assert len(reading("v0.0.42", answers).units) == nodes

        return work

    assert growth(read(FEW), read(MANY)) < IN_PROPORTION


def test_versions_are_in_order() -> None:
    assert VERSIONS[0] == "v0.0.37"
    assert list(VERSIONS) == sorted(VERSIONS)


def test_health_of_states_is_said_worst_first() -> None:
    order = [("failed", "maintenance", "ok").index(one) for one in nodes._HINDRANCES.values()]
    assert order == sorted(order)
